"""Every value in every answer has the kind that Go's decoder wants of it, in every state."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shub.containers.models import Collection
from tests.factories import Person
from tests.protocol.library.exchange import Reply, bearer, exchange
from tests.protocol.library.scene import PATH, Pushed, push
from tests.protocol.library.strict import (
    ARCH_MAP,
    BOOLEAN,
    COLLECTION,
    COMMON,
    CONTAINER,
    ENTITY,
    IMAGE,
    INTEGER,
    MAP,
    SEARCH,
    STRING,
    STRINGS,
    TIME,
    Kind,
    Shape,
    Undecodable,
    decode,
    faults,
    read,
)
from tests.sif_files import SIGNATURE, Item, sif_bytes
from tests.wire import send, wire

FINGERPRINT = "AB" * 20

# What clients use, beside what is only there to be of the right kind.
USED = {
    "entity": {"id", "name"},
    "collection": {"id", "name", "entity", "entityName", "private"},
    "container": {
        *{"id", "name", "collection", "collectionName", "entity", "entityName", "private"},
        *{"imageTags", "archTags", "images"},
    },
    "image": {
        *{"id", "hash", "size", "uploaded", "description", "container", "arch", "signed"},
        *{"fingerprints", "encrypted", "tags", "entityName", "collectionName", "containerName"},
    },
}


# ── what a client's decoder takes, said of the stand-in that the other tests rely on ──

TAKEN = [
    (STRING, ['"x"', '""']),
    (INTEGER, ["5", "0", "-1", "9223372036854775807"]),
    (BOOLEAN, ["true", "false"]),
    (TIME, ['"2024-01-01T00:00:00Z"', '"2024-01-01T00:00:00.123456+00:00"']),
    (STRINGS, ["[]", '["x"]', "[null]"]),
    (MAP, ["{}", '{"a": "x"}']),
    (ARCH_MAP, ["{}", '{"amd64": {"a": "x"}}', '{"amd64": null}']),
]
REFUSED = [
    (STRING, ["5", "{}", "[]", "true"]),
    (INTEGER, ["5.0", "5e3", '"5"', "true", "9223372036854775808"]),
    (BOOLEAN, ["0", "1", '"true"']),
    (
        TIME,
        ['""', '"2024-01-01T00:00:00"', '"2024-01-01 00:00:00Z"', "5", '"2024-13-01T00:00:00Z"'],
    ),
    (STRINGS, ["{}", '""', "[5]"]),
    (MAP, ["[]", '{"a": 5}']),
    (ARCH_MAP, ["[]", '{"amd64": []}', '{"amd64": "x"}']),
]


@pytest.mark.row("0.8.7")
@pytest.mark.parametrize(("kind", "values"), TAKEN, ids=str)
def test_what_a_client_takes_is_taken(kind: Kind, values: list[str]) -> None:
    for value in (*values, "null"):
        body = read(f'{{"F": {value}, "unknown": [{{}}]}}'.encode())
        assert set(decode(body, {"f": kind})) == {"f"}
    assert decode(None, {"f": kind}) == {}


@pytest.mark.row("0.8.7")
@pytest.mark.parametrize(("kind", "values"), REFUSED, ids=str)
def test_one_value_of_a_wrong_kind_fails_the_whole_answer(kind: Kind, values: list[str]) -> None:
    for value in values:
        with pytest.raises(Undecodable):
            decode(read(f'{{"f": {value}, "g": "x"}}'.encode()), {"f": kind, "g": STRING})


# ── what the server says ──


@pytest.fixture
def varied(mara: Person, pushed: Pushed) -> dict[str, Pushed]:
    """Images of every sort beside the plain one: signed, encrypted, of no known arch, and one of
    OCI's kind, which has no system partition, with a signature whose words are nonsense."""
    nonsense = Item(SIGNATURE, b"nonsense", extra=b"\xff" * 384)
    return {
        "plain": pushed,
        "signed": push(mara, PATH, "signed", fingerprints=[FINGERPRINT], seed=1),
        "encrypted": push(mara, PATH, "encrypted", "second", encrypted=True, seed=2),
        "unknown": push(mara, "mara/tools/odd", arch="unknown", seed=3),
        "oci": push(mara, "mara/tools/oci", items=[nonsense], partition={"type": 0x400B}, seed=4),
    }


def objects(varied: dict[str, Pushed]) -> dict[str, list[Any]]:
    """Every object that the server tells in any of its answers, by kind."""
    plain = varied["plain"]
    client = plain.client
    entity = client.post("/v1/entities", {"name": "mara"})
    collection = client.post("/v1/collections", {"name": "n", "entity": entity.data["id"]})
    container = client.post("/v1/containers", {"name": "n", "collection": collection.data["id"]})
    new = sif_bytes(seed=9)
    announced = client.post(
        "/v1/images", {"hash": f"sha256.{'a' * 64}", "container": plain.container_id}
    )
    arriving = client.announce(PATH, new)
    assert send(client.begin_single(arriving["id"], new), new).status == 200
    assert client.complete_single(arriving["id"]).status == 200
    found: dict[str, list[Any]] = {
        "entity": [entity.data, *datas(client, "/v1/entities/mara", "/v1/entities/library")],
        "collection": [collection.data, *datas(client, "/v1/collections/mara/tools")],
        "container": [container.data, *datas(client, f"/v1/containers/{PATH}")],
        "image": [announced.data, client.announce(PATH, new)],
    }
    for each in varied.values():
        found["image"] += [each.image, client.announce(each.path, each.content)]
        found["image"] += datas(client, f"/v1/images/{each.path}:{each.hash}")
    found["image"] += datas(client, f"/v1/images/{PATH}:second")
    Collection.objects.filter(name="n").update(visibility="private")
    found["collection"] += datas(client, "/v1/collections/mara/n")
    found["container"] += datas(client, "/v1/containers/mara/n/n")
    return found


