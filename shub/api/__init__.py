"""HTTP for machines: the protocols that clients speak, each in a package of its own."""
