"""What is set is told at each start, and no secret with it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SECRET = "not-for-any-log"


def said(**environment: str) -> str:
    """What `manage.py configuration` writes."""
    done = subprocess.run(
        [sys.executable, "manage.py", "configuration"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def test_what_is_set_is_told_and_of_secrets_only_that_they_are(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(SECRET)
    found = said(
        SECRET_KEY_FILE=str(key),
        DATABASE_URL=f"postgresql://shub:{SECRET}@db/shub",
        MINIO_ROOT_PASSWORD=SECRET,
        METRICS_TOKEN=SECRET,
        PUBLIC_URL="https://registry.example.org",
        WEB_WORKERS="4",
        OIDC_ISSUER=f"https://mara:{SECRET}@idp.example.org",
        LOG_LEVEL="INFO",
    )
    assert SECRET not in found
    first, settings, secrets = found.splitlines()
    assert first.startswith("shub 0.")
    assert "PUBLIC_URL=https://registry.example.org" in settings
    assert "WEB_WORKERS=4" in settings
    assert "OIDC_ISSUER=https://...@idp.example.org" in settings
    assert "LOG_LEVEL" not in settings
    assert "SECRET_KEY set, by a file" in secrets
    assert "DATABASE_URL set" in secrets
    assert "MINIO_ROOT_PASSWORD set" in secrets
    assert "CACHE_URL not set" in secrets


def test_a_site_that_sets_nothing_says_so() -> None:
    assert "Set: nothing." in said()
