"""Known holes in what is locked, as pip-audit finds them in PyPI's advisories.

Exit status: 0 nothing found, 1 a finding, 75 nobody could be asked (EX_TEMPFAIL). `audit-ignored`
beside this file names findings that do not concern us, one a line, each with its reason.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
LOCKED = ["requirements.txt", "requirements-quickstart.txt", "requirements-dev.txt"]

FOUND = 1
UNREACHABLE = 75


def ignored(text: str) -> set[str]:
    """The advisories that are ignored; a line without a reason is none."""
    lines = [line.split(None, 1) for line in text.splitlines() if line and line[0] != "#"]
    for line in lines:
        if len(line) < 2:
            raise SystemExit(f"audit-ignored: {line[0]} has no reason.")
    return {line[0] for line in lines}


def judge(report: dict[str, Any], ignore: set[str]) -> tuple[list[str], list[str]]:
    """What was found, a line each, and the packages that were not looked at.

    A mirror of PyPI may know the packages and none of the advisories: pip-audit then skips each and
    says that nothing was found.
    """
    found, skipped = [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["name"])
        for hole in package.get("vulns", ()):
            names = {hole["id"], *hole.get("aliases", ())}
            if not names & ignore:
                fixed = ", ".join(hole.get("fix_versions", ())) or "no version"
                found.append(
                    f"{package['name']} {package['version']}: {hole['id']}, mended in {fixed}"
                )
    return found, skipped


def ask(locked: str) -> dict[str, Any] | None:
    """pip-audit's report on one file; None where it could not make any."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip_audit", "--progress-spinner", "off"),
                *("--requirement", locked, "--require-hashes", "--disable-pip"),
                *("--format", "json", "--output", report.name),
            ],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        written = Path(report.name).read_text()
    if written:
        read: dict[str, Any] = json.loads(written)
        return read
    print(f"{locked}: {(done.stderr.strip() or 'no report').splitlines()[-1][:300]}")
    return None


def main() -> int:
    """Audit each locked file."""
    ignore = ignored((FOLDER / "audit-ignored").read_text())
    found: set[str] = set()
    unknown = 0
    for locked in LOCKED:
        report = ask(locked)
        if report is None:
            unknown += 1
            continue
        findings, skipped = judge(report, ignore)
        found |= set(findings)
        unknown += len(skipped)
    for finding in sorted(found):
        print(finding)
    if found:
        return FOUND
    if unknown:
        print(f"NOT AUDITED: no advisories could be had for {unknown} of the packages.")
        return UNREACHABLE
    print("No known hole in what is locked.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
