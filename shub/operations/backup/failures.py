"""What a backup or a restoration ends with where it cannot be done: a sentence for its caller."""


class NotDone(Exception):
    """It was not done, or not all of it; the message says what, and what to do."""
