"""Filling: accounts by the domain's functions, bytes by the registry's own doors, then the past.

What a client does (push, pull, a refused and an open upload) is done over HTTP, against the running
web server, store and sweep. What a person at the pages does (teams, roles, descriptions, tags that
move) is done here by the functions that the pages call, dated as the catalogue says.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, partial
from time import monotonic, sleep

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from shub.accounts import invitations, registration, standing, teams, tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Team, TeamMembership, Token, User
from shub.audit import trail
from shub.audit.models import Event
from shub.containers import (
    describing,
    freezing,
    granting,
    removal,
    robots,
    tagging,
    usage,
    visibility,
)
from shub.containers.models import (
    Blob,
    Collection,
    Container,
    Download,
    Image,
    Role,
    Tag,
)
from shub.containers.permissions import Place as AnyPlace
from shub.containers.refs import LibraryRef
from shub.operations.demo import catalogue, images, past, people, signing
from shub.operations.demo.catalogue import Build, Room, Shelf
from shub.operations.demo.pushing import Announced, Client, NotDone, Place
from shub.uploads.models import Upload

BEGUN, FILLED = "demonstration.begun", "demonstration.filled"

# How many pushes go on at once: the registry has two workers.
PUSHES_AT_ONCE = 4
PROVEN_WITHIN_SECONDS = 300.0

# The newest builds of a container are signed; nobody signed before.
SIGNED_BUILDS = 2

# Of an upload that nobody ends: large enough to be noticed, small enough for any disk.
OPEN_BYTES = 96 * 1024**2

# Over how many days the made-up pulls are spread.
PULL_DAYS = 90
ANYBODYS_PULLS = 3

REMOVED_DAYS_AGO = 30.0

# Its multiples are spread evenly: a fraction of a day for each.
GOLDEN_RATIO = 0.618034

Say = Callable[[str], None]
Act = Callable[[], object]


@dataclass(frozen=True)
class Piece:
    """One image to push: where, what, for which architecture, and its bytes."""

    room: Room
    shelf: Shelf
    build: Build
    arch: str
    content: bytes = field(repr=False)

    @property
    def place(self) -> Place:
        return self.room.place(self.shelf)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def is_fresh(self) -> bool:
        return self.build.days_ago == 0


@dataclass(frozen=True)
class Filled:
    """What is there now. `signed` is how many images have a real signature."""

    images: int
    tags: int
    containers: int
    signed: int
    made_up_pulls: int


def names() -> list[str]:
    """The entities that the demonstration makes."""
    return [person.username for person in people.PEOPLE] + [team.name for team in people.TEAMS]


class Filling:
    """One filling of one registry, from its first account to its last date."""

    def __init__(self, *, url: str, password: str, program: str, say: Say) -> None:
        self.url = url
        self.password = password
        self.program = program
        self.say = say
        self.now = timezone.now()
        self.callers: dict[str, Caller] = {}
        self.secrets: dict[str, str] = {}
        self.image_ids: dict[tuple[Place, str, str], str] = {}

    def fill(self) -> Filled:
        """Do all of it; NotDone where the registry does not do its part."""
        # First, since the signing may fail: nothing has been done then.
        pieces = self.make_images()
        trail.record(BEGUN, kind="site", by=None)
        self.say("People, teams and tokens")
        self.make_people()
        self.make_teams()
        self.make_tokens()
        self.push(pieces)
        self.say("Uploads that failed, or go on")
        self.leave_uploads()
        self.say("Tags and how they moved")
        self.date_rows()
        self.move_tags(pieces)
        self.tag_fresh(pieces)
        self.say("Descriptions, roles, what is frozen and what is private")
        self.describe()
        self.settle()
        self.say("Pulls")
        made_up = self.pull()
        trail.record(FILLED, kind="site", by=None)
        return Filled(
            images=Image.objects.filter(blob__state=Blob.State.PROVEN).count(),
            tags=Tag.objects.count(),
            containers=Container.objects.count(),
            signed=Image.objects.filter(signed=True).count(),
            made_up_pulls=made_up,
        )

    @contextmanager
    def ago(self, days: float) -> Iterator[None]:
        """Do what is done here so many days ago."""
        with past.at(self.before(days)):
            yield

    # ── who ──
    def make_people(self) -> None:
        for person in people.PEOPLE:
            with self.ago(person.joined_days_ago):
                user = registration.create_user(
                    username=person.username,
                    password=None,
                    is_administrator=person.username == people.ADMINISTRATOR,
                )
                if person.username == people.AUDITOR:
                    standing.set_site_role(user, standing.AUDITOR, by=None)
                    user.refresh_from_db()
                caller = self.callers[person.username] = Caller(user)
                if person.entity_text:
                    describing.describe(user.entity, text=person.entity_text, by=caller)
        # Hashed once: it takes most of a second, and the accounts share the password anyway.
        User.objects.filter(username__in=self.callers).update(password=make_password(self.password))

    def make_teams(self) -> None:
        for team_of in people.TEAMS:
            first, *others = team_of.owners
            by = self.callers[first]
            with self.ago(team_of.made_days_ago):
                # Made by whoever may on this site, and handed over.
                maker = by if teams.may_create(by) else self.callers[people.ADMINISTRATOR]
                team = teams.create(name=team_of.name, description=team_of.text, by=maker)
                if maker is not by:
                    teams.add(team=team, user=by.known, role=teams.Role.OWNER, by=maker)
                    teams.remove(team=team, username=maker.name, by=maker)
                describing.describe(team.entity, text=team_of.text, by=by)
            for name in (*others, *team_of.members):
                self.take_in(team, name, by=by, owner=name in others)
        team_name, invited, inviter = people.INVITED
        with self.ago(1.5):
            invitations.invite_by_name(
                team=Team.objects.get(name=team_name),
                username=invited,
                role=TeamMembership.Role.MEMBER,
                by=self.callers[inviter],
            )
            invitations.invite_by_link(
                team=Team.objects.get(name=people.TEAMS[0].name),
                by=self.callers[people.TEAMS[0].owners[0]],
                note="the new technician",
            )

    def take_in(self, team: Team, name: str, *, by: Caller, owner: bool) -> None:
        """Invited by name, and accepted the day after."""
        invited = self.callers[name]
        role = TeamMembership.Role.OWNER if owner else TeamMembership.Role.MEMBER
        joined = next(each.joined_days_ago for each in people.PEOPLE if each.username == name)
        made = next(each.made_days_ago for each in people.TEAMS if each.name == team.name)
        with self.ago(min(joined, made) - 1):
            invitations.invite_by_name(team=team, username=name, role=role, by=by)
        with self.ago(min(joined, made) - 2):
            (invitation,) = invitations.naming(invited)
            invitations.accept(invitation, by=invited)

    def make_tokens(self) -> None:
        """A token for each who pushes; some that say more about tokens; a robot with one."""
        pushers = {build.by for room in catalogue.ROOMS for _, build in _builds(room)}
        pushers |= {catalogue.REFUSED_BY, catalogue.OPEN_BY, catalogue.COPIED_BY}
        for name in sorted(pushers):
            joined = next(each.joined_days_ago for each in people.PEOPLE if each.username == name)
            with self.ago(joined - 0.5):
                token, text = tokens.issue(
                    user=self.callers[name].known, name="laptop", by=self.callers[name]
                )
            self.secrets[name] = text
            self.callers[name] = Caller(self.callers[name].user, token)
        mara = Caller(self.callers["mara"].user)
        with self.ago(27):
            tokens.issue(
                user=mara.known,
                name="course machine",
                scopes=[Token.Scope.PULL],
                entity=mara.known.entity,
                collection="teaching",
                expires_at=self.now + timedelta(days=3),
                by=mara,
            )
            lost, _ = tokens.issue(user=mara.known, name="lost notebook", by=mara)
        with self.ago(8):
            tokens.revoke(public_id=lost.public_id, user=mara.known, by=mara)
        self.make_robot()

    def make_robot(self) -> None:
        entity_name, name, keeper = people.ROBOT
        by = Caller(self.callers[keeper].user)
        home = Entity.objects.get(name=entity_name)
        with self.ago(328):
            robot = robots.create(home=home, name=name, role=Role.WRITER, by=by)
            token, text = tokens.issue(
                user=robot,
                name="the scheduler",
                scopes=[Token.Scope.PULL, Token.Scope.PUSH],
                entity=home,
                collection="forecasts",
                by=by,
            )
        self.callers[robot.username] = Caller(robot, token)
        self.secrets[robot.username] = text

    # ── what ──
    def make_images(self) -> list[Piece]:
        """The bytes of all builds, signed where somebody can."""
        signing_names = sorted(
            {shelf.signed_by for room in catalogue.ROOMS for shelf in room.shelves} - {""}
        )
        self.say("Images" + ("" if self.program else ", without signatures"))
        pieces = []
        with signing.signers(self.program, signing_names) as signers:
            for room in catalogue.ROOMS:
                for shelf, build in _builds(room):
                    signer = signers.get(shelf.signed_by)
                    signs = signer if build in shelf.builds[-SIGNED_BUILDS:] else None
                    for arch in build.arches:
                        content = images.make(room.place(shelf), shelf, build, arch)
                        content = signs.sign(content) if signs else content
                        pieces.append(Piece(room, shelf, build, arch, content))
        return pieces

    def push(self, pieces: list[Piece]) -> None:
        """Send all of them, the oldest first, and wait until each is proven."""
        pieces.sort(key=lambda piece: -piece.build.days_ago)
        total = sum(len(piece.content) for piece in pieces)
        self.say(f"Pushing {len(pieces)} images, {total / 1e6:.0f} MB")

        # One after the other: the pages list what was pushed last by the order of these rows.
        announced = [
            self.client(each.build.by).announce(each.place, each.digest) for each in pieces
        ]

        def deliver(piece: Piece, expected: Announced) -> None:
            self.client(piece.build.by).deliver(expected, piece.content)

        with ThreadPoolExecutor(PUSHES_AT_ONCE) as pool:
            delivered = pool.map(deliver, pieces, announced)
            for number, (piece, expected, _) in enumerate(
                zip(pieces, announced, delivered, strict=True), start=1
            ):
                key = piece.place, piece.build.version, piece.arch
                self.image_ids[key] = expected.image_id
                if number % 20 == 0:
                    self.say(f"  {number} of {len(pieces)}")
        self.await_proof()
        self.copy(pieces)

    def client(self, name: str) -> Client:
        return Client(self.url, self.secrets[name])

    def await_proof(self) -> None:
        """Until the sweep has read back all that was sent."""
        sent = Image.objects.filter(public_id__in=self.image_ids.values())
        patience = monotonic() + PROVEN_WITHIN_SECONDS
        while left := sent.exclude(blob__state=Blob.State.PROVEN).count():
            if monotonic() > patience:
                raise NotDone(
                    f"{left} images are not proven after {PROVEN_WITHIN_SECONDS:.0f} seconds: is "
                    "the sweep running?"
                )
            sleep(0.2)

    def copy(self, pieces: list[Piece]) -> None:
        """Bytes that somebody may read elsewhere already: the registry asks for none."""
        content = next(
            piece.content
            for piece in reversed(pieces)
            if piece.place == catalogue.COPY_FROM and piece.arch == "amd64"
        )
        self.client(catalogue.COPIED_BY).push(catalogue.COPY_TO, content, tags=("3.21",))

    def leave_uploads(self) -> None:
        """One that is refused, since other bytes come than were announced; one without an end."""
        claimed = images.filler("what was announced", 60_000)
        self.client(catalogue.REFUSED_BY).push_other_bytes(
            catalogue.REFUSED_AT, claimed, images.filler("what came", len(claimed))
        )
        client = self.client(catalogue.OPEN_BY)
        announced = client.announce(catalogue.OPEN_AT, "0d" * 32)
        client.begin_parts(announced.image_id, OPEN_BYTES)

    # ── tags ──
    def move_tags(self, pieces: list[Piece]) -> None:
        """All that tags meant before today, the oldest first: so the history reads."""
        acts = [*self.releases(pieces), *self.nights(), (REMOVED_DAYS_AGO, self.remove_one)]
        for days, act in sorted(acts, key=lambda due: -due[0]):
            with self.ago(days):
                act()

    def releases(self, pieces: list[Piece]) -> Iterator[tuple[float, Act]]:
        """Each build gets its tags when it is pushed."""
        for piece in pieces:
            for name in () if piece.is_fresh else piece.build.names:
                by = piece.build.by
                yield (
                    piece.build.days_ago,
                    partial(self.set_tag, piece.place, name, self.id_of(piece), by=by),
                )

    def tag_fresh(self, pieces: list[Piece]) -> None:
        """The newest are tagged over HTTP: pushing them again is what sets the tags."""
        for piece in pieces:
            if piece.is_fresh:
                self.client(piece.build.by).push(piece.place, piece.content, tags=piece.build.names)

    def nights(self) -> Iterator[tuple[float, Act]]:
        """A tag for each night, by the robot, on the suite of that time."""
        robot = "/".join(people.ROBOT[:2])
        for room in catalogue.ROOMS:
            for shelf in room.shelves:
                place = room.place(shelf)
                for days in range(shelf.daily_tags, 0, -1):
                    name = f"{self.now - timedelta(days=days):%Y.%m.%d}"
                    build = next(each for each in reversed(shelf.builds) if each.days_ago >= days)
                    for arch in build.arches:
                        image = self.image_ids[place, build.version, arch]
                        yield days, partial(self.set_tag, place, name, image, by=robot)

    def set_tag(self, place: Place, name: str, image_id: str, *, by: str) -> None:
        container = self.container(place)
        tagging.set_tag(
            container_id=container.public_id,
            name=name,
            arch="",
            image_id=image_id,
            by=self.callers[by],
        )

    def id_of(self, piece: Piece) -> str:
        return self.image_ids[piece.place, piece.build.version, piece.arch]

    @staticmethod
    def container(place: Place) -> Container:
        return Container.objects.select_related("collection__entity").get(
            name=place.container,
            collection__name=place.collection,
            collection__entity__name=place.entity,
        )

    # ── what is said of it ──
    def describe(self) -> None:
        """Descriptions and READMEs."""
        for room in catalogue.ROOMS:
            by = Caller(self.callers[room.kept_by].user)
            collection = self.collection(room)
            with self.ago(_begun(room.shelves) - 0.1):
                self.tell(collection, room.text, (room.entity, room.name), by=by)
            for shelf in room.shelves:
                container = self.container(room.place(shelf))
                with self.ago(_begun((shelf,)) - 0.1):
                    self.tell(container, shelf.text, (room.entity, room.name, shelf.name), by=by)

    @staticmethod
    def tell(place: AnyPlace, text: str, names: tuple[str, ...], *, by: Caller) -> None:
        if text:
            describing.describe(place, text=text, by=by)
        if readme := catalogue.readme(*names):
            describing.write_readme(place, text=readme, by=by)

    def settle(self) -> None:
        """Who sees and does what, what stays as it is, and what was removed."""
        for room in catalogue.ROOMS:
            by = Caller(self.callers[room.kept_by].user)
            collection = self.collection(room)
            with self.ago(_begun(room.shelves) - 0.2):
                for holder, role in room.roles.items():
                    granting.grant_by_name(
                        place=collection,
                        name=holder,
                        role=Role[role.upper()],
                        by=by,
                    )
                if room.visibility != collection.visibility:
                    visibility.change(collection, to=room.visibility, by=by)
            for shelf in room.shelves:
                self.settle_container(self.container(room.place(shelf)), shelf, by=by)
        entity = Entity.objects.get(name=catalogue.NEARLY_FULL)
        quota = round(usage.stored_bytes(entity) / catalogue.TAKEN)
        with self.ago(50):
            usage.set_quota(
                name=entity.name, quota=quota, by=Caller(self.callers[people.ADMINISTRATOR].user)
            )

    def settle_container(self, container: Container, shelf: Shelf, *, by: Caller) -> None:
        with self.ago(_begun((shelf,)) - 1):
            if shelf.visibility:
                visibility.change(container, to=shelf.visibility, by=by)
            for name in shelf.frozen_tags:
                freezing.set_tag_frozen(container, name=name, frozen=True, by=by)
            if shelf.frozen:
                freezing.set_container_frozen(container, frozen=True, by=by)

    def remove_one(self) -> None:
        place = catalogue.REMOVED_AT
        reference = LibraryRef(
            place.entity, place.collection, place.container, tag=catalogue.REMOVED_TAG
        )
        remover = Caller(self.callers[catalogue.REMOVED_BY].user)
        removal.remove_image(reference, arch="", by=remover)

    @staticmethod
    def collection(room: Room) -> Collection:
        return Collection.objects.select_related("entity").get(
            name=room.name, entity__name=room.entity
        )

    # ── when ──
    def date_rows(self) -> None:
        """Date what the web server made: collections, containers, images, their bytes, uploads."""
        for room in catalogue.ROOMS:
            made = self.before(_begun(room.shelves))
            Collection.objects.filter(pk=self.collection(room).pk).update(created_at=made)
            for shelf in room.shelves:
                container = self.container(room.place(shelf))
                made = self.before(_begun((shelf,)))
                Container.objects.filter(pk=container.pk).update(created_at=made)
                for build in shelf.builds:
                    self.date_build(room.place(shelf), build)

    def date_build(self, place: Place, build: Build) -> None:
        ids = [self.image_ids[place, build.version, arch] for arch in build.arches]
        found = Image.objects.filter(public_id__in=ids)
        moment = self.before(build.days_ago)
        Blob.objects.filter(images__in=found).update(created_at=moment)
        # `active_at` stays: by it the sweep knows when no address is alive.
        Upload.objects.filter(image__in=found).update(created_at=moment)
        found.update(created_at=moment)

    def before(self, days: float) -> datetime:
        """So many days ago, and up to eight hours more: people do not all push at one o'clock.

        The same for all parts of a day, so that what comes first stays first.
        """
        hours = math.ceil(days) * GOLDEN_RATIO % 1 * 8
        return self.now - timedelta(days=days, hours=hours)

    # ── pulls ──
    def pull(self) -> int:
        """A few real ones; and the many of the last months, made up and appended as pulls are."""
        anybody = Client(self.url)
        for room in catalogue.ROOMS:
            for shelf in room.shelves:
                last = shelf.builds[-1]
                if room.visibility != "public" or catalogue.LATEST not in last.tags:
                    continue
                for _ in range(ANYBODYS_PULLS):
                    anybody.pull(f"{room.place(shelf)}:{catalogue.LATEST}", arch=last.arches[0])
        made_up = list(self.made_up_pulls())
        Download.objects.bulk_create(made_up, batch_size=1000)
        return len(made_up)

    def made_up_pulls(self) -> Iterator[Download]:
        """More of the newer builds, fewer at the week's end; the same each time."""
        for room in catalogue.ROOMS:
            for shelf in room.shelves:
                noise = images.filler(str(room.place(shelf)), 3 * shelf.recent_pulls or 1)
                for number in range(shelf.recent_pulls):
                    days = 0.1 + (noise[3 * number] / 255) ** 1.3 * PULL_DAYS
                    moment = self.before(days)
                    if moment.weekday() >= 5 and noise[3 * number + 1] < 170:
                        moment -= timedelta(days=2)
                    there = [each for each in shelf.builds if self.before(each.days_ago) < moment]
                    there = [each for each in there if not each.untagged] or [shelf.builds[0]]
                    build = there[-1] if noise[3 * number + 2] < 190 else there[0]
                    arch = build.arches[number % len(build.arches) if number % 3 == 0 else 0]
                    key = (room.place(shelf), build.version, arch)
                    image = self.keys.get(self.image_ids[key])
                    if image is not None:
                        yield Download(image_id=image, at=moment)

    @cached_property
    def keys(self) -> dict[str, int]:
        """Primary keys by public id, of the images that are there when it is first asked."""
        return dict(Image.objects.values_list("public_id", "pk"))


