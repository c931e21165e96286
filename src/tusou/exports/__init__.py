"""Taking pictures out: a folder that an import takes back, and tables of their vectors."""
