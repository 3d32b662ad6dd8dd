"""Limits: how often one client may do what costs much, or what only strangers do often.

A limit is a setting: an amount and the seconds in which it may be spent; an amount of 0 is none. It
is counted in the cache that all processes share. A period begins with the first that is counted, so
who waits for its end and then hurries may do twice the amount in one.

Nothing on the way of image bytes is limited, and nobody with a good token while they push or pull.
"""

from typing import cast

from django.conf import settings
from django.core.cache import caches

from shub import metrics
from shub.cache import CountingCache
from shub.errors import TooMany


def spend(limit: str, *, who: str, what: str) -> None:
    """Count one more of the limit that the setting of this name sets.

    TooMany, which says what there was too much of, where `who` has spent it. Not inside of a
    transaction: it would hold the count until its end, and take it back where it fails.
    """
    amount, seconds = getattr(settings, limit)
    if not amount:
        return
    cache = cast("CountingCache", caches["default"])
    times, left = cache.count(f"{limit} {amount}/{seconds} {who}", seconds)
    if times > amount:
        metrics.LIMITS_HIT.labels(limit).inc()
        raise TooMany(
            f"There were too many {what}: more than {amount} in {seconds} seconds. "
            f"Try again in {left} seconds.",
            retry_after=left,
        )
