"""What it costs to know whose a token is: time and queries, with few tokens and with 100,000.

    python -m benchmarks.token_check [--checks N] [--rounds N]

Measured within one process, against the Postgres of a live registry: what each request with a token
pays before anything else. Few and many are measured in turns, so that both meet the same machine.
The exit status is 0 when many cost at most 1.25 of few, 1 when they cost more, 2 when something
failed.
"""

import argparse
import contextlib
import os
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import psycopg2

from benchmarks import registry
from tests.clients.live import Live

MANY = 100_000

FLAT_GOAL = 1.25

# Of another user, so that none of them is found by accident; hashes of numbers are as random to the
# index as those of tokens.
MAKE_MANY = """
INSERT INTO accounts_token
    (public_id, user_id, name, digest, scopes, collection, created_by, last_used_from, created_at)
SELECT substr(md5('token' || n), 1, 24), (SELECT min(id) FROM accounts_user), 'bench',
    encode(sha256(convert_to('token' || n, 'UTF8')), 'hex'), ARRAY['pull'], '', '', '', now()
FROM generate_series(1, %s) AS n
"""
REMOVE_MANY = "DELETE FROM accounts_token WHERE name = 'bench'"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report."""
    options = parse(arguments)
    try:
        with registry.registry(None) as live:
            return measure(live, options)
    except (OSError, psycopg2.Error) as failure:
        print(f"Failed: {failure}", file=sys.stderr)
        return 2


def measure(live: Live, options: argparse.Namespace) -> int:
    """Each kind of token, few and many in turns."""
    os.environ.update(
        DATABASE_URL=live.database, SECRET_KEY="x", DJANGO_SETTINGS_MODULE="shub.settings"
    )
    import django

    django.setup()
    from shub.accounts import tokens

    good = live.token
    body = tokens.PREFIX + "0" * tokens.RANDOM_LENGTH
    kinds = {
        "a good one": good,
        "unknown, of the right form": body + tokens.checksum(body),
        "a wrong checksum": good[:-1] + ("a" if good[-1] != "a" else "b"),
        "another secret of this length": secrets.token_hex(tokens.LENGTH // 2),
    }
    print(f"Machine: {registry.machine()}")
    print(f"\n{'microseconds per check':<32}{'few':>8}{f'{MANY:,}':>10}{'ratio':>8}{'queries':>9}")
    ratios = []
    for name, text in kinds.items():
        taken: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(options.rounds):
            for are_many in (False, True):
                fill(live, are_many=are_many)
                each = lambda: tokens.recognise(text)  # noqa: B023, E731
                taken[are_many].append(microseconds(each, options.checks))
        few, many = (statistics.median(taken[are_many]) for are_many in (False, True))
        ratios.append(many / few)
        with counted() as queries:
            tokens.recognise(text)
        print(f"  {name:<30}{few:>8.1f}{many:>10.1f}{many / few:>8.2f}{len(queries):>9}")
    return 0 if ratios[0] <= FLAT_GOAL else 1


def microseconds(check: Callable[[], object], checks: int) -> float:
    """The median over batches of the time of one check; a batch before them is not counted."""
    batch = max(checks // 10, 1)
    found = []
    for _ in range(11):
        began = time.perf_counter()
        for _ in range(batch):
            check()
        found.append((time.perf_counter() - began) / batch * 1e6)
    return statistics.median(found[1:])


@contextlib.contextmanager
def counted() -> Iterator[list[object]]:
    """The queries of the block."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    queries: list[object] = []
    with CaptureQueriesContext(connection) as captured:
        yield queries
    queries += captured.captured_queries


def fill(live: Live, *, are_many: bool) -> None:
    """Have many tokens in the table, or few."""
    with contextlib.closing(psycopg2.connect(live.database)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(REMOVE_MANY)
            if are_many:
                cursor.execute(MAKE_MANY, [MANY])
            cursor.execute("VACUUM ANALYZE accounts_token")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.token_check", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--checks", type=int, default=5_000, help="per measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each, in turns (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
