"""Search: what a text finds, in which form, and what it must not tell."""

from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from shub.accounts.models import Entity
from shub.containers import ledger
from shub.containers.models import Collection, Container, Image
from shub.containers.search import MOST_FOUND, NEWEST_OF_EACH
from shub.storage import ObjectStore
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.wire import Wire, wire

pytestmark = pytest.mark.django_db

KINDS = ("entity", "collection", "container", "image")


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


def found(client: Wire, query: str) -> dict[str, list[Any]]:
    """The four lists."""
    answer = client.get(f"/v1/search?{query}")
    assert answer.status == 200, answer
    assert set(answer.data) == set(KINDS)
    return dict(answer.data)


def test_each_image_carries_all_that_clients_print(mara: Person) -> None:
    content = sif_bytes(arch="arm64", fingerprints=["AB" * 20])
    client = wire(mara)
    image = client.push("mara/tools/samtools", content)
    for tag in ("1.20", "latest"):
        assert client.tag(image["container"], image["id"], tag, arch="arm64").status == 200
    (one,) = found(wire(), "value=samtools")["image"]
    assert (one["entityName"], one["collectionName"], one["containerName"]) == (
        "mara",
        "tools",
        "samtools",
    )
    assert sorted(one["tags"]) == ["1.20", "latest"]
    assert (one["hash"], one["arch"]) == (image["hash"], "arm64")
    assert (one["signed"], one["fingerprints"]) == (True, ["AB" * 20])
    (container,) = found(wire(), "value=samtools")["container"]
    assert container["imageTags"] == {"1.20": image["id"], "latest": image["id"]}


def test_names_and_descriptions_match_by_any_part_in_any_case(mara: Person) -> None:
    wire(mara).push("mara/alignments/samtools", sif_bytes(seed=1))
    wire(mara).push("mara/alignments/bcf", sif_bytes(seed=2))
    Container.objects.filter(name="bcf").update(description="Calls Variants")
    Image.objects.filter(container__name="samtools").update(description="Built for the ÉCOLE")
    for text, kind, names in (
        ("mar", "entity", ["mara"]),
        ("ALIGN", "collection", ["alignments"]),
        ("amtoo", "container", ["samtools"]),
        ("variants", "container", ["bcf"]),
        ("alignments/sam", "container", ["samtools"]),
        ("mara/alignments/b", "container", ["bcf"]),
        ("ra/align", "collection", ["alignments"]),
        ("école", "image", ["samtools"]),
        ("  amtools  ", "image", ["samtools"]),
    ):
        key = "containerName" if kind == "image" else "name"
        assert [each[key] for each in found(wire(), f"value={text}")[kind]] == names, text


def test_the_letters_of_a_pattern_mean_themselves(mara: Person) -> None:
    wire(mara).push("mara/tools/gcc", sif_bytes())
    Container.objects.update(description="100% of it")
    for text, count in (("00%25", 1), ("g__", 0), ("%25%25%25", 0), ("\\\\\\", 0)):
        assert len(found(wire(), f"value={text}")["container"]) == count, text


def test_arch_and_signed_narrow_the_images_only(mara: Person) -> None:
    for arch, keys in (("amd64", []), ("arm64", ["CD" * 20]), ("riscv64", [])):
        wire(mara).push("mara/tools/gcc13", sif_bytes(arch=arch, fingerprints=keys))
    for query, arches in (
        ("", {"amd64", "arm64", "riscv64"}),
        ("&arch=arm64", {"arm64"}),
        ("&arch=x86_64,ARM64", {"amd64", "arm64"}),
        ("&arch=", {"amd64", "arm64", "riscv64"}),
        ("&signed=true", {"arm64"}),
        ("&signed=true&arch=amd64", set()),
        ("&signed=false", {"amd64", "arm64", "riscv64"}),
    ):
        lists = found(wire(), f"value=gcc13{query}")
        assert {image["arch"] for image in lists["image"]} == arches, query
        assert len(lists["container"]) == 1


def test_what_is_hidden_is_in_no_list(mara: Person, otto: Person) -> None:
    wire(mara).push("mara/secrets/secret-tool", sif_bytes(), "secret-tag")
    Collection.objects.filter(name="secrets").update(visibility="private", description="secret")
    Container.objects.update(description="secret")
    Image.objects.update(description="secret")
    for stranger in (wire(otto), wire()):
        for text in ("secret", "mara", "mara/secrets", "secrets/sec", "mara/secrets/secret-tool"):
            lists = found(stranger, f"value={text}")
            assert [len(lists[kind]) for kind in KINDS] == [0, 0, 0, 0], text
    lists = found(wire(mara), "value=secret")
    assert [len(lists[kind]) for kind in KINDS] == [0, 1, 1, 1]


def test_an_image_that_is_not_proven_is_not_found(mara: Person) -> None:
    wire(mara).announce("mara/tools/gcc", sif_bytes())
    assert found(wire(mara), "value=gcc")["image"] == []


@pytest.mark.parametrize("text", ["", "ab", "%20%20ab%20%20", "a" * 401])
def test_a_text_of_another_length_is_refused_with_the_bounds(mara: Person, text: str) -> None:
    answer = wire().get(f"/v1/search?value={text}")
    assert (answer.status, "3 to 400 characters" in answer.message) == (400, True)


def test_the_lists_are_bounded_and_the_newest_come_first(mara: Person) -> None:
    image = wire(mara).push("mara/tools/gcc", sif_bytes())
    row = Image.objects.get()
    Image.objects.bulk_create(
        Image(container=row.container, digest=f"{number:064x}", blob=row.blob, arch="amd64")
        for number in range(NEWEST_OF_EACH + 5)
    )
    ledger.forget_counts()
    Container.objects.bulk_create(
        Container(collection=row.container.collection, name=f"agcc-{number}")
        for number in range(MOST_FOUND + 5)
    )
    lists = found(wire(), "value=gcc")
    assert len(lists["container"]) == MOST_FOUND
    assert len(lists["image"]) == NEWEST_OF_EACH
    assert lists["container"][0]["name"] == "gcc"
    assert lists["image"][0]["hash"] == f"sha256.{NEWEST_OF_EACH + 4:064x}"
    assert image["hash"] not in [each["hash"] for each in lists["image"]]


@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (Entity.objects.filter(name__contains="samtools"), "entity_searched"),
        (Collection.objects.filter(name__contains="samtools"), "collection_searched"),
        (Collection.objects.filter(description__icontains="samtools"), "collection_described"),
        (Container.objects.filter(name__contains="samtools"), "container_searched"),
        (Container.objects.filter(description__icontains="samtools"), "container_described"),
        (Image.objects.filter(description__icontains="samtools"), "image_described"),
    ],
)
def test_any_part_of_a_text_is_found_by_an_index(
    rows: QuerySet[Any], index: str, mara: Person
) -> None:
    wire(mara).container("mara/tools/gcc")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert index in rows.order_by().explain()
