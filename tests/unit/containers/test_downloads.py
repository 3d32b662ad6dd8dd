"""Downloads: each counted once, by day, image and container."""

import pytest

from shub.containers import downloads
from shub.containers.models import Container, Download, DownloadCount, Image
from shub.storage import ObjectStore
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.wire import wire

pytestmark = pytest.mark.django_db


def test_each_pull_is_counted_once_and_probes_are_not(
    mara: Person, store: ObjectStore, settings: pytest.FixtureRequest
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    path = "mara/tools/gcc"
    wire(mara).push(path, sif_bytes(), "latest")
    for _ in range(3):
        assert wire().get(f"/v1/imagefile/{path}:latest").status == 303
        assert wire().get(f"/v1/images/{path}:latest").status == 200
    assert wire().get(f"/v1/imagefile/{path}:missing").status == 404
    assert downloads.sum_up() == 3
    assert wire().get(f"/v1/imagefile/{path}:latest").status == 303
    assert (downloads.sum_up(), downloads.sum_up()) == (1, 0)
    assert Image.objects.get().download_count == 4
    assert Container.objects.get().download_count == 4
    assert DownloadCount.objects.get().count == 4
    assert not Download.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_pull_of_an_image_that_is_deleted_at_this_moment_is_neither_counted_nor_refused(
    mara: Person, store: ObjectStore, settings: pytest.FixtureRequest
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    wire(mara).push("mara/tools/gcc", sif_bytes(), "latest")
    image = Image.objects.get()
    wire(mara).call("DELETE", "/v1/images/mara/tools/gcc:latest")
    downloads.record(image)
    assert not Download.objects.exists()
