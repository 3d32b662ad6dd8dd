"""The ledger: which bytes each entity pays for, and how many the whole site has; always exact.

A charge says that an entity pays for some bytes, once however many of its images have them: stored
ones, or pending ones that an upload has announced. A usage row has the sums of an entity's charges,
and one row those of the site.

Whoever changes which bytes an entity's images have, or which uploads are under way, calls `balance`
last in the same transaction. It locks the usage row, and only then looks at what is true: all that
was committed before is seen, and whoever commits after it looks after it. So it need not be told
what was changed, and again is no change. Nothing is written that the transaction does not keep:
who is killed before the commit leaves the ledger as it was.

Locked last of all, for the shortest time: first usage rows, by the entity's key, then the site's.
"""

from shub.containers.ledger.balancing import (
    Change,
    balance,
    balance_each,
    balance_place,
    change_site,
    site,
    usage_of,
)
from shub.containers.ledger.recounting import (
    Drift,
    count_uncounted,
    drifts,
    forget_counts,
    recount,
    recount_due,
    recount_site,
)
from shub.containers.ledger.statements import learn_of_uploads

__all__ = [
    "Change",
    "Drift",
    "balance",
    "balance_each",
    "balance_place",
    "change_site",
    "count_uncounted",
    "drifts",
    "forget_counts",
    "learn_of_uploads",
    "recount",
    "recount_due",
    "recount_site",
    "site",
    "usage_of",
]
