"""What people read when something is wrong, made by making each mistake with the real clients.

    python -m tests.clients.mistakes [--check] [NAME ...]

Writes the clients' words between the marks of docs/how-to/troubleshooting.md: all of them, or those
of the named mistakes. With --check nothing is written, and what differs is printed.
"""

import argparse
import contextlib
import dataclasses
import difflib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2

from tests import sif_files
from tests.clients import live as registry
from tests.clients import obtain, outcome
from tests.clients.apptainer import Apptainer
from tests.clients.library_program import LibraryProgram
from tests.clients.live import PROJECT, Live
from tests.clients.outcome import Outcome, without_secrets
from tests.quickstart.running import eventually, is_alive

PAGE = PROJECT / "docs" / "how-to" / "troubleshooting.md"

# Where SingularityCE's words are others: a program of ours on its library.
LIBRARY_PROGRAM = "sylabs-v1.4.16"
LIBRARY = "scs-library-client v1.4.16, the library in SingularityCE 4.5"

# It has a token's beginning and length, so that a client takes it; it is nobody's.
WRONG_TOKEN = "shub_" + "0" * 219

FROZEN_SECONDS = 300

# S3 forgives a quarter of an hour.
AHEAD = "+20m"

BACK_SECONDS = 60

GIB = 1 << 30


class Terminal(Apptainer):
    """The CLI with its two outputs in one, in the order in which a terminal shows them."""

    def run(self, *arguments: str | Path, typed: str = "", seconds: float = 120) -> Outcome:
        done = outcome.run(
            ["/bin/sh", "-c", 'exec "$0" "$@" 2>&1', self.program, *arguments],
            home=self.home,
            typed=typed,
            env={"APPTAINER_CONFIGDIR": str(self.settings)},
            seconds=seconds,
        )
        command = " ".join([self.program.name, *map(str, arguments)])
        return dataclasses.replace(done, command=command)


