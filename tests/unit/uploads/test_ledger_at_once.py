"""Everything at once, at random, in few places: the ledger is right at every moment."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, sleep
from typing import Any

import pytest

from shub.accounts.models import Entity
from shub.containers import announcing, ledger, namespaces, refs, removal, restoring, tagging
from shub.containers.models import Collection, Image, RemovedImage
from shub.errors import Refusal
from shub.uploads import multipart, sweeps, verification
from shub.uploads.models import Upload
from tests.at_once import outcomes
from tests.factories import Person, make_person
from tests.sif_files import sif_bytes
from tests.wire import digest, send

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("store")]

# Each thread does all acts so often, and begins nothing after so long: machines differ.
ROUNDS, SECONDS, CLIENTS = 4, 20.0, 4

SIZE = 40_000
CONTENTS = [sif_bytes(seed=seed, size=SIZE) for seed in range(3)]
PATHS = ["tools/gcc", "tools/copy", "other/gcc"]


@dataclass(frozen=True)
class Aim:
    """Who does something to what."""

    by: Person
    path: str
    content: bytes

    @property
    def hash_ref(self) -> str:
        return f"sha256.{digest(self.content)}"


@dataclass
class Hunt:
    """Threads that do something until the time is over, and what came of it."""

    people: list[Person]
    until: float
    done: list[str] = field(default_factory=list)
    """The acts that were not refused."""
    wrong: list[int] = field(default_factory=list)
    """What each count anew found."""
    clients_left: int = CLIENTS

    def client(self, number: int) -> None:
        dice = random.Random(number)
        acts: list[Callable[[Aim], None]] = [
            *[self.push] * 4,
            *[self.remove] * 2,
            *(self.restore, self.tag, self.give_up, self.set_quota, self.remove_collection),
        ]
        for act in acts * ROUNDS:
            if monotonic() > self.until:
                break
            person = dice.choice(self.people)
            try:
                act(Aim(person, f"{person.user}/{dice.choice(PATHS)}", dice.choice(CONTENTS)))
            except Refusal:
                continue
            self.done.append(act.__name__)
            dice.shuffle(acts)
        self.clients_left -= 1

    def sweeper(self) -> None:
        keys = [each.entity.pk for each in self.people]
        while self.clients_left and monotonic() < self.until:
            verification.verify_next()
            sweeps.collect_condemned()
            self.wrong += [ledger.recount(keys), ledger.recount_site()]
            sleep(0.02)

    def push(self, aim: Aim) -> None:
        image = announce(aim)
        if not image.is_proven:
            upload = begin(image, aim)
            send(multipart.single_address(upload, sha256="", asked_host=""), aim.content)
            multipart.complete_single(image_id=image.public_id, by=aim.by.client)

    def give_up(self, aim: Aim) -> None:
        image = announce(aim)
        upload = begin(image, aim)
        multipart.abort(image_id=image.public_id, upload_id=upload.public_id, by=aim.by.client)

    def tag(self, aim: Aim) -> None:
        image = announce(aim)
        tagging.set_tag(
            container_id=image.container.public_id,
            name="latest",
            arch="",
            image_id=image.public_id,
            by=aim.by.client,
        )

    def remove(self, aim: Aim) -> None:
        removal.remove_image(refs.parse(f"{aim.path}:{aim.hash_ref}"), arch="", by=aim.by.caller)

    def remove_collection(self, aim: Aim) -> None:
        entity, name, _ = aim.path.split("/")
        collection = namespaces.find_collection(entity, name, by=aim.by.caller)
        removal.remove_collection(collection, by=aim.by.caller)

    def restore(self, aim: Aim) -> None:
        place = Collection.objects.filter(removed_at__isnull=False).order_by("?").first()
        if place is not None:
            restoring.restore_collection(public_id=place.public_id, by=None)
        removed = RemovedImage.objects.order_by("?").first()
        if removed is not None:
            restoring.restore_image(public_id=removed.public_id, by=None)

    def set_quota(self, aim: Aim) -> None:
        quota = random.choice([None, None, SIZE, 2 * SIZE])
        Entity.objects.filter(pk=aim.by.entity.pk).update(quota_bytes=quota)


def announce(aim: Aim) -> Image:
    _, collection, container = aim.path.split("/")
    entity = aim.by.entity
    made: dict[str, Any] = {"description": "", "by": aim.by.client}
    inside = namespaces.ensure_collection(entity_id=entity.public_id, name=collection, **made)
    place = namespaces.ensure_container(collection_id=inside.public_id, name=container, **made)
    return announcing.announce(container_id=place.public_id, hash_ref=aim.hash_ref, **made)


def begin(image: Image, aim: Aim) -> Upload:
    return multipart.begin(
        image_id=image.public_id, size=SIZE, kind=Upload.Kind.SINGLE, by=aim.by.client
    )


def test_whatever_happens_at_once_the_ledger_is_right_and_nobody_is_in_anybodys_way(
    caplog: Any,
) -> None:
    hunt = Hunt([make_person("mara"), make_person("otto")], monotonic() + SECONDS)
    # Whatever is no refusal, such as locks that were taken crosswise, ends the test.
    came = outcomes(*(partial(hunt.client, number) for number in range(CLIENTS)), hunt.sweeper)
    assert came == ["done"] * (CLIENTS + 1)
    assert {"push", "remove", "remove_collection"} <= set(hunt.done)
    assert len(hunt.wrong) > 4
    assert sum(hunt.wrong) == 0
    assert "deadlock" not in caplog.text
    assert list(ledger.drifts()) == []
