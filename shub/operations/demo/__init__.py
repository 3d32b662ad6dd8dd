"""The demonstration site: what is shown on it, how its images are made, and how it gets there."""
