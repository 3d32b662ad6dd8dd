"""The images: what each holds, from the catalogue's words alone, so the same bytes each time."""

import hashlib
from pathlib import PurePosixPath

from shub.operations.demo import sif, squashfs
from shub.operations.demo.catalogue import Build, Shelf
from shub.operations.demo.pushing import Place

# An arbitrary moment: with the clock, no hash would repeat.
SECONDS = 1_750_000_000

ABOUT_FILLER = "Of a demonstration site: share/filler.bin is random bytes that give it a size."

NO_PROGRAM = """\
#!/bin/sh
echo "This image belongs to a demonstration site: there is nothing in it to run." >&2
exit 1
"""


def make(place: Place, shelf: Shelf, build: Build, arch: str) -> bytes:
    """The SIF file of this build for this architecture."""
    labels = {
        "org.opencontainers.image.title": shelf.name,
        "org.opencontainers.image.version": build.version,
        "org.opencontainers.image.description": shelf.text,
        "org.opencontainers.image.vendor": place.entity,
        "org.label-schema.build-arch": arch,
        "org.label-schema.schema-version": "1.0",
    }
    return sif.pack(
        arch=arch,
        definition=definition(shelf, build),
        labels=labels,
        root=squashfs.pack(files(place, shelf, build, arch), seconds=SECONDS),
        seconds=SECONDS,
    )


def definition(shelf: Shelf, build: Build) -> str:
    """The definition file that such an image could have been built from."""
    agent, base = "docker", shelf.base
    if base == "scratch":
        base = f"{shelf.name}:{build.version}"
    elif "/" in base:
        agent = "library"
    return f"""\
Bootstrap: {agent}
From: {base}

%labels
    org.opencontainers.image.title {shelf.name}
    org.opencontainers.image.version {build.version}

%post
    install -d /opt/{shelf.name}
    make -C /src/{shelf.name} VERSION={build.version} PREFIX=/opt/{shelf.name} install

%environment
    export PATH=/opt/{shelf.name}/bin:$PATH

%runscript
    exec {shelf.name} "$@"

%test
    {shelf.name} --version | grep {build.version}

%help
    {shelf.text or shelf.name}
"""


def files(place: Place, shelf: Shelf, build: Build, arch: str) -> dict[str, bytes]:
    """What lies in it, by path. Filler brings it to the size that the catalogue says."""
    top = PurePosixPath("opt") / shelf.name
    readme = f"{shelf.name} {build.version} for {arch}\n\n{shelf.text}\n\n{ABOUT_FILLER}\n"
    release = f'NAME="{shelf.name}"\nVERSION_ID="{build.version}"\nPRETTY_NAME="{place}"\n'
    return {
        ".singularity.d/runscript": NO_PROGRAM.encode(),
        "etc/os-release": release.encode(),
        f"{top}/README": readme.encode(),
        f"{top}/VERSION": f"{build.version}\n".encode(),
        f"{top}/bin/{shelf.name}": NO_PROGRAM.encode(),
        f"{top}/share/filler.bin": filler(
            f"{place}:{build.version} {arch}", build.kilobytes * 1000
        ),
    }


def filler(seed: str, size: int) -> bytes:
    """So many bytes that do not compress, the same for the same seed."""
    return hashlib.shake_128(seed.encode()).digest(size)
