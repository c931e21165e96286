"""Bringing in many pictures: where they come from, how far it is, and what became of each."""
