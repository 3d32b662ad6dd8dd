"""A ready-made statement answers as the ORM does, on every connection."""

from typing import Any

import pytest
from django.core.signals import request_started
from django.db import OperationalError, connection, models

from shub.accounts import tokens
from shub.containers import images
from shub.containers.models import Image
from shub.statements import Statement
from shub.storage import ObjectStore
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.wire import digest, wire

pytestmark = pytest.mark.django_db

CONTENT = sif_bytes(fingerprints=["AB" * 20])
NAMES = {"entity": "mara", "collection": "tools", "container": "gcc"}


@pytest.fixture
def pushed(mara: Person, store: ObjectStore, settings: Any) -> Image:
    settings.VERIFY_WAIT_SECONDS = 0
    wire(mara).push("mara/tools/gcc", CONTENT, "latest")
    return Image.objects.get()


@pytest.mark.parametrize("prepared", [True, False])
def test_every_statement_gives_what_its_queryset_gives(
    pushed: Image, mara: Person, settings: Any, prepared: bool
) -> None:
    settings.DATABASE_PREPARE = prepared
    cases: list[tuple[Statement[Any], dict[str, str]]] = [
        (tokens.BY_DIGEST, {"digest": mara.token.digest}),
        (images.IMAGE_BY_ID, {"public_id": pushed.public_id}),
        (images.IMAGE_BY_DIGEST, {**NAMES, "digest": digest(CONTENT)}),
        (images.TAGS_BY_NAME, {**NAMES, "tag": "latest"}),
    ]
    for statement, parameters in cases:
        for _ in range(7):  # Postgres plans the first five executions anew
            found = [deep(row) for row in statement.rows(**parameters)]
            assert found == [deep(row) for row in statement.build(**parameters)]
            assert len(found) == 1
        nothing = dict.fromkeys(parameters, "nothing")
        assert statement.rows(**nothing) == []


def test_a_statement_takes_one_query_and_fetches_the_parents_with_it(
    pushed: Image, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        image = images.IMAGE_BY_ID.row(public_id=pushed.public_id)
        assert image is not None
        assert str(image.container) == "mara/tools/gcc"
        assert image.is_proven


def test_a_parameter_is_never_read_as_sql(pushed: Image) -> None:
    for text in ("' OR 1=1 --", "%s", "$1", "<public_id>", "\\'", "é"):
        assert images.IMAGE_BY_ID.rows(public_id=text) == []


def test_a_parameter_that_is_forgotten_is_a_mistake_of_ours(db: None) -> None:
    with pytest.raises(KeyError):
        images.IMAGE_BY_ID.rows()


def test_a_parameter_that_the_query_does_not_use_is_a_mistake_of_ours(db: None) -> None:
    with pytest.raises(TypeError, match="does not use"):
        Statement(lambda public_id: Image.objects.all()).rows(public_id="x")


@pytest.mark.django_db(transaction=True)
def test_a_new_connection_learns_the_statements_anew(mara: Person) -> None:
    assert tokens.recognise(mara.token_text) is not None
    connection.close()
    assert tokens.recognise(mara.token_text) is not None


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_ended_is_replaced_before_the_statement_runs(
    mara: Person,
) -> None:
    assert tokens.recognise(mara.token_text) is not None
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    request_started.send(sender=None)
    assert tokens.recognise(mara.token_text) is not None


def deep(row: models.Model) -> dict[str, Any]:
    """The row's fields, and those of the parents that were fetched with it."""
    found: dict[str, Any] = {"": type(row).__name__}
    for field in row._meta.concrete_fields:
        found[field.attname] = getattr(row, field.attname)
        if field.is_relation and field.is_cached(row):
            parent = getattr(row, field.name)
            found[f"{field.name} fetched"] = deep(parent) if parent else None
    return found
