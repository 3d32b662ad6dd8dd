"""The judge: what has to hold of a registry after a round, once everything runs again.

Read past the product: rows by SQL, the bucket by a client of its own, logs as they stand; and as
anybody who pulls. Each rule gives back what it found, in words; nothing is right.
"""

import hashlib
import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shub.quickstart import binaries
from tests.clients.live import PROJECT
from tests.clients.outcome import without_secrets
from tests.faults import inventory, journal
from tests.faults.journal import AWAY, THERE, Journal
from tests.faults.layouts import Layout, wait_until
from tests.faults.library import Cut, Library, Refused

# The sweep gives up what has not moved for 24 hours (UPLOAD_IDLE_HOURS). Rows and the store's own
# uploads in parts have their age from different clocks: it is the sweep that is put a day ahead.
# Twice, since what the first pass joins is verified by the second.
SWEEP_OF_TOMORROW = """
from datetime import timedelta
from django.core.management import call_command
from django.utils import timezone
now = timezone.now
timezone.now = lambda: now() + timedelta(hours=25)
call_command("sweep", "--once")
call_command("sweep", "--once")
"""

# What has its end by the database's clock.
WAITED = (
    "UPDATE containers_blob SET retry_at = NULL WHERE retry_at IS NOT NULL",
    "UPDATE uploads_upload SET retry_at = NULL WHERE retry_at IS NOT NULL",
)
PAST_KEEPING = (
    *WAITED,
    "UPDATE containers_blob SET kept_until = now() WHERE kept_until > now()",
    "UPDATE containers_removedimage SET kept_until = now() WHERE kept_until > now()",
)

# A joining that was left is gone on with after minutes, and read half a minute later.
JOINING_LEFT = (
    "UPDATE uploads_upload SET active_at = active_at - interval '1 h' WHERE state = 'joining'"
)

SETTLED = "UPDATE uploads_upload SET leased_until = NULL WHERE state = 'verifying' AND lease = ''"

# So long a store that was hit may still be at work on what it was asked before.
QUIET_SECONDS = 3.0

SETTLED_SECONDS = 120.0


