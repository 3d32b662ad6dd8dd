"""The demonstration site, filled by a start as `make demo` does it, and looked at from outside."""

import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher

from shub.operations.demo import catalogue, people
from shub.operations.demo.pushing import Client, NotDone
from tests.clients import obtain
from tests.clients.apptainer import Apptainer
from tests.quickstart.running import (
    REPOSITORY,
    Quickstart,
    clean_environment,
    end,
    eventually,
)

# A busy machine takes its time; alone it takes half a minute.
FILLED_WITHIN_SECONDS = 240

pytestmark = pytest.mark.timeout(FILLED_WITHIN_SECONDS + 60)

PUSHED = sum(
    len(build.arches)
    for room in catalogue.ROOMS
    for shelf in room.shelves
    for build in shelf.builds
)


class Site:
    """A filled registry, and its database."""

    def __init__(self, quickstart: Quickstart, signer: str) -> None:
        self.quickstart = quickstart
        self.signer = signer
        self.url: str = quickstart.facts()["url"]
        self.database: str = quickstart.facts()["database"]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with (
            contextlib.closing(psycopg2.connect(self.database)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query)
            return cursor.fetchall()

    def one(self, query: str) -> Any:
        ((found,),) = self.rows(query)
        return found

    @property
    def password(self) -> str:
        secrets = json.loads((self.quickstart.data_dir / "secrets.json").read_text())
        return str(secrets["first_password"])

    def demo(self, *options: str) -> subprocess.CompletedProcess[str]:
        """`manage.py demo`, by somebody at the server's terminal."""
        return subprocess.run(
            [sys.executable, str(REPOSITORY / "manage.py"), "demo", *options],
            env=clean_environment(
                DATABASE_URL=self.database, PUBLIC_URL=self.url, SECRET_KEY="unused"
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def site(session_place: Path) -> Iterator[Site]:
    """Filled once for this module; its images are signed where this machine has an Apptainer."""
    try:
        signer = str(obtain.apptainer().path)
    except obtain.Missing:
        signer = ""
    quickstart = Quickstart(
        session_place / "demonstration", environment=clean_environment(APPTAINER=signer)
    )
    quickstart.start("--demo", seconds=FILLED_WITHIN_SECONDS)
    try:
        yield Site(quickstart, signer)
    finally:
        end(quickstart)


def test_every_image_is_proven_and_counted(site: Site) -> None:
    states = dict(
        site.rows(
            "SELECT coalesce(blob.state, 'none'), count(*) FROM containers_image image"
            " LEFT JOIN containers_blob blob ON blob.id = image.blob_id GROUP BY 1"
        )
    )
    # One was copied, and one removed; one is a mere claim, whose upload is open.
    assert states == {"proven": PUSHED, "none": 1}
    uploads = dict(site.rows("SELECT state, count(*) FROM uploads_upload GROUP BY 1"))
    assert uploads == {"done": PUSHED, "open": 1, "refused": 1}
    assert site.one("SELECT count(*) FROM containers_collection") >= 10
    assert site.one("SELECT count(*) FROM containers_container") >= 25
    ((nights,),) = site.rows(
        "SELECT count(DISTINCT tag.name) FROM containers_tag tag JOIN containers_container c"
        " ON c.id = tag.container_id WHERE c.name = 'nightly' AND tag.name LIKE '20__.__.__'"
    )
    assert nights == 300
    page = " ".join((REPOSITORY / "docs/how-to/demonstration-site.md").read_text().split())
    assert f"with {PUSHED} images" in page


def test_the_past_is_two_years_long_and_has_several_people_in_it(site: Site) -> None:
    moves = site.rows(
        "SELECT move.moved_at, move.moved_by FROM containers_tagmove move"
        " JOIN containers_container c ON c.id = move.container_id"
        " WHERE c.name = 'seedling' AND move.name = 'latest' AND move.arch = 'amd64'"
    )
    assert len(moves) == 6
    assert {by for _, by in moves} == {"mara", "tomasz", "lucia"}
    oldest, newest = min(moves)[0], max(moves)[0]
    assert newest - oldest > timedelta(days=365)
    assert site.one(
        "SELECT min(joined) FROM (SELECT min(date_joined) joined FROM accounts_user) AS people"
    ) < datetime.now(UTC) - timedelta(days=700)
    # Pages list both by their keys, so what came later is younger.
    assert not site.rows(
        "SELECT FROM (SELECT moved_at, lag(moved_at) OVER (PARTITION BY container_id ORDER BY id)"
        " AS before FROM containers_tagmove) moves WHERE moved_at < before"
    )
    assert not site.rows(
        "SELECT FROM (SELECT created_at, lag(created_at) OVER (ORDER BY id) AS before"
        " FROM containers_image) images WHERE created_at < before"
    )
    # Nothing is older than what it is in.
    assert not site.rows(
        "SELECT c.name FROM containers_container c JOIN containers_image i ON i.container_id = c.id"
        " WHERE i.created_at < c.created_at"
    )


def test_it_is_signed_where_it_can_be(site: Site) -> None:
    signed = site.one("SELECT count(*) FROM containers_image WHERE signed")
    assert (signed > 20) is bool(site.signer)
    keys = site.one("SELECT count(DISTINCT fingerprints) FROM containers_image WHERE signed")
    assert keys == (3 if site.signer else 0)


def test_everybody_has_the_password_that_is_said(site: Site) -> None:
    found = dict(site.rows("SELECT username, password FROM accounts_user"))
    (kept,) = {found[person.username] for person in people.PEOPLE}
    # By the server's own hasher: the tests' settings name a quick one.
    assert Argon2PasswordHasher().verify(site.password, kept)


def test_a_second_run_adds_nothing_and_says_so(site: Site) -> None:
    # What sweeps add up and say of themselves, and an entity's account, which the first look opens.
    found = site.rows(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname !~ 'download|usage|_sweep'"
        " AND relname ~ '^(accounts|containers|uploads|audit)_'"
    )
    tables = [name for (name,) in found]
    count = "SELECT " + ", ".join(f"(SELECT count(*) FROM {name})" for name in tables)
    before = site.rows(count)
    done = site.demo("--password", site.password)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The demonstration site is here already: nothing was added.\n")
    assert site.password in done.stdout
    assert site.password not in site.demo("--password", "another").stdout
    assert site.rows(count) == before


def test_what_is_pulled_again_has_its_hash_and_what_is_hidden_is_not_pulled(site: Site) -> None:
    anybody = Client(site.url)
    reference = "genomics/aligners/seedling"
    (digest,) = {
        digest
        for (digest,) in site.rows(
            "SELECT image.digest FROM containers_tag tag JOIN containers_image image"
            " ON image.id = tag.image_id JOIN containers_container c ON c.id = tag.container_id"
            " WHERE c.name = 'seedling' AND tag.name = '1.2.1' AND tag.arch = 'arm64'"
        )
    }
    content = anybody.pull(f"{reference}:1.2.1", arch="arm64")
    assert hashlib.sha256(content).hexdigest() == digest
    assert anybody.pull(f"{reference}:latest", arch="arm64") == content
    for hidden in ("genomics/clinical/panel-report:4.0", "climate/forecasts/nightly:latest"):
        with pytest.raises(NotDone, match="404"):
            anybody.pull(hidden)


def test_pulls_are_counted(site: Site) -> None:
    def counted() -> bool:
        return bool(
            site.one("SELECT count(*) FROM containers_download") == 0
            and site.one("SELECT download_count FROM containers_container WHERE name = 'seedling'")
            > 800
        )

    eventually(counted, "the sweep sums the pulls up", 90)


def test_apptainer_lists_and_pulls_what_is_there(site: Site, tmp_path: Path) -> None:
    if not site.signer:
        pytest.skip("there is no Apptainer here")
    cli = Apptainer(Path(site.signer), tmp_path)
    cli.use_remote(site.url)
    pulled = cli.run("pull", "-U", "image.sif", "library://genomics/aligners/seedling:1.2.1")
    assert pulled.returncode == 0, pulled
    listed = cli.run("sif", "list", "image.sif")
    assert listed.returncode == 0, listed
    for word in ("Def.FILE", "JSON.Labels", "FS (Squashfs/*System/amd64)", "Signature"):
        assert word in listed.stdout
    assert "exec seedling" in cli.run("sif", "dump", "1", "image.sif").stdout
