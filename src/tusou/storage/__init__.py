"""What lasts: SQL tables and picture files."""
