"""What is shown: collections, containers and the builds of each, with who pushed them and when.

The software is made up, but for the names of common bases, and none of it can be run: an image
holds a README, and filler that gives it a size. Texts of some length lie in `readmes/`.
"""

from dataclasses import dataclass, field
from pathlib import Path

from shub.operations.demo.pushing import Place

READMES = Path(__file__).parent / "readmes"

PC = ("amd64",)
BOTH = ("amd64", "arm64")
ALL = ("amd64", "arm64", "ppc64le")

LATEST = "latest"


@dataclass(frozen=True)
class Build:
    """One version, built for some architectures. `tags` are beside the version's own.

    An `untagged` one was pushed to be tried, and no tag was ever given to it. One of this day (0)
    is tagged by its pusher's client.
    """

    version: str
    days_ago: float
    by: str
    arches: tuple[str, ...] = PC
    tags: tuple[str, ...] = (LATEST,)
    kilobytes: int = 60
    untagged: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All tags that it is given, when it is pushed."""
        return () if self.untagged else (self.version, *self.tags)


@dataclass(frozen=True)
class Shelf:
    """A container. `recent_pulls` is how many pulls of the last months are made up for it."""

    name: str
    text: str
    builds: tuple[Build, ...]
    base: str = "debian:12"
    recent_pulls: int = 0
    signed_by: str = ""
    visibility: str = ""
    frozen: bool = False
    frozen_tags: tuple[str, ...] = ()
    daily_tags: int = 0


@dataclass(frozen=True)
class Room:
    """A collection. Who keeps it describes it, and gives the roles."""

    entity: str
    name: str
    text: str
    kept_by: str
    shelves: tuple[Shelf, ...]
    visibility: str = "public"
    roles: dict[str, str] = field(default_factory=dict)

    def place(self, shelf: Shelf) -> Place:
        """The container's full name."""
        return Place(self.entity, self.name, shelf.name)


def readme(*names: str) -> str:
    """The README of a place by its names; empty where there is none."""
    path = READMES.joinpath(*names[:-1], f"{names[-1]}.md")
    return path.read_text(encoding="utf-8") if path.exists() else ""


LIBRARY = (
    Room(
        "library",
        "default",
        "Bases to build on. Rebuilt every month, or sooner when a hole is found in one of them.",
        "ada",
        (
            Shelf(
                "alpine",
                "A small base with musl and busybox.",
                (
                    Build("3.18", 610, "ada", BOTH, kilobytes=45),
                    Build("3.19", 470, "ada", BOTH, kilobytes=46),
                    Build("3.20", 300, "ada", ALL, kilobytes=48),
                    Build("3.21.0", 120, "ada", ALL, ("3.21", LATEST), kilobytes=48),
                    Build("3.21.2", 35, "ada", ALL, ("3.21", LATEST), kilobytes=49),
                ),
                base="scratch",
                recent_pulls=640,
                signed_by="ada",
            ),
            Shelf(
                "debian",
                "The base that most images here are built on.",
                (
                    Build("12.5", 560, "ada", BOTH, ("12", LATEST), kilobytes=110),
                    Build("12.8", 260, "ada", BOTH, ("12", LATEST), kilobytes=112),
                    Build("13.1", 60, "ada", BOTH, ("13", LATEST), kilobytes=118),
                ),
                base="scratch",
                recent_pulls=410,
            ),
            Shelf(
                "hello",
                "Says hello, so that you can see whether pulling works.",
                (Build("1.0", 720, "ada", ALL, kilobytes=12),),
                base="alpine:3.18",
                recent_pulls=95,
            ),
        ),
    ),
    Room(
        "library",
        "languages",
        "Python, R and Julia as they come, with nothing added but certificates.",
        "ada",
        (
            Shelf(
                "python",
                "CPython with pip and venv.",
                (
                    Build("3.11.9", 400, "ada", BOTH, ("3.11", LATEST), kilobytes=180),
                    Build("3.12.4", 230, "ada", BOTH, ("3.12", LATEST), kilobytes=185),
                    Build("3.12.8", 70, "ada", BOTH, ("3.12",), kilobytes=186),
                    Build("3.13.1", 28, "ada", BOTH, ("3.13", LATEST), kilobytes=190),
                ),
                recent_pulls=520,
                signed_by="ada",
            ),
            Shelf(
                "r-base",
                "R with the recommended packages.",
                (
                    Build("4.3.3", 330, "ada", PC, kilobytes=240),
                    Build("4.4.2", 85, "ada", BOTH, kilobytes=244),
                ),
                recent_pulls=130,
            ),
            Shelf(
                "julia",
                "Julia, without packages: mount your depot.",
                (Build("1.11.2", 51, "ada", PC, kilobytes=210),),
                recent_pulls=24,
            ),
        ),
    ),
    Room(
        "library",
        "hpc",
        "What needs to fit the machine below it. Ask before you copy one of these to another site.",
        "ada",
        (
            Shelf(
                "mpi-base",
                "An MPI that speaks to the one of the cluster.",
                (
                    Build("4.1", 450, "ada", ("amd64", "ppc64le"), kilobytes=150),
                    Build("5.0", 140, "ada", ("amd64", "arm64"), kilobytes=155),
                ),
                recent_pulls=75,
                frozen_tags=("4.1",),
            ),
            Shelf(
                "gpu-base",
                "The run-time of the accelerators, for the driver that is installed since spring.",
                (Build("12.4", 210, "ada", PC, kilobytes=900),),
                recent_pulls=48,
            ),
        ),
        visibility="internal",
    ),
)

