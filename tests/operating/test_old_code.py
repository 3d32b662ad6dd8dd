"""The version before goes on serving while the database comes to this one, and after it.

The old code is that of the newest commit in the repository's history that has some of the present
migrations, as they are now, and no others: what was numbered anew before a release was nobody's.
"""

import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.operating.conftest import Install
from tests.operating.installation import PROJECT, Installation, eventually
from tests.operating.work import Work, not_to_be_had
from tests.servers import free_hosts

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="session")
def code_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the version before the newest migration."""
    before = _commit_before()
    if not before:
        pytest.skip("The version before the newest migration is not in this copy's history.")
    folder = tmp_path_factory.mktemp("before")
    archive = subprocess.run(
        ["git", "-C", str(PROJECT), "archive", before, "manage.py", "shub"],
        capture_output=True,
        check=True,
    ).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def _commit_before() -> str:
    """Empty where the history is not there."""
    now = _migrations_at("HEAD")
    added = _git("log", "--format=%P", "--diff-filter=AMR", "--", "shub/*/migrations/0*.py")
    parents = (line.split()[0] for line in added.splitlines() if line)
    return next((commit for commit in parents if _migrations_at(commit) < now), "")


def _migrations_at(commit: str) -> set[str]:
    """What they are called and what is in them."""
    listed = _git("ls-tree", "-r", commit, "--", "shub").splitlines()
    return {line for line in listed if re.search(r"/migrations/0\w+\.py$", line)}


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(PROJECT), *words], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def test_pushes_and_pulls_go_on_through_an_upgrade(install: Install, code_before: Path) -> None:
    """Old servers on the new tables; old and new ones side by side; then only new ones."""
    site = install(VERIFY_WAIT_SECONDS="60")
    site.prepare(code_before)
    had = migrations(site)
    token = site.register("mara")
    old, new = free_hosts(2)
    site.settings["PUBLIC_URL"] = f"http://{old}"
    with site.web(new, name="new-web"), site.sweep(name="new-sweep"):
        with (
            site.web(old, code=code_before, name="old-web"),
            site.sweep(code=code_before, name="old-sweep"),
            Work(f"http://{old}", token).going_on() as by_old,
        ):
            goes_on(by_old)
            site.prepare()
            assert migrations(site) > had, "nothing was migrated"
            goes_on(by_old)
            with Work(f"http://{new}", token, name="new", first_seed=5000).going_on() as by_new:
                goes_on(by_old)
                goes_on(by_new)
        assert by_old.faults == by_new.faults == []
        assert not_to_be_had(f"http://{new}", token, by_old.kept | by_new.kept) == []


def test_the_version_before_starts_on_the_new_tables(install: Install, code_before: Path) -> None:
    """So who has upgraded, and is sorry, goes back without a restoration."""
    site = install(is_prepared=True, VERIFY_WAIT_SECONDS="60")
    token = site.register("mara")
    site.prepare(code_before)
    with site.serving(code_before) as url, Work(url, token).going_on() as work:
        goes_on(work)
    assert work.faults == []


def migrations(site: Installation) -> set[tuple[str, str]]:
    return {(app, name) for app, name in site.rows("SELECT app, name FROM django_migrations")}


def goes_on(work: Work) -> None:
    """Wait until some more was pushed, pulled and removed."""
    before = work.pushed
    eventually(lambda: work.pushed >= before + 3, f"more work: {work.faults}", 60)
