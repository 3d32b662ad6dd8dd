"""What a backup or a restoration ends with where it cannot be done: a sentence for its caller."""


class NotDone(Exception):
    """It was not done, or not all of it; the message says what, and what to do."""


def ended(by: str) -> NotDone:
    """What it ends with by the signal of that name."""
    return NotDone(f"Ended by {by}. Run again, it goes on where this ends.")
