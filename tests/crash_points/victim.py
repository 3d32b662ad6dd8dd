"""A sweep process that ends by kill -9 at an act: `python -m tests.crash_points.victim SIDE WORDS`.

It is the product's own `sweep --once`, watched from outside. It ends itself before or after the
first act that has these words, such as `before store.remove`; where there is none, by 0.
"""

import os
import signal
import sys

import django
from django.core.management import call_command


def main(side: str, words: str) -> None:
    """Sweep once, and do not come back."""
    django.setup()

    from shub.storage import object_store, replace_object_store
    from tests.crash_points.acts import ANY, Act, Course, Point, WatchedStore

    course = Course(Point(Act(ANY, words), side), die=lambda: os.kill(os.getpid(), signal.SIGKILL))
    store = WatchedStore(object_store())
    store.course = course
    with course.watched(), replace_object_store(store):  # type: ignore[type-var]
        call_command("sweep", "--once")


if __name__ == "__main__":
    main(*sys.argv[1:])
