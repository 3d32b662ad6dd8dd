"""The first password of an account that somebody else makes: typed by hand once, then changed."""

import secrets

# Without the letters and digits that are read for one another.
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
LENGTH = 20


def make() -> str:
    """A new one, of 100 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
