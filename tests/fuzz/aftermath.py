"""What a registry is left with when the requests have stopped."""

import re
import time
from dataclasses import dataclass

from shub.names import is_legal_name
from tests.clients.live import Live
from tests.clients.outcome import without_secrets
from tests.faults import inventory
from tests.faults.registry import Registry
from tests.quickstart.running import eventually

SETTLED_SECONDS = 120

# A pass of the sweep takes so many rows of each kind and no more: a long run leaves thousands.
MOST_PASSES = 200

# What is lost of another's things would be seen here; counts of downloads are everybody's.
WATCHED = """
SELECT collection.name, collection.visibility, collection.description, container.name,
       container.description, image.public_id, image.digest, image.description, blob.state,
       blob.key, tag.name, tag.arch
FROM accounts_entity entity
LEFT JOIN containers_collection collection ON collection.entity_id = entity.id
LEFT JOIN containers_container container ON container.collection_id = collection.id
LEFT JOIN containers_image image ON image.container_id = container.id
LEFT JOIN containers_blob blob ON blob.id = image.blob_id
LEFT JOIN containers_tag tag ON tag.image_id = image.id
WHERE entity.name = %s ORDER BY 1, 4, 6, 11, 12
"""

NAMES = """
SELECT entity.name, collection.name, container.name
FROM containers_collection collection
JOIN accounts_entity entity ON entity.id = collection.entity_id
LEFT JOIN containers_container container ON container.collection_id = collection.id
"""

# Lines of a log that tell of a fault of ours, and not of what a client did. A refusal for want of
# room or of time is none, though it is logged as one.
COMPLAINTS = re.compile(
    r"^.*\b(?:ERROR|CRITICAL)\b(?!.*(?:Insufficient Storage|Service Unavailable)).*$", re.MULTILINE
)


@dataclass(frozen=True)
class Standing:
    """What there was before the first request."""

    entities: frozenset[str]
    names: frozenset[tuple[str, ...]]
    watched: tuple[tuple[object, ...], ...]


def take_standing(live: Live) -> Standing:
    """What there is now."""
    return Standing(
        frozenset(name for (name,) in live.rows("SELECT name FROM accounts_entity")),
        frozenset(live.rows(NAMES)),
        tuple(rows_of(live, "watched")),
    )


def rows_of(live: Live, entity: str) -> list[tuple[object, ...]]:
    """All that is kept of the entity's collections, but for who fetched them how often."""
    return live.rows(WATCHED, entity)


def assert_quiet_logs(registry: Registry) -> None:
    """No stack trace and no error: whatever was asked, it was expected."""
    traces = registry.traces()
    assert not traces, f"{len(traces)} stack traces, as {traces[0]}"
    for name in ("web", "sweep"):
        text = (registry.logs / f"{name}.log").read_text(errors="replace")
        assert "shub_" not in text, f"{name}: a token in the log"
        lines = COMPLAINTS.findall(text)
        assert not lines, f"{name}: {len(lines)} complaints: {without_secrets(lines[0])}"


def sweep_until_quiet(registry: Registry) -> inventory.Inventory:
    """Let what is under way end, then day after day pass until nothing more goes; the rest."""
    await_settled(registry)
    before = ""
    for _ in range(MOST_PASSES):
        registry.sweep_as_of_tomorrow()
        found = inventory.take(registry.live)
        left = f"{found} {sum(1 for upload in found.uploads if upload.store_id)}"
        if left == before:
            return found
        before = left
    raise AssertionError(f"The sweep still finds work after {MOST_PASSES} passes: {before}")


def await_settled(registry: Registry) -> None:
    """Wait until no upload is being joined or verified."""

    def is_settled() -> bool:
        # A while passes before the sweep goes on with what a request has left: that while, here.
        registry.live.change(
            "UPDATE uploads_upload SET active_at = active_at - interval '150 s'"
            " WHERE state = 'joining'"
        )
        time.sleep(0.5)
        under_way = "SELECT 1 FROM uploads_upload WHERE state IN ('joining', 'verifying') LIMIT 1"
        return not registry.live.rows(under_way)

    eventually(is_settled, "an end of joining and verifying", SETTLED_SECONDS)


def assert_nothing_left(found: inventory.Inventory) -> None:
    """No row or object is there that a correct client would not have left."""
    inventory.assert_nothing_left(found)


def assert_explained(live: Live, before: Standing) -> None:
    """Only the two who asked have more than before, under names that a client could push to."""
    after = take_standing(live)
    assert after.entities == before.entities, after.entities ^ before.entities
    assert after.watched == before.watched, f"{after.watched}\n\nwas\n\n{before.watched}"
    assert before.names <= after.names, f"gone: {before.names - after.names}"
    for entity, collection, container in after.names - before.names:
        made = f"{entity}/{collection}/{container}"
        assert entity in {"mara", "otto"}, f"made in another's place: {made}"
        assert is_legal_name(collection), made
        assert container is None or is_legal_name(container), made
    for (name,) in live.rows("SELECT name FROM containers_tag"):
        assert is_legal_name(name), f"the tag {name!r}"
