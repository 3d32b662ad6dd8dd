"""The judge is not blind: each of these faults, put into the product, is found by its scenario.

They are the faults that are easily made: bytes and rows in the wrong order, a step that is left
out, something that follows a commit instead of being part of it.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.db.models import QuerySet

from shub.audit import trail
from shub.containers import blobs, tagging
from shub.containers.models import Blob
from shub.storage import object_store
from shub.uploads import multipart, sweeps
from shub.uploads.models import Upload
from tests.crash_points import breaking
from tests.crash_points.breaking import SWEEPS, Scenario
from tests.crash_points.scenarios import SCENARIOS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

Break = Callable[[pytest.MonkeyPatch], None]


def without_leaving(patch: pytest.MonkeyPatch) -> None:
    """Bytes go while the row still says that they could be taken back."""

    def collect_all(condemned: Sequence[Blob]) -> int:
        going = in_question(condemned)
        object_store().remove([blob.key for blob in going])
        return going.update(state="gone")

    patch.setattr(blobs, "collect_all", collect_all)


def rows_before_bytes_for_good(patch: pytest.MonkeyPatch) -> None:
    """The row says that the bytes are gone before they are."""

    def collect_all(condemned: Sequence[Blob]) -> int:
        going = list(in_question(condemned))
        in_question(condemned).update(state="gone")
        object_store().remove([blob.key for blob in going])
        return len(going)

    patch.setattr(blobs, "collect_all", collect_all)


def in_question(blobs_told: Sequence[Blob]) -> QuerySet[Blob]:
    """Those of them that nobody needs."""
    return Blob.objects.filter(
        pk__in=[blob.pk for blob in blobs_told], state__in=["condemned", "leaving"]
    )


def parts_forgotten_before_they_are_dropped(patch: pytest.MonkeyPatch) -> None:
    """The row no longer names what the store has yet to drop."""

    def drop_left_parts() -> int:
        left = list(Upload.objects.filter(state__in=Upload.ENDED).exclude(store_id=""))
        for upload in left:
            Upload.objects.filter(pk=upload.pk).update(store_id="")
            object_store().abort_parts(upload.key, upload.store_id)
        return len(left)

    patch.setattr(sweeps, "drop_left_parts", drop_left_parts)
    unknown_parts_stay(patch)


def unknown_parts_stay(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks for what the store has begun and no row knows."""

    def drop_unknown_parts() -> int:
        return 0

    patch.setattr(sweeps, "drop_unknown_parts", drop_unknown_parts)


def joinings_that_are_left_stay(patch: pytest.MonkeyPatch) -> None:
    """Nobody goes on with a joining whose request was killed."""

    def resume_joining() -> int:
        return 0

    patch.setattr(sweeps, "resume_joining", resume_joining)


def a_row_before_the_store_has_begun(patch: pytest.MonkeyPatch) -> None:
    """The upload's row is there before the store knows of it."""
    begin = multipart.begin

    def begin_too_early(**asked: Any) -> Upload:
        store: Any = object_store()
        start = store.real.start_parts

        def later(key: str) -> str:
            return "not begun yet"

        store.real.start_parts = later
        try:
            upload = begin(**asked)
        finally:
            store.real.start_parts = start
        upload.store_id = store.start_parts(upload.key)
        upload.save(update_fields=["store_id"])
        return upload

    patch.setattr(multipart, "begin", begin_too_early)


def after_the_commit(module: Any, name: str) -> Break:
    """It is done when the transaction is committed, and not with it."""

    def breaks(patch: pytest.MonkeyPatch) -> None:
        original = getattr(module, name)

        def later(*args: Any, **kwargs: Any) -> None:
            act = partial(original, *args, **kwargs)
            transaction.on_commit(partial(in_its_own, act))

        patch.setattr(module, name, later)

    breaks.__name__ = f"{name}_after_the_commit"
    return breaks


def in_its_own(act: Callable[[], object]) -> None:
    """In a transaction of its own."""
    with transaction.atomic():
        act()


CAUGHT: tuple[tuple[Break, str, str], ...] = (
    (without_leaving, "condemned bytes are collected", "without its bytes"),
    (rows_before_bytes_for_good, "condemned bytes are collected", "the store has its bytes"),
    (
        parts_forgotten_before_they_are_dropped,
        "drop parts that an ended upload has left",
        "the store still has parts",
    ),
    (unknown_parts_stay, "begin, multipart", "nobody is going to join"),
    (joinings_that_are_left_stay, "complete, of one part", "stuck"),
    (a_row_before_the_store_has_begun, "begin, multipart", "the store knows nothing"),
    (
        after_the_commit(tagging, "move_pending"),
        "verified and done, tags move",
        "tags that wait for nothing",
    ),
    (after_the_commit(trail, "record"), "an image is removed", "nothing says that"),
    (
        after_the_commit(blobs, "release"),
        "a removed image past its time is dropped",
        "then sweeps",
    ),
)


@pytest.fixture(autouse=True)
def _as_scenarios_need_it(settings: Any) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    settings.UPLOAD_PART_BYTES = 1024**2


@pytest.mark.parametrize(
    ("fault", "name", "words"), CAUGHT, ids=[fault.__name__ for fault, _, _ in CAUGHT]
)
def test_a_fault_of_the_product_is_found(
    fault: Break, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = named(name)
    acts = breaking.learn(scenario)
    assert acts
    with monkeypatch.context() as patch:
        fault(patch)
        found = found_by(scenario)
    assert any(words in each for each in found), found


def found_by(scenario: Scenario) -> list[str]:
    """What is wrong, whether it shows in the clean run or after a kill."""
    try:
        return breaking.faults(scenario, SWEEPS)[1]
    except AssertionError as fault:
        return [f"in the clean run: {fault}"]


def named(name: str) -> Scenario:
    """The scenario of that name."""
    (found,) = (scenario for scenario in SCENARIOS if scenario.name == name)
    # With a fault in it, the product may do less.
    return dataclasses.replace(found, least=1)
