"""Who is on the demonstration site: nobody that there is."""

from dataclasses import dataclass

ADMINISTRATOR = "ada"
AUDITOR = "irene"
NEWCOMER = "pavel"


@dataclass(frozen=True)
class Person:
    """One who signs in. `entity_text` is what their own entity says of itself."""

    username: str
    joined_days_ago: float
    entity_text: str = ""


@dataclass(frozen=True)
class TeamOf:
    """A team with its entity; the first of the owners makes it."""

    name: str
    text: str
    made_days_ago: float
    owners: tuple[str, ...]
    members: tuple[str, ...]


PEOPLE = (
    Person(ADMINISTRATOR, 730, "Looks after this registry. Write to me when something is missing."),
    Person(AUDITOR, 640),
    Person(
        "mara",
        715,
        "Short-read alignment, and the courses that go with it. What I keep for others is in "
        "`teaching`; the rest is for myself.",
    ),
    Person(
        "tomasz",
        702,
        "Statistics of expression data. Most of what I make ends up in the genomics team; the "
        "notebooks stay here.",
    ),
    Person("lucia", 655),
    Person("noor", 410),
    Person("hana", 690, "Regional ocean modelling. Figures of my thesis, and how they were made."),
    Person("oskar", 505, "Soil moisture from field loggers."),
    Person("farid", 233),
    Person("jonas", 96),
    Person(NEWCOMER, 0.2),
)

TEAMS = (
    TeamOf(
        "genomics",
        "The sequencing core. We keep the images that our pipelines run on, for as long as there "
        "are papers that name them.",
        700,
        owners=("mara", "lucia"),
        members=("tomasz", "noor", "jonas"),
    ),
    TeamOf(
        "climate",
        "Regional climate and ocean group. Models, the tools around them, and what the nightly "
        "forecast runs on.",
        680,
        owners=("hana",),
        members=("oskar", "farid"),
    ),
)

# A team's owner asks somebody who has not answered yet.
INVITED = ("climate", "jonas", "hana")

# A robot of an entity, and who keeps it.
ROBOT = ("climate", "nightly", "hana")
