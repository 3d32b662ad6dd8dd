"""The demonstration site: its images, its dates, its people, and where it refuses to be made."""

import hashlib
import io
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from shub.accounts.models import Entity, Team, TeamMembership, User
from shub.audit import trail
from shub.audit.models import Event
from shub.containers import describing, freezing
from shub.operations.demo import catalogue, filling, images, past, people, signing, squashfs
from shub.operations.demo.filling import Filling
from shub.sif import read_facts
from tests.factories import Person, make_collection, make_container

BUILDS = [
    (room, shelf, build)
    for room in catalogue.ROOMS
    for shelf in room.shelves
    for build in shelf.builds
]


# ── images ──
def test_every_image_is_a_sif_of_its_architecture_and_like_no_other() -> None:
    found = set()
    for room, shelf, build in BUILDS:
        for arch in build.arches:
            content = images.make(room.place(shelf), shelf, build, arch)
            facts = read_facts(content, len(content))
            assert (facts.arch, facts.signed, facts.unread) == (arch, False, ())
            assert build.kilobytes * 1000 < len(content) < build.kilobytes * 1000 + 60_000
            found.add((hashlib.sha256(content).hexdigest(), facts.sif_id))
    assert len(found) == sum(len(build.arches) for _, _, build in BUILDS)


def test_an_image_is_the_same_each_time() -> None:
    room, shelf, build = BUILDS[0]
    assert images.make(room.place(shelf), shelf, build, "arm64") == images.make(
        room.place(shelf), shelf, build, "arm64"
    )


def test_the_squashfs_says_where_its_tables_are() -> None:
    packed = squashfs.pack({"a/b/c": b"x" * 200_000, "a/d": b"", "e": b"#!/bin/sh\n"}, seconds=1)
    fields = squashfs._superblock.unpack_from(packed)
    assert fields[0] == squashfs.MAGIC
    # Root, a, b and three files.
    assert fields[1] == 6
    assert packed[96 : 96 + 200_000] == b"x" * 200_000
    assert len(packed) % 4096 == 0
    with pytest.raises(ValueError, match="is a file"):
        squashfs.pack({"a": b"", "a/b": b""}, seconds=1)
    with pytest.raises(ValueError, match="one block holds"):
        squashfs.pack({str(number): b"" for number in range(256)}, seconds=1)
    with pytest.raises(ValueError, match="More than 256"):
        squashfs.pack({str(number): b"" for number in range(257)}, seconds=1)


def test_unsquashfs_finds_the_files_as_they_were(tmp_path: Path) -> None:
    program = shutil.which("unsquashfs")
    if program is None:
        pytest.skip("unsquashfs is missing")
    room, shelf, build = BUILDS[0]
    files = images.files(room.place(shelf), shelf, build, "amd64")
    (tmp_path / "root.sqfs").write_bytes(squashfs.pack(files, seconds=images.SECONDS))
    subprocess.run([program, "-n", "-d", "out", "root.sqfs"], cwd=tmp_path, check=True)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == files


def test_a_signer_that_is_named_and_not_there_is_said() -> None:
    with pytest.raises(signing.CannotSign, match="is no program"):
        signing.find("/nowhere/apptainer")


# ── texts ──
def test_every_readme_belongs_to_a_place() -> None:
    places = {f"{room.entity}/{room.name}" for room in catalogue.ROOMS}
    places |= {str(room.place(shelf)) for room in catalogue.ROOMS for shelf in room.shelves}
    texts = {
        str(path.relative_to(catalogue.READMES).with_suffix(""))
        for path in catalogue.READMES.rglob("*.md")
    }
    assert len(texts) > 10
    assert texts <= places
    assert catalogue.readme("genomics", "aligners", "seedling").startswith("# seedling\n")


