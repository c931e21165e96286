"""Who may call: applications, keys and tokens."""
