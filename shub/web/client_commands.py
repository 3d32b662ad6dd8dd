"""What to type to pull or push here, for each program: this host, and the right remote first."""

from dataclasses import dataclass

from django.conf import settings

from shub.containers.models import Visibility
from shub.remote_yaml import REMOTE, can_be_added

PROGRAMS = ("apptainer", "singularity")


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


def remote_lines(program: str) -> list[str]:
    """Make this registry the program's remote. On a port of its own it takes a file."""
    url = settings.PUBLIC_URL
    if not can_be_added(url):
        # One that is there has other registries in it, and tokens: it is never written over.
        file = f"~/.{program}/remote.yaml"
        return [
            f"test -e {file} || curl --create-dirs -o {file} {url}/remote.yaml",
            f"{program} remote use {REMOTE}",
        ]
    insecure = "--insecure " if url.startswith("http://") else ""
    return [
        f"{program} remote add --no-login {insecure}{REMOTE} {url}",
        f"{program} remote use {REMOTE}",
    ]