GENOMICS = (
    Room(
        "genomics",
        "aligners",
        "Read aligners, and what one needs directly before and after them.",
        "mara",
        (
            Shelf(
                "seedling",
                "A seed-and-extend aligner for short reads.",
                (
                    Build("0.9.0", 690, "mara", PC, kilobytes=90),
                    Build("1.0.0", 540, "mara", PC, ("1.0", "1", LATEST), kilobytes=95),
                    Build("1.1.0", 380, "tomasz", BOTH, ("1.1", "1", LATEST), kilobytes=98),
                    Build("1.1.1", 352, "mara", BOTH, ("1.1", "1", LATEST), kilobytes=98),
                    Build("1.2.0-rc1", 120, "noor", BOTH, (), kilobytes=101),
                    Build("1.2.0", 88, "mara", BOTH, ("1.2", "1", LATEST), kilobytes=101),
                    Build("1.2.1", 9, "lucia", BOTH, ("1.2", "1", LATEST), kilobytes=102),
                    Build("1.3.0-dev", 3, "noor", PC, (), kilobytes=104, untagged=True),
                ),
                recent_pulls=880,
                signed_by="mara",
            ),
            Shelf(
                "longstrand",
                "Aligns long, noisy reads, splices included.",
                (
                    Build("2.0", 300, "tomasz", PC, kilobytes=130),
                    Build("2.1", 150, "tomasz", BOTH, kilobytes=134),
                    Build("2.2", 20, "noor", BOTH, kilobytes=135),
                ),
                recent_pulls=260,
                signed_by="tomasz",
            ),
            Shelf(
                "bamsmith",
                "Sorts, marks and indexes alignments in one pass.",
                (
                    Build("1.4", 420, "mara", BOTH, kilobytes=70),
                    Build("1.5", 190, "lucia", BOTH, kilobytes=71),
                ),
                recent_pulls=310,
            ),
        ),
    ),
    Room(
        "genomics",
        "variants",
        "Callers and phasers. The versions that papers name are frozen.",
        "lucia",
        (
            Shelf(
                "tallier",
                "Calls small variants of a pedigree at once.",
                (
                    Build("3.2", 280, "lucia", PC, kilobytes=160),
                    Build("3.3", 110, "lucia", PC, kilobytes=161),
                    Build("3.4", 33, "noor", BOTH, kilobytes=166),
                ),
                recent_pulls=190,
                signed_by="tomasz",
                frozen_tags=("3.2",),
            ),
            Shelf(
                "phasewell",
                "Read-backed phasing, as it was for the consortium's second release.",
                (Build("2024.1", 500, "lucia", PC, ("paper", LATEST), kilobytes=140),),
                recent_pulls=64,
                frozen=True,
            ),
        ),
    ),
    Room(
        "genomics",
        "pipelines",
        "Whole pipelines with everything in them. Large, and rarely changed.",
        "mara",
        (
            Shelf(
                "wgs",
                "From reads to annotated variants of a whole genome.",
                (
                    Build("2025.1", 310, "tomasz", PC, ("stable", LATEST), kilobytes=2400),
                    Build("2025.2", 160, "tomasz", PC, ("stable", LATEST), kilobytes=2450),
                    Build("2026.1", 40, "noor", PC, (LATEST,), kilobytes=2500),
                ),
                base="genomics/aligners/seedling:1.2",
                recent_pulls=145,
                signed_by="tomasz",
            ),
            Shelf(
                "rnaseq",
                "Quantification of transcripts, with its quality report.",
                (
                    Build("1.8", 200, "tomasz", PC, kilobytes=1300),
                    Build("1.9", 65, "jonas", PC, kilobytes=1310),
                ),
                recent_pulls=88,
            ),
        ),
    ),
    Room(
        "genomics",
        "clinical",
        "For validated work only. Who needs it asks the owners of the team.",
        "lucia",
        (
            Shelf(
                "panel-report",
                "Makes the report of the hereditary panel. What is validated is tagged so.",
                (
                    Build("4.0", 240, "lucia", PC, ("validated",), kilobytes=130),
                    Build("4.1", 45, "lucia", PC, (), kilobytes=131),
                ),
                recent_pulls=31,
                signed_by="mara",
            ),
        ),
        visibility="private",
        roles={"farid": "reader"},
    ),
)

