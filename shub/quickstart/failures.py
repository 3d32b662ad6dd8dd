"""What stops quickstart: one sentence for the person at the terminal, and an exit status."""


class CannotRun(Exception):
    """It cannot start, or cannot go on."""

    status = 1


class Misuse(CannotRun):
    """The options or the environment ask for something that cannot be."""

    status = 2
