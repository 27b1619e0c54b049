"""One atomic operation per Lua script, and its typed call."""
