"""Somebody at work: pushes, pulls and removals, one after the other, until told to stop."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shub.operations.demo.pushing import Client, NotDone, Place
from tests.sif_files import sif_bytes


@dataclass
class Work:
    """Pushes small images all the time, pulls each, and removes every second one."""

    url: str
    token: str
    entity: str = "mara"
    name: str = "busy"
    removes: bool = True
    first_seed: int = 1000
    stop: threading.Event = field(default_factory=threading.Event)
    kept: dict[str, bytes] = field(default_factory=dict)
    """What the registry has acknowledged, by its reference with a tag."""
    pushed: int = 0
    removed: int = 0
    faults: list[str] = field(default_factory=list)

    def go_on(self) -> None:
        """Work until it is stopped."""
        while not self.stop.is_set():
            try:
                self.once()
            except NotDone as error:
                self.faults.append(str(error))
                self.stop.wait(0.2)

    def once(self) -> None:
        """One image. NotDone where anything of it did not succeed."""
        client = Client(self.url, self.token)
        place = Place(self.entity, self.name, f"c{self.pushed % 5}")
        content = sif_bytes(seed=self.first_seed + self.pushed)
        tag = f"t{self.pushed}"
        client.push(place, content, tags=(tag,))
        self.kept[f"{place}:{tag}"] = content
        self.pushed += 1
        if client.pull(f"{place}:{tag}") != content:
            raise NotDone(f"{place}:{tag} came with other bytes.")
        if self.removes and self.pushed % 2:
            del self.kept[f"{place}:{tag}"]
            remove(self.url, self.token, place, content)
            self.removed += 1

    @contextmanager
    def going_on(self) -> Iterator["Work"]:
        """At work within the context."""
        thread = threading.Thread(target=self.go_on)
        thread.start()
        try:
            yield self
        finally:
            self.stop.set()
            thread.join(120)


def remove(url: str, token: str, place: Place, content: bytes) -> None:
    """Remove one image, as `singularity delete` does. NotDone."""
    status, _, body = Client._exchange(
        "DELETE",
        f"{url}/v1/images/{place}:sha256.{hashlib.sha256(content).hexdigest()}",
        headers={"Authorization": f"Bearer {token}"},
    )
    if status != 200:
        raise NotDone(f"The removal was answered with {status}: {body!r}")


def not_to_be_had(url: str, token: str, kept: dict[str, bytes]) -> list[str]:
    """Of what was acknowledged, what cannot be pulled now, byte for byte."""
    client, missing = Client(url, token), []
    for reference, content in kept.items():
        try:
            if client.pull(reference) != content:
                missing.append(f"{reference}: other bytes")
        except NotDone as error:
            missing.append(f"{reference}: {error}")
    return missing
