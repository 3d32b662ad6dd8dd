"""`/admin-area/…`: what administrators look at, and auditors with them, who change nothing."""
