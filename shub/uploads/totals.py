"""Totals: what sweep processes have counted, kept in the database.

So no sweep has to listen to anybody, and what is read at one place is of all of them.
"""

import json
from threading import Lock

from django.db import connection

from shub import metrics
from shub.uploads.models import SweepTotal

Counted = dict[tuple[str, str], float]

ADD = """
INSERT INTO uploads_sweeptotal (name, labels, value) VALUES (%s, %s, %s)
ON CONFLICT (name, labels) DO UPDATE SET value = uploads_sweeptotal.value + EXCLUDED.value
"""

_added: Counted = {}
_adding = Lock()


def add() -> None:
    """Add what this process has counted since the last time.

    What is counted while the database is away is added later.
    """
    with _adding:
        for (name, labels), value in counted().items():
            more = value - _added.get((name, labels), 0.0)
            if more > 0:
                with connection.cursor() as cursor:
                    cursor.execute(ADD, [name, labels, more])
                _added[name, labels] = value


def counted() -> Counted:
    """This process' counters: by name and labels (as JSON)."""
    return {
        (sample.name, json.dumps(sample.labels, sort_keys=True)): sample.value
        for family in metrics.REGISTRY.collect()
        if family.type == "counter"
        for sample in family.samples
        if sample.name.endswith("_total")
    }


def all_added() -> list[SweepTotal]:
    """What all have added, ever. One query."""
    return list(SweepTotal.objects.order_by("name", "id"))
