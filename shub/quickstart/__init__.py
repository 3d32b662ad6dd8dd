"""The embedded deployment: one command runs database, store, web server and sweep; no Docker."""
