"""A small registry for one run: people, a store, what clients do, and what they were promised."""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from django.db import connection

from shub.containers import announcing, namespaces, removal, tagging
from shub.containers.models import Container, Image, RemovedImage
from shub.containers.refs import LibraryRef, parse
from shub.errors import Refusal
from shub.storage import ObjectStore, OpenParts, Part, replace_object_store
from shub.storage.memory import MemoryStore
from shub.uploads import completion, multipart, resuming, verification
from shub.uploads.models import Upload
from shub.uploads.sweeper import Sweeper
from tests.crash_points.acts import WatchedStore
from tests.factories import Person, make_person
from tests.sif_files import sif_bytes
from tests.stored import stored_sizes
from tests.wire import send

PATH = "mara/tools/gcc"
OTHER_PATH = "otto/tools/gcc"

# Three parts of the least size that the memory store has them in, the last one short.
PART_BYTES = 1024**2
IN_PARTS_BYTES = 2 * PART_BYTES + 100_000

ONE, TWO, THREE = (sif_bytes(seed=seed) for seed in (1, 2, 3))
LARGE = sif_bytes(seed=4, size=IN_PARTS_BYTES)

# Long enough for a lease to end and for a joining to count as left, and within UPLOAD_IDLE_HOURS.
SOON = timedelta(minutes=20)
TOMORROW = timedelta(hours=25)
# Past all that is kept: REMOVED_KEEP_DAYS, CONDEMNED_KEEP_DAYS.
LATER = timedelta(days=30)


