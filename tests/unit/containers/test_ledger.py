"""The ledger is counted anew now and then; what was wrong is corrected, and said."""

import logging
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shub import metrics
from shub.containers import ledger, removal, restoring, usage
from shub.containers.models import Blob, Charge, Container, EntityUsage, Image, SiteUsage
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import Person, make_collection, make_container, make_person
from tests.rows import make_image
from tests.sif_files import sif_bytes
from tests.wire import wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes(seed=1)
SIZE = len(CONTENT)


@pytest.fixture
def pushed(mara: Person, store: ObjectStore, settings: Any) -> None:
    """An image, and an upload that is under way."""
    settings.VERIFY_WAIT_SECONDS = 0
    wire(mara).push(PATH, CONTENT)
    client = wire(mara)
    client.begin_parts(client.announce(PATH, sif_bytes(seed=2))["id"], SIZE)


def make_due() -> None:
    long_ago = timezone.now() - timedelta(days=2)
    EntityUsage.objects.update(counted_at=long_ago)
    SiteUsage.objects.update(counted_at=long_ago)


def figures(person: Person) -> tuple[int, int, int, int]:
    entity, site = EntityUsage.objects.get(entity=person.entity), SiteUsage.objects.get()
    return (
        *(entity.stored_bytes, entity.reserved_bytes),
        *(site.stored_bytes, site.reserved_bytes),
    )


def corrections() -> float:
    return metrics.LEDGER_CORRECTED._value.get()


@pytest.mark.usefixtures("pushed")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda: EntityUsage.objects.update(stored_bytes=7),
        lambda: EntityUsage.objects.update(reserved_bytes=0),
        lambda: Charge.objects.filter(is_stored=True).delete(),
        lambda: Charge.objects.filter(is_stored=False).update(is_stored=True),
        lambda: Charge.objects.create(
            entity_id=EntityUsage.objects.latest("stored_bytes").pk,
            digest="ab" * 32,
            size=5,
            is_stored=True,
        ),
        lambda: SiteUsage.objects.update(stored_bytes=-1),
        lambda: SiteUsage.objects.update(reserved_bytes=1),
    ],
)
def test_what_is_wrong_is_corrected_by_the_sweep_and_said(
    spoil: Any, mara: Person, caplog: Any
) -> None:
    right, charges = figures(mara), sorted(Charge.objects.values_list("digest", "size"))
    make_due()
    spoil()
    before = corrections()
    with caplog.at_level(logging.ERROR):
        ledger.recount_due()
    assert figures(mara) == right
    assert sorted(Charge.objects.values_list("digest", "size")) == charges
    assert corrections() == before + 1
    assert "The ledger was wrong for" in caplog.text


@pytest.mark.usefixtures("pushed")
def test_what_is_right_is_counted_once_a_day_and_nothing_is_said(mara: Person, caplog: Any) -> None:
    make_due()
    right = figures(mara)
    assert ledger.recount_due() > 0
    assert ledger.recount_due() == 0
    assert figures(mara) == right
    assert "wrong" not in caplog.text


def test_where_not_all_are_counted_in_a_pass_it_begins_with_those_counted_longest_ago(
    mara: Person, otto: Person, monkeypatch: Any
) -> None:
    ledger.count_uncounted()
    make_due()
    longest_ago = timezone.now() - timedelta(days=3)
    EntityUsage.objects.filter(entity=otto.entity).update(counted_at=longest_ago)
    monkeypatch.setattr(ledger.recounting, "ENTITIES_A_PASS", 1)
    ledger.recount_due()
    today = timezone.now() - timedelta(days=1)
    counted = EntityUsage.objects.filter(counted_at__gt=today)
    assert [row.entity_id for row in counted] == [otto.entity.pk]


