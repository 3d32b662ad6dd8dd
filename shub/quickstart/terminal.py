"""The terminal: a script in the data folder that is `manage.py` for the registry there."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from shub.quickstart.folder import write_whole

NAME = "manage"


def write_script(folder: Path, environment: Mapping[str, str]) -> Path:
    """Write it, for this user only: the registry's processes' environment, as far as it was made
    here, is in it. What a person has set in their own is theirs to set again."""
    made = {name: value for name, value in environment.items() if os.environ.get(name) != value}
    path = folder / NAME
    words = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    lines = [
        "#!/bin/sh",
        "# manage.py for the registry that runs here: `data/manage quota mara`.",
        "# Written at each start.",
        *(f"export {name}={shlex.quote(value)}" for name, value in sorted(made.items())),
        f'exec {shlex.join(words)} "$@"',
    ]
    write_whole(path, "\n".join(lines) + "\n")
    path.chmod(0o700)
    return path
