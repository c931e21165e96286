"""Who may call, and how much: applications, keys, tokens, signatures, quotas, the record of acts."""
