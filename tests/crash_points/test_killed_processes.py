"""The same by kill -9 of real processes: a sweep on a real store dies at one act after the other,
and each next one goes on with what the last has left."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection

from shub.storage import ObjectStore
from shub.uploads import joining
from shub.uploads.models import Upload
from tests.clients.live import PROJECT
from tests.clients.outcome import without_secrets
from tests.crash_points import judging
from tests.crash_points.world import (
    LATER,
    ONE,
    PATH,
    SOON,
    THREE,
    TOMORROW,
    TWO,
    World,
    digest_of,
    inhabited,
)
from tests.sif_files import sif_bytes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

# In the order in which a sweep comes to them.
DEATHS = (
    ("after", "UPDATE uploads_upload"),  # the lease is taken
    ("before", "UPDATE containers_blob"),  # all of a verdict is about to be committed
    ("after", "UPDATE containers_blob"),
    ("before", "store.finish_parts"),
    ("after", "store.finish_parts"),
    ("before", "INSERT containers_blob"),
    ("after", "INSERT containers_blob"),
    ("before", "store.abort_parts"),
    ("after", "store.abort_parts"),
    ("before", "DELETE containers_removedimage"),
    ("after", "DELETE containers_removedimage"),
    ("before", "store.remove"),
    ("after", "store.remove"),
)


def test_sweeps_that_are_killed_one_after_the_other_lose_nothing_and_leave_nothing(
    store: ObjectStore, settings: Any, new_bucket: Callable[[], ObjectStore]
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    with inhabited(new_bucket) as world:
        fill(world)
        judging.assert_honest(world)
        for side, words in DEATHS:
            died = sweep_killed(side, words)
            assert died == -signal.SIGKILL, f"no sweep came to {words}: it ended by {died}"
            judging.assert_honest(world)
            # Leases end, and what is left counts as left.
            world.pass_time(SOON)
        world.sweep(2)
        judging.assert_arrived(world)
        world.pass_time(TOMORROW)
        world.sweep()
        world.pass_time(LATER)
        world.sweep(2)
        judging.assert_settled(world)


def fill(world: World) -> None:
    """Something of each kind that a sweep works on."""
    world.has(ONE, "latest")
    world.has(TWO)
    world.may_go(TWO)
    world.remove(TWO)
    world.kept.clear()
    world.sent(sif_bytes(seed=11))
    world.pass_time(LATER)
    world.handed_over(THREE)
    world.told_well(THREE)
    left = sif_bytes(seed=12)
    upload, parts = world.sent(left)
    joining.start_joining(upload, parts)
    world.told_well(left)
    world.pass_time(SOON)
    assert Upload.objects.filter(state="joining").count() == 1
    assert world.proven[PATH, digest_of(ONE)] == ONE


def sweep_killed(side: str, words: str) -> int:
    """How a sweep process ended that was to die there."""
    at = connection.settings_dict
    database = (
        f"postgresql://{at['USER']}@/{at['NAME']}?host={at['HOST']}&port={at['PORT'] or 5432}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash_points.victim", side, words],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "shub.settings",
            "DATABASE_URL": database,
            "PGPASSWORD": at["PASSWORD"],
            "SECRET_KEY": "unused",
            "MINIO_SERVER": django_settings.MINIO_SERVER,
            "MINIO_ACCESS_KEY": django_settings.MINIO_ACCESS_KEY,
            "MINIO_SECRET_KEY": django_settings.MINIO_SECRET_KEY,
            "MINIO_BUCKET": django_settings.MINIO_BUCKET,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, -signal.SIGKILL}, without_secrets(done.stderr)
    return done.returncode
