"""Get what the tests drive: an Apptainer CLI, our programs on the Go libraries, and Helm.

    python tests/clients/obtain.py [apptainer|go|helm]

No client is kept in the repository, and nothing is installed on the machine. What a machine lacks
is unpacked from Debian's own packages under `.cache/clients`; remove that folder to start afresh.
Needs nothing beyond Python's library, so that it also runs before the project's packages are there.
"""

import contextlib
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache" / "clients"
GO_FOLDER = HERE / "go"
HELM_FOLDER = HERE.parent / "unit" / "deploy" / "helm"

# No Debian release has Apptainer, and a release's Go is older than the libraries ask for: both are
# in the suite that is never frozen.
SUITE = "sid"

SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
OLD_SOURCES = Path("/etc/apt/sources.list")


class Missing(Exception):
    """A client cannot be had here. Says what the machine lacks."""


@dataclass(frozen=True)
class Client:
    """A program that can be run by its path, and what it says of its version."""

    path: Path
    version: str


def apptainer() -> Client:
    """The CLI that APPTAINER names, else that on PATH, else Debian's package, unpacked."""
    named = os.environ.get("APPTAINER")
    if named:
        found = shutil.which(named)
        if found is None:
            raise Missing(f"APPTAINER names {named}, which is no program.")
        path = Path(found)
    elif installed := shutil.which("apptainer"):
        path = Path(installed)
    else:
        with _alone():
            path = _unpacked_apptainer()
    return Client(path, _run([path, "--version"]).strip())


def go_client_names() -> list[str]:
    """The folders with a program of ours: family and version of a library (`sylabs-v1.4.16`)."""
    return sorted(path.parent.name for path in GO_FOLDER.glob("*-v*/go.mod"))


def go_client(name: str) -> Client:
    """Build the program in the folder `name`. What was built before costs a second."""
    with _alone():
        folder = GO_FOLDER / name
        go = _go_for(folder)
        path = CACHE / "bin" / name
        environment = {
            **os.environ,
            # A C compiler would be one more thing to ask for; name look-up in Go is enough here.
            "CGO_ENABLED": "0",
            "GOWORK": "off",
        }
        # First by itself: what cannot be fetched is missing, what does not compile is our mistake.
        _run([go, "list", "-deps", "."], cwd=folder, env=environment)
        subprocess.run(
            # Without tables for debuggers, a third of the size and of the time to link.
            [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "."],
            cwd=folder,
            env=environment,
            check=True,
        )
    return Client(path, f"{name}, built by {_go_version(go, folder)}")


def helm(*, build: bool = True) -> Client:
    """Helm, which renders the chart: what HELM names, else built once, in a minute or two."""
    named = os.environ.get("HELM")
    if named:
        return Client(Path(named), _run([named, "version", "--short"]).strip())
    package = "helm.sh/helm/v3"
    pinned = re.search(rf"^\s*{package} (\S+)", (HELM_FOLDER / "go.mod").read_text(), re.MULTILINE)
    if pinned is None:
        raise Missing(f"{HELM_FOLDER}/go.mod names no version of Helm.")
    client = Client(CACHE / "bin" / f"helm-{pinned[1]}", f"Helm {pinned[1]}")
    if client.path.exists():
        return client
    if not build:
        raise Missing("Helm is not built yet: make clients")
    with _alone():
        go = _go_for(HELM_FOLDER)
        environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
        program = f"{package}/cmd/helm"
        _run([go, "list", "-deps", program], cwd=HELM_FOLDER, env=environment)
        subprocess.run(
            [
                *(go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"),
                *("-o", client.path, program),
            ],
            cwd=HELM_FOLDER,
            env=environment,
            check=True,
        )
    return client


def faketime() -> Path:
    """The library by which a process reads another time than the machine's; preloaded."""
    with _alone():
        root = CACHE / "faketime"
        found = list(root.glob("usr/lib/*/faketime/libfaketimeMT.so.1"))
        if not found:
            # Of the machine's own release: it is loaded beside the machine's own C library.
            _unpack(Apt([]), "faketime", ["libfaketime"])
            found = list(root.glob("usr/lib/*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise Missing("The package libfaketime holds no libfaketimeMT.so.1.")
    return found[0]


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold the cache: two test runs of one tree would unpack into each other."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpacked_apptainer() -> Path:
    """A script that starts the unpacked CLI beside the C library that it was built for."""
    program = CACHE / "apptainer" / "apptainer"
    if program.exists():
        return program

    # What the program is linked with, and no more: its further dependencies serve to run
    # containers, not to push and pull them.
    root = _unpack(
        _private_apt(), "apptainer", ["apptainer", "libc6", "libseccomp2", "libsqlite3-0"]
    )
    loader = next((root / "usr/lib").glob("*/ld-linux-*.so.*"))
    command = [
        loader,
        *("--library-path", loader.parent),
        *("--argv0", "apptainer", root / "usr/bin/apptainer"),
        *("--config", root / "etc/apptainer/apptainer.conf"),
    ]
    # Written at last: it is the sign that all of the above was done.
    unfinished = program.with_suffix(".new")
    unfinished.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, command))} "$@"\n')
    unfinished.chmod(0o755)
    unfinished.rename(program)
    return program


