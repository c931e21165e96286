"""Who may call, and how much: applications, their keys and quotas, and who changed them."""
