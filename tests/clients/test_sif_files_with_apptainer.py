"""Our SIF files are files to the real client: it lists, signs and verifies them."""

from collections.abc import Callable

import pytest

from tests.clients.apptainer import Apptainer
from tests.clients.conftest import MakeSif

# The first test of a session may have to fetch its client.
pytestmark = pytest.mark.timeout(900)

NewApptainer = Callable[[], Apptainer]


def test_the_client_lists_what_was_written(new_apptainer: NewApptainer, make_sif: MakeSif) -> None:
    image = make_sif(
        arch="arm64", definition="Bootstrap: scratch\n", labels={"a": "b"}, metadata={"data": {}}
    )

    listed = new_apptainer().run("sif", "list", image.path)
    header = new_apptainer().run("sif", "header", image.path)

    assert listed.returncode == 0, listed
    for type_ in ("Def.FILE", "JSON.Labels", "JSON.Generic", "FS (Squashfs/*System/arm64)"):
        assert type_ in listed.stdout, listed
    assert "Primary Architecture: arm64" in header.stdout, header


def test_the_client_signs_and_verifies_what_was_written(
    new_apptainer: NewApptainer, make_sif: MakeSif
) -> None:
    image = make_sif(definition="Bootstrap: scratch\n", labels={"a": "b"})
    cli = new_apptainer()
    cli.make_key()

    cli.sign(image.path)

    verified = cli.run("verify", "--local", image.path)
    assert verified.returncode == 0, verified
    assert "Tester (tests) <tester@example.org>" in verified.said, verified


def test_the_client_finds_changed_bytes_in_a_signed_image(
    new_apptainer: NewApptainer, make_sif: MakeSif
) -> None:
    image = make_sif()
    cli = new_apptainer()
    cli.make_key()
    cli.sign(image.path)
    with image.path.open("r+b") as file:
        file.seek(500_000)
        file.write(b"not what was signed")

    verified = cli.run("verify", "--local", image.path)

    assert verified.returncode == 255, verified
