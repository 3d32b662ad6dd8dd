"""Static files of a deployment: below STATIC_ROOT, under names that change with what they hold.

A browser may keep such a file for years; the pages' own lie there compressed as well.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage

# The pages' own. What else there is, administrators load, and seldom.
OWN = "web/"

# Of what the files were collected: beside them, since it goes where they go.
STAMP = "collected"


class AssetStorage(CompressedManifestStaticFilesStorage):
    """Hashed names for all files, compressed copies of the pages' own."""

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Compress the pages' own; which file, and what its copy is called."""
        yield from super().compress_files([path for path in paths if path.startswith(OWN)])

    def get_modified_time(self, name: str) -> datetime:
        """Not told, so that a file replaces what is there even where it is said to be older."""
        raise NotImplementedError


def collect() -> bool:
    """Collect this release's files below STATIC_ROOT; whether they were not there yet.

    What earlier releases have left stays: pages that are open still ask for it.
    """
    stamp = Path(str(settings.STATIC_ROOT), STAMP)
    wanted = _fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    # Else a collecting that was cut short would seem to be the former one.
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(wanted)
    return True


def _fingerprint() -> str:
    """One word for all files that there are to collect, their names and what they hold."""
    found: dict[str, bytes] = {}
    for finder in get_finders():
        for name, storage in finder.list([]):
            if name not in found:
                with storage.open(name) as file:
                    found[name] = hashlib.sha256(file.read()).digest()
    whole = hashlib.sha256()
    for name in sorted(found):
        whole.update(name.encode() + b"\0" + found[name])
    return whole.hexdigest()