def _go_for(folder: Path) -> Path:
    """The machine's Go where it is new enough for `folder`, else Debian's newest, unpacked."""
    installed = shutil.which("go")
    if installed and _suits(Path(installed), folder):
        return Path(installed)

    for unpacked in (CACHE / "go").glob("usr/lib/go-*/bin/go"):
        if _suits(unpacked, folder):
            return unpacked

    apt = _private_apt()
    depends = _run([*apt.command("apt-cache"), "depends", "golang-go"])
    newest = re.search(r"Depends: golang-([\d.]+)-go$", depends, re.MULTILINE)
    if newest is None:
        raise Missing("The package golang-go names no version of Go.")
    version = newest[1]
    root = _unpack(apt, "go", [f"golang-{version}-go", f"golang-{version}-src"])
    go = root / f"usr/lib/go-{version}/bin/go"
    if not _suits(go, folder):
        raise Missing(f"Go {version} is too old for tests/clients/go/{folder.name}.")
    return go


def _suits(go: Path, folder: Path) -> bool:
    """Whether this Go can build the module; a Go from 1.21 on may fetch a newer one for that."""
    directive = re.search(r"^go ([\d.]+)$", (folder / "go.mod").read_text(), re.MULTILINE)
    try:
        there = re.search(r"go(\d[\d.]*)", _go_version(go, folder))
    except Missing:
        return False
    if directive is None or there is None:
        return False
    return _numbers(there[1]) >= _numbers(directive[1])


def _go_version(go: Path, folder: Path) -> str:
    """As in "go1.26.1". Asked in the folder, where Go chooses the version that it will use."""
    return _run([go, "version"], cwd=folder).split()[2]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.strip(".").split("."))


@dataclass(frozen=True)
class Apt:
    """An apt beside the machine's own: another suite, own lists, the same mirror and keys."""

    options: Sequence[str]

    def command(self, program: str) -> list[str]:
        return [program, *self.options]


def _private_apt() -> Apt:
    """Set up an apt for SUITE, with lists of today: the suite drops a package's older versions."""
    if shutil.which("apt-get") is None:
        raise Missing("There is no apt-get to get a Debian package with.")

    folder = CACHE / "apt"
    lists, cache = folder / "lists", folder / "cache"
    for path in (lists / "partial", cache / "archives" / "partial"):
        path.mkdir(parents=True, exist_ok=True)
    sources = folder / "suite.sources"
    sources.write_text(_source_of_suite())

    settings = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        # Pins that keep the machine in its release would hide every package of the suite.
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::Lists": lists,
        "Dir::Cache": cache,
        "Acquire::Languages": "none",
        # A mirror may show the archive as it was on some day: the lists of this suite expire after
        # a week. Their signatures, and the packages' digests, are checked all the same.
        "Acquire::Check-Valid-Until": "false",
        # Root's apt fetches as another user, who may not be allowed to look into this folder.
        "APT::Sandbox::User": "root",
    }
    apt = Apt([f"-o{name}={value}" for name, value in settings.items()])
    _run([*apt.command("apt-get"), "-q", "update"])
    return apt


