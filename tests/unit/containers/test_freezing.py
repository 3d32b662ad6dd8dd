"""Freezing: what is frozen means what it meant, until somebody who may thaws it."""

from typing import Any

import pytest

from shub.audit.models import Event
from shub.containers import announcing, freezing, granting, refs, removal, tagging, usage
from shub.containers.models import Container, Image, Role, Tag
from shub.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from shub.rows import in_transaction
from shub.storage import ObjectStore
from tests.at_once import outcomes
from tests.factories import Person, make_auditor, make_collection, make_container
from tests.sif_files import sif_bytes
from tests.wire import wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@pytest.fixture
def gcc(mara: Person, store: ObjectStore) -> Container:
    wire(mara).push(PATH, sif_bytes(seed=1), "1.0")
    return Container.objects.select_related("collection__entity").get()


def freeze(container: Container, by: Person, *, frozen: bool = True) -> None:
    freezing.set_container_frozen(container, frozen=frozen, by=by.caller)


def test_into_a_frozen_container_nothing_is_pushed_and_from_it_nothing_is_removed(
    mara: Person, gcc: Container
) -> None:
    client, image = wire(mara), Image.objects.get()
    freeze(gcc, mara)
    answer = client.post(
        "/v1/images?arch=amd64",
        {"hash": "sha256." + "0" * 64, "container": gcc.public_id, "description": "x"},
    )
    assert (answer.status, "is frozen" in answer.message) == (409, True)
    assert client.tag(gcc.public_id, image.public_id, "2.0").status == 409
    removed = client.call("DELETE", f"/v1/images/{PATH}:{image.hash}?arch=amd64")
    assert removed.status == 409
    assert client.get(f"/v1/images/{PATH}:1.0?arch=amd64").status == 200
    freeze(gcc, mara, frozen=False)
    assert client.tag(gcc.public_id, image.public_id, "2.0").status == 200


def test_a_frozen_tag_is_not_moved_in_any_arch_and_others_are(mara: Person, gcc: Container) -> None:
    client, before = wire(mara), Image.objects.get()
    freezing.set_tag_frozen(gcc, name="1.0", frozen=True, by=mara.caller)
    for seed, arch in ((2, "amd64"), (3, "arm64")):
        image = client.push(PATH, sif_bytes(seed=seed, arch=arch))
        answer = client.tag(gcc.public_id, image["id"], "1.0", arch=arch)
        assert (answer.status, "is frozen" in answer.message) == (409, True)
        assert client.tag(gcc.public_id, image["id"], "2.0", arch=arch).status == 200
    assert Tag.objects.get(name="1.0").image == before
    assert client.tag(gcc.public_id, before.public_id, "1.0").status == 200
    removed = client.call("DELETE", f"/v1/images/{PATH}:{before.hash}?arch=amd64")
    assert (removed.status, "has a frozen tag" in removed.message) == (409, True)
    freezing.set_tag_frozen(gcc, name="1.0", frozen=False, by=mara.caller)
    image = Image.objects.exclude(pk=before.pk).get(arch="amd64")
    assert client.tag(gcc.public_id, image.public_id, "1.0").status == 200


def test_maintainers_freeze_and_nobody_less(mara: Person, otto: Person, gcc: Container) -> None:
    tools = gcc.collection
    granting.grant(place=tools, holder=otto.user, role=Role.WRITER, by=mara.caller)
    for person in (otto, make_auditor()):
        with pytest.raises(Denied):
            freeze(gcc, person)
        with pytest.raises(Denied):
            freezing.set_tag_frozen(gcc, name="1.0", frozen=True, by=person.caller)
    with pytest.raises(Denied, match="may not manage"):
        freezing.set_container_frozen(gcc, frozen=True, by=mara.client)
    gcc.refresh_from_db()
    assert not gcc.is_frozen
    assert not Tag.objects.filter(is_frozen=True).exists()
    granting.grant(place=tools, holder=otto.user, role=Role.MAINTAINER, by=mara.caller)
    freeze(gcc, otto)
    freeze(gcc, otto)
    assert Event.objects.get(action="container.frozen").actor == "otto"
    with pytest.raises(NotFound, match="There is no tag"):
        freezing.set_tag_frozen(gcc, name="9", frozen=True, by=mara.caller)