@dataclass
class World:
    """One registry, and what was acknowledged so far."""

    store: WatchedStore
    mara: Person
    otto: Person
    proven: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Path and digest → bytes: pushed, said to be there, and nobody takes it away."""
    arriving: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """The client was told that all was well so far: it is there once the sweeps have run."""
    kept: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Removed, or about to be: bytes that can be brought back until they are past their time."""
    errors: list[str] = field(default_factory=list)
    """What was logged as an error."""
    broken: set[str] = field(default_factory=set)
    """Keys under which the store has other bytes, or none, behind the registry's back."""
    untrue: set[str] = field(default_factory=set)
    """The same of rows: keys of blobs that they say wrong things of, and whose ledger is wrong."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What one step of a scenario leaves for the next."""

    # ── what clients do ──
    def container(self, path: str = PATH, *, by: Person | None = None) -> Container:
        """Found, or made as a push makes it."""
        who = by or self._owner(path)
        entity_name, collection_name, name = path.split("/")
        entity = namespaces.find_entity(entity_name, by=who.client)
        collection = namespaces.ensure_collection(
            entity_id=entity.public_id, name=collection_name, description="", by=who.client
        )
        return namespaces.ensure_container(
            collection_id=collection.public_id, name=name, description="", by=who.client
        )

    def announce(self, content: bytes, path: str = PATH, *, by: Person | None = None) -> Image:
        """The image of these bytes: a claim, or there."""
        return announcing.announce(
            container_id=self.container(path, by=by).public_id,
            hash_ref=f"sha256.{digest_of(content)}",
            description="",
            by=(by or self._owner(path)).client,
        )

    def begin(
        self,
        content: bytes,
        path: str = PATH,
        kind: Upload.Kind = Upload.Kind.MULTIPART,
        *,
        by: Person | None = None,
    ) -> Upload:
        """An upload of these bytes, announced before."""
        image = self.announce(content, path, by=by)
        return multipart.begin(
            image_id=image.public_id,
            size=len(content),
            kind=kind,
            by=(by or self._owner(path)).client,
        )

    def send(self, upload: Upload, content: bytes, *, signed: bytes | None = None) -> list[Part]:
        """The bytes by their addresses, straight to the store; `signed` are what was said."""
        parts = []
        for number in range(1, upload.total_parts + 1):
            start = (number - 1) * upload.part_bytes
            piece = content[start : start + upload.part_bytes]
            if len(piece) != upload.size_of_part(number):
                # As by a store that checks no lengths: no address of ours takes it.
                real = self.store.real
                parts.append(real.put_part(upload.key, upload.store_id, number, piece))
                continue
            said = piece if signed is None else signed[start : start + upload.part_bytes]
            address = self.sign(upload, number, said)
            parts.append(Part(number, self._put(address, piece)))
        return parts

    def sign(self, upload: Upload, number: int, piece: bytes) -> str:
        """The address of one part."""
        by = upload.pusher
        if upload.kind == Upload.Kind.SINGLE:
            return multipart.single_address(upload, sha256=digest_of(piece), asked_host="")
        return multipart.sign_part(
            image_id=upload.announced_id,
            upload_id=upload.public_id,
            number=number,
            size=upload.size_of_part(number),
            sha256=digest_of(piece),
            by=by,
            asked_host="",
        )

    def _put(self, address: str, piece: bytes) -> str:
        real = self.store.real
        if not isinstance(real, MemoryStore):
            sent = send(address, piece)
            assert sent.status == 200, sent
            return sent.etag.strip('"')
        headers = {}
        if "x-amz-content-sha256" in address:
            headers["x-amz-content-sha256"] = digest_of(piece)
        answer = real.answer("PUT", address, content=piece, headers=headers)
        assert answer.status == 200, answer
        return answer.headers["etag"].strip('"')

    def complete(self, upload: Upload, parts: list[Part]) -> Upload:
        """Say that all was sent; the client is told that all is well so far."""
        if upload.kind == Upload.Kind.SINGLE:
            done = multipart.complete_single(image_id=upload.announced_id, by=upload.pusher)
        else:
            done = multipart.complete(
                image_id=upload.announced_id,
                upload_id=upload.public_id,
                parts=parts,
                by=upload.pusher,
            )
        assert done is not None
        completion.conclude(done, by=upload.pusher)
        return done

    def sent(
        self,
        content: bytes,
        path: str = PATH,
        kind: Upload.Kind = Upload.Kind.MULTIPART,
        **how: Any,
    ) -> tuple[Upload, list[Part]]:
        """An upload whose bytes are all in the store, of which nobody has said so."""
        upload = self.begin(content, path, kind, by=how.pop("by", None))
        return upload, self.send(upload, how.pop("bytes_sent", content), **how)

    def handed_over(self, content: bytes, path: str = PATH, **how: Any) -> Upload:
        """An upload that is to be verified."""
        upload, parts = self.sent(content, path, **how)
        return self.complete(upload, parts)

    def push(
        self,
        content: bytes,
        *tags: str,
        path: str = PATH,
        kind: Upload.Kind = Upload.Kind.MULTIPART,
        by: Person | None = None,
    ) -> Image:
        """A whole push, as a client repeats it after whatever has happened; not verified yet."""
        who = by or self._owner(path)
        image = self.announce(content, path, by=by)
        if not image.is_proven and resuming.resume(image, by=who.client):
            image = self.announce(content, path, by=by)
        if not image.is_proven and not image.uploads.filter(state="verifying").exists():
            self.handed_over(content, path, kind=kind, by=by)
        for tag in tags:
            self.tag(image, tag, by=who)
        return image

    def tag(self, image: Image, name: str, *, by: Person | None = None) -> None:
        """Set one tag."""
        container = image.container
        who = by or self._owner(str(container))
        tagging.set_tag(
            container_id=container.public_id,
            name=name,
            arch="amd64",
            image_id=image.public_id,
            by=who.client,
        )

    def remove(self, content: bytes, path: str = PATH, *, again: bool = False) -> None:
        """Remove one image by its hash; `again`: it may be gone already."""
        try:
            removal.remove_image(ref_of(content, path), arch="", by=self._owner(path).caller)
        except Refusal:
            if not again:
                raise

    # ── what was there before anything is killed ──
    def has(self, content: bytes, *tags: str, path: str = PATH) -> Image:
        """An image that was pushed and proven; from now on it has to be there."""
        self.push(content, *tags, path=path)
        while verification.verify_next():
            pass
        self.proven[path, digest_of(content)] = content
        image = self.image(content, path)
        assert image is not None
        assert image.is_proven
        return image

    def may_go(self, content: bytes, path: str = PATH) -> None:
        """It is about to be removed: its bytes have to be there, until they are past their time."""
        self.kept[path, digest_of(content)] = self.proven.pop((path, digest_of(content)))

    def told_well(self, content: bytes, path: str = PATH) -> None:
        """A client was told so: the image has to be there soon."""
        self.arriving[path, digest_of(content)] = content

    # ── what there is ──
    def image(self, content: bytes, path: str = PATH) -> Image | None:
        """Its row, in whatever container had or has that name."""
        return image_at(path, digest_of(content))

    def tags(self, path: str = PATH) -> dict[str, str]:
        """Name → digest."""
        entity, collection, container = path.split("/")
        found = Container.objects.filter(
            collection__entity__name=entity, collection__name=collection, name=container
        ).values_list("tags__name", "tags__image__digest")
        return {name: digest for name, digest in found if name}

    def removed(self, content: bytes) -> RemovedImage | None:
        """The removed image of these bytes."""
        return RemovedImage.objects.filter(digest=digest_of(content)).first()

    # ── time, and the sweep ──
    def pass_time(self, span: timedelta) -> None:
        """All that is there is so much older: rows by SQL, so that the database's clock and ours
        agree; and what the store has begun."""
        with connection.cursor() as cursor:
            cursor.execute(_ageing(), {"span": span})
        self.store.age += span

    def sweep(self, times: int = 1) -> None:
        """What the sweep process does."""
        for _ in range(times):
            Sweeper().once()

    def _owner(self, path: str) -> Person:
        return self.mara if path.startswith("mara/") else self.otto

    # ── past the product ──
    def objects(self) -> dict[str, int]:
        """Key → bytes of all that the store holds."""
        real = self.store.real
        if isinstance(real, MemoryStore):
            return {key: stored.size for key, (stored, _) in real._objects.items()}
        return stored_sizes()

    def open_parts(self) -> list[OpenParts]:
        """What the store has in parts."""
        return list(self.store.open_parts(_far_away()))

    def put(self, key: str, content: bytes | None) -> None:
        """Have the store hold these bytes there, or nothing, behind the registry's back."""
        self.broken.add(key)
        real = self.store.real
        if content is None:
            real.remove([key])
        else:
            store_id = real.start_parts(key)
            real.finish_parts(key, store_id, [real.put_part(key, store_id, 1, content)])

    def bytes_of(self, key: str) -> bytes:
        """An object, read past everything that watches."""
        with self.store.real.read(key) as pieces:
            return b"".join(pieces)


