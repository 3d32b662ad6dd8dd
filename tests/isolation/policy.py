"""Who may do what, written by hand: each role, each thing. Nothing in here asks the product.

The letters: `s` sees that it is there and what it is like, `r` has a role there, in person or by a
team, and sees on its pages which, `p` pulls its bytes, `w` writes (pushes,
sets tags), `d` deletes images, `m` manages (settings, who sees it, members), `o` owns. A dash:
nothing at all.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

WORDS = {
    "s": "see",
    "r": "has a role",
    "p": "pull",
    "w": "push",
    "d": "delete",
    "m": "manage",
    "o": "own",
}

# Two entities (of the user Mara, of the team Crew), and below them, under the name of who sees it:
# a public, an internal and a private collection of Mara's, each with a container; a container that
# is private in the public collection ("narrowed"); and a private collection of the team's.
# And the team itself, as its pages show it.
COLUMNS = ["mara", "crew", "public", "internal", "private", "narrowed", "team's", "team"]

# "of the collection(s)": granted on each of the four collections; "of the entities": on both.
TABLE = """
                                 mara    crew    public   internal  private  narrowed  team's   team
nobody                           s       -       sp       -         -        -         -        -
stranger                         s       -       sp       sp        -        -         -        -
reader of the collection         s       s       srp      srp       srp      srp       srp      -
writer of the collection         s       s       srpw     srpw      srpw     srpw      srpw     -
maintainer of the collection     s       s       srpwdm   srpwdm    srpwdm   srpwdm    srpwdm   -
owner of the collection          s       s       srpwdmo  srpwdmo   srpwdmo  srpwdmo   srpwdmo  -
reader of the entity             sr      sr      srp      srp       srp      srp       srp      -
writer of the entity             srw     srw     srpw     srpw      srpw     srpw      srpw     -
maintainer of the entity         srwdm   srwdm   srpwdm   srpwdm    srpwdm   srpwdm    srpwdm   -
co-owner of the entity           srwdmo  srwdmo  srpwdmo  srpwdmo   srpwdmo  srpwdmo   srpwdmo  -
in a team that writes there      s       s       srpw     srpw      srpw     srpw      srpw     -
member of the team               s       srw     sp       sp        -        -         srpw     s
owner of the team                s       srwdmo  sp       sp        -        -         srpwdmo  sm
the owner                        srwdmo  -       srpwdmo  srpwdmo   srpwdmo  srpwdmo   -        -
administrator                    sdmo    sdmo    spdmo    spdmo     spdmo    spdmo     spdmo    sm
auditor                          s       s       sp       sp        sp       sp        sp       s
disabled person                  s       -       sp       -         -        -         -        -
robot of the entity, a writer    sw      -       spw      spw       spw      spw       -        -
robot of the team                s       sw      sp       sp        -        -         spw      -
the owner's token to pull        s       -       sp       sp        sp       sp        -        -
the owner's token to push        sw      -       spw      sw        sw       sw        -        -
the owner's token to delete      sd      -       spd      sd        sd       sd        -        -
the owner's token to manage      smo     -       spmo     smo       smo      smo       -        -
… bound to another entity        s       -       sp       -         -        -         -        -
… bound to the public collection s       -       spwdmo   -         -        spwdmo    -        -
… that has expired               s       -       sp       -         -        -         -        -
… that is revoked                s       -       sp       -         -        -         -        -
the owner's session              s       -       sp       -         -        -         -        -
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
    rows = (line.rsplit(maxsplit=len(COLUMNS)) for line in lines)
    return {
        role.strip(): dict(zip(COLUMNS, (may.replace("-", "") for may in cells), strict=True))
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
    also: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


EVERYBODY = Need("everybody", "nothing: all are answered alike, as far as each may see")
SIGNED_IN_OWN = Need("one's own", "to be somebody: it is about one's own things", is_known=True)
JOINS = Need(
    "joins", "to be somebody who is no auditor: those join nothing", is_known=True, never=(AUDITOR,)
)
SEES = Need("sees", "to see the thing", "s")
PULLS = Need("pulls", "to see it, and to pull from it", "p")
PUSHES = Need("pushes", "to push there", "w", is_known=True, hides_from_all=True)
DELETES = Need("deletes", "to see it, and to delete there", "d", is_known=True)
MANAGES = Need("manages", "to see it, and to manage it", "m", is_known=True)
SEES_SIGNED_IN = Need("sees, signed in", "to be signed in, and to see it", "s", is_known=True)
OWNS = Need("owns", "to see it, and to own it", "o", is_known=True)
HAS_ROLE = Need(
    "has a role",
    "to see it, and to have a role there, or to see everything",
    "r",
    is_known=True,
    also=(ADMINISTRATOR, AUDITOR),
)
LOOKS_INTO = Need(
    "looks into",
    "to see it, and to manage it or to see everything",
    "m",
    is_known=True,
    also=(AUDITOR,),
)
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
    JOINS,
    SEES,
    SEES_SIGNED_IN,
    PULLS,
    PUSHES,
    DELETES,
    MANAGES,
    OWNS,
    HAS_ROLE,
    LOOKS_INTO,
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
PAGE = Answers("page", success=200, to_nobody=302, to_unrecognised=302, lacking=403)
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
        allowed = not need.letter or need.letter in may or role in also or counted in need.also
    if allowed and counted not in need.never:
        return Expected(but.get(role, success or door.success), allowed=True)
    if need.hides_from_all and door is API:
        return Expected(door.lacking, like_absent=True)
    if "s" not in may:
        return Expected(404, like_absent=True)
    return Expected(but.get(role, lacking or door.lacking))