def datas(client: Any, *paths: str) -> list[Any]:
    """What stands in the envelope at these addresses."""
    return [client.get(path).data for path in paths]


SHAPES: dict[str, Shape] = {
    "entity": ENTITY,
    "collection": COLLECTION,
    "container": CONTAINER,
    "image": IMAGE,
}


@pytest.mark.django_db
@pytest.mark.row("A.2.1", "A.2.2", "A.2.3", "A.2.4")
@pytest.mark.row("0.8.1", "0.8.2", "0.8.3", "0.8.4", "0.8.5", "0.8.6", "A.13.5")
def test_every_field_of_every_object_has_its_kind_in_every_state(
    varied: dict[str, Pushed],
) -> None:
    times = [name for name, kind in COMMON.items() if kind is TIME]
    for kind, told in objects(varied).items():
        assert len(told) >= 3
        for each in told:
            assert list(faults(each, SHAPES[kind], object_ids=True)) == [], (kind, each)
            assert set(each) >= USED[kind]
            # What a server adds, no client reads: a misspelt field would be one of these.
            assert set(each) - set(SHAPES[kind]) == set()
            assert TIME.check(each["createdAt"])
            assert all(TIME.check(each[name]) for name in times if each.get(name) is not None)


@pytest.mark.django_db
@pytest.mark.row("I.2.6")
def test_what_a_file_says_of_itself_is_told_as_a_claim_and_never_a_fault(
    varied: dict[str, Pushed],
) -> None:
    told = {
        name: [each.image[field] for field in ("arch", "signed", "fingerprints", "encrypted")]
        for name, each in varied.items()
    }
    assert told == {
        "plain": ["amd64", False, [], False],
        "signed": ["amd64", True, [FINGERPRINT], False],
        "encrypted": ["amd64", False, [], True],
        "unknown": ["", False, [], False],
        "oci": ["amd64", True, ["FF" * 20], False],
    }


@pytest.mark.django_db
@pytest.mark.row("A.2.1", "A.2.2", "A.2.3", "A.2.4", "H.15")
def test_every_field_of_everything_that_a_search_finds_has_its_kind(
    varied: dict[str, Pushed],
) -> None:
    counts: dict[str, int] = {}
    for value in ("mara", "tools", "gcc", "odd", "library", "nothing-at-all"):
        reply = exchange("GET", f"/v1/search?value={value}")
        found = read(reply.content)["data"]
        assert set(found) == set(SEARCH)
        for kind, shape in SEARCH.items():
            assert isinstance(found[kind], list)
            counts[kind] = counts.get(kind, 0) + len(found[kind])
            for each in found[kind]:
                decode(each, shape, object_ids=True)
                assert set(each) - set(shape) == set()
    assert all(counts[kind] for kind in SEARCH), counts


@pytest.mark.django_db
@pytest.mark.row("0.8.8", "I.2.5", "0.8.6")
def test_every_id_and_every_map_of_ids_is_what_clients_of_2019_read(
    varied: dict[str, Pushed],
) -> None:
    for pushed in (varied["plain"], varied["unknown"]):
        for version, kind in (("v1", MAP), ("v2", ARCH_MAP)):
            reply = exchange("GET", f"/{version}/tags/{pushed.container_id}")
            tags = read(reply.content)["data"]
            assert kind.check(tags)
            ids = set(flattened(tags))
            assert ids <= {each.id for each in varied.values()}
    empty = wire(varied["plain"].owner).container("mara/tools/empty")
    for version in ("v1", "v2"):
        assert exchange("GET", f"/{version}/tags/{empty}").data == {}


def flattened(tags: dict[str, Any]) -> Iterator[str]:
    """Every id in a map of ids, however deep."""
    for value in tags.values():
        if isinstance(value, dict):
            yield from flattened(value)
        else:
            yield value


@pytest.mark.django_db
@pytest.mark.row("0.8.1", "0.8.2", "0.8.3", "0.8.6")
def test_what_an_upload_is_told_has_its_kinds(pushed: Pushed) -> None:
    client, token = pushed.client, bearer(pushed.owner.token_text)
    new = sif_bytes(seed=8)
    image = client.announce(PATH, new)["id"]
    begin = {
        "uploadID": STRING,
        "totalParts": INTEGER,
        "partSize": INTEGER,
        "options": MAP,
    }
    asked: list[tuple[Callable[[], Reply], Shape]] = [
        (
            lambda: exchange(
                "POST",
                f"/v2/imagefile/{image}/_multipart",
                headers=token,
                body=f'{{"filesize": {len(new)}}}'.encode(),
            ),
            begin,
        ),
        (
            lambda: exchange(
                "POST",
                f"/v2/imagefile/{image}",
                headers=token,
                body=f'{{"filesize": {len(new)}}}'.encode(),
            ),
            {"uploadURL": STRING},
        ),
    ]
    for ask, shape in asked:
        found = decode(read(ask().content)["data"], shape)
        assert set(found) == set(shape)
