"""systemd's own judge reads the units of a deployment without containers."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shub.operations.setup import env_file, known

FOLDER = Path(__file__).parents[3] / "deploy/systemd"
UNITS = sorted(
    path
    for path in FOLDER.glob("shub*")
    if path.suffix in {".service", ".socket", ".target", ".timer"}
)
SERVICES = [
    "shub-backup.service",
    "shub-prepare.service",
    "shub-web.service",
    "shub-sweep@1.service",
]

analyze = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    analyze is None, reason="systemd-analyze is not here: apt install systemd"
)


@pytest.fixture
def units(tmp_path: Path) -> list[Path]:
    """The units, with programs that are on this machine."""
    for unit in UNITS:
        name = unit.name.replace("@.", "@1.")
        text = re.sub(r"/opt/shub/\.venv/bin/\w+", "/bin/true", unit.read_text())
        (tmp_path / name).write_text(text.replace("/opt/shub", "/"))
        (tmp_path / unit.name).write_text((tmp_path / name).read_text())
    return sorted(path for path in tmp_path.iterdir() if "@." not in path.name)


@needs_systemd
def test_every_line_of_the_units_is_known_to_systemd(units: list[Path]) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "shub" in line]
    assert (done.returncode, ours) == (0, [])


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_shut_in_as_far_as_it_can_be(units: list[Path], name: str) -> None:
    path = next(unit for unit in units if unit.name == name)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_all_services_are_shut_in_alike() -> None:
    """The same lines, from the user on."""
    tails = {
        unit.read_text().partition("# Nobody special")[2].partition("\n[Install]")[0].strip()
        for unit in UNITS
        if unit.suffix == ".service"
    }
    assert len(tails) == 1
    assert "NoNewPrivileges=yes" in tails.pop()


def test_the_example_of_settings_names_settings_only_and_holds_no_secret() -> None:
    for name, value in env_file.read((FOLDER / "shub.env").read_text()).items():
        assert name in known.settings() | {f"{secret}_FILE" for secret in known.secrets()}, name
        assert not name.endswith("_FILE") or value.startswith("/etc/shub/secrets/")
        assert name not in known.secrets()


def test_the_command_for_people_is_sound() -> None:
    subprocess.run(["sh", "-n", FOLDER / "shub-manage"], check=True)
