"""Whatever comes from outside, thrown at what reads it: targets, seeds, and the inputs that once broke something."""
