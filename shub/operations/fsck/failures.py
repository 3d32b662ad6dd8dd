"""How an examination ends before its end."""


class NotFinished(Exception):
    """It could not be gone on with; the message says why."""


class Ended(KeyboardInterrupt):
    """Somebody ended it: what was seen so far is told."""
