"""Who: users, the namespaces they own, and their tokens."""
