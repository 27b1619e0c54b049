"""Pure decisions: plain values in, plain values out; nothing here awaits or reads a clock."""
