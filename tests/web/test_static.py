"""Static files: from the tree as they are, or collected, compressed, and to be kept for ever."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.templatetags.static import static
from django.test import Client

from shub.web import assets

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("file", ["web/pages.css", "admin/css/base.css"])
@pytest.mark.django_db(transaction=True)  # closing the answer closes the connection as well
def test_the_stylesheet_is_served(file: str) -> None:
    style = Client().get(f"/static/{file}")
    assert style.status_code == 200
    assert style["Content-Type"].startswith("text/css")
    assert "immutable" not in style["Cache-Control"]
    style.close()
    assert static(file) == f"/static/{file}"


@pytest.fixture
def root(settings: Any, tmp_path: Path) -> Path:
    """A deployment's folder, with nothing in it yet; `more.css` is among what is collected."""
    more = tmp_path / "more"
    more.mkdir()
    (more / "more.css").write_text("p { color: black }")
    settings.STATICFILES_DIRS = [more]
    settings.STATIC_ROOT = str(tmp_path / "static")
    settings.WHITENOISE_USE_FINDERS = False
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "shub.web.assets.AssetStorage"},
    }
    return tmp_path / "static"


@pytest.mark.django_db(transaction=True)
def test_all_that_a_page_asks_for_may_be_kept_for_ever_and_comes_compressed(root: Path) -> None:
    assert assets.collect()
    browser = Client(headers={"Accept-Encoding": "gzip"})
    page = browser.get("/").content.decode()
    asked = set(re.findall(r'(?:href|src)="(/static/[^"#]+)', page))
    assert any(address.endswith(".css") for address in asked)
    for address in asked:
        answer = browser.get(address)
        assert answer.status_code == 200, address
        assert answer["Cache-Control"] == "max-age=315360000, public, immutable", address
        assert answer["Content-Encoding"] == "gzip", address
        assert answer["Vary"] == "Accept-Encoding", address
        answer.close()


def test_only_the_pages_own_files_are_compressed(root: Path) -> None:
    assets.collect()
    compressed = {path.relative_to(root).parts[0] for path in root.rglob("*.gz")}
    assert compressed == {"web"}
    assert static("admin/css/base.css") != "/static/admin/css/base.css"


def test_what_is_there_is_not_collected_again(root: Path) -> None:
    assert assets.collect()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert not assets.collect()
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_release_with_older_files_replaces_what_is_there_and_leaves_what_is_still_asked_for(
    root: Path,
) -> None:
    assets.collect()
    before = static("more.css")
    changed = root.parent / "more/more.css"
    changed.write_text("p { color: green }")
    os.utime(changed, (0, 0))
    assert assets.collect()
    after = static("more.css")
    assert after != before
    assert (root / "more.css").read_text() == "p { color: green }"
    assert [(root / Path(each).name).exists() for each in (before, after)] == [True, True]


def test_a_collecting_that_was_cut_short_is_done_anew(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets.collect()
    (root.parent / "more/more.css").write_text("p { color: green }")
    with monkeypatch.context() as patch:
        patch.setattr(assets, "call_command", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            assets.collect()
    (root.parent / "more/more.css").write_text("p { color: black }")
    assert assets.collect()


def test_prepare_collects_where_a_folder_is_named(
    root: Path, store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("prepare")
    assert "The static files were collected." in capsys.readouterr().out
    call_command("prepare")
    assert "The static files are there." in capsys.readouterr().out
