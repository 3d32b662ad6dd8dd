"""Settings that a page sets: the registry has to start with them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.docs.fences import ROOT, Command

PAIR = re.compile(r"([A-Za-z_]\w*)=('[^']*'|\"[^\"]*\"|[^\s'\"]*)")

SECRET = "a secret of the tests\n"


def pairs(command: Command) -> list[tuple[str, str]]:
    """What it sets."""
    return [(name, value.strip("'\"")) for name, value in PAIR.findall(command.key)]


def known() -> set[str]:
    """The settings, each with its form as a file where it has one."""
    page = (ROOT / "docs/reference/settings.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    names = {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}
    return names | {f"{name}_FILE" for name in names}


def check(commands: Iterable[Command], folder: Path) -> str:
    """Read the settings with what they set; what is said where one is refused."""
    environment = {"SECRET_KEY": "only-for-tests", "PATH": os.environ["PATH"]}
    for command in commands:
        for name, value in pairs(command):
            environment[name] = value
            if name.endswith("_FILE"):
                path = folder / value.strip("/").replace("/", "-")
                path.write_text(SECRET)
                environment[name] = str(path)
    done = subprocess.run(
        [sys.executable, "-c", "import shub.settings"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return f"{[str(each) for each in commands]}: {done.stderr[-1000:]}"
    return ""
