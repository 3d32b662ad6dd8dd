"""HTML for people: one module per page."""
