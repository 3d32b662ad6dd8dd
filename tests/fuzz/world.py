"""What there is to ask for: people, names, and the ids that answers have brought."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.sif_files import sif_bytes

# So many of each are remembered: an old id is as good as a new one, and both are wanted.
MOST_KNOWN = 400

ARCHES = ("amd64", "arm64", "386", "s390x")
TAGS = ("latest", "v1", "1.0", "2024.01-rc_1", "v2", "a")
COLLECTIONS = ("tools", "default", "secret", *(f"c{number}" for number in range(12)))
CONTAINERS = ("gcc", "app", "gcc-13.2_x", *(f"app{number}" for number in range(20)))

# The smallest file that our SIF writer makes: a header, a table, and a few bytes.
SIF_BYTES = 34_000


@dataclass(frozen=True, repr=False)
class Person:
    """A user with an entity of the same name."""

    name: str
    token: str


@dataclass
class Known:
    """Values that were seen, the newest in the place of the oldest."""

    values: list[str] = field(default_factory=list)
    seen: int = 0

    def add(self, value: str) -> None:
        if len(self.values) < MOST_KNOWN:
            self.values.append(value)
        else:
            self.values[self.seen % MOST_KNOWN] = value
        self.seen += 1

    def pick(self, chance: random.Random) -> str:
        """One of them; an id that is nobody's now and then, and where there is none."""
        if not self.values or chance.random() < 0.05:
            return f"{chance.getrandbits(96):024x}"
        return chance.choice(self.values)


@dataclass(frozen=True)
class Hidden:
    """What nobody but its owner may hear of: ids, and the key that its bytes lie under."""

    ids: Sequence[str]
    key: str
    digest: str


@dataclass
class World:
    """Shared by all threads; appending to a list needs no lock."""

    mara: Person
    otto: Person
    watched: Person
    """Nobody asks with this token: what is theirs has to stay as it is."""
    hidden: Hidden
    images: Known = field(default_factory=Known)
    containers: Known = field(default_factory=Known)
    collections: Known = field(default_factory=Known)
    entities: Known = field(default_factory=Known)
    uploads: Known = field(default_factory=Known)
    digests: Known = field(default_factory=Known)
    refs: Known = field(default_factory=Known)
    """With a tag or a hash, and the arch in a query."""

    def entity(self, chance: random.Random) -> str:
        names = ("mara", "mara", "mara", "otto", "watched", "library", "nobody")
        return chance.choice(names)

    def path(self, chance: random.Random) -> str:
        """ENTITY/COLLECTION/CONTAINER, or a short form of it."""
        parts = [self.entity(chance), chance.choice(COLLECTIONS), chance.choice(CONTAINERS)]
        return "/".join(parts[-chance.choice((3, 3, 3, 3, 2, 1)) :])

    def ref(self, chance: random.Random) -> str:
        """A path with a tag, a hash or nothing behind it."""
        digest = self.digests.pick(chance)
        sif_id = "-".join(f"{chance.getrandbits(4 * n):0{n}x}" for n in (8, 4, 4, 4, 12))
        rest = chance.choice(
            (
                "",
                *(f":{tag}" for tag in TAGS),
                f":sha256.{digest:0>64}",
                f":sha256.{self.hidden.digest}",
                f":sif.{sif_id}",
            )
        )
        if chance.random() < 0.1:
            return f"watched/{chance.choice(('public', 'private'))}/container{rest}"
        return self.path(chance) + rest


def image_bytes(chance: random.Random, arch: str = "amd64") -> bytes:
    """An image: sound four times of five, else cut short, too long, or none at all."""
    sound = sif_bytes(
        size=SIF_BYTES,
        seed=chance.getrandbits(48),
        arch=arch,
        fingerprints=("ab" * 20,) if chance.random() < 0.2 else (),
    )
    form = chance.random()
    if form < 0.8:
        return sound
    if form < 0.86:
        return sound[: chance.randrange(1, len(sound))]
    if form < 0.92:
        # The same length: the table says what is not so.
        at = chance.randrange(0, 5000)
        return sound[:at] + chance.randbytes(64) + sound[at + 64 :]
    return chance.randbytes(chance.randrange(1, 4000))


def wrong_token(chance: random.Random) -> str:
    """It has a token's beginning and length; it is nobody's."""
    return f"shub_{chance.getrandbits(800):0219x}"
