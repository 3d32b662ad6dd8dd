"""What to type to pull or push here, for each program: this host, and the right remote first."""

from dataclasses import dataclass

from django.conf import settings

from shub.containers.models import Visibility
from shub.remote_yaml import REMOTE, adding, can_be_added

PROGRAMS = ("apptainer", "singularity")
FILE = "/remote.yaml"


@dataclass(frozen=True)
class Commands:
    """The commands of one program."""

    program: str
    remote: str
    """Lines that make this registry the program's remote; a download where it cannot be added."""
    login: str
    pull: str
    """Of the reference, by the remote."""
    pull_at_once: str
    """Of a public reference, without a remote; empty for another."""


def pull_commands(reference: str, *, visibility: str) -> list[Commands]:
    """How each program pulls the reference (`entity/collection/container:tag`)."""
    at_once = visibility == Visibility.PUBLIC
    return [
        Commands(
            program=program,
            remote="\n".join(remote_lines(program)),
            login=f"{program} remote login {REMOTE}",
            pull=f"{program} pull library://{reference}",
            pull_at_once=(
                f"{program} pull --library {settings.PUBLIC_URL} library://{reference}"
                if at_once
                else ""
            ),
        )
        for program in PROGRAMS
    ]


def login_commands() -> list[Commands]:
    """How each program comes to know this registry, and logs in."""
    return [
        Commands(
            program=program,
            remote="\n".join(remote_lines(program)),
            login=f"{program} remote login {REMOTE}",
            pull="",
            pull_at_once="",
        )
        for program in PROGRAMS
    ]


def remote_lines(program: str, *, version: str = "") -> list[str]:
    """Make this registry the program's remote: by its own commands, or by a file where the registry
    is on a port of its own, or the version needs a file in the old form."""
    url = settings.PUBLIC_URL
    if can_be_added(url) and not version:
        return adding(program, url)
    # One that is there has other registries in it, and tokens: it is never written over.
    file = remote_file(program)
    address = f"'{url}{FILE}?for={version}'" if version else f"{url}{FILE}"
    return [
        f"test -e {file} || curl --create-dirs -o {file} {address}",
        f"{program} remote use {REMOTE}",
    ]


def remote_file(program: str) -> str:
    """Where the program keeps its remotes."""
    return f"~/.{program}/remote.yaml"


# ── a first push, by what one has ──
@dataclass(frozen=True)
class Client:
    """A program, from one release on: what it is called, and how it is told of this registry."""

    name: str
    program: str
    version: str = ""
    """For whose form the ready file is asked; empty: that of today."""
    has_remotes: bool = True


CLIENTS = {
    "apptainer": Client("Apptainer 1.1 or newer", "apptainer"),
    "singularity-ce": Client("SingularityCE 3.9 or newer", "singularity"),
    "singularity": Client("Singularity 3.2 to 3.8, Apptainer 1.0", "singularity", "3.8"),
    "singularity-3.0": Client("Singularity 3.0 or 3.1", "singularity", "3.0", has_remotes=False),
}
NEWEST = "apptainer"


@dataclass(frozen=True)
class FirstPush:
    """The commands from nothing to an image that is here and comes back."""

    client: Client
    remote: str
    """Empty for one that knows no remotes."""
    login: str
    file: str
    """Puts a downloaded remote.yaml where the program looks for it; empty where none is needed."""
    get: str
    sign: str
    """Empty for one whose words for it are not known here."""
    push: str
    pull: str
    needs_https: bool
    """It speaks https only, and this registry does not."""


def first_push(client: Client, reference: str) -> FirstPush:
    """How this client pushes under the reference, and pulls again."""
    program, url = client.program, settings.PUBLIC_URL
    by_remote = client.has_remotes
    # Since 3.7 no token is sent to an address by `--library`; before remotes there is no other way.
    library = "" if by_remote else f"--library {url} "
    by_file = by_remote and (client.version or not can_be_added(url))
    file, token = remote_file(program), "~/.singularity/sylabs-token"
    return FirstPush(
        client=client,
        remote="\n".join(remote_lines(program, version=client.version)) if by_remote else "",
        login=(
            f"{program} remote login {REMOTE}"
            if by_remote
            else f"mkdir -p ~/.singularity && cat > {token} && chmod 600 {token}"
        ),
        file=(
            f"mkdir -p ~/.{program} && mv -n ~/Downloads/remote.yaml {file} && chmod 600 {file}"
            if by_file
            else ""
        ),
        get=f"{program} pull image.sif docker://alpine",
        sign=f"{program} key newpair\n{program} sign image.sif" if by_remote else "",
        push=f"{program} push {library}image.sif library://{reference}",
        pull=f"{program} pull {library}again.sif library://{reference}",
        needs_https=bool(client.version) and by_remote and url.startswith("http://"),
    )