CLIMATE = (
    Room(
        "climate",
        "models",
        "The models that we run, each with the settings of its reference run.",
        "hana",
        (
            Shelf(
                "tidewater",
                "A coastal ocean model on an unstructured mesh.",
                (
                    Build("5.1", 600, "hana", ("amd64", "ppc64le"), ("5", LATEST), kilobytes=400),
                    Build("5.2", 350, "hana", ("amd64", "ppc64le"), ("5", LATEST), kilobytes=405),
                    Build("6.0", 130, "farid", BOTH, ("6", LATEST), kilobytes=430),
                    Build("6.1", 15, "hana", BOTH, ("6", LATEST), kilobytes=431),
                ),
                base="mpi-base:5.0",
                recent_pulls=230,
                signed_by="tomasz",
            ),
            Shelf(
                "graupel",
                "Cloud microphysics as a library, with a single-column driver.",
                (
                    Build("0.3", 170, "farid", PC, kilobytes=90),
                    Build("0.4", 24, "farid", BOTH, kilobytes=92),
                ),
                recent_pulls=40,
            ),
        ),
    ),
    Room(
        "climate",
        "tools",
        "Small things for netCDF files: regrid them, check them, cut the land off.",
        "hana",
        (
            Shelf(
                "regrid",
                "Conservative regridding between any two meshes.",
                (
                    Build("1.0", 480, "oskar", PC, kilobytes=80),
                    Build("1.1", 290, "oskar", BOTH, kilobytes=82),
                    Build("1.2", 0, "farid", BOTH, kilobytes=83),
                ),
                recent_pulls=205,
            ),
            Shelf(
                "cfcheck",
                "Says where a file does not follow the conventions, and how to mend it.",
                (Build("2.3", 180, "oskar", BOTH, kilobytes=60),),
                recent_pulls=118,
            ),
            Shelf(
                "maskmaker",
                "Land, sea and lake masks from coast lines.",
                (Build("0.8", 75, "farid", PC, kilobytes=64),),
                recent_pulls=12,
            ),
        ),
    ),
    Room(
        "climate",
        "forecasts",
        "What the nightly forecast runs on. Pushed by a robot, read by everybody in the house.",
        "hana",
        (
            Shelf(
                "nightly",
                "The forecast suite. Each night has a tag, so that a run can be repeated.",
                (
                    Build("suite-7", 330, "hana", PC, kilobytes=300),
                    Build("suite-8", 220, "hana", PC, kilobytes=305),
                    Build("suite-9", 95, "farid", BOTH, kilobytes=320),
                ),
                recent_pulls=420,
                daily_tags=300,
            ),
            Shelf(
                "verification",
                "Scores of last week's forecasts against the buoys.",
                (Build("3.0", 100, "farid", PC, kilobytes=88),),
                recent_pulls=35,
            ),
        ),
        visibility="internal",
    ),
)

