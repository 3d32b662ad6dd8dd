"""What most tests of the protocol begin with: an image that somebody has pushed."""

from dataclasses import dataclass
from typing import Any

from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.wire import Wire, digest, wire

PATH = "mara/tools/gcc"


@dataclass(frozen=True)
class Pushed:
    """An image that is proven, who pushed it, and its bytes."""

    owner: Person
    path: str
    content: bytes
    image: dict[str, Any]

    @property
    def client(self) -> Wire:
        """A client of its owner."""
        return wire(self.owner)

    @property
    def id(self) -> str:
        """The image's id."""
        return str(self.image["id"])

    @property
    def container_id(self) -> str:
        """Its container's id."""
        return str(self.image["container"])

    @property
    def hash(self) -> str:
        """The hash of its bytes, as clients write it."""
        return f"sha256.{digest(self.content)}"


def push(owner: Person, path: str = PATH, *tags: str, arch: str = "amd64", **what: Any) -> Pushed:
    """Push a small image and tag it (latest, where no tag is named)."""
    client = wire(owner)
    content = sif_bytes(arch=arch, **what)
    image = client.push(path, content)
    for tag in tags or ("latest",):
        answer = client.tag(
            image["container"], image["id"], tag, arch="" if arch == "unknown" else arch
        )
        assert answer.status == 200, answer
    return Pushed(owner, path, content, client.announce(path, content))