class Judge:
    """Judges one registry by the journal of its clients."""

    def __init__(self, layout: Layout, acts: Journal) -> None:
        self.layout = layout
        self.live = layout.live
        self.journal = acts
        self.notes: dict[str, str] = {}
        """What is no fault, and worth to be told."""

    def findings(self) -> list[str]:
        """All rules, each after the sweeps that it needs."""
        found = self._said(self.everything_answers)
        found += self._said(self.sweep_now)
        for rule in (
            self.uploads_end,
            self.rows_and_store_agree,
            self.images_are_as_acknowledged,
            self.tags_are_as_acknowledged,
            self.histories_are_unbroken,
            self.fsck_is_clean,
        ):
            found += self._said(rule)
        found += self._said(self.sweep_tomorrow)
        for rule in (
            self.nothing_is_left_of_attempts,
            self.rows_and_store_agree,
            self.everything_is_pulled,
            self.fsck_is_clean,
        ):
            found += self._said(rule)
        found += self._said(self.sweep_past_keeping)
        for rule in (
            self.rows_and_store_agree,
            self.nothing_is_kept,
            self.images_are_as_acknowledged,
            self.logs_are_quiet,
            self.blocks_are_counted,
        ):
            found += self._said(rule)
        return [*self.journal.faults, *found]

    @staticmethod
    def _said(rule: Callable[[], list[str]]) -> list[str]:
        """What the rule found, by its name; that it could not be asked is a finding, too."""
        try:
            return [f"{rule.__name__}: {words}" for words in rule()]
        except Exception as error:  # noqa: BLE001
            return [f"{rule.__name__}: {type(error).__name__} {str(error)[:600]}"]

    # ── sweeping ──
    def everything_answers(self) -> list[str]:
        wait_until(self.layout.answers, "an answer of everything", SETTLED_SECONDS)
        time.sleep(QUIET_SECONDS)
        return []

    def sweep_now(self) -> list[str]:
        """One sweep beside those that run, and the end of what is verified."""
        left = dict(
            self.live.rows(
                "SELECT state, count(*) FROM uploads_upload"
                " WHERE state IN ('open', 'joining', 'verifying') GROUP BY state"
            )
        )
        self.notes["left on their way"] = ", ".join(f"{left[each]} {each}" for each in left) or "0"
        self._change(*WAITED, JOINING_LEFT)
        wrong = self._manage("sweep", "--once")
        begun = time.monotonic()
        # What has joined it first, if it was not killed, has ended as well.
        self._change(SETTLED)
        wait_until(
            lambda: not self._unsettled(), "an end of joining and verifying", SETTLED_SECONDS
        )
        self.notes["settled after"] = f"{time.monotonic() - begun:.1f} s"
        return wrong

    def _unsettled(self) -> list[Any]:
        return self.live.rows(
            "SELECT 1 FROM uploads_upload WHERE state IN ('joining', 'verifying')"
        )

    def sweep_tomorrow(self) -> list[str]:
        """As if a day had gone by: what nobody goes on with is given up."""
        self._change(*WAITED)
        return self._manage("shell", "--verbosity=0", "--command", SWEEP_OF_TOMORROW)

    def sweep_past_keeping(self) -> list[str]:
        """As if all that was removed, or condemned, were past the time that it is kept."""
        self._change(*PAST_KEEPING)
        return self._manage("shell", "--verbosity=0", "--command", SWEEP_OF_TOMORROW)

    def _change(self, *statements: str) -> None:
        for statement in statements:
            self.live.change(statement)

    def _manage(self, *words: str) -> list[str]:
        done = self.layout.manage(*words)
        if done.returncode:
            return [f"manage.py {words[0]} ended with {done.returncode}: {done.stderr[-600:]}"]
        return []

    # ── rows and bytes ──
    def rows_and_store_agree(self) -> list[str]:
        """No row promises bytes that are not there, and no bytes are there without a row."""
        found = inventory.take(self.live)
        wrong = []
        for key, (state, size) in found.blobs.items():
            if state in {"pending", "proven"} and found.objects.get(key) != size:
                wrong.append(
                    f"a {state} blob of {size} bytes, stored {found.objects.get(key)}: {key}"
                )
        keys = {upload.key for upload in found.uploads}
        wrong += [
            f"an object that no upload has made: {key}" for key in found.objects if key not in keys
        ]
        wrong += [
            f"an image without proven bytes, and with a tag: {place} {name}"
            for place, name in self.live.rows(
                "SELECT container.id, tag.name FROM containers_tag tag"
                " JOIN containers_image image ON image.id = tag.image_id"
                " JOIN containers_container container ON container.id = tag.container_id"
                " LEFT JOIN containers_blob blob ON blob.id = image.blob_id"
                " WHERE blob.state IS DISTINCT FROM 'proven'"
            )
        ]
        wrong += [
            f"an image whose digest is not its blob's: {digest}"
            for (digest,) in self.live.rows(
                "SELECT image.digest FROM containers_image image"
                " JOIN containers_blob blob ON blob.id = image.blob_id"
                " WHERE blob.digest <> image.digest OR blob.state <> 'proven'"
            )
        ]
        return wrong

    def uploads_end(self) -> list[str]:
        """Nothing is on its way any more, and nothing was refused, since all that was sent was
        right."""
        return [
            f"an upload that is {state}: {public_id} {reason} {trouble}"
            for public_id, state, reason, trouble in self.live.rows(
                "SELECT public_id, state, reason, trouble FROM uploads_upload"
                " WHERE state IN ('joining', 'verifying')"
                " OR (state = 'refused' AND reason NOT LIKE '%%no longer has the parts%%')"
            )
        ]

    def nothing_is_left_of_attempts(self) -> list[str]:
        """No open upload, no part in the store, no claim, no tag that waits, no object of use to
        nobody."""
        found = inventory.take(self.live)
        wrong = [
            f"an upload that does not end: {upload}"
            for upload in found.uploads
            if upload.state in inventory.UNDER_WAY
        ]
        wrong += [
            f"an upload that has ended, and still names parts: {upload}"
            for upload in found.uploads
            if upload.store_id and upload.state not in inventory.UNDER_WAY
        ]
        wrong += [f"parts in the store that nobody joins: {key}" for key, _ in found.open_parts]
        wrong += [f"a claim without bytes: {digest}" for digest in found.claims]
        wrong += [f"a tag that waits for nothing: {name}" for name in found.pending_tags]
        wrong += [
            f"an object without a blob: {key}" for key in found.objects if key not in found.blobs
        ]
        return wrong

    def nothing_is_kept(self) -> list[str]:
        """Past all times of keeping: each object is a proven blob's, and each blob an image's."""
        found = inventory.take(self.live)
        wrong = [
            f"a {state} blob: {key}" for key, (state, _) in found.blobs.items() if state != "proven"
        ]
        wrong += [
            f"an object without a blob: {key}" for key in found.objects if key not in found.blobs
        ]
        wrong += [
            f"a blob that no image has: {key}"
            for (key,) in self.live.rows(
                "SELECT key FROM containers_blob blob WHERE state = 'proven' AND NOT EXISTS"
                " (SELECT 1 FROM containers_image image WHERE image.blob_id = blob.id)"
            )
        ]
        self.notes["objects"] = f"{len(found.objects)}, {sum(found.objects.values())} bytes"
        return wrong

    def fsck_is_clean(self) -> list[str]:
        """The product's own check, where this version has one."""
        if not list((PROJECT / "shub").glob("*/management/commands/fsck.py")):
            self.notes["fsck"] = "not there"
            return []
        done = self.layout.manage("fsck", "--json", seconds=300)
        self.notes["fsck"] = f"exit {done.returncode}"
        if done.returncode:
            return [f"exit {done.returncode}: {done.stdout[-1500:]}{done.stderr[-500:]}"]
        return []

    # ── what was acknowledged ──
    def _places(self) -> dict[int, str]:
        return {
            key: f"{entity}/{collection}/{container}"
            for key, entity, collection, container in self.live.rows(
                "SELECT container.id, entity.name, collection.name, container.name"
                " FROM containers_container container"
                " JOIN containers_collection collection ON collection.id = container.collection_id"
                " JOIN accounts_entity entity ON entity.id = collection.entity_id"
            )
        }

    def _images(self) -> dict[tuple[str, str], str]:
        """Place and digest → state of the blob."""
        places = self._places()
        return {
            (places[container], digest): state
            for container, digest, state in self.live.rows(
                "SELECT image.container_id, image.digest, coalesce(blob.state, '')"
                " FROM containers_image image"
                " LEFT JOIN containers_blob blob ON blob.id = image.blob_id"
            )
        }

    def images_are_as_acknowledged(self) -> list[str]:
        """What was pushed is there, proven; what was deleted is not; nothing else is."""
        there = self._images()
        expected = journal.images(self.journal.acts)
        wrong = []
        for key, each in expected.items():
            is_there = there.get(key) == "proven"
            if (THERE if is_there else AWAY) not in each.values:
                acts = [act for act in self.journal.acts if (act.place, act.digest) == key]
                wrong.append(
                    f"{key[0]} {key[1]} should be {'/'.join(each.values)}, and is "
                    f"{there.get(key, 'not there')!r}: {[_told(act) for act in acts]}"
                )
        begun = {act.digest for act in self.journal.acts}
        wrong += [
            f"an image that nobody has pushed: {key}"
            for key, state in there.items()
            if state == "proven" and key[1] not in begun
        ]
        unsure = sum(not each.is_sure for each in expected.values())
        self.notes["images"] = f"{len(expected)}, {unsure} of them may be there or not"
        return wrong

    def tags_are_as_acknowledged(self) -> list[str]:
        """Each tag means what the last word said, or one of those at the same moment."""
        places = self._places()
        there = {
            (places[container], name): digest
            for container, name, digest in self.live.rows(
                "SELECT tag.container_id, tag.name, image.digest FROM containers_tag tag"
                " JOIN containers_image image ON image.id = tag.image_id"
            )
        }
        moved = {
            (places[container], name, digest)
            for container, name, digest in self.live.rows(
                "SELECT container_id, name, to_digest FROM containers_tagmove"
            )
            if container in places
        }
        asked = {(act.place, act.tag, act.digest) for act in self.journal.acts}
        expected = journal.tags(self.journal.acts, never_moved=frozenset(asked - moved))
        wrong = []
        for key, each in expected.items():
            if there.get(key, "") not in each.values:
                acts = [act for act in self.journal.acts if (act.place, act.tag) == key]
                wrong.append(
                    f"{key} means {there.get(key)}, and should mean one of "
                    f"{sorted(each.values)}: {[_told(act) for act in acts]}"
                )
        wrong += [f"a tag that nobody has set: {key}" for key in there if key not in expected]
        unsure = sum(not each.is_sure for each in expected.values())
        self.notes["tags"] = f"{len(expected)}, {unsure} of them may mean one of several"
        return wrong

    def histories_are_unbroken(self) -> list[str]:
        """Each move of a tag begins where the last one ended, and the last where the tag is."""
        meant: dict[tuple[int, str, str], str] = {}
        wrong = []
        for container, name, arch, before, after in self.live.rows(
            "SELECT container_id, name, arch, from_digest, to_digest FROM containers_tagmove"
            " ORDER BY id"
        ):
            key = (container, name, arch)
            if meant.get(key, "") != before:
                wrong.append(f"{key} moved from {before}, and meant {meant.get(key, '')}")
            meant[key] = after
        there = {
            (container, name, arch): digest
            for container, name, arch, digest in self.live.rows(
                "SELECT tag.container_id, tag.name, tag.arch, image.digest FROM containers_tag tag"
                " JOIN containers_image image ON image.id = tag.image_id"
            )
        }
        wrong += [
            f"{key} means {there.get(key, '')}, and its history ends with {after}"
            for key, after in meant.items()
            if there.get(key, "") != after
        ]
        wrong += [f"{key} has no history" for key in there if key not in meant]
        return wrong

    def everything_is_pulled(self) -> list[str]:
        """Each image that is there, as anybody pulls it, and its hash."""
        library = Library(self.live.url, self.live.token, self.journal)

        def pull(key: tuple[str, str]) -> str:
            ref = f"{key[0]}:sha256.{key[1]}"
            try:
                came = hashlib.sha256(library.pull(ref)).hexdigest()
            except (Cut, Refused) as error:
                return f"{ref} does not come: {error}"
            return "" if came == key[1] else f"{ref} came with other bytes: {came}"

        proven = [key for key, state in self._images().items() if state == "proven"]
        with ThreadPoolExecutor(3) as pool:
            wrong = [words for words in pool.map(pull, proven) if words]
        self.notes["pulled"] = str(len(proven))
        return wrong

    # ── what was said ──
    def logs_are_quiet(self) -> list[str]:
        """No stack trace: that database or store is away is said in one line."""
        found: Counter[str] = Counter()
        for log in self.layout.logs():
            text = log.read_text(errors="replace")
            for trace in text.split("Traceback (most recent call last):\n")[1:]:
                lines = trace.splitlines()
                last = next((line for line in lines if not line.startswith((" ", "\t"))), "")
                found[f"{log.stem}: {without_secrets(last)[:300]}"] += 1
            found.update(
                f"{log.stem}: {without_secrets(line)[:300]}"
                for line in text.splitlines()
                if "A request failed" in line or " CRITICAL " in line
            )
        return [f"{count} times {words}" for words, count in found.items()]

    def blocks_are_counted(self) -> list[str]:
        """What the store's own collector finds that no object has: of the store's own death, so it
        is noted and no fault."""
        folder = self.layout.store_folder()
        program = binaries.find_store().path(binaries.STORE_PROGRAM)
        metadata = "sqlite3://meta.db?_synchronous=FULL"
        said = ""
        for words in (
            # The volume remembers the folder that it was made in, and this one is a copy.
            ("config", metadata, "--bucket", f"{folder}/objects/", "--yes", "--force"),
            ("gc", metadata),
        ):
            done = subprocess.run(
                [program, *words],
                cwd=folder,
                # Else it passes over all that is younger than an hour.
                env={
                    "PATH": os.defpath,
                    "HOME": str(folder),
                    "TZ": "UTC",
                    "JFS_GC_SKIPPEDTIME": "1",
                },
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            said = done.stdout + done.stderr
        summary = re.findall(r"scanned [^\[\n]*", said)
        self.notes["juicefs gc"] = summary[-1].strip() if summary else said.strip()[-300:]
        return []


def _told(act: journal.Act) -> str:
    """An act in a finding: short, with its times."""
    return json.dumps(
        [
            act.who,
            act.kind,
            act.digest[:8],
            act.tag,
            round(act.begun_at, 2),
            round(act.ended_at, 2),
            act.end,
            act.cuts,
            act.said[:80],
        ]
    )
