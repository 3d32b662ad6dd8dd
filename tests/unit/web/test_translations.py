"""Every word that a page says is marked, so that it can be said in another language."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template.base import Lexer, TokenType

TEMPLATES = Path(__file__).parents[3] / "shub" / "web" / "templates"

# What is read out or shown, beside the text itself.
ATTRIBUTES = {"title", "aria-label", "placeholder", "alt", "data-label", "data-copied"}

# Names that are the same in every language.
NAMES = {"README", "SIF", "SHA-256", "remote.yaml", "apptainer", "singularity", "shub", "QR"}

WORD = re.compile(r"[^\W\d_]{2,}")


class Words(HTMLParser):
    """Collects what a person reads or hears."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside.append(tag)
        self.found += [value for name, value in attrs if name in ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        if self.inside:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not self.inside or self.inside[-1] not in {"script", "style", "code", "kbd"}:
            self.found.append(data)


def unmarked(source: str) -> list[str]:
    """The words of a template that stand in none of the tags that translate."""
    text, depth = [], 0
    for token in Lexer(source).tokenize():
        if token.token_type == TokenType.BLOCK:
            word = token.contents.split()[0]
            depth += {
                "blocktranslate": 1,
                "endblocktranslate": -1,
                "comment": 1,
                "endcomment": -1,
            }.get(word, 0)
        elif token.token_type == TokenType.TEXT and not depth:
            text.append(token.contents)
    words = Words()
    words.feed("".join(text))
    said = " ".join(words.found)
    for name in NAMES:
        said = said.replace(name, "")
    return WORD.findall(said)


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES))
)
def test_every_word_of_a_page_is_marked_for_translation(path: Path) -> None:
    assert unmarked(path.read_text()) == []


def test_a_word_that_is_not_marked_is_found() -> None:
    assert unmarked('<p title="Two">One {% translate "x" %}{{ y }}</p>') == ["Two", "One"]
    assert unmarked("{% blocktranslate %}Marked {{ y }}{% endblocktranslate %}") == []
