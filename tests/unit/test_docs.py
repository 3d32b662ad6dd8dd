"""The documentation names everything that there is to name, and points at what is there."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from shub import errors
from shub.api.errors import STATUS
from tests.docs import commands_reference, settings_reference

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


def test_the_reference_of_the_settings_is_what_declares_them() -> None:
    assert settings_reference.PAGE.read_text() == settings_reference.page(), "run make settings"


def test_the_reference_of_the_commands_is_what_they_read() -> None:
    assert commands_reference.PAGE.read_text() == commands_reference.page(), "run make commands"


def test_every_refusal_is_in_the_reference_with_its_status() -> None:
    page = (ROOT / "docs/reference/errors.md").read_text()
    kinds = {kind for kind in errors.Refusal.__subclasses__() if kind.__module__ == "shub.errors"}
    assert set(STATUS) == kinds
    for kind, status in STATUS.items():
        assert f"| `{kind.__name__}` | {status} |" in page


def test_the_words_of_every_refusal_are_in_the_reference() -> None:
    page = " ".join((ROOT / "docs/reference/errors.md").read_text().split())
    missing = [words for words in refusals() if not is_on(page, words)]
    assert not missing


def refusals() -> Iterator[list[str]]:
    """Of each refusal that is raised with words of its own: their fixed pieces."""
    kinds = {kind.__name__ for kind in errors.Refusal.__subclasses__()}
    for module in (ROOT / "shub").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                if name in kinds and node.args and (words := list(fixed(node.args[0]))):
                    yield words


def fixed(sentence: ast.expr) -> Iterator[str]:
    """The pieces of a sentence that do not differ from one time to another."""
    if isinstance(sentence, ast.JoinedStr):
        for part in sentence.values:
            yield from fixed(part)
    elif isinstance(sentence, ast.BinOp):
        yield from fixed(sentence.left)
    elif isinstance(sentence, ast.Constant) and isinstance(sentence.value, str):
        yield sentence.value


def is_on(page: str, pieces: list[str]) -> bool:
    """The first piece of two words or more is there, by its first four words."""
    for piece in pieces:
        words = re.sub(r"[`'\"]", "", piece).split()[:4]
        if len(words) > 1:
            return " ".join(words).rstrip(".:,;") in re.sub(r"[`'\"]", "", page)
    return True


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
