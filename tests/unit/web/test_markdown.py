"""READMEs: what they may put on a page, and how long they may take for it."""

import time
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from shub.web import markdown

VOID = {"br", "hr"}
ELEMENTS = {
    *("h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "strong", "em", "s", "code", "pre"),
    *("blockquote", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "a", "span"),
    "div",
}
ATTRIBUTES = {"href", "title", "rel", "start", "tabindex", "role", "aria-label", "scope", "id"}
CLASSES = {
    *("foreign-image", "as-written", "wide", "to-the-left", "in-the-middle", "to-the-right"),
}


class Page(HTMLParser):
    """What a browser would make of it: elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    handle_decl = unknown_decl = handle_pi = handle_comment

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(source: str) -> Page:
    """The page of a README, after what holds for every one of them."""
    page = Page(markdown.render(source))
    assert page.open == []
    ids = []
    for tag, attributes in page.elements:
        assert tag in ELEMENTS
        assert set(attributes) <= {*ATTRIBUTES, "class"}
        assert set(attributes.get("class", "").split()) <= CLASSES
        if "id" in attributes:
            assert attributes["id"].startswith("readme-")
            ids.append(attributes["id"])
        if tag == "a" and "href" in attributes:
            href = attributes["href"]
            assert href.startswith("#readme-") or urlsplit(href).scheme in {
                *("http", "https", "mailto"),
            }
            assert attributes["rel"] == "nofollow ugc noopener"
        if tag in {"pre", "div"}:
            assert (attributes["tabindex"], bool(attributes["aria-label"])) == ("0", True)
            assert attributes["role"] == {"pre": "group", "div": "region"}[tag]
    assert len(ids) == len(set(ids))
    return page


# ── what it looks like ──
def test_headings_begin_below_the_pages_own_and_can_be_linked_to() -> None:
    page = read("# Über *uns*\n## Über uns\n###### Deep\n# !\n# Über-uns-1\n\n[up](#über-uns)")
    found = [(tag, attributes["id"]) for tag, attributes in page.elements if tag[0] == "h"]
    assert found == [
        ("h2", "readme-über-uns"),
        ("h3", "readme-über-uns-1"),
        ("h6", "readme-deep"),
        ("h2", "readme-section"),
        ("h2", "readme-über-uns-1-1"),
    ]
    assert page.all("a")[0]["href"] == "#readme-über-uns"


def test_an_image_is_a_link_to_itself_and_nothing_is_fetched() -> None:
    page = read(
        "![A plot](https://example.org/a.png) ![](http://example.org/b%20c.png?x=1)\n"
        "![](data:image/png;base64,AAAA) ![rel](plot.png)\n\n"
        "[![build](https://ci.example.org/b.svg)](https://ci.example.org/)"
    )
    assert [link["href"] for link in page.all("a")] == [
        "https://example.org/a.png",
        "http://example.org/b%20c.png?x=1",
        "https://ci.example.org/",
    ]
    for said in ("Image: A plot", "Image: b c.png", "Image: rel", "Image: build"):
        assert said in page.text
    assert not page.all("img")


def test_what_is_wide_can_be_scrolled_by_keyboard_and_has_a_name_of_its_own() -> None:
    page = read(
        "| a | b | c |\n|:--|--:|:-:|\n| 1 | 2 | 3 |\n\n```python\nx = '<'\n```\n\n    code\n\n"
        "| a |\n|---|\n| 1 |\n"
    )
    labels = [each["aria-label"] for each in page.all("div") + page.all("pre")]
    assert labels == ["Table 1", "Table 2", "Code 1", "Code 2"]
    assert [each.get("class") for each in page.all("td")] == [
        *("to-the-left", "to-the-right", "in-the-middle", None),
    ]
    assert all(each["scope"] == "col" for each in page.all("th"))
    assert "x = '<'\n" in page.text


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("See https://example.org/a_b.", "https://example.org/a_b"),
        ("(http://example.org)", "http://example.org"),
        ("https://example.org/a_(b)!", "https://example.org/a_(b)"),
        ("<https://example.org/x>", "https://example.org/x"),
        ("[mail](mailto:a@example.org)", "mailto:a@example.org"),
        ("[this](HTTPS://example.org)", "HTTPS://example.org"),
    ],
)
def test_addresses_are_links(written: str, address: str) -> None:
    assert [link["href"] for link in read(written).all("a")] == [address]


@pytest.mark.parametrize(
    "written",
    [
        *("[x](docs/x.md)", "[x](/admin)", "[x](//evil.example)", "[x](?q=1)", "[x](http:evil)"),
        *("`https://example.org`", "[x](ftp://a.example)", "https://", "[x](http://[)"),
    ],
)
def test_what_leads_nowhere_is_only_text(written: str) -> None:
    assert not any("href" in link for link in read(written).all("a"))


def test_tasks_strikes_and_breaks_are_text() -> None:
    page = read("- [ ] to do\n- [x] done\n\n~~gone~~ a\\\nb\n\n---\n\n3. three")
    assert "[ ] to do" in page.text
    assert [tag for tag, _ in page.elements if tag in {"s", "br", "hr"}] == ["s", "br", "hr"]
    assert page.all("ol") == [{"start": "3"}]


def test_labels_are_in_the_readers_language_though_the_readme_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        markdown, "gettext", lambda text: asked.append(translation.get_language()) or text
    )
    for language in ("en", "de", "en"):
        with translation.override(language):
            markdown.render("    labels in languages")
    assert asked == ["en", "de"]


# ── what it may not ──
VECTORS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><script>1</script></svg>",
    "<style>body{display:none}</style>",
    "<base href='https://evil.example/'>",
    "<form action='https://evil.example'><input name=q></form>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<a id=main name=main href='#'>x</a>",
    "<div class='notice' style='position:fixed'>x</div>",
    "<!-- <b> --><?php x ?><!DOCTYPE x><![CDATA[x]]>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![x](javascript:alert(1))",
    '[x](https://a.example "onmouseover=alert(1)")',
    '[x](https://a.example"onmouseover="alert(1))',
    '![" onerror="alert(1)](https://a.example/x.png)',
    "![<img src=x onerror=alert(1)>](https://a.example/x.png)",
    "<javascript:alert(1)>",
    "<https://a.example/\"onclick='x'>",
    'https://a.example/"onclick=alert(1)',
    '```"><script>alert(1)</script>\nx\n```',
    "# <img src=x onerror=alert(1)>",
    '# a" onclick="alert(1)',
    "[x]: javascript:alert(1)\n\n[x]",
    '[x](#main)\n\n[y](#"onclick=x)',
    "| <script> | b |\n|---|---|\n| <svg/onload=alert(1)> | `</td><script>` |",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\\<script>alert(1)\\</script>",
    "a\0b <scr\0ipt>",
    "\u202e<script>",
    "[x](https://user:secret@a.example/)",
    "[a](b)[![](javascript:x)](javascript:y)",
]


@pytest.mark.parametrize("vector", VECTORS)
def test_nothing_of_it_runs_or_reaches_the_page(vector: str) -> None:
    for source in (vector, f"> {vector}", f"- a\n\n  {vector}", f"| a |\n|---|\n| {vector} |"):
        read(source)


PIECES = st.sampled_from(
    [
        *VECTORS,
        *("<", ">", '"', "'", "&", "[", "](", ")", "![", "`", "```\n", "~~", "**", "_", "|", "\n"),
        *("\n\n", "    ", "> ", "- ", "1. ", "# ", "|-|-|\n", "---\n", "===\n", "http://", "://"),
        *("javascript:", "on=", "#", "<a href=", "<!--", "-->", "&#x6A;", "\\", "\t", "\r", "ü"),
        *("[a]: ", "[a]", "</pre>", "</div>", "<br>"),
    ]
)


@settings(deadline=None)
@given(st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join))
def test_no_text_makes_a_page_of_anything_else(source: str) -> None:
    read(source)


# ── how long it takes ──
MOST = 100_000
LONG = {
    "quotes": "> ",
    "quotes of nothing": ">",
    "brackets": "[",
    "images that do not end": "![",
    "stars": "*a **b ",
    "underscores": "__a__ ",
    "ticks": "`a``b",
    "entities": "&",
    "elements": "<",
    "addresses": "http://a.b ",
    "addresses of nothing": "://",
    "addresses in addresses": "http://a.",
    "links": "[a](b)",
    "links that do not end": "[a](",
    "mails": "a@b.co ",
    "lists in lists": "- ",
    "lines": "a\n",
    "headings": "# a\n",
    "headings of tables": "a|b\n-\n",
    "fences": "```\n",
    "references": "[a]: b\n",
    "quotes and lists": "> - ",
    "everything": "*[a_`",
    "quoted tables": "> |a|b|\n> |-|-|\n> |1|2|\n\n",
}


@pytest.mark.parametrize("piece", LONG.values(), ids=LONG)
def test_no_readme_takes_long(piece: str) -> None:
    _in_bounded_time((piece * MOST)[:MOST])


@pytest.mark.parametrize(
    "source",
    [
        "|a" * 500 + "|\n" + "|-" * 500 + "|\n" + ("|a" * 500 + "|\n") * 97,
        "|a" * 10_000 + "|\n" + "|-" * 10_000 + "|\n" + "|\n" * 25_000,
        "|a|\n|-|\n" + "|a\n" * 30_000,
        "".join("  " * depth + "- a\n" for depth in range(300)),
        "".join(">" * depth + "\n" for depth in range(440)),
        (">" * 200 + "a\n") * 490,
        "".join(f"[a{number}]: b\n" for number in range(6000)) + "[a1]" * 5000,
        "a\n" + " " * 99_000 + "a",
        "a\n" + "> " * 49_000 + "|" + " " * 900 + "a",
    ],
    ids=[
        *("table", "cells left out", "rows", "lists", "quotes", "lazy quotes", "references"),
        *("blanks", "quoted blanks"),
    ],
)
def test_no_structure_takes_long(source: str) -> None:
    _in_bounded_time(source[:MOST])


def _in_bounded_time(source: str) -> None:
    begun = time.thread_time()
    html = markdown._render(source)
    # 0.23 at most on the machine that the bounds were measured on; this one may be slower.
    assert time.thread_time() - begun < 1.5
    assert len(html) < 12 * MOST


def test_what_would_take_too_long_is_shown_as_it_was_written() -> None:
    source = "# a & <b>\n" * 10_000
    page = read(source)
    assert page.text == source
    assert page.elements[0][1]["class"] == "as-written"


def test_a_long_readme_of_the_usual_kind_is_typeset() -> None:
    section = "## A part\n\nSome *words* of `prose`, and [a link](https://example.org).\n\n"
    section += "- one thing\n- another, of some length\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    section += "A paragraph that goes on for as long as paragraphs do, and a little more. " * 8
    page = read((f"{section}\n\n" * 200)[:MOST])
    assert len(page.all("h3")) > 80


# ── what is kept ──
def test_a_readme_is_made_once_and_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = markdown._render

    def counted(source: str) -> Any:
        made.append(source)
        return real(source)

    monkeypatch.setattr(markdown, "_render", counted)
    monkeypatch.setattr(markdown, "_kept", markdown._Kept())
    monkeypatch.setattr(markdown, "MOST_KEPT", 3)
    monkeypatch.setattr(markdown, "MOST_KEPT_CHARACTERS", 1000)
    for source in ("a", "b", "c", "a", "d", "a", "b"):
        assert markdown.render(source) == f"<p>{source}</p>\n"
    assert made == ["a", "b", "c", "d", "b"]
    markdown.render("x" * 2000)
    markdown.render("x" * 2000)
    assert made[5:] == ["x" * 2000] * 2
