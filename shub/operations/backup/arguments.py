"""What `manage.py backup` and `manage.py restore` are both told."""

from argparse import ArgumentParser
from pathlib import Path

from shub.operations.arguments import at_least_one

JOBS = 4


def add_jobs(parser: ArgumentParser) -> None:
    """The option that says how many objects are copied at once."""
    parser.add_argument(
        "--jobs",
        type=at_least_one,
        default=JOBS,
        metavar="N",
        help=f"how many objects are copied at once ({JOBS})",
    )


def add_programs(parser: ArgumentParser) -> None:
    """The option that says where Postgres' programs are."""
    parser.add_argument(
        "--postgres-programs",
        type=Path,
        metavar="FOLDER",
        help="where pg_dump and pg_restore are, where they are not found or too old",
    )