def _builds(room: Room) -> Iterator[tuple[Shelf, Build]]:
    for shelf in room.shelves:
        for build in shelf.builds:
            yield shelf, build


def _begun(shelves: tuple[Shelf, ...]) -> float:
    """How many days ago the first of the builds was pushed."""
    return max(build.days_ago for shelf in shelves for build in shelf.builds)


def was_begun() -> bool:
    """A filling has begun here."""
    return Event.objects.filter(action=BEGUN).exists()


def was_filled() -> bool:
    """A filling has come to its end here."""
    return Event.objects.filter(action=FILLED).exists()


def others() -> list[str]:
    """Entities that are neither the site's first one nor an administrator's without anything."""
    used = Container.objects.values("collection__entity")
    found = Entity.objects.exclude(name=settings.DEFAULT_ENTITY).exclude(
        user__in=User.objects.filter(is_superuser=True)
    )
    names = set(found.values_list("name", flat=True))
    names |= set(Entity.objects.filter(pk__in=used).values_list("name", flat=True))
    return sorted(names)


def has_library() -> bool:
    """The entity of the site that the catalogue begins with is there."""
    found = Entity.objects.filter(name=catalogue.LIBRARY[0].entity)
    return any(entity.is_sites for entity in found)


def taken() -> list[str]:
    """Names of the demonstration's that somebody has already."""
    entities = Entity.objects.filter(name__in=names()).values_list("name", flat=True)
    users = User.objects.filter(username__in=names()).values_list("username", flat=True)
    return sorted({*entities, *users})