def test_a_read_only_site_refuses_every_change_in_the_administrators_words(
    mara: Person, administrator: Person, gcc: Container
) -> None:
    with pytest.raises(Denied):
        freezing.set_read_only("mine", by=mara.caller)
    with pytest.raises(Invalid):
        freezing.set_read_only("x" * 501, by=administrator.caller)
    freezing.set_read_only("moving house\nuntil noon", by=administrator.caller)
    answer = wire(mara).tag(gcc.public_id, Image.objects.get().public_id, "2.0")
    assert (answer.status, "moving house until noon" in answer.message) == (503, True)
    with pytest.raises(Unavailable, match="moving house"):
        freeze(gcc, mara)
    assert wire(mara).get(f"/v1/images/{PATH}:1.0?arch=amd64").status == 200
    freezing.set_read_only("", by=administrator.caller)
    freeze(gcc, mara)


@pytest.mark.django_db(transaction=True)
def test_no_tag_moves_once_somebody_was_told_that_it_is_frozen(
    mara: Person, store: ObjectStore
) -> None:
    first = wire(mara).push(PATH, sif_bytes(seed=1), "0")
    gcc = Container.objects.select_related("collection__entity").get()
    second = Image.objects.get(public_id=wire(mara).push(PATH, sif_bytes(seed=2))["id"])
    for number in range(5):
        name = f"t{number}"
        wire(mara).tag(gcc.public_id, first["id"], name)
        meant: list[str] = []

        def freezes(name: str = name, meant: list[str] = meant) -> None:
            freezing.set_tag_frozen(gcc, name=name, frozen=True, by=mara.caller)
            meant.append(Tag.objects.get(name=name).image.public_id)

        def moves(name: str = name) -> None:
            tagging.set_tag(
                container_id=gcc.public_id,
                name=name,
                arch="",
                image_id=second.public_id,
                by=mara.caller,
            )

        came = outcomes(freezes, moves)
        assert came in (["done", "done"], ["done", "Conflict"])
        assert Tag.objects.get(name=name).image.public_id == meant[0]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_removed_once_somebody_was_told_that_it_is_frozen(
    mara: Person, store: ObjectStore
) -> None:
    for number in range(10):
        path = f"mara/tools/n{number}"
        image = wire(mara).push(path, sif_bytes(seed=number), "1.0")
        made = Container.objects.select_related("collection__entity").get(name=f"n{number}")
        was_there: list[bool] = []

        def freezes(
            made: Container = made,
            was_there: list[bool] = was_there,
            image: Any = image,
            number: int = number,
        ) -> None:
            if number % 2:
                freeze(made, mara)
            else:
                freezing.set_tag_frozen(made, name="1.0", frozen=True, by=mara.caller)
            was_there.append(Image.objects.filter(public_id=image["id"]).exists())

        def removes(path: str = path) -> None:
            removal.remove_image(refs.parse(f"{path}:1.0"), arch="amd64", by=mara.caller)

        outcomes(freezes, removes)
        assert Image.objects.filter(public_id=image["id"]).exists() == (was_there == [True])


def frozen_at(moment: Any, container: Container, by: Person) -> Any:
    """The function, before which the container is frozen."""

    def late(*given: Any, **named: Any) -> Any:
        freeze(container, by)
        return moment(*given, **named)

    return late


def test_what_is_frozen_at_the_last_moment_loses_nothing(
    mara: Person, gcc: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "in_transaction", frozen_at(in_transaction, gcc, mara))
    with pytest.raises(Conflict, match="is frozen"):
        removal.remove_image(refs.parse(f"{PATH}:1.0"), arch="amd64", by=mara.caller)
    assert Image.objects.exists()


def test_what_is_frozen_at_the_last_moment_is_given_no_image_by_a_link(
    mara: Person, gcc: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_container(gcc.collection, "other", mara)
    monkeypatch.setattr(usage, "has_room", frozen_at(usage.has_room, other, mara))
    with pytest.raises(Conflict, match="is frozen"):
        announcing.announce(
            container_id=other.public_id,
            hash_ref=Image.objects.get().hash,
            description="",
            by=mara.caller,
        )
    assert not Image.objects.filter(container=other, blob__isnull=False).exists()


def test_freezing_what_holds_nothing_is_no_error(mara: Person) -> None:
    empty = make_container(make_collection(mara.entity, "tools", mara), "empty", mara)
    freeze(empty, mara)
    with pytest.raises(Conflict, match="is frozen"):
        tagging.set_tag(
            container_id=empty.public_id, name="1", arch="", image_id="0" * 24, by=mara.caller
        )
