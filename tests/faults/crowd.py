"""A crowd of clients at work on one registry: they push, pull, tag, delete and bring back, each
going on with what failed until it is answered, as people do.

Each has a container to itself, so that it knows what that holds; in one that all share the same
bytes are pushed, and the same tags set, at the same moment.
"""

import hashlib
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from tests.clients.apptainer import Apptainer
from tests.clients.library_program import LibraryProgram
from tests.clients.live import Live
from tests.clients.outcome import Outcome
from tests.faults.journal import Act, End, Journal, Kind
from tests.faults.library import Cut, Library, Page, Refused
from tests.sif_files import digest_of, sif_bytes, write_sif

Found = TypeVar("Found")

# When the round is over each act is finished, with everything running again, or given up.
FINISHING_SECONDS = 40.0

# A push that is refused so often, though its bytes are right, is a finding.
REFUSALS_BORNE = 6

SMALLEST_BYTES, LARGEST_BYTES = 40_000, 8 << 20

# Some are sent in many parts of 5 MiB.
HUGE_BYTES = 71 << 20

SHARED_TAGS = ("hot", "warm")

# So long the same bytes are pushed by whoever pushes into the shared container.
SHARED_SECONDS = 3.0


class GivenUp(Exception):
    """The round is over, and there still is no answer."""


@dataclass
class Image:
    """One that a client has in its container, or had."""

    digest: str
    size: int
    public_id: str


@dataclass
class Round:
    """What all clients know of the round."""

    live: Live
    password: str
    journal: Journal
    seed: str
    begun_at: float
    over: threading.Event
    chance_of_huge: float = 0.01
    give_up_at: float = float("inf")
    shared: dict[str, Image] = field(default_factory=dict)
    """What was pushed into the container of all, by digest."""

    @property
    def collection(self) -> str:
        return f"{self.live.entity}/rounds"

    def is_late(self) -> bool:
        return time.monotonic() > self.give_up_at


