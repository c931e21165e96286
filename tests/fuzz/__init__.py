"""Fuzzing of all that reads bytes from outside: targets, seeds, inputs that once broke them."""
