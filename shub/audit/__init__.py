"""What was done: an append-only trail."""