class Client(threading.Thread):
    """One client, until the round is over."""

    def __init__(self, round_: Round, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.round = round_
        self.journal = round_.journal
        self.chance = random.Random(f"{round_.seed} {name}")
        self.place = f"{round_.collection}/{name}"

    def run(self) -> None:
        try:
            self.work()
        except GivenUp:
            pass
        except Exception as error:  # noqa: BLE001  a client that fails is a fault of the test
            self.journal.fault(f"{self.name} failed: {type(error).__name__} {error}")

    def work(self) -> None:
        """Until the round is over."""
        raise NotImplementedError

    def persist(self, act: Act, attempt: Callable[[], Found]) -> Found:
        """Try until it is answered. Refused; GivenUp."""
        while True:
            try:
                found = attempt()
            except Cut as cut:
                act.cuts += 1
                act.said = str(cut)
            except Refused as refused:
                act.end = End.REFUSED
                act.said = str(refused)
                raise
            else:
                act.end = End.DONE
                return found
            if self.round.is_late():
                raise GivenUp
            time.sleep(self.chance.uniform(0.05, 0.4))


class Quick(Client):
    """One that speaks the protocol itself, some acts a second."""

    def __init__(self, round_: Round, name: str) -> None:
        super().__init__(round_, name)
        live = round_.live
        self.library = Library(live.url, live.token, round_.journal)
        self.page = Page(live.url, live.username, round_.password)
        self.images: dict[str, Image] = {}
        self.removed: dict[str, Image] = {}
        self.tags: dict[str, str] = {}
        """Name → digest, of those that mean one thing for sure."""
        self.container_id = self.shared_id = ""
        self.pushed = 0

    @property
    def shared(self) -> str:
        return f"{self.round.collection}/shared"

    def enter(self) -> None:
        """Make the containers that are missing."""
        with self.journal.act(self.name, Kind.LIST, self.place) as act:
            self.container_id = self.persist(act, lambda: self.library.container(self.place))
            self.shared_id = self.persist(act, lambda: self.library.container(self.shared))

    def work(self) -> None:
        self.enter()
        acts: list[tuple[Callable[[], None], int]] = [
            (self.push, 30),
            (self.push_shared, 14),
            (self.pull, 20),
            (self.pull_tag, 8),
            (self.retag, 10),
            (self.retag_shared, 6),
            (self.delete_shared, 5),
            (self.restore_shared, 3),
            (self.delete, 8),
            (self.restore, 6),
            (self.look, 4),
            (self.leave_upload, 3),
        ]
        what, weights = zip(*acts, strict=True)
        while not self.round.over.is_set():
            try:
                self.chance.choices(what, weights)[0]()
            except (Refused, Cut):
                pass  # written down, or a mere question
            self.round.over.wait(self.chance.uniform(0, 0.3))

    # ── acts in its own container ──
    def push(self) -> None:
        """An image that nobody has, and a tag or two for it."""
        self.pushed += 1
        size = int(SMALLEST_BYTES * (LARGEST_BYTES / SMALLEST_BYTES) ** self.chance.random() ** 2)
        if self.chance.random() < self.round.chance_of_huge:
            size = HUGE_BYTES
        image = self.send(self.place, self.container_id, size, self.chance.getrandbits(48))
        self.images[image.digest] = image
        for _ in range(self.chance.randint(0, 2)):
            self.tag(image, f"t{self.pushed - self.chance.choice((0, 0, 0, 1, 2))}")

    def send(self, place: str, container_id: str, size: int, seed: int) -> Image:
        """Push until it is acknowledged."""
        content = sif_bytes(size=size, seed=seed)
        digest = hashlib.sha256(content).hexdigest()
        refusals = 0
        with self.journal.act(self.name, Kind.PUSH, place, digest) as act:

            def attempt() -> str:
                nonlocal refusals
                try:
                    return self.library.push(place, container_id, content)
                except Refused as refused:
                    refusals += 1
                    if refusals > REFUSALS_BORNE:
                        self.journal.fault(f"{place} {digest}: refused again and again: {refused}")
                        raise
                    # Who sees a push fail begins it again.
                    raise Cut(str(refused)) from refused

            return Image(digest, size, self.persist(act, attempt))

    def tag(self, image: Image, name: str) -> None:
        """Set a tag in its own container."""
        before = self.tags.pop(name, None)
        with self.journal.act(self.name, Kind.TAG, self.place, image.digest, name) as act:
            self.persist(act, lambda: self.library.tag(self.container_id, image.public_id, name))
        if act.is_sure or before == image.digest:
            self.tags[name] = image.digest

    def retag(self) -> None:
        """Let a tag, old or new, mean one of its images."""
        if self.images:
            image = self.one_of(self.images)
            self.tag(image, f"t{self.chance.randint(0, self.pushed)}")

    def pull(self) -> None:
        """One of its images, by its hash: it has to come, with these bytes."""
        if not self.images:
            return
        image = self.one_of(self.images)
        self.check_pull(f"{self.place}:sha256.{image.digest}", self.place, image.digest)

    def pull_tag(self) -> None:
        """One of its images, by a tag."""
        tags = [name for name, digest in self.tags.items() if digest in self.images]
        if tags:
            name = self.chance.choice(tags)
            self.check_pull(f"{self.place}:{name}", self.place, self.tags[name], tag=name)

    def check_pull(self, ref: str, place: str, digest: str, *, tag: str = "") -> None:
        """Pull, and compare."""
        with self.journal.act(self.name, Kind.PULL, place, digest, tag) as act:
            try:
                content = self.persist(act, lambda: self.library.pull(ref))
            except Refused as refused:
                # While its tag waits for its proof, the reference means nothing, or what it meant.
                if not tag:
                    self.journal.fault(f"{ref} was acknowledged, and its pull refused: {refused}")
                raise
        came = hashlib.sha256(content).hexdigest()
        if came != digest and not (tag and came in {*self.images, *self.removed}):
            self.journal.fault(f"{ref} came with other bytes, {came}")

    def delete(self) -> None:
        """One of its images."""
        if not self.images:
            return
        image = self.one_of(self.images)
        ref = f"{self.place}:sha256.{image.digest}"
        del self.images[image.digest]
        for name in [name for name, digest in self.tags.items() if digest == image.digest]:
            del self.tags[name]
        with self.journal.act(self.name, Kind.DELETE, self.place, image.digest) as act:

            def attempt() -> None:
                try:
                    self.library.delete(ref)
                except Refused as refused:
                    if refused.status != 404:
                        raise
                    if not act.cuts:
                        self.journal.fault(f"{ref} was acknowledged, and is not there: {refused}")

            self.persist(act, attempt)
        self.removed[image.digest] = image

    def restore(self) -> None:
        """Bring back something that it had removed."""
        if not self.removed:
            return
        image = self.one_of(self.removed)
        del self.removed[image.digest]
        ref = f"{self.place}:sha256.{image.digest}"
        with self.journal.act(self.name, Kind.RESTORE, self.place, image.digest) as act:

            def attempt() -> None:
                self.page.restore(self.place, image.public_id)
                if not self.library.image(ref).get("uploaded"):
                    # Removed before its bytes were proven: then it does not come back.
                    raise Refused(404, "not there")

            self.persist(act, attempt)
        self.images[image.digest] = image

    def look(self) -> None:
        """All tags of its container: those that were acknowledged are there."""
        with self.journal.act(self.name, Kind.LIST, self.place) as act:
            self.persist(act, lambda: self.library.tags(self.container_id))

    def leave_upload(self) -> None:
        """Begin to send an image, and send no more; or say that it is not coming."""
        size = 6 << 20
        content = sif_bytes(size=size, seed=self.chance.getrandbits(48))
        digest = hashlib.sha256(content).hexdigest()
        with self.journal.act(self.name, Kind.ABORT, self.place, digest) as act:

            def begin() -> tuple[str, str]:
                image = self.library.announce(self.place, self.container_id, digest)
                begun = self.library.begin_parts(image["id"], size)
                self.library.send_part(image["id"], begun["uploadID"], 1, content[: 5 << 20])
                return image["id"], begun["uploadID"]

            image_id, upload_id = self.persist(act, begin)
            if self.chance.random() < 0.5:
                self.persist(act, lambda: self.library.abort(image_id, upload_id))

    def one_of(self, images: dict[str, Image]) -> Image:
        """By chance, the younger ones more often."""
        found = list(images.values())
        return found[-1 - int(len(found) * self.chance.random() ** 2)]

    # ── acts in the container of all ──
    def shared_now(self) -> tuple[int, int]:
        """Size and seed of what whoever pushes there at this moment pushes."""
        number = int((time.monotonic() - self.round.begun_at) / SHARED_SECONDS)
        chance = random.Random(f"{self.round.seed} shared {number}")
        return chance.choice((50_000, 300_000, 2 << 20, 6 << 20)), chance.getrandbits(48)

    def push_shared(self) -> None:
        """The same bytes as others at this moment: into the shared container, or its own too."""
        size, seed = self.shared_now()
        if self.chance.random() < 0.3:
            image = self.send(self.place, self.container_id, size, seed)
            self.images[image.digest] = image
            return
        image = self.send(self.shared, self.shared_id, size, seed)
        self.round.shared[image.digest] = image
        self.tag_shared(image)

    def tag_shared(self, image: Image) -> None:
        """Set a tag that others set, too."""
        name = self.chance.choice(SHARED_TAGS)
        with self.journal.act(self.name, Kind.TAG, self.shared, image.digest, name) as act:
            self.persist(act, lambda: self.library.tag(self.shared_id, image.public_id, name))

    def retag_shared(self) -> None:
        """Pull what a tag of all means, and set the other one to it."""
        name = self.chance.choice(SHARED_TAGS)
        with self.journal.act(self.name, Kind.PULL, self.shared, tag=name) as act:
            content = self.persist(act, lambda: self.library.pull(f"{self.shared}:{name}"))
            act.digest = hashlib.sha256(content).hexdigest()
        found = self.library.image(f"{self.shared}:sha256.{act.digest}")
        if found:
            self.tag_shared(Image(act.digest, len(content), found["id"]))

    def delete_shared(self) -> None:
        """One of those that others push, delete and bring back at this moment."""
        if not self.round.shared:
            return
        image = self.one_of(self.round.shared)
        ref = f"{self.shared}:sha256.{image.digest}"
        with self.journal.act(self.name, Kind.DELETE, self.shared, image.digest) as act:

            def attempt() -> None:
                try:
                    self.library.delete(ref)
                except Refused as refused:
                    # Gone, by this very try or by somebody else.
                    if refused.status != 404:
                        raise

            self.persist(act, attempt)

    def restore_shared(self) -> None:
        """Bring back one of them, if it is away."""
        if not self.round.shared:
            return
        image = self.one_of(self.round.shared)
        with self.journal.act(self.name, Kind.RESTORE, self.shared, image.digest) as act:

            def attempt() -> None:
                self.page.restore(self.shared, image.public_id)
                if not self.library.image(f"{self.shared}:sha256.{image.digest}").get("uploaded"):
                    raise Refused(404, "not there")

            self.persist(act, attempt)


class Hand(Protocol):
    """A real client, as one uses it."""

    def push(self, image: Path, ref: str) -> Outcome:
        """Push the file. `ref`: ENTITY/COLLECTION/CONTAINER:TAG."""

    def pull(self, ref: str, image: Path) -> Outcome:
        """Pull into the file."""


class ApptainerHand:
    """Apptainer's command."""

    def __init__(self, program: Path, home: Path, live: Live) -> None:
        self.cli = Apptainer(program, home)
        self.cli.use_remote(live.url, token=live.token)

    def push(self, image: Path, ref: str) -> Outcome:
        return self.cli.run("push", "-U", image, f"library://{ref}", seconds=180)

    def pull(self, ref: str, image: Path) -> Outcome:
        words = ("pull", "--disable-cache", "--force", image, f"library://{ref}")
        return self.cli.run(*words, seconds=180)


class ProgramHand:
    """The Go library of its own, in a program of ours."""

    def __init__(self, program: Path, home: Path, live: Live) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.program = LibraryProgram(program, home, live.url, live.token)

    def push(self, image: Path, ref: str) -> Outcome:
        return self.program.push(image, f"library://{ref}", arch="amd64")

    def pull(self, ref: str, image: Path) -> Outcome:
        return self.program.pull(f"library://{ref}", image, arch="amd64")


class Real(Client):
    """A real client: it pushes and pulls, one after the other."""

    def __init__(self, round_: Round, name: str, home: Path, hand: Hand) -> None:
        super().__init__(round_, name)
        self.home = home
        self.hand = hand

    def work(self) -> None:
        number = 0
        image, pulled = self.home / "image.sif", self.home / "pulled.sif"
        while not self.round.over.is_set():
            number += 1
            size = HUGE_BYTES if number % 4 == 0 else self.chance.randint(40_000, 12 << 20)
            digest = write_sif(image, size=size, seed=self.chance.getrandbits(48))
            tag = f"v{number}"
            ref = f"{self.place}:{tag}"
            with ExitStack() as both:
                acts = [
                    both.enter_context(self.journal.act(self.name, kind, self.place, digest, name))
                    for kind, name in ((Kind.PUSH, ""), (Kind.TAG, tag))
                ]
                self.until_done(acts, lambda ref=ref: self.hand.push(image, ref))  # type: ignore[misc]
            pulled.unlink(missing_ok=True)
            with self.journal.act(self.name, Kind.PULL, self.place, digest, tag) as act:
                self.until_done([act], lambda ref=ref: self.hand.pull(ref, pulled))  # type: ignore[misc]
            if digest_of(pulled) != digest:
                self.blame(ref, digest)
            self.round.over.wait(self.chance.uniform(0, 2))

    def blame(self, ref: str, digest: str) -> None:
        """Who is to blame for other bytes: current clients do not look at the status of each range
        that they fetch, and write what the store says of its trouble into the file."""
        library = Library(self.round.live.url, self.round.live.token, self.journal)
        with self.journal.act(self.name, Kind.PULL, self.place, digest) as act:
            content = self.persist(act, lambda: library.pull(ref))
        words = f"{self.name} pulled {ref}, ended well, and has other bytes"
        if hashlib.sha256(content).hexdigest() == digest:
            self.journal.remarks.append(f"{words}; asked again, the registry has the right ones")
        else:
            self.journal.fault(words)

    def until_done(self, acts: list[Act], run: Callable[[], Outcome]) -> Outcome:
        """Run it until it ends with 0. GivenUp."""
        while True:
            outcome = run()
            if outcome.returncode == 0:
                for act in acts:
                    act.end = End.DONE
                return outcome
            for act in acts:
                act.cuts += 1
                act.said = outcome.said.strip().splitlines()[-1][:300] if outcome.said else ""
            if self.round.is_late():
                raise GivenUp
            time.sleep(0.3)
