"""The domain: adding, finding, changing and deleting pictures."""