PEOPLES_OWN = (
    Room(
        "mara",
        "teaching",
        "Images of my courses. They stay as they were when the course was held.",
        "mara",
        (
            Shelf(
                "shell-course",
                "Three afternoons at the command line.",
                (
                    Build("2024", 540, "mara", BOTH, kilobytes=55),
                    Build("2025", 175, "mara", BOTH, kilobytes=56),
                ),
                recent_pulls=160,
            ),
            Shelf(
                "reproducibility",
                "One analysis, done over by everybody in the room.",
                (Build("2025", 168, "mara", BOTH, kilobytes=66),),
                recent_pulls=58,
            ),
        ),
    ),
    Room(
        "mara",
        "scratch",
        "",
        "mara",
        (
            Shelf(
                "tryout",
                "",
                (
                    Build("a", 12, "mara", PC, (), kilobytes=20),
                    Build("b", 11, "mara", PC, (), kilobytes=21, untagged=True),
                    Build("c", 2, "mara", PC, (), kilobytes=22, untagged=True),
                ),
            ),
        ),
        visibility="private",
    ),
    Room(
        "tomasz",
        "notebooks",
        "Notebook servers for the group's machine. Log in to see them.",
        "tomasz",
        (
            Shelf(
                "lab",
                "Python, R and a notebook server, with the group's packages.",
                (
                    Build("2025.06", 150, "tomasz", PC, kilobytes=620),
                    Build("2025.10", 25, "tomasz", PC, kilobytes=640),
                ),
                base="library/languages/python:3.12",
                recent_pulls=72,
            ),
            Shelf(
                "plots",
                "The plotting packages alone, for batch jobs.",
                (Build("1", 90, "tomasz", PC, kilobytes=120),),
                recent_pulls=18,
                visibility="private",
            ),
        ),
        visibility="internal",
        roles={"jonas": "writer", "@genomics": "reader"},
    ),
    Room(
        "oskar",
        "fieldwork",
        "Soil moisture loggers: reading them out, and what becomes of the numbers.",
        "oskar",
        (
            Shelf(
                "fieldlog",
                "Reads the loggers' memory cards and checks the clocks.",
                (
                    Build("0.5", 250, "oskar", BOTH, kilobytes=70),
                    Build("0.6", 55, "oskar", BOTH, kilobytes=72),
                ),
                recent_pulls=22,
            ),
            Shelf(
                "soilwater",
                "A bucket model with eleven buckets.",
                (Build("1.0", 80, "oskar", PC, kilobytes=3800),),
                recent_pulls=9,
            ),
        ),
    ),
    Room(
        "hana",
        "thesis",
        "How the figures of my thesis were made. Opened when it is handed in.",
        "hana",
        (
            Shelf(
                "figures",
                "All figures by one command.",
                (Build("draft-3", 14, "hana", PC, (LATEST,), kilobytes=140),),
            ),
        ),
        visibility="private",
        roles={"oskar": "reader"},
    ),
)

ROOMS = (*LIBRARY, *GENOMICS, *CLIMATE, *PEOPLES_OWN)

# Bytes that are in two places: whoever may read the first need not send them again.
COPY_FROM, COPY_TO, COPIED_BY = (
    Place("library", "default", "alpine"),
    Place("tomasz", "notebooks", "alpine"),
    "tomasz",
)

# Of this entity so much of what it may store is taken.
NEARLY_FULL, TAKEN = "oskar", 0.94

# A push that ends in a refusal, and one that nobody has ended.
REFUSED_AT, REFUSED_BY = Place("genomics", "pipelines", "rnaseq"), "jonas"
OPEN_AT, OPEN_BY = Place("climate", "models", "tidewater"), "farid"

# One that was removed again.
REMOVED_AT, REMOVED_TAG, REMOVED_BY = Place("climate", "tools", "regrid"), "1.0", "hana"

# Worth looking at, in this order.
ADDRESSES = (
    ("", "the home page"),
    ("library/genomics/aligners/seedling", "a README, versions for two architectures, signatures"),
    ("library/climate/forecasts/nightly", "more than 300 tags (sign in)"),
    ("library/genomics/variants/phasewell", "a frozen container"),
    ("library/genomics/aligners", "a collection with a README"),
    ("library/oskar", "an entity that is nearly full (sign in as oskar)"),
)
