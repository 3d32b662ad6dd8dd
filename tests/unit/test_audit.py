"""The audit of what is locked: a finding is never missed, and silence is no all-clear."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def package(name: str, *holes: str) -> dict[str, Any]:
    """As pip-audit 2.10 reports it."""
    vulns = [
        {"id": hole, "fix_versions": ["2.0"], "aliases": [f"CVE-{hole}"], "description": "…"}
        for hole in holes
    ]
    return {"name": name, "version": "1.0", "vulns": vulns}


SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("packages", "ignore", "status"),
    [
        ([package("a")], set(), 0),
        ([package("a", "PYSEC-1")], set(), 1),
        ([package("a", "PYSEC-1"), SKIPPED], set(), 1),
        ([package("a", "PYSEC-1")], {"PYSEC-1"}, 0),
        ([package("a", "PYSEC-1")], {"CVE-PYSEC-1"}, 0),
        ([package("a", "PYSEC-1", "PYSEC-2")], {"PYSEC-1"}, 1),
        ([package("a"), SKIPPED], set(), 75),
        (None, set(), 75),
    ],
)
def test_only_what_was_looked_at_and_has_no_hole_is_clean(
    audit: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    packages: list[dict[str, Any]] | None,
    ignore: set[str],
    status: int,
) -> None:
    report = None if packages is None else {"dependencies": packages}
    monkeypatch.setattr(audit, "ask", lambda locked: report)
    monkeypatch.setattr(audit, "ignored", lambda text: ignore)
    assert audit.main() == status


def test_what_is_ignored_has_a_reason(audit: ModuleType) -> None:
    assert audit.ignored("# words\n\nPYSEC-1  only the server side of it\n") == {"PYSEC-1"}
    with pytest.raises(SystemExit, match="PYSEC-2 has no reason"):
        audit.ignored("PYSEC-2\n")
    audit.ignored((SCRIPT.parent / "audit-ignored").read_text())