def _unpack(apt: Apt, name: str, packages: Sequence[str]) -> Path:
    """Download Debian packages, unpack them into one folder of the cache, and keep only that."""
    if shutil.which("dpkg-deb") is None:
        raise Missing("There is no dpkg-deb to unpack a Debian package with.")
    root, downloads = CACHE / name, CACHE / f"{name}.packages"
    for path in (root, downloads):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    _run([*apt.command("apt-get"), "-q", "download", *packages], cwd=downloads)
    for package in downloads.glob("*.deb"):
        _run(["dpkg-deb", "--extract", package, root])
    for path in (downloads, CACHE / "apt"):
        shutil.rmtree(path, ignore_errors=True)
    return root


def _source_of_suite() -> str:
    """A source of SUITE on the mirror that the machine's own Debian sources name first.

    Raises Missing on a machine that is not Debian: another distribution's C library and mirror
    hold other packages under these names.
    """
    if not re.search(r"^ID=debian$", _text(Path("/etc/os-release")), re.MULTILINE):
        raise Missing(
            "Only on Debian can the clients be unpacked from packages. Elsewhere install Apptainer "
            "(or name it in APPTAINER) and a current Go."
        )
    mirror = _mirror(_text(SOURCES)) or _old_mirror(_text(OLD_SOURCES))
    if mirror is None:
        raise Missing(f"Neither {SOURCES} nor {OLD_SOURCES} names a Debian mirror.")
    uri, keyring = mirror
    lines = ["Types: deb", f"URIs: {uri}", f"Suites: {SUITE}", "Components: main"]
    if keyring:
        lines.append(f"Signed-By: {keyring}")
    return "\n".join(lines) + "\n"


def _mirror(sources: str) -> tuple[str, str] | None:
    """Address and keyring from a file of stanzas; not those of a security suite."""
    for stanza in re.split(r"\n\s*\n", sources):
        fields = dict(re.findall(r"^([\w-]+):[ \t]*(.+?)[ \t]*$", stanza, re.MULTILINE))
        if "URIs" in fields and "security" not in fields.get("Suites", ""):
            return fields["URIs"].split()[0], fields.get("Signed-By", "")
    return None


def _old_mirror(sources: str) -> tuple[str, str] | None:
    """The same from a file of one line per source."""
    for line in sources.splitlines():
        source = re.match(r"deb\s+(?:\[(.*?)\]\s*)?(\S+)\s+(\S+)", line)
        if source and "security" not in source[3]:
            keyring = re.search(r"signed-by=(\S+)", source[1] or "")
            return source[2], keyring[1] if keyring else ""
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """The standard output of a command; Missing with its last words where it fails."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()[-5:]
        raise Missing(f"`{shlex.join(map(str, command))}` failed: {' / '.join(words)}")
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    wanted = set(arguments) or {"apptainer", "go", "helm"}
    if not wanted <= {"apptainer", "go", "helm"}:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        if "apptainer" in wanted:
            client = apptainer()
            sys.stdout.write(f"{client.version}: {client.path}\n")
        for name in go_client_names() if "go" in wanted else ():
            client = go_client(name)
            sys.stdout.write(f"{client.version}: {client.path}\n")
        if "helm" in wanted:
            client = helm()
            sys.stdout.write(f"{client.version}: {client.path}\n")
    except Missing as lack:
        sys.stderr.write(f"{lack}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
