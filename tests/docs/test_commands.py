"""Every command of the documentation is run as it stands, or docs/untried.toml says why not."""

import itertools
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandParser, get_commands, load_command_class

from tests import sif_files
from tests.clients import obtain
from tests.clients.conftest import have
from tests.docs import settings_tried, untried
from tests.docs.desk import Desk, Done, Registry, registry
from tests.docs.fences import ROOT, Command, Fence, fences, kinds, pages

pytestmark = pytest.mark.timeout(600)

numbers = itertools.count(1)

REASONS = untried.listed()
FENCES = [fence for page in pages() for fence in fences(page)]
COMMANDS = [command for fence in FENCES for command in fence.commands]

# `make serve` is what the pages' registry runs as, and each page begins with it running.
STARTED = "make serve"

SHELLS = {"bash", "shell", "zsh", "console"}

# Pages of which something is asked elsewhere, word for word.
TRANSCRIPTS = {"docs/how-to/troubleshooting.md", "docs/reference/doctor.md"}


def tried(fence: Fence) -> list[Command]:
    """Its commands that are run."""
    return [each for each in fence.commands if untried.reason(each, REASONS) is None]


RUN = [command for fence in FENCES for command in tried(fence)]
PAGES = sorted({each.page for each in RUN if not each.is_assignment and each.key != STARTED})

# What one page leaves behind is not what the next one expects: it renames people.
LAST = "docs/how-to/administer-accounts.md"


# ── what a page needs before its first command ──
def as_administrator(desk: Desk) -> None:
    """The lines that `make serve` printed are pasted."""
    desk.environment["APPTAINER_CONFIGDIR"] = str(desk.folder / "client")
    subprocess.run(["cp", "-r", desk.registry.data / "client", desk.folder / "client"], check=True)


def as_mara(desk: Desk) -> None:
    """She is asked for a token, for a password twice, and a new one has her name's number."""
    desk.typed["apptainer remote login"] = desk.registry.tokens["mara"] + "\n"
    desk.typed["./manage.py changepassword"] = "another long password\nanother long password\n"
    desk.typed["./manage.py createadministrator"] = "correct horse battery\n"
    desk.swapped["createadministrator mara"] = f"createadministrator {desk.folder.name}"


def removed_twice(desk: Desk) -> None:
    """Two images were removed, by the ids that the page shows."""
    desk.swapped |= dict(zip(_ids_on(desk, "undo-a-removal.md"), _removed(desk), strict=True))


def _ids_on(desk: Desk, page: str) -> list[str]:
    text = (ROOT / "docs/how-to" / page).read_text()
    return list(dict.fromkeys(re.findall(r"removed (?:restore|drop) ([0-9a-f]{24})", text)))


