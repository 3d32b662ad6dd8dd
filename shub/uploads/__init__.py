"""How bytes arrive: uploads, and the sweep that proves what they brought."""
