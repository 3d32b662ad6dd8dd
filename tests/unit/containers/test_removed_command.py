"""`manage.py removed` lists, restores and drops, and says what it did by words and exit status."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from shub.audit.models import Event
from shub.containers import namespaces, refs, removal
from shub.containers.models import RemovedImage
from shub.storage import ObjectStore
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import digest, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@pytest.fixture
def removed(mara: Person) -> RemovedImage:
    wire(mara).push(PATH, sif_bytes(), "1.0", "old")
    removal.remove_image(refs.parse(f"{PATH}:1.0"), arch="amd64", by=mara.caller)
    return RemovedImage.objects.get()


def said(*words: str) -> str:
    out = StringIO()
    call_command("removed", *words, stdout=out)
    return out.getvalue()


def test_it_lists_what_can_be_brought_back_in_one_line_each(
    mara: Person, otto: Person, removed: RemovedImage
) -> None:
    wire(otto).push("otto/tools/gcc", sif_bytes(seed=2))
    other = namespaces.find_container("otto", "tools", "gcc", by=otto.caller)
    removal.remove_container(other, by=otto.caller)
    container, image = said("list").splitlines()
    assert container.startswith(f"container {other.public_id} otto/tools/gcc: 1 image; removed 20")
    name = f"{PATH}:sha256.{digest(sif_bytes())}"
    assert image.startswith(
        f"image {removed.public_id} {name}: {len(sif_bytes())} bytes, tags 1.0 old; removed 20"
    )
    assert "UTC by mara, kept until 20" in image
    assert said("list", "mara").splitlines() == [image]
    assert said("list", "--most", "1").splitlines() == [container]
    with pytest.raises(CommandError, match="no entity 'nobody'"):
        said("list", "nobody")


def test_it_brings_back_and_says_which_tags_it_left(mara: Person, removed: RemovedImage) -> None:
    wire(mara).push(PATH, sif_bytes(seed=2), "1.0")
    told = said("restore", removed.public_id)
    assert "is there again. Not so its tags" in told
    assert told.rstrip().endswith("frozen: 1.0.")
    assert wire().get(f"/v1/imagefile/{PATH}:old").status == 303
    assert Event.objects.get(action="image.restored").actor == ""
    assert said("list") == ""


def test_it_drops_for_good_and_the_sweep_removes_the_bytes(
    removed: RemovedImage, store: ObjectStore
) -> None:
    assert "cannot be brought back any more" in said("drop", removed.public_id)
    assert said("list") == ""
    sweep()
    assert stored_keys(store) == []


def test_what_cannot_be_done_is_said_and_the_rest_is_done(removed: RemovedImage) -> None:
    out, err = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 of 2 could not be done"):
        call_command("removed", "restore", "0" * 24, removed.public_id, stdout=out, stderr=err)
    assert "Nothing that was removed has the id" in err.getvalue()
    assert "is there again." in out.getvalue()
