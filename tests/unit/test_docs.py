"""The documentation names everything that there is to name, and points at what is there."""

import re
from pathlib import Path

from shub import errors
from shub.api.errors import STATUS

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]


def test_every_setting_is_in_the_reference_and_nothing_else_is() -> None:
    read = set()
    for module in (ROOT / "shub/settings").glob("*.py"):
        for call in re.findall(r"env\.\w+\(([^)]*)\)", module.read_text()):
            read |= set(re.findall(r'"([A-Z][A-Z0-9_]+)"', call))
    read -= {"INFO"}
    page = (ROOT / "docs/reference/settings.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}
    assert named == read


def test_every_refusal_is_in_the_reference_with_its_status() -> None:
    page = (ROOT / "docs/reference/errors.md").read_text()
    kinds = {kind for kind in errors.Refusal.__subclasses__() if kind.__module__ == "shub.errors"}
    assert set(STATUS) == kinds
    for kind, status in STATUS.items():
        assert f"| `{kind.__name__}` | {status} |" in page


def test_every_link_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs/decisions/README.md").read_text()
    for page in (ROOT / "docs/decisions").glob("0*.md"):
        assert page.name in listed
