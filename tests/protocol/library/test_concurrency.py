"""What happens at the same moment happens once, or one after the other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier, Thread
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection, transaction

from shub.containers import ledger, tagging
from shub.containers.models import Blob, Collection, Container, Image, PendingTag, TagMove
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from shub.uploads.sweeper import Sweeper
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import send, wire

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "mara/tools/gcc"
THREADS = 6


def at_once(act: Callable[[int], Any]) -> list[Any]:
    """The act's results from several threads that begin together."""
    barrier = Barrier(THREADS)

    def begin(number: int) -> Any:
        try:
            barrier.wait(10)
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def test_pushes_that_make_the_same_container_at_once_get_the_same(mara: Person) -> None:
    ids = at_once(lambda _: wire(mara).container(PATH))
    assert len(set(ids)) == 1
    assert Collection.objects.filter(entity__name="mara").count() == 1
    assert Container.objects.count() == 1


def test_pushes_that_announce_the_same_image_at_once_get_the_same(mara: Person) -> None:
    content = sif_bytes()
    ids = at_once(lambda _: wire(mara).announce(PATH, content)["id"])
    assert len(set(ids)) == 1


def test_a_tag_that_is_moved_by_many_at_once_has_a_history_without_a_gap(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    images = [wire(mara).push(PATH, sif_bytes(seed=seed)) for seed in range(THREADS)]
    answers = at_once(
        lambda number: wire(mara).tag(images[number]["container"], images[number]["id"], "latest")
    )
    assert {answer.status for answer in answers} == {200}
    moves = list(TagMove.objects.order_by("id").values_list("from_digest", "to_digest"))
    assert len(moves) == THREADS
    for (_, before), (after, _) in pairwise(moves):
        assert after == before


def test_the_client_is_told_the_verdict_when_the_sweep_has_it(
    mara: Person, store: ObjectStore
) -> None:
    content, script = sif_bytes(), b"#!/bin/sh\n" * 100
    sweeper = Sweeper()
    thread = Thread(target=run_here, args=(sweeper,))
    thread.start()
    try:
        client = wire(mara)
        good, bad = client.announce(PATH, content), client.announce(PATH, script)
        for image, body in ((good, content), (bad, script)):
            assert send(client.begin_single(image["id"], body), body).status == 200
        assert client.complete_single(good["id"]).status == 200
        assert client.announce(PATH, content)["uploaded"] is True
        assert Image.objects.get(public_id=good["id"]).is_proven
        answer = client.complete_single(bad["id"])
        assert (answer.status, "no SIF image" in answer.message) == (400, True)
        assert not Image.objects.filter(public_id=bad["id"]).exists()
        assert len(stored_keys(store)) == 1
    finally:
        sweeper.stop()
        thread.join(10)


def test_the_same_upload_completed_by_many_at_once_makes_one_image(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    content = sif_bytes()
    image = wire(mara).announce(PATH, content)
    upload = wire(mara).begin_parts(image["id"], len(content))["uploadID"]
    etag = send(wire(mara).part_address(image["id"], upload, 1, content), content).etag
    answers = at_once(lambda _: wire(mara).complete_parts(image["id"], upload, [etag]))
    assert {answer.status for answer in answers} == {200}
    at_once(lambda _: Sweeper().once())
    assert Image.objects.get().is_proven
    assert len(stored_keys(store)) == 1


def test_the_same_bytes_proven_for_two_people_at_once_are_kept_once(
    mara: Person, otto: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    content = sif_bytes()
    for person in (mara, otto):
        client = wire(person)
        image = client.announce(f"{person.user.username}/tools/gcc", content)
        assert send(client.begin_single(image["id"], content), content).status == 200
        assert client.complete_single(image["id"]).status == 200
    at_once(lambda _: Sweeper().once())
    assert [image.is_proven for image in Image.objects.all()] == [True, True]
    assert len(stored_keys(store)) == 1


def test_an_image_that_is_proven_while_another_upload_of_it_is_refused_stays(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    settings.MINIO_SIGN_CONTENT_SHA256 = False
    content, wrong = sif_bytes(), sif_bytes(seed=9)
    client = wire(mara)
    image = client.announce(PATH, content)
    for body in (content, wrong):
        upload = client.begin_parts(image["id"], len(content))["uploadID"]
        etag = send(client.part_address(image["id"], upload, 1, content), body).etag
        assert client.complete_parts(image["id"], upload, [etag]).status == 200
    at_once(lambda _: Sweeper().once())
    assert Image.objects.get().is_proven
    assert len(stored_keys(store)) == 1


def test_a_tag_that_is_set_while_its_image_is_being_proven_is_not_lost(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    assert client.complete_single(image["id"]).status == 200
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            # As the sweep does, up to its commit.
            Image.objects.select_for_update(no_key=True).get(public_id=image["id"])
            setting = pool.submit(set_tag_here, mara, image)
            sleep(0.5)
            assert not setting.done()
            blob = Blob.objects.get()
            blob.state = "proven"
            blob.save()
            Image.objects.update(blob=blob, arch="amd64")
            Upload.objects.update(state="done")
            ledger.forget_counts()
        assert setting.result(10) == 200
    assert client.get(f"/v1/images/{PATH}:latest").data["id"] == image["id"]
    assert not PendingTag.objects.exists()


def test_of_two_words_on_a_tag_the_later_counts_though_the_earlier_image_is_proven_meanwhile(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    content = sif_bytes(seed=1)
    client = wire(mara)
    later = client.push(PATH, sif_bytes(seed=2))
    earlier = client.announce(PATH, content)
    assert send(client.begin_single(earlier["id"], content), content).status == 200
    assert client.complete_single(earlier["id"]).status == 200
    assert client.tag(earlier["container"], earlier["id"], "latest").status == 200
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            tagging.set_tag(
                container_id=later["container"],
                name="latest",
                arch="amd64",
                image_id=later["id"],
                by=mara.client,
            )
            # In another session, which does not see yet that the tag waits no more.
            proving = pool.submit(sweep_here)
            sleep(1)
        proving.result(20)
    assert Image.objects.get(public_id=earlier["id"]).is_proven
    assert client.get(f"/v1/images/{PATH}:latest").data["id"] == later["id"]


def test_a_deletion_beside_the_proof_of_the_same_image_waits_and_both_are_done(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    assert client.complete_single(image["id"]).status == 200
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            # As the proof does: the upload, and a moment later its image.
            Upload.objects.select_for_update().get()
            deleting = pool.submit(delete_here, mara, image)
            sleep(1)
            assert not deleting.done()
            Image.objects.select_for_update(no_key=True).get()
        assert deleting.result(20) == 200
    assert not Image.objects.exists()


def test_no_more_than_so_many_wait_for_their_verdict(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 3
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200

    def complete(_: int) -> float:
        began = monotonic()
        assert wire(mara).complete_single(image["id"]).status == 200
        return monotonic() - began

    waited = at_once(complete)
    assert sum(seconds > 2.5 for seconds in waited) == settings.VERIFY_WAITERS


def set_tag_here(person: Person, image: dict[str, Any]) -> int:
    """Set a tag in this thread."""
    try:
        return wire(person).tag(image["container"], image["id"], "latest").status
    finally:
        connection.close()


def sweep_here() -> None:
    """Verify what waits in this thread."""
    try:
        Sweeper().once()
    finally:
        connection.close()


def delete_here(person: Person, image: dict[str, Any]) -> int:
    """Delete the image in this thread."""
    try:
        return wire(person).call("DELETE", f"/v1/images/{PATH}:{image['hash']}").status
    finally:
        connection.close()


def run_here(sweeper: Sweeper) -> None:
    """Verify in this thread until the sweeper is stopped."""
    try:
        while not sweeper.stopping.is_set():
            sweeper.once()
            sweeper.stopping.wait(0.05)
    finally:
        connection.close()
