"""Singularity 3.1 against this server, request by request: exact addresses, headers and bodies."""

from typing import Any

import pytest

from shub.containers.models import Collection, Container, Image, Tag
from shub.storage import ObjectStore
from tests.factories import Person
from tests.protocol.library.exchange import exchange
from tests.protocol.library.scene import PATH, Pushed, push
from tests.protocol.library.singularity_3_1 import (
    AGENT,
    NEW_COLLECTION,
    NEW_CONTAINER,
    NEW_IMAGE,
    Singularity31,
    Stopped,
)
from tests.protocol.library.strict import IMAGE, Undecodable, decode
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import digest, sweep, wire

pytestmark = pytest.mark.django_db

CONTENT = sif_bytes(seed=31)
HASH = f"sha256.{digest(CONTENT)}"


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@pytest.fixture
def client(mara: Person) -> Singularity31:
    """That client, with Mara's token."""
    return Singularity31(mara.token_text)


def ids() -> dict[str, str]:
    """The ids of what the push has made."""
    collection = Collection.objects.get(entity__name="mara")
    return {
        "entity": collection.entity.public_id,
        "collection": collection.public_id,
        "container": Container.objects.get(name="gcc").public_id,
        "image": Image.objects.get().public_id,
    }


@pytest.mark.row("0.8.8", "I.1.19")
def test_a_push_is_these_requests_and_leaves_a_tagged_image(
    client: Singularity31, store: ObjectStore
) -> None:
    client.push(f"{PATH}:13.2,latest", CONTENT)
    made = ids()
    assert client.lines == [
        "GET /v1/entities/mara",
        "GET /v1/collections/mara/tools",
        "POST /v1/collections",
        f"GET /v1/containers/{PATH}",
        "POST /v1/containers",
        f"GET /v1/images/{PATH}:{HASH}",
        "POST /v1/images",
        f"POST /v1/imagefile/{made['image']}",
        f"GET /v1/tags/{made['container']}",
        f"POST /v1/tags/{made['container']}",
        f"POST /v1/tags/{made['container']}",
    ]
    posted = [each for each in client.sent if each.method == "POST"]
    assert [each.json for each in (*posted[:3], *posted[4:])] == [
        NEW_COLLECTION | {"name": "tools", "entity": made["entity"]},
        NEW_CONTAINER | {"name": "gcc", "collection": made["collection"]},
        NEW_IMAGE | {"hash": HASH, "container": made["container"]},
        {"Tag": "13.2", "ImageID": made["image"]},
        {"Tag": "latest", "ImageID": made["image"]},
    ]
    assert posted[3].body == CONTENT
    for each in client.sent:
        who = {"User-Agent": AGENT, "Authorization": f"Bearer {client.token}"}
        form = {
            "GET": {},
            "POST": {
                "Content-Type": "application/octet-stream"
                if each is posted[3]
                else "application/json"
            },
        }
        assert each.headers == who | form[each.method]
    sweep()
    assert sorted(Tag.objects.values_list("name", "arch")) == [
        ("13.2", "amd64"),
        ("latest", "amd64"),
    ]
    assert Image.objects.get().is_proven
    assert len(stored_keys(store)) == 1


def test_what_the_client_fills_in_is_kept_of_nothing(client: Singularity31) -> None:
    client.push(PATH, CONTENT)
    for row in (Collection.objects.get(name="tools"), Container.objects.get(), Image.objects.get()):
        assert row.description == ""
    assert Collection.objects.get(name="tools").visibility == "public"


def test_an_entity_that_is_not_there_is_asked_for_and_refused_in_words(
    client: Singularity31,
) -> None:
    """None is ever made by a push: entities come with their users."""
    with pytest.raises(Stopped, match="403"):
        client.push("nobody/tools/gcc", CONTENT)
    assert client.lines == ["GET /v1/entities/nobody", "POST /v1/entities"]
    assert client.sent[1].json["name"] == "nobody"


def test_a_second_push_sends_no_bytes_and_only_tags(client: Singularity31) -> None:
    client.push(PATH, CONTENT)
    sweep()
    client.sent.clear()
    client.push(f"{PATH}:other", CONTENT)
    made = ids()
    assert client.lines == [
        "GET /v1/entities/mara",
        "GET /v1/collections/mara/tools",
        f"GET /v1/containers/{PATH}",
        f"GET /v1/images/{PATH}:{HASH}",
        f"GET /v1/tags/{made['container']}",
        f"POST /v1/tags/{made['container']}",
    ]
    assert exchange("GET", f"/v1/images/{PATH}:other").data["id"] == made["image"]


def test_a_push_that_broke_off_before_its_bytes_sends_them_the_next_time(
    client: Singularity31, mara: Person
) -> None:

    image = wire(mara).announce(PATH, CONTENT)
    assert image["uploaded"] is False
    client.push(PATH, CONTENT)
    assert f"POST /v1/imagefile/{image['id']}" in client.lines
    assert "POST /v1/images" not in client.lines
    sweep()
    assert exchange("GET", f"/v1/images/{PATH}:latest").data["uploaded"] is True