def _removed(desk: Desk) -> list[str]:
    script = (
        "import sys\n"
        "from shub.accounts.callers import Caller\n"
        "from shub.accounts.models import User\n"
        "from shub.containers import namespaces, removal\n"
        "mara = User.objects.get(username='mara')\n"
        "by = Caller(mara)\n"
        "for name in ('one', 'two'):\n"
        "    place = namespaces.ensure_collection(entity_id=mara.entity.public_id, name=name,"
        " description='', by=by)\n"
        "    removal.remove_collection(place, by=by)\n"
        "    sys.stdout.write(place.public_id + ' ')\n"
    )
    done = subprocess.run(
        [desk.folder / "work/manage.py", "shell", "--verbosity=0", "--command", script],
        env=desk.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def a_folder_of_images(desk: Desk) -> None:
    """As the page draws it."""
    images = desk.folder / "places/data/images"
    for number, name in enumerate(
        (
            "gcc_13.2.sif",
            "tools/gcc_13.2_amd64.sif",
            "tools/gcc_13.2_arm64.sif",
            "tools/gnu/make.sif",
        )
    ):
        path = images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        arch = "arm64" if "arm64" in name else "amd64"
        sif_files.write_sif(path, size=50_000, seed=1000 + number, arch=arch)


NEEDS: dict[str, list[Callable[[Desk], None]]] = {
    "README.md": [as_administrator],
    "docs/tutorial/first-push.md": [as_administrator],
    "docs/how-to/quickstart.md": [as_administrator],
    "docs/how-to/undo-a-removal.md": [removed_twice],
    "docs/how-to/import-a-folder.md": [a_folder_of_images],
}


# ── what holds of every page ──
def test_every_fence_of_commands_is_called_sh() -> None:
    """One of another name would be run by nobody."""
    other = [
        f"{page.relative_to(ROOT)}: {kind}"
        for page in pages()
        for kind in kinds(page)
        if kind in SHELLS and page.relative_to(ROOT).as_posix() not in TRANSCRIPTS
    ]
    assert not other


def test_no_entry_of_the_list_is_stale() -> None:
    unused = [
        f"{page}: {pattern}"
        for page, entries in REASONS.items()
        for pattern in entries
        # Of all pages, and of one that is written elsewhere at this moment, nothing is known.
        if (ROOT / page).is_file()
        and not any(
            untried.matches(pattern, command) and page == command.page for command in COMMANDS
        )
    ]
    assert not unused, "no command of the page is so called any more"


def test_what_is_said_to_be_tried_elsewhere_names_a_test() -> None:
    missing = [
        why
        for entries in REASONS.values()
        for why in entries.values()
        if why.startswith(untried.TRIED) and not (ROOT / why.split()[2].rstrip(",;:")).exists()
    ]
    assert not missing


def test_every_page_says_what_is_not_tried() -> None:
    differing = [
        str(page.relative_to(ROOT))
        for page in pages()
        if untried.page_with_notes(page, REASONS) != page.read_text()
    ]
    assert not differing, "python -m tests.docs.untried writes it"


@pytest.mark.parametrize(
    "command",
    [each for each in COMMANDS if "manage.py " in each.text and untried.reason(each, REASONS)],
    ids=str,
)
def test_a_command_that_is_not_run_has_the_options_that_it_is_given(command: Command) -> None:
    words = re.split(r"manage\.py ", command.key, maxsplit=1)[1]
    name, *options = _until_operator(shlex.split(words, comments=True))
    assert name in get_commands(), name
    parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
    parsed(parser, options)


def parsed(parser: CommandParser, options: list[str]) -> Any:
    parser.called_from_command_line = False  # type: ignore[attr-defined]
    return parser.parse_args(options)


def _until_operator(words: list[str]) -> list[str]:
    for number, word in enumerate(words):
        if word[0] in "|>&;" or word in {"<", "2>"}:
            return words[:number]
    return words


# ── settings ──
def test_every_setting_that_a_page_sets_is_one_and_may_be_so() -> None:
    names = settings_tried.known()
    assigned = [[each for each in tried(fence) if each.is_assignment] for fence in FENCES]
    unknown = [
        f"{command}: {name}"
        for commands in assigned
        for command in commands
        for name, _ in settings_tried.pairs(command)
        if name not in names and not command.key.startswith("export APPTAINER_")
    ]
    assert not unknown
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        complaints = pool.map(
            lambda commands: settings_tried.check(commands, Path(folder)), filter(None, assigned)
        )
        assert not list(filter(None, complaints))


# ── the commands ──
@pytest.fixture(scope="module")
def running_registry() -> Iterator[Registry]:
    with registry() as found:
        yield found


@pytest.fixture(scope="module")
def apptainer(request: pytest.FixtureRequest) -> Path:
    return have(request.config, obtain.apptainer)


@pytest.mark.parametrize("page", sorted(PAGES, key=lambda page: (page == LAST, page)))
def test_the_commands_of_a_page_do_what_they_are_for(
    running_registry: Registry, apptainer: Path, page: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="shub-page-", dir="/tmp") as folder:
        desk = Desk(running_registry, apptainer, Path(folder) / f"desk-{next(numbers)}")
        as_mara(desk)
        for need in NEEDS.get(page, []):
            need(desk)
        done: list[Done] = []
        for command in (each for each in RUN if each.page == page):
            if command.key == STARTED or is_setting(command):
                continue
            done.append(desk.type(command))
            assert done[-1].status == 0, "\n".join(map(str, done))
        assert done


def is_setting(command: Command) -> bool:
    """It sets a setting of the registry, which runs already: tried above. Only where the static
    files go is for the commands below it."""
    names = {name for name, _ in settings_tried.pairs(command)}
    return command.is_assignment and bool(names & settings_tried.known() - {"STATIC_ROOT"})