@pytest.mark.django_db
def test_a_place_gets_its_description_and_its_readme(mara: Person) -> None:
    teaching = make_collection(mara.entity, "teaching", mara)
    course = make_container(teaching, "shell-course", mara)
    names = ("mara", "teaching", "shell-course")
    Filling.tell(course, "A course.", names, by=mara.caller)
    Filling.tell(teaching, "", names[:2], by=mara.caller)
    assert describing.readme_of(course) == catalogue.readme(*names)
    assert describing.readme_of(teaching) == ""
    course.refresh_from_db()
    assert course.description == "A course."


# ── the past ──
@pytest.mark.django_db
def test_what_is_written_in_the_past_bears_its_date_and_what_follows_does_not() -> None:
    then = datetime(2025, 3, 1, tzinfo=UTC)
    with past.at(then):
        trail.record("test.then", kind="site", by=None)
    trail.record("test.now", kind="site", by=None)
    assert Event.objects.get(action="test.then").at == then
    assert Event.objects.get(action="test.now").at > then + timedelta(days=365)


# ── people ──
@pytest.mark.django_db
@pytest.mark.parametrize("makers", ["everybody", "administrators"])
def test_teams_have_their_people_and_nobody_else_whoever_may_make_teams(
    settings: Any, makers: str
) -> None:
    settings.TEAM_CREATION = makers
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    one = Filling(url="", password="not-asked-for", program="", say=lambda _: None)
    one.make_people()
    one.make_teams()
    for team in people.TEAMS:
        found = TeamMembership.objects.filter(team__name=team.name)
        owners = set(found.filter(role="owner").values_list("user__username", flat=True))
        members = set(found.filter(role="member").values_list("user__username", flat=True))
        assert (owners, members) == (set(team.owners), set(team.members))
        made = Team.objects.get(name=team.name).created_at
        assert all(membership.joined_at >= made for membership in found)
    assert list(User.objects.filter(is_superuser=True).values_list("username", flat=True)) == [
        people.ADMINISTRATOR
    ]
    assert User.objects.get(is_auditor=True).username == people.AUDITOR


# ── where it is not to be made ──
def refused(*options: str) -> str:
    """What the command says where it does nothing; nothing is checked to be done."""
    before = (User.objects.count(), Entity.objects.count(), Event.objects.count())
    with pytest.raises(CommandError) as refusal:
        call_command("demo", *options, stdout=io.StringIO(), stderr=io.StringIO())
    assert (User.objects.count(), Entity.objects.count(), Event.objects.count()) == before
    return str(refusal.value)


@pytest.fixture
def _nowhere(settings: Any) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:1"


@pytest.mark.usefixtures("_nowhere")
def test_where_people_are_it_does_nothing_unless_told(otto: Person) -> None:
    assert "it has the entities otto" in refused()
    assert "No registry answers" in refused("--among-others")


@pytest.mark.usefixtures("_nowhere")
def test_an_administrators_own_entity_is_no_other_until_something_is_in_it(
    administrator: Person,
) -> None:
    assert "No registry answers" in refused()
    collection = make_collection(administrator.entity, "tools", administrator)
    make_container(collection, "gcc", administrator)
    assert "it has the entities root" in refused()


@pytest.mark.usefixtures("_nowhere")
def test_names_that_are_taken_are_said_before_anything_is_done(mara: Person) -> None:
    assert "names that are taken: mara" in refused("--among-others")


@pytest.mark.django_db
@pytest.mark.usefixtures("_nowhere")
def test_neither_half_a_filling_nor_a_site_that_stands_still_will_do() -> None:
    freezing.set_read_only("until six", by=None)
    assert "read-only" in refused()
    freezing.set_read_only("", by=None)
    Entity.objects.filter(name="library").update(name="images")
    assert "to be called 'library'" in refused("--among-others")
    Entity.objects.filter(name="images").update(name="library")
    trail.record(filling.BEGUN, kind="site", by=None)
    assert "did not come to its end" in refused()


@pytest.mark.django_db
def test_a_weak_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shub.operations.demo.pushing.answers", lambda _: True)
    assert "too short" in refused("--password", "short")
    assert "is no program" in refused("--apptainer", "/nowhere/apptainer")
