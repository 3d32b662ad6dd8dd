"""What a migration may do while the version before it goes on serving.

django-migration-linter reads the SQL of each; what it finds fails, warnings too. Beside it: what it
does not look for. docs/decisions/0027-upgrades-and-backups.md says how a change is made instead.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django_migration_linter import MigrationLinter
from django_migration_linter.sql_analyser import PostgresqlAnalyser, analyse_sql_statements

# What builds an index concurrently is not even read within a transaction.
pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[2]

# The last ones of before the first release: no version that is running somewhere lacks them.
BASELINE = {
    "accounts": "0010",
    "audit": "0012",
    "cache": "0001",
    "containers": "0016",
    "uploads": "0003",
}

# "app.name CODE": why it does no harm. Each is about one finding of one migration.
EXCEPTIONS: dict[str, str] = {}


def ours() -> list[tuple[str, str]]:
    """App and name of each migration in the tree, in order."""
    found = sorted((ROOT / "shub").glob("*/migrations/0*.py"))
    return [(path.parent.parent.name, path.stem) for path in found]


def is_newer_than_the_baseline(app: str, name: str) -> bool:
    return name[:4] > BASELINE.get(app, "")


def findings(linter: MigrationLinter, migration: Migration) -> Iterator[str]:
    """What is wrong with it, as `CODE`."""
    sql = linter.get_sql(migration.app_label, migration.name)
    yield from codes(sql)
    for issues in linter.analyse_data_migration(migration):
        yield from (issue.code for issue in issues)


def codes(sql: list[str]) -> Iterator[str]:
    errors, _, warnings = analyse_sql_statements(PostgresqlAnalyser, sql, [])
    yield from (issue.code for issue in [*errors, *warnings])
    yield from ("VALIDATES_UNDER_LOCK" for each in sql if validates_under_lock(each, sql))


def validates_under_lock(statement: str, sql: list[str]) -> bool:
    """Whether it reads a whole table to see that a new rule holds, while nobody else may use it."""
    found = re.match(r'ALTER TABLE ("\w+") ADD CONSTRAINT .*(CHECK|FOREIGN KEY)', statement)
    if not found or "NOT VALID" in statement:
        return False
    return not any(each.startswith(f"CREATE TABLE {found[1]}") for each in sql)


@pytest.fixture
def linter() -> MigrationLinter:
    return MigrationLinter(no_cache=True, no_output=True)


def test_no_migration_is_too_much_for_the_version_before_it(linter: MigrationLinter) -> None:
    loader = MigrationLoader(connection)
    bad = [
        f"{app}.{name} {code}"
        for app, name in ours()
        if is_newer_than_the_baseline(app, name)
        for code in findings(linter, loader.get_migration(app, name))
    ]
    assert [each for each in bad if each not in EXCEPTIONS] == []
    assert sorted(EXCEPTIONS) == sorted(set(EXCEPTIONS) & set(bad)), "an exception of nothing"


def test_each_migration_of_the_baseline_is_there() -> None:
    assert set(BASELINE) <= {app for app, _ in ours()}
    for app, number in BASELINE.items():
        assert any(name.startswith(number) for each, name in ours() if each == app)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ('ALTER TABLE "a" ADD COLUMN "b" integer NOT NULL;', "NOT_NULL"),
        ('ALTER TABLE "a" DROP COLUMN "b" CASCADE;', "DROP_COLUMN"),
        ('ALTER TABLE "a" RENAME COLUMN "b" TO "c";', "RENAME_COLUMN"),
        ('DROP TABLE "a" CASCADE;', "DROP_TABLE"),
        ('CREATE INDEX "i" ON "a" ("b");', "CREATE_INDEX"),
        ('ALTER TABLE "a" ADD CONSTRAINT "c" CHECK ("b" > 0);', "VALIDATES_UNDER_LOCK"),
        (
            'ALTER TABLE "a" ADD CONSTRAINT "c" FOREIGN KEY ("b") REFERENCES "d" ("id");',
            "VALIDATES_UNDER_LOCK",
        ),
    ],
)
def test_what_would_break_the_version_before_is_found(statement: str, code: str) -> None:
    assert code in list(codes(["BEGIN;", statement, "COMMIT;"]))


@pytest.mark.parametrize(
    "statement",
    [
        'ALTER TABLE "a" ADD COLUMN "b" integer NULL;',
        'ALTER TABLE "a" ADD COLUMN "b" integer DEFAULT 0 NOT NULL;',
        'CREATE INDEX CONCURRENTLY "i" ON "a" ("b");',
        'ALTER TABLE "a" ADD CONSTRAINT "c" CHECK ("b" > 0) NOT VALID;',
    ],
)
def test_what_the_version_before_survives_is_let_through(statement: str) -> None:
    assert list(codes([statement])) == []
