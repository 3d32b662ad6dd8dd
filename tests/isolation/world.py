"""The world of the table: things of every visibility, and one of each role to ask for them.

What is hidden carries words that no request contains: names, descriptions, tags, who pushed,
hashes, sizes, ids. None of them may be in an answer to those who do not see the thing.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, transaction
from django.utils import timezone

from shub.accounts import invitations, tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Team, TeamMembership, Token, User
from shub.containers import ledger
from shub.containers.models import Collection, Container, Grant, Image, Role, Tag
from shub.storage import ObjectStore
from shub.storage.keys import blob_key
from shub.uploads.models import Upload
from tests.factories import PASSWORD, make_person
from tests.isolation import policy
from tests.sif_files import sif_bytes
from tests.wire import Wire

NO_ID = "0" * 24
ALL_SCOPES = ("pull", "push", "delete", "manage")

# Pushed by nobody who asks.
CLAIMED = b"bytes that are still to come"


@dataclass(frozen=True)
class Place:
    """Names, ids and words of one thing and what is above it; of one that is not there too."""

    column: str
    entity_column: str
    entity: str
    collection: str
    container: str
    digest: str
    sif_id: str
    entity_id: str = NO_ID
    collection_id: str = NO_ID
    container_id: str = NO_ID
    image_id: str = NO_ID
    # A role that somebody else was granted there; an invitation of the team's.
    grant: str = "999999999"
    invitation: str = NO_ID
    row: Container | None = None

    @property
    def path(self) -> str:
        """Of the container."""
        return f"{self.entity}/{self.collection}/{self.container}"

    def names(self) -> Iterator[tuple[str, str]]:
        """Everything by which a request can name it, and what to call that."""
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "grant":
                yield f"/members/{value}/", "/members/<grant>/"
            elif each.name not in {"column", "entity_column", "row"}:
                yield value, "<id>" if value in {NO_ID, *self._ids()} else f"<{each.name}>"

    def _ids(self) -> tuple[str, ...]:
        return (
            self.entity_id,
            self.collection_id,
            self.container_id,
            self.image_id,
            self.invitation,
        )


@dataclass(frozen=True)
class Actor:
    """One of a role: what they present on each door."""

    user: User | None = None
    token: str = ""
    session: str = ""


@dataclass
class World:
    """All of it."""

    store: ObjectStore
    people: dict[str, User] = field(default_factory=dict)
    entities: dict[str, Entity] = field(default_factory=dict)
    collections: dict[str, Collection] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    actors: dict[str, Actor] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    # Column → words that only those who see that have to see.
    secrets: dict[str, list[str]] = field(default_factory=dict)
    base: str = ""
    # The secret of an invitation into a team that nobody of the roles owns.
    link: str = ""
    # What was answered for things that are not there.
    told: dict[Any, Any] = field(default_factory=dict)
    # An upload in the store that nobody may end: its key, its id, its part's etag.
    sent: tuple[str, str, str] = ("", "", "")

    def absent(self, place: Place) -> list[Place]:
        """Things that are not there: elsewhere, and beside the thing."""
        nothing = {"digest": "0" * 64, "sif_id": "00000000-0000-4000-8000-000000000000"}
        elsewhere = Place(
            "absent",
            "absent",
            "absent-entity",
            "absent-set",
            "absent-tool",
            **nothing,
        )
        if place.column in {"mara", "crew", "team"}:
            return [elsewhere]
        collection = place.collection if place.column == "narrowed" else "absent-set"
        beside = Place("absent", "absent", place.entity, collection, "absent-tool", **nothing)
        return [elsewhere, beside]


def build(store: ObjectStore) -> World:
    """Make it, in the transaction that is open."""
    world = World(store)
    _people(world)
    _things(world)
    _grants(world)
    _tokens(world)
    _invitations(world)
    _secrets(world)
    # Else whoever looks first has it counted, and has changed something by looking.
    ledger.count_uncounted()
    for table in connection.introspection.table_names():
        if table.startswith(("containers_", "accounts_", "uploads_")):
            with connection.cursor() as cursor:
                cursor.execute(f'ANALYZE "{table}"')
    key = blob_key(hashlib.sha256(CLAIMED).hexdigest(), NO_ID)
    store_id = store.start_parts(key)
    world.sent = key, store_id, store.put_part(key, store_id, 1, CLAIMED).etag
    world.base = fingerprint()
    return world


# ── who ──
def _people(world: World) -> None:
    for role in policy.ROLES[:17]:
        if role == policy.NOBODY:
            continue
        name = "mara" if role == "the owner" else "-".join(role.split()).replace("'", "")
        user = make_person(name, is_administrator=role == policy.ADMINISTRATOR).user
        world.people[role] = user
        if role != "the owner":
            # Entities of those who ask are no part of the table.
            Entity.objects.filter(user=user).update(name=f"home-{name.lower()}")
    User.objects.filter(pk=world.people[policy.AUDITOR].pk).update(is_auditor=True)
    Token.objects.all().delete()
    # Beside the roles: one who knows nobody here, and one who has guests.
    world.people["elsewhere"] = make_person("elsewhere").user
    world.people["host"] = make_person("host").user
    crew = Team.objects.create(name="crew", description="the-crew-says-what-it-does")
    writers = Team.objects.create(name="hidden-guests")
    for team, role, kind in (
        (crew, "member of the team", "member"),
        (crew, "owner of the team", "owner"),
        (writers, "in a team that writes there", "member"),
        (writers, "host", "owner"),
    ):
        TeamMembership.objects.create(team=team, user=world.people[role], role=kind)
    world.entities["mara"] = Entity.objects.get(user=world.people["the owner"])
    world.entities["crew"] = Entity.objects.create(name="crew", team=crew, quota_bytes=9876543210)
    Entity.objects.filter(pk=world.entities["mara"].pk).update(quota_bytes=8765432109)
    world.people["robot of the entity, a writer"] = _robot(
        "mara/ci", robot_entity=world.entities["mara"]
    )
    world.people["robot of the team"] = _robot("@crew/ci", robot_team=crew)


def _robot(username: str, **of: Any) -> User:
    robot = User(username=username, **of)
    robot.set_unusable_password()
    robot.save()
    return robot


# ── what ──
def _things(world: World) -> None:
    owners = {"mara": world.people["the owner"], "crew": world.people["owner of the team"]}
    for number, (column, path) in enumerate(
        {
            "public": "mara/openset/opentool",
            "internal": "mara/innerset/innertool",
            "private": "mara/shutset/shuttool",
            "narrowed": "mara/openset/narrowtool",
            "team's": "crew/crewset/crewtool",
        }.items()
    ):
        entity, collection, name = path.split("/")
        _, text = tokens.issue(user=owners[entity], name="to build the world")
        content = sif_bytes(size=41_234 + number * 1_111, seed=100 + number)
        Wire(text).push(path, content, "latest", f"quiet-{name}")
        container = Container.objects.select_related("collection__entity").get(
            name=name, collection__name=collection
        )
        world.containers[column] = container
        world.collections.setdefault(column, container.collection)
    for column, container in world.containers.items():
        pusher = make_person(f"pusher-of-{container.name}").user
        row = container.collection
        wide = {"narrowed": "public", "team's": "private"}.get(column, column)
        Collection.objects.filter(pk=row.pk).update(
            visibility=wide, description=f"isolated words of {row.name}", created_by=pusher
        )
        Container.objects.filter(pk=container.pk).update(
            description=f"isolated words of {container.name}",
            visibility="private" if column == "narrowed" else "",
            created_by=pusher,
        )
        Image.objects.filter(container=container).update(
            description=f"isolated image in {container.name}", created_by=pusher
        )
        container.uploads.update(created_by=pusher)
    for column in world.containers:
        container = Container.objects.select_related("collection__entity").get(
            pk=world.containers[column].pk
        )
        world.containers[column] = container
        world.collections[column] = container.collection
        world.places[column] = _place(column, container)
    for name, entity in world.entities.items():
        entity.refresh_from_db()
        below = world.places["public" if name == "mara" else "team's"]
        world.places[name] = replace(below, column=name, entity_column=name, row=None)


def _place(column: str, container: Container) -> Place:
    collection = container.collection
    image = container.images.get()
    return Place(
        column=column,
        entity_column=collection.entity.name,
        entity=collection.entity.name,
        collection=collection.name,
        container=container.name,
        digest=image.digest,
        sif_id=str(image.sif_id),
        entity_id=collection.entity.public_id,
        collection_id=collection.public_id,
        container_id=container.public_id,
        image_id=image.public_id,
        row=container,
    )


# ── may what ──
def _grants(world: World) -> None:
    roles = {
        "reader": Role.READER,
        "writer": Role.WRITER,
        "maintainer": Role.MAINTAINER,
        "owner": Role.OWNER,
        "co-owner": Role.OWNER,
    }
    shared = [world.collections[name] for name in ("public", "internal", "private", "team's")]
    for role, user in world.people.items():
        word, _, where = role.partition(" of the ")
        if where == "collection":
            for each in shared:
                Grant.objects.create(collection=each, user=user, role=roles[word])
        if where == "entity":
            for entity in world.entities.values():
                Grant.objects.create(entity=entity, user=user, role=roles[word])
    for each in shared:
        guests = Team.objects.get(name="hidden-guests")
        Grant.objects.create(collection=each, team=guests, role=Role.WRITER)
    for column, place in world.places.items():
        on = (
            {"entity": world.entities[column]}
            if column in world.entities
            else {"collection": world.collections[column]}
        )
        held, _ = Grant.objects.get_or_create(**on, user=world.people["host"], role=Role.READER)
        world.places[column] = replace(place, grant=str(held.pk))
    robot = world.people["robot of the entity, a writer"]
    Grant.objects.create(entity=world.entities["mara"], user=robot, role=Role.WRITER)
    disabled = world.people["disabled person"]
    for entity in world.entities.values():
        Grant.objects.create(entity=entity, user=disabled, role=Role.OWNER)


def _tokens(world: World) -> None:
    owner = world.people["the owner"]
    for role in policy.ROLES[1:19]:
        user = world.people[role]
        scopes = ("pull",) if role == policy.AUDITOR else ALL_SCOPES
        user.refresh_from_db()
        text = _token(user, scopes=scopes)
        session = "" if user.is_robot else sign_in(user)
        world.actors[role] = Actor(user, text, session)
    disabled = world.people["disabled person"]
    disabled.is_active = False
    disabled.save()
    now = timezone.now()
    elsewhere = Entity.objects.get(user=world.people["elsewhere"])
    for role, given in {
        "the owner's token to pull": {"scopes": ("pull",)},
        "the owner's token to push": {"scopes": ("push",)},
        "the owner's token to delete": {"scopes": ("delete",)},
        "the owner's token to manage": {"scopes": ("manage",)},
        "… bound to another entity": {"entity": elsewhere},
        "… bound to the public collection": {
            "entity": world.entities["mara"],
            "collection": world.collections["public"].name,
        },
        "… that has expired": {},
        "… that is revoked": {},
    }.items():
        world.actors[role] = Actor(owner, _token(owner, **{"scopes": ALL_SCOPES, **given}))
    expired = tokens.digest(world.actors["… that has expired"].token)
    Token.objects.filter(digest=expired).update(
        created_at=now - timedelta(days=9), expires_at=now - timedelta(seconds=1)
    )
    revoked = tokens.digest(world.actors["… that is revoked"].token)
    Token.objects.filter(digest=revoked).update(revoked_at=now)
    world.actors[policy.SESSION] = Actor(owner, session=sign_in(owner))
    world.actors[policy.NOBODY] = Actor()


def _invitations(world: World) -> None:
    """One into the team, and one into another team whose link is known."""
    owner = Caller(world.people["owner of the team"])
    into, _ = invitations.invite_by_link(
        team=Team.objects.get(name="crew"), role="member", note="for whom it is", by=owner
    )
    _, world.link = invitations.invite_by_link(
        team=Team.objects.get(name="hidden-guests"),
        role="member",
        by=Caller(world.people["host"]),
    )
    world.places["team"] = replace(
        world.places["crew"], column="team", invitation=into.public_id, row=None
    )


def _token(user: User, **given: Any) -> str:
    token, text = tokens.issue(user=user, name="for the table", **given)
    # Or the first request would write down that it is used.
    Token.objects.filter(pk=token.pk).update(last_used_at=timezone.now())
    return text


def sign_in(user: User) -> str:
    """The key of a session in which the user is signed in to the pages."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def _secrets(world: World) -> None:
    for column, container in world.containers.items():
        image, blob = container.images.get(), container.images.get().blob
        assert blob is not None
        words = [
            container.name,
            container.public_id,
            container.description,
            image.public_id,
            image.digest,
            image.description,
            str(image.sif_id),
            str(blob.size),
            f"pusher-of-{container.name}",
            blob.public_id,
            blob.key,
            *Tag.objects.filter(container=container).values_list("name", flat=True),
            *container.uploads.values_list("public_id", flat=True),
        ]
        row = container.collection
        world.secrets[column] = [word for word in words if word != "latest"]
        if column != "narrowed":
            world.secrets[column] += [row.name, row.public_id, row.description]
    crew = world.entities["crew"]
    world.secrets["crew"] = [crew.public_id, "9876543210"]
    team = Team.objects.get(name="crew")
    world.secrets["team"] = [
        team.public_id,
        team.description,
        world.places["team"].invitation,
        "for whom it is",
    ]


