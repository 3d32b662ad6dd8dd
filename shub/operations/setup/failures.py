"""What ends the set-up before anything was written."""


class Refused(Exception):
    """What was asked for cannot be. One sentence or two: what is wrong, and what to do."""


class Unanswered(Exception):
    """Nobody was there to answer: the flags that have to be given."""
