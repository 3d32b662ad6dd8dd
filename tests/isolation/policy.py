"""Who may do what, written by hand: each role, each thing. Nothing in here asks the product.

The letters: `s` sees that it is there and what it is like, `p` pulls its bytes, `w` writes (pushes,
sets tags), `d` deletes images, `m` manages (settings, who sees it, members), `o` owns. A dash:
nothing at all.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

WORDS = {
    "s": "see",
    "p": "pull",
    "w": "push",
    "d": "delete",
    "m": "manage",
    "o": "own",
}

# Two entities (of the user Mara, of the team Crew), and below them, under the name of who sees it:
# a public, an internal and a private collection of Mara's, each with a container; a container that
# is private in the public collection ("narrowed"); and a private collection of the team's.
COLUMNS = ["mara", "crew", "public", "internal", "private", "narrowed", "team's"]

# "of the collection(s)": granted on each of the four collections; "of the entities": on both.
TABLE = """
                                   mara   crew   public  internal  private  narrowed  team's
nobody                             s      -      sp      -         -        -         -
stranger                           s      -      sp      sp        -        -         -
reader of the collection           s      s      sp      sp        sp       sp        sp
writer of the collection           s      s      spw     spw       spw      spw       spw
maintainer of the collection       s      s      spwdm   spwdm     spwdm    spwdm     spwdm
owner of the collection            s      s      spwdmo  spwdmo    spwdmo   spwdmo    spwdmo
reader of the entity               s      s      sp      sp        sp       sp        sp
writer of the entity               sw     sw     spw     spw       spw      spw       spw
maintainer of the entity           swdm   swdm   spwdm   spwdm     spwdm    spwdm     spwdm
co-owner of the entity             swdmo  swdmo  spwdmo  spwdmo    spwdmo   spwdmo    spwdmo
in a team that writes there        s      s      spw     spw       spw      spw       spw
member of the team                 s      sw     sp      sp        -        -         spw
owner of the team                  s      swdmo  sp      sp        -        -         spwdmo
the owner                          swdmo  -      spwdmo  spwdmo    spwdmo   spwdmo    -
administrator                      sdmo   sdmo   spdmo   spdmo     spdmo    spdmo     spdmo
auditor                            s      s      sp      sp        sp       sp        sp
disabled person                    s      -      sp      -         -        -         -
robot of the entity, a writer      sw     -      spw     spw       spw      spw       -
robot of the team                  s      sw     sp      sp        -        -         spw
the owner's token to pull          s      -      sp      sp        sp       sp        -
the owner's token to push          sw     -      spw     sw        sw       sw        -
the owner's token to delete        sd     -      spd     sd        sd       sd        -
the owner's token to manage        smo    -      spmo    smo       smo      smo       -
… bound to another entity          s      -      sp      -         -        -         -
… bound to the public collection   s      -      spwdmo  -         -        spwdmo    -
… that has expired                 s      -      sp      -         -        -         -
… that is revoked                  s      -      sp      -         -        -         -
the owner's session                s      -      sp      -         -        -         -
"""

NOBODY = "nobody"
OWNER = "the owner"
ADMINISTRATOR = "administrator"
AUDITOR = "auditor"

# By whom nothing is got on the API: not even what nobody gets, so that they learn of it.
UNRECOGNISED = ("disabled person", "… that has expired", "… that is revoked")

# Nothing but a token: on pages they are nobody.
TOKENS = (
    "robot of the entity, a writer",
    "robot of the team",
    "the owner's token to pull",
    "the owner's token to push",
    "the owner's token to delete",
    "the owner's token to manage",
    "… bound to another entity",
    "… bound to the public collection",
    "… that has expired",
    "… that is revoked",
)

# Nothing but a session: on the API they are nobody, on pages the owner.
SESSION = "the owner's session"


def _read(table: str) -> dict[str, dict[str, str]]:
    """Role → column → letters."""
    _, *lines = table.strip("\n").splitlines()
    rows = (re.split(r"\s{2,}", line.strip()) for line in lines)
    return {
        role: dict(zip(COLUMNS, (may.replace("-", "") for may in cells), strict=True))
        for role, *cells in rows
    }


MAY = _read(TABLE)
ROLES = list(MAY)


@dataclass(frozen=True)
class Need:
    """What a route asks of the caller."""

    name: str
    meaning: str
    letter: str = ""
    is_known: bool = False
    # One that lacks it is refused in the words for what is not there, though they may see it.
    hides_from_all: bool = False
    only: tuple[str, ...] = ()


EVERYBODY = Need("everybody", "nothing: all are answered alike, as far as each may see")
SIGNED_IN_OWN = Need("one's own", "to be somebody: it is about one's own things", is_known=True)
SEES = Need("sees", "to see the thing", "s")
PULLS = Need("pulls", "to see it, and to pull from it", "p")
PUSHES = Need("pushes", "to push there", "w", is_known=True, hides_from_all=True)
DELETES = Need("deletes", "to see it, and to delete there", "d", is_known=True)
MANAGES = Need("manages", "to see it, and to manage it", "m", is_known=True)
OWNS = Need("owns", "to see it, and to own it", "o", is_known=True)
ADMINISTRATORS = Need(
    "administrators", "to be an administrator", is_known=True, only=(ADMINISTRATOR,)
)
SEES_ALL = Need(
    "sees all",
    "to be an administrator or an auditor",
    is_known=True,
    only=(ADMINISTRATOR, AUDITOR),
)
NEEDS = [
    EVERYBODY,
    SIGNED_IN_OWN,
    SEES,
    PULLS,
    PUSHES,
    DELETES,
    MANAGES,
    OWNS,
    SEES_ALL,
    ADMINISTRATORS,
]


@dataclass(frozen=True)
class Answers:
    """How a door says its answers: with which statuses, and by whose word."""

    name: str
    success: int
    to_nobody: int
    to_unrecognised: int
    lacking: int


API = Answers("API", success=200, to_nobody=401, to_unrecognised=401, lacking=403)
# Who is not signed in is led to where one does that; who may not is told on a page.
PAGE = Answers("page", success=200, to_nobody=302, to_unrecognised=302, lacking=302)
# Nobody is asked who they are.
OPEN = Answers("open", success=200, to_nobody=401, to_unrecognised=200, lacking=403)


def counts_as(role: str, door: Answers) -> str:
    """The role that counts on this door: nobody's, where what they have is not for it."""
    if door is OPEN:
        return NOBODY
    if door is PAGE:
        if role in {*TOKENS, *UNRECOGNISED}:
            return NOBODY
        return OWNER if role == SESSION else role
    return NOBODY if role == SESSION else role


@dataclass(frozen=True)
class Expected:
    """The answer that a cell has to get."""

    status: int
    allowed: bool = False
    # In the very words for a thing that does not exist.
    like_absent: bool = False


def expected(
    need: Need,
    door: Answers,
    *,
    role: str,
    column: str,
    success: int = 0,
    lacking: int = 0,
    but: Mapping[str, int] = {},
    also: Collection[str] = (),
) -> Expected:
    """What the table says of this role, this need and this thing (none: an empty column)."""
    counted = counts_as(role, door)
    if door is API and counted in UNRECOGNISED:
        return Expected(door.to_unrecognised, like_absent=True)
    may = MAY[counted][column] if column else "s"
    if need.is_known and counted == NOBODY:
        return Expected(door.to_nobody, like_absent=True)
    if need.only:
        allowed = counted in need.only
    else:
        allowed = not need.letter or need.letter in may or role in also
    if allowed:
        return Expected(but.get(role, success or door.success), allowed=True)
    if need.hides_from_all and door is API:
        return Expected(door.lacking, like_absent=True)
    if "s" not in may:
        return Expected(404, like_absent=True)
    return Expected(lacking or door.lacking)
