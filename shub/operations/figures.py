"""Figures as people read them at a terminal."""

from shub.web.templatetags import pages


def in_units(size: int) -> str:
    """Bytes as people read them.

    >>> in_units(999), in_units(212_000_000)
    ('999 B', '212 MB')
    """
    return pages.in_units(size).replace(pages.NO_BREAK, " ")


def in_time(seconds: float) -> str:
    """A time as people read it.

    >>> in_time(5), in_time(90), in_time(7300)
    ('5 s', '1 min', '2 h 1 min')
    """
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
