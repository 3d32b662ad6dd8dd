"""Kinds of findings: what can be wrong between rows and store, what it means, and what to do.

docs/reference/fsck.md has them all.
"""

from dataclasses import dataclass

KINDS: dict[str, "Kind"] = {}


@dataclass(frozen=True)
class Kind:
    """One thing that can be wrong. `code` is the same in every release."""

    code: str
    means: str
    remedy: str
    repair: str = ""
    """What --repair does; empty: nothing, since a person has to decide."""

    def __post_init__(self) -> None:
        KINDS[self.code] = self


# ── rows against the store ──
MISSING = Kind(
    "missing-object",
    "The bytes of a proven blob are not in the store: whoever pulls its images fails.",
    "Find out what removed them. Push the image again, or put the object back from a backup under "
    "the same key, then run fsck --repair.",
    "Marks the blob as damaged, so that pulls are refused with words, or heals it by a duplicate.",
)
OTHER_SIZE = Kind(
    "other-size",
    "The object has another number of bytes than were proven: its images are not what their hash "
    "says.",
    "As for damaged.",
    "Marks the blob as damaged, or heals it by a duplicate.",
)
OTHER_BYTES = Kind(
    "other-bytes",
    "The object's bytes do not have the hash that was proven: its images are not what it says.",
    "As for damaged.",
    "Marks the blob as damaged, or heals it by a duplicate.",
)
DAMAGED = Kind(
    "damaged",
    "The blob is known to be damaged: its images are seen, and nobody can pull them.",
    "Push the same file again into any container, or put the object back from a backup under the "
    "same key, then run fsck --repair. Look for what is wrong with the store's disks.",
    "Reads it again: where it is right it is proven again, and right bytes elsewhere heal it.",
)
UNREADABLE = Kind(
    "unreadable",
    "The store has the object and breaks off whenever it is read, or has for long.",
    "The store's own log says why. Where only this object is concerned, push the image again.",
)
PENDING_MISSING = Kind(
    "pending-missing",
    "What was pushed and waits to be verified has lost its object, or has another size.",
    "Nothing: the sweep refuses it, and says so to whoever pushed. Look whether a sweep runs.",
)

# ── the store against rows ──
UNKNOWN_OBJECT = Kind(
    "unknown-object",
    "No row knows the object: it only takes room. A restored older database leaves such.",
    "Run fsck --repair. Where there never was an upload of it here: make sure that no other "
    "registry has this bucket, and that no database is still to be restored to which it belongs; "
    "then run fsck --repair --remove-unknown.",
    "Removes it where it is older than UPLOAD_IDLE_HOURS; with --remove-unknown also where there "
    "never was an upload of it here.",
)
GONE_OBJECT = Kind(
    "gone-object",
    "The object is still there although its removal was written down: it only takes room.",
    "Run fsck --repair.",
    "Removes it.",
)
UNKNOWN_PARTS = Kind(
    "unknown-parts",
    "An upload in parts that no row knows has been open for longer than UPLOAD_IDLE_HOURS: its "
    "parts only take room.",
    "Nothing where a sweep runs: it drops them.",
    "Drops them.",
)

# ── rows against rows ──
IMAGE_WITHOUT_BYTES = Kind(
    "image-without-bytes",
    "An image has a blob that is neither proven nor damaged: it cannot be pulled, and no page says "
    "why.",
    "Push the image again, and report this with the lines of the log about the blob's key.",
)
CONDEMNED_IN_USE = Kind(
    "condemned-in-use",
    "A blob is about to be removed from the store although an image has it.",
    "Run fsck --repair at once, or `manage.py pausecollection` until somebody has looked.",
    "Reads its bytes, and where they are right takes it back.",
)
OTHER_DIGEST = Kind(
    "other-digest",
    "An image's row names another hash than its blob's: its pulls do not give what it says.",
    "Do not guess which is right: compare with a backup, and push the image again.",
)
REMOVED_WITHOUT_BYTES = Kind(
    "removed-without-bytes",
    "A removed image that can still be brought back has lost its bytes.",
    "Nothing, if nobody wants it back; else push it again.",
)
TAG_WITHOUT_IMAGE = Kind(
    "tag-without-bytes",
    "A tag means an image without bytes, or one of another container.",
    "Set the tag to the image that it should mean; its history tells which that was.",
)
UNUSED = Kind(
    "unused-blob",
    "No image has these bytes, and nothing removes them: they only take room.",
    "Run fsck --repair.",
    "Condemns the blob: the sweep removes its bytes.",
)
FORGOTTEN = Kind(
    "forgotten-pending",
    "Bytes wait to be verified, and no upload is being verified that they belong to.",
    "Run fsck --repair.",
    "Condemns the blob: the sweep removes its bytes.",
)
LEDGER = Kind(
    "ledger",
    "What an entity, or the site, is charged for is not what its images and uploads take.",
    "Nothing where a sweep runs: it counts everything anew each day. Report it, with the lines of "
    "the log that say that the ledger was wrong.",
    "Counts it anew.",
)
STUCK_UPLOAD = Kind(
    "stuck-upload",
    "An upload that has arrived has waited for more than an hour, or failed time after time.",
    "Look whether a sweep runs, and at what the row says is in its way: /admin-area/uploads.",
)
STUCK_BLOB = Kind(
    "stuck-removal",
    "Bytes that are to be removed could not be, time after time.",
    "What the row says is in its way is the store's matter; the sweep goes on trying.",
)