@pytest.mark.usefixtures("pushed")
def test_what_was_never_counted_is_counted_when_it_is_first_asked_for(
    mara: Person, caplog: Any
) -> None:
    right = figures(mara)
    for model in (Charge, EntityUsage, SiteUsage):
        model.objects.all().delete()
    assert usage.stored_bytes(mara.entity) == SIZE
    assert ledger.site().stored_bytes == SIZE
    assert figures(mara) == right
    # Or when it is changed.
    for model in (Charge, EntityUsage, SiteUsage):
        model.objects.all().delete()
    wire(mara).push("mara/tools/third", sif_bytes(seed=3))
    assert figures(mara) == (2 * SIZE, SIZE, 2 * SIZE, SIZE)
    assert "wrong" not in caplog.text


@pytest.mark.usefixtures("pushed")
def test_the_start_counts_what_an_older_version_never_did(mara: Person) -> None:
    right = figures(mara)
    for model in (Charge, EntityUsage, SiteUsage):
        model.objects.all().delete()
    assert ledger.count_uncounted() > 0
    assert figures(mara) == right
    assert ledger.count_uncounted() == 0
    said = StringIO()
    call_command("quota", "--site", stdout=said)
    assert said.getvalue() == (
        f"The registry stores {SIZE} bytes, has promised {SIZE} to uploads under way, and may "
        "store without bound.\n"
    )


@pytest.mark.usefixtures("pushed")
def test_a_quota_that_was_exceeded_before_the_count_refuses_nothing_that_is_there(
    mara: Person,
) -> None:
    mara.entity.quota_bytes = 1
    mara.entity.save()
    for model in (Charge, EntityUsage, SiteUsage):
        model.objects.all().delete()
    change = ledger.balance(mara.entity.pk, [Image.objects.first().digest])  # type: ignore[union-attr]
    assert (change.more, change.is_over) == (0, False)


@pytest.mark.usefixtures("pushed")
def test_an_upload_into_what_was_removed_goes_on_to_be_paid_until_it_ends(mara: Person) -> None:
    removal.remove_container(Container.objects.get(name="gcc"), by=mara.caller)
    assert figures(mara) == (0, SIZE, SIZE, SIZE)
    assert Upload.objects.filter(state="open").count() == 1


def test_a_removal_of_much_takes_as_many_queries_as_one_of_little(
    mara: Person, settings: Any
) -> None:
    def queries(name: str, count: int) -> tuple[int, int]:
        collection = make_collection(mara.entity, name, mara)
        container = Container.objects.create(collection=collection, name="gcc")
        blobs = Blob.objects.bulk_create(
            Blob(
                digest=f"{len(name):02x}{number:062x}",
                size=10,
                state="proven",
                key=f"{name}{number}",
            )
            for number in range(count)
        )
        Image.objects.bulk_create(
            Image(container=container, digest=blob.digest, blob=blob) for blob in blobs
        )
        ledger.forget_counts()
        ledger.count_uncounted()
        assert usage.stored_bytes(mara.entity) == 10 * count
        with CaptureQueriesContext(connection) as away:
            removal.remove_collection(collection, by=mara.caller)
        assert usage.stored_bytes(mara.entity) == 0
        assert not Charge.objects.exists()
        with CaptureQueriesContext(connection) as back:
            restoring.restore_collection(public_id=collection.public_id, by=mara.caller)
        assert usage.stored_bytes(mara.entity) == 10 * count
        removal.remove_collection(collection, by=mara.caller)
        return len(away), len(back)

    assert queries("few", 2) == queries("many", 500)


def test_the_list_of_entities_is_one_query_and_knows_newcomers(
    mara: Person, otto: Person, administrator: Person, django_assert_num_queries: Any
) -> None:
    tools = make_collection(otto.entity, "tools", otto)
    make_image(make_container(tools, "gcc", otto), by=otto)
    make_person("late")
    with django_assert_num_queries(1):
        rows = usage.by_entity(by=administrator.caller, count=10)
    names = [each.entity.name for each in rows]
    assert names[0] == "otto"
    assert {"mara", "late", "root"} <= set(names)
    assert len(names) == len(set(names))
    pages = [usage.by_entity(by=administrator.caller, start=at, count=1)[0] for at in range(4)]
    assert [each.entity.name for each in pages] == names[:4]
