"""Vector indexes: caches of what SQL holds, behind one protocol (`base`)."""
