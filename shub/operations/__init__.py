"""For administrators: commands over the domain."""
