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
from django.db.models import Q, QuerySet

from shub.audit import trail
from shub.containers import blobs, damage, ledger, tagging
from shub.containers.ledger import recounting
from shub.containers.models import Blob
from shub.errors import Refusal
from shub.operations.fsck import repairing
from shub.storage import object_store
from shub.uploads import multipart, reserving, resuming, sweeps, verification
from shub.uploads.models import Upload
from tests.crash_points import breaking
from tests.crash_points.breaking import Scenario
from tests.crash_points.care import CARE
from tests.crash_points.scenarios import SCENARIOS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

Break = Callable[[pytest.MonkeyPatch], None]


def without_leaving(patch: pytest.MonkeyPatch) -> None:
    """Bytes go while the row still says that they could be taken back."""

    def collect_all(condemned: Sequence[Blob]) -> int:
        going = list(in_question(condemned))
        object_store().remove([blob.key for blob in going])
        write_gone(going)
        return len(going)

    patch.setattr(blobs, "collect_all", collect_all)


def rows_before_bytes_for_good(patch: pytest.MonkeyPatch) -> None:
    """The row says that the bytes are gone before they are."""

    def collect_all(condemned: Sequence[Blob]) -> int:
        going = list(in_question(condemned))
        write_gone(going)
        object_store().remove([blob.key for blob in going])
        return len(going)

    patch.setattr(blobs, "collect_all", collect_all)


def in_question(blobs_told: Sequence[Blob]) -> QuerySet[Blob]:
    """Those of them that nobody needs."""
    return Blob.objects.filter(
        pk__in=[blob.pk for blob in blobs_told], state__in=["condemned", "leaving"]
    )


def write_gone(going: Sequence[Blob]) -> None:
    """As the product does it, the site's usage with it."""
    with transaction.atomic():
        Blob.objects.filter(pk__in=[blob.pk for blob in going]).update(state="gone")
        ledger.change_site(stored=-sum(blob.size for blob in going))


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


def kept_bytes_go_at_once(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks until when they are kept."""
    patch.setattr(blobs, "NOT_KEPT", Q(state__in=blobs.STORED_FOR_NOBODY))


def condemned_before_all_have_moved(patch: pytest.MonkeyPatch) -> None:
    """Damaged bytes are let go with the first of their images."""
    move = damage._move

    def move_and_let_go(kind: Any, key: int, damaged: Blob, right: Blob) -> None:
        move(kind, key, damaged, right)
        blobs.condemn(damaged)

    patch.setattr(damage, "_move", move_and_let_go)


def spare_copies_are_not_read(patch: pytest.MonkeyPatch) -> None:
    """What was condemned is taken back on its word."""

    def is_right(blob: Blob, *_: Any) -> bool:
        return True

    patch.setattr(damage, "_reads_right", is_right)


def nobody_goes_on_healing(patch: pytest.MonkeyPatch) -> None:
    """What a killed healing has left stays so."""

    def heal_left() -> int:
        return 0

    patch.setattr(damage, "heal_left", heal_left)


def nothing_is_gone_on_with(patch: pytest.MonkeyPatch) -> None:
    """Whoever announces an image again sends all of it again."""

    def all_parts(upload: Upload) -> list[Any]:
        return []

    patch.setattr(resuming, "all_parts", all_parts)


def the_ledger_is_only_looked_at(patch: pytest.MonkeyPatch) -> None:
    """What is wrong stays wrong."""

    def recount(keys: Sequence[int]) -> int:
        return 0

    patch.setattr(recounting, "recount", recount)


def fsck_marks_nothing(patch: pytest.MonkeyPatch) -> None:
    """It says that it has."""

    def mend_bytes(blob: Blob, verdict: Any) -> str:
        return repairing.MARKED

    patch.setattr(repairing, "mend_bytes", mend_bytes)


def room_is_not_asked_for_again(patch: pytest.MonkeyPatch) -> None:
    """What had room when it began has room for ever."""

    def accept_if_room(upload: Upload, blob: Blob, facts: Any) -> str:
        verification.accept(upload, blob, facts)
        verification.give_back(upload)
        reserving.settle(upload)
        return ""

    patch.setattr(verification, "accept_if_room", accept_if_room)


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
        "an image is removed for good at once",
        "then sweeps",
    ),
    (kept_bytes_go_at_once, "a refused push is verified again", "is kept no longer"),
    (
        after_the_commit(blobs, "take_back"),
        "a refused push is verified again",
        "whose bytes are",
    ),
    (
        after_the_commit(reserving, "end_unsent"),
        "a silent upload is given up when it is begun anew",
        "the ledger says what is not so",
    ),
    (
        after_the_commit(blobs, "release"),
        "what is in a container past its time goes together",
        "bytes are left",
    ),
    (condemned_before_all_have_moved, "damage is healed by a push", "removed: "),
    (nobody_goes_on_healing, "damage is healed by a push", "then sweeps"),
    (
        spare_copies_are_not_read,
        "damage is healed by a second copy that was kept",
        "other bytes are proven",
    ),
    (
        after_the_commit(blobs, "take_back"),
        "linked to what was condemned a moment before",
        "condemned",
    ),
    (nothing_is_gone_on_with, "all parts had arrived, and it is announced again", "clean run"),
    (the_ledger_is_only_looked_at, "the ledger is counted anew", "clean run"),
    (fsck_marks_nothing, "fsck marks what is lost, and heals what is right again", "clean run"),
    (room_is_not_asked_for_again, "refused, the quota made smaller meanwhile", "clean run"),
)


@pytest.mark.parametrize(
    ("fault", "name", "words"),
    CAUGHT,
    ids=[f"{fault.__name__}, {name}" for fault, name, _ in CAUGHT],
)
def test_a_fault_of_the_product_is_found(
    fault: Break, name: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = named(name)
    with monkeypatch.context() as patch:
        fault(patch)
        found = found_by(scenario, words)
    assert any(words in each for each in found), found


def found_by(scenario: Scenario, words: str) -> list[str]:
    """What is wrong, whether it shows in the clean run or after a kill, until it has these words.
    Without the fault nothing is: that is what the other tests are."""
    found = []
    try:
        acts = breaking.learn(scenario)
    except (AssertionError, Refusal) as fault:
        return [f"in the clean run: {fault}"]
    for point in breaking.points(acts, scenario.ways[0]):
        found.append(breaking.fault_at(point, scenario, scenario.ways[0]))
        if words in found[-1]:
            break
    return found


def named(name: str) -> Scenario:
    """The scenario of that name."""
    (found,) = (scenario for scenario in (*SCENARIOS, *CARE) if scenario.name == name)
    # With a fault in it, the product may do less.
    return dataclasses.replace(found, least=1)