def make_world(store: ObjectStore | None = None) -> World:
    """People with empty hands, and an empty store (in memory, where none is given)."""
    watched = WatchedStore(store or MemoryStore())
    watched.make_bucket()
    return World(store=watched, mara=make_person("mara"), otto=make_person("otto"))


@contextmanager
def inhabited(make_store: Callable[[], ObjectStore] | None = None) -> Iterator[World]:
    """A world in an empty database, with its store in the place of the site's."""
    empty_tables()
    world = make_world(make_store() if make_store else None)
    handler = _Errors(world.errors)
    logger = logging.getLogger("shub")
    logger.addHandler(handler)
    try:
        with replace_object_store(cast("ObjectStore", world.store)):
            yield world
    finally:
        logger.removeHandler(handler)


class _Errors(logging.Handler):
    """Keeps what is logged as an error: after a fault of ours a sweep goes on, and says so."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        self.errors.append(f"{record.getMessage()} {fault!r}" if fault else record.getMessage())


def digest_of(content: bytes) -> str:
    """Hex of SHA-256."""
    return hashlib.sha256(content).hexdigest()


def ref_of(content: bytes, path: str = PATH) -> LibraryRef:
    """The image by its hash."""
    return parse(f"{path}:sha256.{digest_of(content)}")


def image_at(path: str, digest: str) -> Image | None:
    """The image of this hash in the container of this path that is there."""
    entity, collection, container = path.split("/")
    return (
        Image.objects.select_related("blob", "container__collection__entity")
        .filter(
            digest=digest,
            container__name=container,
            container__removed_at=None,
            container__collection__name=collection,
            container__collection__removed_at=None,
            container__collection__entity__name=entity,
        )
        .first()
    )


# ── the database, past the product ──
TABLES = """
SELECT table_name FROM information_schema.tables
WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
    AND table_name NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
"""

# Rows that the database itself refuses to change have their triggers asleep meanwhile.
GUARDED = """
SELECT DISTINCT event_object_table, trigger_name FROM information_schema.triggers
WHERE trigger_schema = 'public'
"""

MOMENTS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'timestamp with time zone'
    AND (starts_with(table_name, 'uploads_') OR starts_with(table_name, 'containers_'))
    AND table_name NOT IN (SELECT event_object_table FROM information_schema.triggers)
ORDER BY table_name, column_name
"""


def empty_tables() -> None:
    """Delete all rows. Not TRUNCATE, which takes ten times as long for so few."""
    if "empty" not in _statements:
        guarded = [(f"ALTER TABLE {table}", trigger) for table, trigger in _rows(GUARDED)]
        _statements["empty"] = "; ".join(
            [
                "BEGIN",
                *(f"{alter} DISABLE TRIGGER {trigger}" for alter, trigger in guarded),
                *(f"DELETE FROM {table}" for (table,) in _rows(TABLES)),
                "SET CONSTRAINTS ALL IMMEDIATE",
                *(f"{alter} ENABLE TRIGGER {trigger}" for alter, trigger in guarded),
                "COMMIT",
            ]
        )
    with connection.cursor() as cursor:
        cursor.execute(_statements["empty"])


def _ageing() -> str:
    """Makes every moment of uploads and containers older by `span`."""
    if "ageing" not in _statements:
        columns: dict[str, list[str]] = {}
        for table, column in _rows(MOMENTS):
            columns.setdefault(table, []).append(f"{column} = {column} - %(span)s")
        _statements["ageing"] = "; ".join(
            f"UPDATE {table} SET {', '.join(found)}" for table, found in columns.items()
        )
    return _statements["ageing"]


# Of what does not change during a run of tests: asked once, and sent in one go.
_statements: dict[str, str] = {}


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _far_away() -> Any:
    from django.utils import timezone

    return timezone.now() + timedelta(days=365)
