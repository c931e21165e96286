"""Copies of a whole data folder: made while it is served, and put back."""