# ── what has changed ──
UNWATCHED = frozenset(
    {
        "auth_permission",
        "cache_entry",
        "django_content_type",
        "django_migrations",
        "django_session",
    }
)
# Coming, going and what was refused is written down, as it should.
UNWATCHED_EVENTS = "refused|sign_in_failed|signed_out"
WATCHED_ROWS = {"audit_event": f"WHERE action !~ '{UNWATCHED_EVENTS}'"}


def fingerprint() -> str:
    """One word for all that is in the database; who came and went, and what was refused, apart."""
    with connection.cursor() as cursor:
        cursor.execute(_fingerprints())
        return "\n".join(cursor.fetchone())


@cache
def _fingerprints() -> str:
    tables = sorted(set(connection.introspection.table_names()) - UNWATCHED)
    each = (
        f"(SELECT concat('{table}', md5(string_agg(t::text, '' ORDER BY t::text))) "
        f'FROM "{table}" t {WATCHED_ROWS.get(table, "")})'
        for table in tables
    )
    return f"SELECT {', '.join(each)}"


@contextmanager
def rolled_back() -> Iterator[None]:
    """Nothing that the block does remains in the database."""
    block = transaction.atomic()
    # As of Django's own TestCase: what says that it is durable may be within.
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)


# ── what a request needs to be there ──
@dataclass
class Scene:
    """A world, a thing in it, and who asks: what a row of the table makes its request of.

    What it makes in the database is gone after the request; of a thing that is not there it makes
    nothing.
    """

    world: World
    place: Place
    actor: Actor
    allowed: bool = False
    prepared: bool = False

    def _sent(self, upload: Upload) -> tuple[str, str, str]:
        """An upload in the store: its key, its id and its part's etag. One serves all who are
        refused: it has to stay what it is."""
        if not self.allowed:
            return self.world.sent
        store_id = self.world.store.start_parts(upload.key)
        part = self.world.store.put_part(upload.key, store_id, 1, CLAIMED)
        return upload.key, store_id, part.etag

    def claim(self) -> str:
        """The id of an image in the container whose bytes are still to come."""
        if self.place.row is None:
            return NO_ID
        self.prepared = True
        image, _ = Image.objects.get_or_create(
            container=self.place.row,
            digest=hashlib.sha256(CLAIMED).hexdigest(),
            defaults={"created_by": self.actor.user},
        )
        return image.public_id

    def upload(self, *, whose: User | None = None, sent: bool = False) -> tuple[str, str, str]:
        """An open upload of such an image: the image's id, the upload's, and its part's etag.

        Begun by the actor, as one who may have been let in once, or by somebody else.
        """
        if self.place.row is None:
            return NO_ID, NO_ID, "etag"
        image_id = self.claim()
        upload = Upload(
            container=self.place.row,
            image=Image.objects.get(public_id=image_id),
            announced_id=image_id,
            kind=Upload.Kind.MULTIPART,
            digest=hashlib.sha256(CLAIMED).hexdigest(),
            size=len(CLAIMED),
            part_bytes=len(CLAIMED),
            created_by=whose or self.actor.user,
        )
        upload.key = blob_key(upload.digest, upload.public_id)
        etag = "etag"
        if sent:
            upload.key, upload.store_id, etag = self._sent(upload)
        else:
            upload.store_id = "none-that-the-store-knows"
        upload.save()
        return image_id, upload.public_id, etag


__all__ = ["CLAIMED", "PASSWORD", "Actor", "Place", "Scene", "World", "build", "fingerprint"]