def test_a_base_that_ends_with_a_slash_gives_two_and_works_all_the_same(
    client: Singularity31, mara: Person
) -> None:
    client.base = "/"
    client.push(PATH, CONTENT)
    assert {line.split()[1][:5] for line in client.lines} == {"//v1/"}
    sweep()
    assert client.pull(PATH) == CONTENT
    assert Singularity31(base="/").pull(f"{PATH}:latest") == CONTENT


@pytest.mark.row("CB.1.8")
def test_a_pull_with_a_token_is_streamed_since_the_token_might_go_along(
    client: Singularity31,
) -> None:
    client.push(PATH, CONTENT)
    sweep()
    client.sent.clear()
    assert client.pull(PATH) == CONTENT
    assert client.lines == [f"GET /v1/images/{PATH}:latest", f"GET /v1/imagefile/{PATH}:latest"]
    for each in client.sent:
        assert each.headers == {"User-Agent": AGENT, "Authorization": f"Bearer {client.token}"}


def test_a_pull_without_a_token_follows_to_the_store(client: Singularity31) -> None:
    client.push(PATH, CONTENT)
    sweep()
    stranger = Singularity31()
    for ref in (PATH, f"{PATH}:latest", f"{PATH}:{HASH}"):
        assert stranger.pull(ref) == CONTENT
    assert all(each.headers == {"User-Agent": AGENT} for each in stranger.sent)


@pytest.mark.row("I.2.7")
@pytest.mark.parametrize(
    ("ref", "lines"),
    [
        ("alpine", ["GET /v1/images///alpine:latest", "GET /v1/imagefile/alpine:latest"]),
        ("alpine:latest", ["GET /v1/images///alpine:latest", "GET /v1/imagefile/alpine:latest"]),
        (
            "default/alpine:latest",
            [
                "GET /v1/images//default/alpine:latest",
                "GET /v1/imagefile/default/alpine:latest",
            ],
        ),
    ],
)
def test_a_short_reference_is_asked_for_with_its_empty_parts(
    administrator: Person, ref: str, lines: list[str]
) -> None:
    pushed = push(administrator, "library/default/alpine")
    for token in ("", administrator.token_text):
        client = Singularity31(token)
        assert client.pull(ref) == pushed.content
        assert client.lines == lines


def test_what_is_not_there_or_hidden_is_not_in_the_library(
    pushed: Pushed, client: Singularity31
) -> None:
    Collection.objects.update(visibility="private")
    assert client.pull(PATH) == pushed.content
    for who, ref in ((client, f"{PATH}:no"), (Singularity31(), PATH)):
        with pytest.raises(Stopped, match="does not exist"):
            who.pull(ref)


def test_a_tag_of_several_archs_gives_the_one_that_this_client_runs_on(
    client: Singularity31, mara: Person
) -> None:
    push(mara, arch="arm64")
    amd64 = push(mara)
    push(mara, arch="riscv64")
    assert client.pull(PATH) == amd64.content
    tags = exchange("GET", f"/v1/tags/{amd64.container_id}").data
    assert tags == {"latest": amd64.id}


def test_bytes_that_are_no_image_are_refused_and_the_words_are_shown(
    client: Singularity31, store: ObjectStore
) -> None:
    client.push(PATH, b"#!/bin/sh\n" * 100)  # the verdict comes later, by the sweep
    sweep()
    assert not Image.objects.exists()
    assert stored_keys(store) == []
    with pytest.raises(Stopped, match="does not exist"):
        client.pull(PATH)


def test_a_token_that_is_unknown_stops_each_command_with_words(pushed: Pushed) -> None:
    client = Singularity31("unknown")
    for command in (
        lambda: client.push(PATH, CONTENT),
        lambda: client.pull(PATH),
        lambda: client.search("gcc"),
    ):
        with pytest.raises(Stopped, match=r"401 .*\n.*unknown, expired or revoked"):
            command()
    assert len(client.sent) == 3


def test_a_push_without_a_token_is_refused_before_any_byte(pushed: Pushed) -> None:
    client = Singularity31()
    with pytest.raises(Stopped, match=r"401 .*\n.*token"):
        client.push("mara/new/x", CONTENT)
    assert client.lines[-1] == "POST /v1/collections"


@pytest.mark.row("H.15")
def test_a_search_names_users_collections_containers_and_their_tags(
    client: Singularity31, pushed: Pushed
) -> None:
    for value, kind in (("mara", "entity"), ("tools", "collection"), ("gcc", "container")):
        found = client.search(value)
        assert found[kind], value
    assert client.lines[-1] == "GET /v1/search?value=gcc"
    (container,) = client.search("gcc")["container"]
    assert container["imageTags"] == {"latest": pushed.id}
    assert [container[name] for name in ("entityName", "collectionName", "name")] == [
        *("mara", "tools", "gcc")
    ]


@pytest.mark.row("0.8.8")
def test_the_stand_in_stops_at_an_id_that_is_none(pushed: Pushed) -> None:
    for wrong in ("7d44d2c3-1f6b-4f8e-9a51-0f6f5a1b2c3d", "A" * 24, "a" * 23, "1"):
        for name in ("id", "container", "blob", "entity"):
            with pytest.raises(Undecodable):
                decode(pushed.image | {name: wrong}, IMAGE, object_ids=True)
        assert decode(pushed.image | {"id": wrong}, IMAGE)["id"] == wrong
    assert decode(pushed.image, IMAGE, object_ids=True)["id"] == pushed.id