@dataclass
class Desk:
    """One registry, and somebody who makes mistakes with it."""

    live: Live
    program: Path
    folder: Path
    token: str = field(init=False)
    homes: int = 0

    def __post_init__(self) -> None:
        self.token = self.live.register("mara")

    def cli(self, token: str | None = None) -> Terminal:
        """A new user of the CLI, logged in as mara, or with another token, or (empty) with none."""
        self.homes += 1
        cli = Terminal(self.program, self.folder / f"home-{self.homes}")
        cli.use_remote(self.live.url, token=self.token if token is None else token)
        sif_files.write_sif(cli.home / "image.sif", size=1 << 20, seed=self.homes)
        return cli

    def library(self, token: str | None = None) -> LibraryProgram:
        """A new user of the program on SingularityCE's library."""
        self.homes += 1
        home = self.folder / f"home-{self.homes}"
        home.mkdir()
        sif_files.write_sif(home / "image.sif", size=1 << 20, seed=self.homes)
        path = obtain.go_client(LIBRARY_PROGRAM).path
        return LibraryProgram(path, home, self.live.library, self.token if token is None else token)

    def pushed(self, ref: str) -> Terminal:
        """A user who has pushed an image there."""
        cli = self.cli()
        done = cli.run("push", "-U", "image.sif", ref)
        assert done.returncode == 0, done
        return cli

    @contextlib.contextmanager
    def changed(self, change: str, back: str) -> Iterator[None]:
        """Change rows for a while."""
        assert self.live.change(change), change
        try:
            yield
        finally:
            self.live.change(back)

    @contextlib.contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """End a process of the registry, and keep its supervisor from starting it anew."""
        pid = self.live.pids[name]
        supervisor = _parent_of(self.live.pids["web"])
        os.kill(supervisor, signal.SIGSTOP)
        try:
            # gunicorn's workers end with it, if it is asked.
            os.kill(pid, signal.SIGTERM if name == "web" else signal.SIGKILL)
            eventually(lambda: not is_alive(pid), f"the end of {name}")
            yield
        finally:
            os.kill(supervisor, signal.SIGCONT)
            _await_answer(self.live)

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Let a process of the registry stand still."""
        pids = [self.live.pids[name], *_children_of(self.live.pids[name])]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            _await_answer(self.live)

    @contextlib.contextmanager
    def fast_clock(self) -> Iterator[None]:
        """Run the web server by a clock that is ahead by more than a store forgives."""
        pid = self.live.pids["web"]
        command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
        environment = dict(
            pair.split("=", 1)
            for pair in Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
        )
        environment |= {
            "LD_PRELOAD": str(obtain.faketime()),
            "FAKETIME": AHEAD,
            "NO_FAKE_STAT": "1",
        }
        with self.stopped("web"):
            process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                _await_answer(self.live)
                yield
            finally:
                process.terminate()
                process.wait()

    def tidied(self, done: Outcome) -> str:
        """The outcome as the page shows it: without what is another at each run."""
        text = f"$ {done.command}\n{done.said}"
        if done.command.startswith(LIBRARY_PROGRAM):
            text = f"# by {LIBRARY}:\n{done.answer['error']}"
        text = without_secrets(text)
        address, store = urlsplit(self.live.url), urlsplit(self.live.store["endpoint"])
        outside = urlsplit(self.live.store["external_endpoint"])
        for old, new in (
            (address.netloc, "127.0.0.1:8080"),
            (store.netloc, "127.0.0.1:9000"),
            (outside.netloc, "127.0.0.1:9000"),
        ):
            text = text.replace(old, new)
        text = re.sub(rf"{re.escape(str(self.folder))}/home-\d+", "~", text)
        text = re.sub(r"127\.0\.0\.1:\d{5}->", "127.0.0.1:50000->", text)
        for pattern, word in VARYING:
            text = pattern.sub(word, text)
        lines = [line.rstrip() for line in text.splitlines()]
        return "\n".join(line for line in lines if line)


# What is another at each run, and what is too long to read.
VARYING = (
    (re.compile(r"[^\n]*\r"), ""),
    (re.compile(r"(?<=blobs/)[0-9a-f]{2}/[0-9a-f]{64}\.[0-9a-f]{24}\?\S*?(?=\")"), "…"),
    (re.compile(r"\b[0-9a-f]{24}\b"), "…"),
    (re.compile(r"(?<=sha256\.)[0-9a-f]{64}"), "…"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "…"),
    (re.compile(r"(?<=bytes in )[\d.]+\w+"), "…"),
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
)

Make = Callable[[Desk], Sequence[Outcome]]


@dataclass(frozen=True)
class Mistake:
    """One mistake, made at a registry with these settings."""

    name: str
    make: Make
    settings: Mapping[str, str]
    is_alone: bool
    """At a registry of its own: it ends processes, and others then have other numbers."""


MISTAKES: dict[str, Mistake] = {}


def mistake(name: str, *, alone: bool = False, **settings: str) -> Callable[[Make], Make]:
    """Enter a mistake into the list, under the name that its mark in the page has."""

    def enter(make: Make) -> Make:
        MISTAKES[name] = Mistake(name, make, settings, alone)
        return make

    return enter


REF = "library://mara/tools/gcc:1.0"


# ── logging in ──
@mistake("wrong-token-at-login")
def wrong_token_at_login(desk: Desk) -> Sequence[Outcome]:
    return [desk.cli("").run("remote", "login", typed=f"{WRONG_TOKEN}\n")]


@mistake("port-in-remote-add")
def port_in_remote_add(desk: Desk) -> Sequence[Outcome]:
    cli = desk.cli("")
    return [
        cli.run("remote", "add", "--no-login", "--insecure", "lab", desk.live.url),
        cli.run("remote", "use", "lab"),
        cli.run("remote", "status"),
    ]


@mistake("https-to-http")
def https_to_http(desk: Desk) -> Sequence[Outcome]:
    cli = desk.cli()
    path = cli.settings / "remote.yaml"
    path.write_text(path.read_text().replace('"Insecure": true', '"Insecure": false'))
    return [cli.run("push", "-U", "image.sif", REF)]


# ── tokens ──
@mistake("wrong-token-at-push")
def wrong_token_at_push(desk: Desk) -> Sequence[Outcome]:
    return [desk.cli(WRONG_TOKEN).run("push", "-U", "image.sif", REF)]


MARAS_TOKENS = "FROM accounts_user WHERE username = 'mara' AND user_id = accounts_user.id"


@mistake("expired-token")
def expired_token(desk: Desk) -> Sequence[Outcome]:
    with desk.changed(
        "UPDATE accounts_token SET created_at = now() - interval '2 days',"
        f" expires_at = now() - interval '1 day' {MARAS_TOKENS}",
        f"UPDATE accounts_token SET expires_at = NULL {MARAS_TOKENS}",
    ):
        cli = desk.cli()
        return [cli.run("push", "-U", "image.sif", REF), cli.run("remote", "status")]


@mistake("revoked-token")
def revoked_token(desk: Desk) -> Sequence[Outcome]:
    ref = "library://mara/tools/public:1.0"
    desk.pushed(ref)
    with desk.changed(
        f"UPDATE accounts_token SET revoked_at = now() {MARAS_TOKENS}",
        f"UPDATE accounts_token SET revoked_at = NULL {MARAS_TOKENS}",
    ):
        return [desk.cli().run("pull", "pulled.sif", ref)]


@mistake("no-token-at-push")
def no_token_at_push(desk: Desk) -> Sequence[Outcome]:
    return [desk.cli("").run("push", "-U", "image.sif", REF)]


# ── pushing ──
@mistake("somebody-elses-entity")
def somebody_elses_entity(desk: Desk) -> Sequence[Outcome]:
    ref = f"library://{desk.live.entity}/tools/gcc:1.0"
    return [desk.cli().run("push", "-U", "image.sif", ref)]


@mistake("no-such-entity")
def no_such_entity(desk: Desk) -> Sequence[Outcome]:
    return [desk.cli().run("push", "-U", "image.sif", "library://maria/tools/gcc:1.0")]


@mistake("full-quota")
def full_quota(desk: Desk) -> Sequence[Outcome]:
    # Of somebody who stores nothing yet: what mara stores is another size each time.
    cli = desk.cli(desk.live.register("otto"))
    assert desk.live.change("UPDATE accounts_entity SET quota_bytes = 1000000 WHERE name = 'otto'")
    return [cli.run("push", "-U", "image.sif", "library://otto/tools/gcc:1.0")]


@mistake("upper-case-name")
def upper_case_name(desk: Desk) -> Sequence[Outcome]:
    return [desk.cli().run("push", "-U", "image.sif", "library://mara/tools/GCC:1.0")]


@mistake("double-dot-name")
def double_dot_name(desk: Desk) -> Sequence[Outcome]:
    return [desk.cli().run("push", "-U", "image.sif", "library://mara/tools/gcc..13:1.0")]


@mistake("illegal-tag")
def illegal_tag(desk: Desk) -> Sequence[Outcome]:
    return [desk.cli().run("push", "-U", "image.sif", "library://mara/tools/gcc:1.0--rc")]


@mistake("not-a-sif")
def not_a_sif(desk: Desk) -> Sequence[Outcome]:
    cli, library = desk.cli(), desk.library()
    for home in (cli.home, library.home):
        (home / "image.sif").write_bytes(b"This is no image.\n" * 100)
    return [
        cli.run("push", "-U", "image.sif", REF),
        library.push(Path("image.sif"), REF),
    ]


@mistake("truncated-sif")
def truncated_sif(desk: Desk) -> Sequence[Outcome]:
    cli = desk.cli()
    image = cli.home / "image.sif"
    image.write_bytes(image.read_bytes()[: 1 << 19])
    return [cli.run("push", "-U", "image.sif", REF)]


@mistake("unsigned")
def unsigned(desk: Desk) -> Sequence[Outcome]:
    return [desk.cli().run("push", "image.sif", REF)]


@mistake("larger-than-one-body", MINIO_MULTIPART_UPLOAD="false")
def larger_than_one_body(desk: Desk) -> Sequence[Outcome]:
    cli = desk.cli()
    image = cli.home / "image.sif"
    # Sparse: it takes no room, and a while to read.
    os.truncate(image, 5 * GIB + 4096)
    try:
        return [cli.run("push", "-U", "image.sif", REF, seconds=600)]
    finally:
        image.unlink()


# ── pulling, searching, deleting ──
@mistake("private-without-token")
def private_without_token(desk: Desk) -> Sequence[Outcome]:
    ref = "library://mara/secret/gcc:1.0"
    desk.pushed(ref)
    with desk.changed(
        "UPDATE containers_collection SET visibility = 'private' WHERE name = 'secret'",
        "UPDATE containers_collection SET visibility = 'public' WHERE name = 'secret'",
    ):
        return [desk.cli("").run("pull", "pulled.sif", ref)]


@mistake("no-such-tag")
def no_such_tag(desk: Desk) -> Sequence[Outcome]:
    desk.pushed("library://mara/tools/tagged:1.0")
    return [desk.cli().run("pull", "pulled.sif", "library://mara/tools/tagged:2.0")]


@mistake("no-such-arch")
def no_such_arch(desk: Desk) -> Sequence[Outcome]:
    desk.pushed("library://mara/tools/arches:1.0")
    ref = "library://mara/tools/arches:1.0"
    return [desk.cli().run("pull", "--arch", "arm64", "pulled.sif", ref)]


@mistake("short-search")
def short_search(desk: Desk) -> Sequence[Outcome]:
    return [desk.cli().run("search", "gc")]


@mistake("delete-without-right")
def delete_without_right(desk: Desk) -> Sequence[Outcome]:
    admin = desk.cli(desk.live.token)
    ref = f"library://{desk.live.entity}/tools/gcc:1.0"
    assert admin.run("push", "-U", "image.sif", ref).returncode == 0
    return [
        desk.cli().run("delete", "--force", ref),
        desk.cli("").run("delete", "--force", ref),
    ]


# ── the registry's own troubles ──
@mistake("store-address", MINIO_EXTERNAL_SERVER="127.0.0.1:1")
def store_address(desk: Desk) -> Sequence[Outcome]:
    return [desk.cli().run("push", "-U", "image.sif", REF)]


@mistake("store-down", alone=True)
def store_down(desk: Desk) -> Sequence[Outcome]:
    desk.pushed("library://mara/tools/down:1.0")
    with desk.stopped("store"):
        pull = desk.cli().run("pull", "pulled.sif", "library://mara/tools/down:1.0")
        return [desk.cli().run("push", "-U", "image.sif", REF), pull]


@mistake("store-frozen", MINIO_READ_TIMEOUT_SECONDS="10")
def store_frozen(desk: Desk) -> Sequence[Outcome]:
    with desk.frozen("store"):
        return [desk.cli().run("push", "-U", "image.sif", REF, seconds=FROZEN_SECONDS)]


@mistake("database-down", alone=True)
def database_down(desk: Desk) -> Sequence[Outcome]:
    with desk.stopped("postgres"):
        return [desk.cli().run("push", "-U", "image.sif", REF)]


@mistake("database-frozen", alone=True)
def database_frozen(desk: Desk) -> Sequence[Outcome]:
    with desk.frozen("postgres"):
        return [desk.cli().run("push", "-U", "image.sif", REF, seconds=FROZEN_SECONDS)]


@mistake("wrong-clock", alone=True)
def wrong_clock(desk: Desk) -> Sequence[Outcome]:
    desk.pushed("library://mara/tools/clock:1.0")
    with desk.fast_clock():
        return [
            desk.cli().run("push", "-U", "image.sif", REF),
            desk.cli("").run("pull", "pulled.sif", "library://mara/tools/clock:1.0"),
        ]


# ── running ──
@contextlib.contextmanager
def desk_at(settings: Mapping[str, str]) -> Iterator[Desk]:
    """A registry with these settings, and a new user of it."""
    with (
        registry.started(**settings) as live,
        tempfile.TemporaryDirectory(prefix="shub-mistakes-") as folder,
    ):
        yield Desk(live, obtain.apptainer().path, Path(folder))


def make_all(names: Sequence[str]) -> dict[str, str]:
    """What the clients say of each of the mistakes; those of equal settings at one registry."""
    said = {}
    groups: dict[object, list[Mistake]] = {}
    for name in names:
        each = MISTAKES[name]
        together = name if each.is_alone else tuple(each.settings.items())
        groups.setdefault(together, []).append(each)
    for group in groups.values():
        with desk_at(group[0].settings) as desk:
            for each in group:
                begun = time.monotonic()
                outcomes = each.make(desk)
                said[each.name] = "\n".join(desk.tidied(done) for done in outcomes)
                codes = ", ".join(str(done.returncode) for done in outcomes)
                sys.stdout.write(f"{each.name}: exit {codes}, {time.monotonic() - begun:.1f} s\n")
    return said


def block(page: str, name: str) -> str:
    """What the page shows for this mistake; KeyError where it has no mark for it."""
    found = _mark(name).search(page)
    if found is None:
        raise KeyError(name)
    return found[2].strip()


def with_block(page: str, name: str, said: str) -> str:
    """The page with these words for this mistake."""
    block(page, name)
    return _mark(name).sub(lambda found: f"{found[1]}{said}\n{found[3]}", page)


def marks(page: str) -> list[str]:
    """The names of the mistakes that the page has room for, in its order."""
    return re.findall(r"^<!-- said: (\S+) -->$", page, re.MULTILINE)


def _mark(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- said: {re.escape(name)} -->\n```console\n)(.*?)(```\n)", re.DOTALL)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, show what differs")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MISTAKES))
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(MISTAKES)
    if unknown:
        parser.error(f"no such mistake: {', '.join(sorted(unknown))}")
    page = PAGE.read_text()
    differs = False
    for name, said in make_all(options.names or list(MISTAKES)).items():
        before = block(page, name)
        if before != said:
            differs = True
            lines = difflib.unified_diff(before.splitlines(), said.splitlines(), lineterm="", n=0)
            sys.stdout.write("\n".join([f"{name} reads:", *lines]) + "\n")
        page = with_block(page, name, said)
    if not options.check:
        PAGE.write_text(page)
        sys.stdout.write(f"{PAGE.relative_to(PROJECT)} is written.\n")
    return 1 if options.check and differs else 0


def _parent_of(pid: int) -> int:
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


def _children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _await_answer(live: Live) -> None:
    """Wait until database, store and web server answer again."""
    store = f"{live.store['endpoint']}/minio/health/ready"

    def answers() -> bool:
        try:
            live.rows("SELECT 1")
            for address in (store, f"{live.url}/version"):
                urllib.request.urlopen(address, timeout=5).close()
        except (psycopg2.Error, OSError):
            return False
        return True

    eventually(answers, "an answer of all that was stopped", BACK_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
