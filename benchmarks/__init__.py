"""How fast is it: load generator, subscriber, yardsticks, and one command that runs them all."""
