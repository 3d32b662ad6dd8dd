"""How fast the registry is, and what it needs for it: measured on a live one, read in ratios."""
