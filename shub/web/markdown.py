"""Markdown: READMEs as HTML that may stand on our pages.

markdown-it makes the HTML, with no raw HTML in it; nh3 then lets through what is named here,
whatever the first did. Nothing that a README says is fetched from elsewhere: an image becomes a
link to it.

Addresses in the text are found here: linkify-it looks through a text once for each address that
might begin in it, which takes a minute for 100 kB of "://". Whatever else would take long is
counted in steps, and a README that needs too many is shown as it was written.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping, Sequence
from threading import Lock
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify
from django.utils.translation import get_language, gettext
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import table
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

# A README of 100 kB has some 5,000 to 18,000 steps, and each takes some ten microseconds.
MOST_STEPS = 24_000

# What the beginning of a block, tried at each line, costs in these.
BLOCK_STEPS = 2

# Of what was made lately: how many READMEs, and how many characters of HTML together.
MOST_KEPT = 200
MOST_KEPT_CHARACTERS = 8_000_000

ID_PREFIX = "readme-"
REL = "nofollow ugc noopener"
SCHEMES = {"http", "https", "mailto"}

HEADINGS = {"h2", "h3", "h4", "h5", "h6"}
CELLS = {"th", "td"}
ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "pre": {"tabindex", "role", "aria-label"},
    "div": {"tabindex", "role", "aria-label"},
    "th": {"scope"},
    **{heading: {"id"} for heading in HEADINGS},
}
CLASSES = {
    "a": {"foreign-image"},
    "span": {"foreign-image"},
    "pre": {"as-written"},
    "div": {"wide"},
    **{cell: {"to-the-left", "in-the-middle", "to-the-right"} for cell in CELLS},
}
TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "a", "span", "div"),
    *CELLS,
    *HEADINGS,
}

ALIGNED = {
    "text-align:left": "to-the-left",
    "text-align:center": "in-the-middle",
    "text-align:right": "to-the-right",
}

Env: TypeAlias = MutableMapping[str, Any]

_address = re.compile(r"https?://[^\s<>\"'`]+")
# No two of its pieces can match the same blanks: else a line of blanks would take their square.
_delimiters = re.compile(r"^[ \t>]*(?:\|[ \t]*)?:?-[-:| \t]*$")


class _TooLong(Exception):
    """It would take longer than a page may."""


def render(source: str) -> SafeString:
    """The HTML of a README. Its headings begin at h2 and have ids that begin with `readme-`."""
    key = (hashlib.sha256(source.encode("utf-8", "replace")).digest(), get_language())
    return _kept.get(key) or _kept.keep(key, _render(source))


def _render(source: str) -> SafeString:
    try:
        env: Env = {"steps": 0}
        # Each line takes one, whatever stands in it: what has too many is not begun.
        _step(env, BLOCK_STEPS * source.count("\n"))
        env["steps"] = 0
        html = _markdown.render(source, env)
    except _TooLong:
        html = _as_written(source)
    cleaned = nh3.clean(
        html,
        tags=TAGS,
        clean_content_tags=set(),
        attributes=ATTRIBUTES,
        attribute_filter=_filter,
        allowed_classes=CLASSES,
        url_schemes=SCHEMES,
        link_rel=REL,
    )
    return mark_safe(cleaned)  # noqa: S308  just cleaned


def _as_written(source: str) -> str:
    label = escape(gettext("README, as it was written"))
    return (
        f'<pre class="as-written" tabindex="0" role="group" aria-label="{label}">'
        f"{escape(source)}</pre>"
    )


def _filter(tag: str, attribute: str, value: str) -> str | None:
    """What an attribute may be, beyond its name: nothing of ours is reached, and no relative
    address."""
    if attribute == "href":
        return value if _may_lead_to(value) else None
    if attribute == "id":
        return value if value.startswith(ID_PREFIX) else None
    if attribute == "role":
        return value if value in {"group", "region"} else None
    if attribute == "tabindex":
        return value if value == "0" else None
    return value


def _may_lead_to(href: str) -> bool:
    if href.startswith("#"):
        return href.startswith(f"#{ID_PREFIX}")
    try:
        parts = urlsplit(href)
    except ValueError:
        return False
    return parts.scheme in SCHEMES and bool(parts.netloc or parts.scheme == "mailto")


# ── the steps ──
def _step(env: Env, steps: int = 1) -> None:
    env["steps"] += steps
    if env["steps"] > MOST_STEPS:
        raise _TooLong


def _count_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    _step(state.env, BLOCK_STEPS)
    return False


def _count_inline(state: StateInline, silent: bool) -> bool:
    _step(state.env)
    return False


def _count_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A table costs a step for each cell, those that its rows leave out included."""
    if not silent and start + 2 <= end and _delimiters.match(_line(state, start + 1)):
        columns = _line(state, start + 1).count("|") + 1
        line = start
        while line < end and not state.isEmpty(line):
            _step(state.env, columns)
            line += 1
    return table(state, start, end, silent)


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] : state.eMarks[number]]


# ── what is changed between reading and writing ──
def _arrange(state: StateCore) -> None:
    """Headings below the page's own and with ids, what is wide in a region of its own."""
    slugs: dict[str, int] = {}
    labels = _Labels()
    arranged: list[Token] = []
    for number, token in enumerate(state.tokens):
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1:]) + 1, 6)}"
        if token.type == "heading_open":
            token.attrs = {"id": _slug(state.tokens[number + 1], slugs)}
        elif token.type in {"fence", "code_block"}:
            token.meta["label"] = labels.next(gettext("Code"))
        elif token.type == "table_open":
            token.meta["label"] = labels.next(gettext("Table"))
        elif token.type in {"th_open", "td_open"}:
            token.attrs = _cell(token)
        elif token.type == "inline":
            token.children = list(_links(token.children or []))
        arranged.append(token)
    state.tokens = arranged


class _Labels:
    """Names for regions, each once on the page, as those who hear it need them."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def next(self, kind: str) -> str:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind} {self.counts[kind]}"


def _slug(inline: Token, slugs: dict[str, int]) -> str:
    said = "".join(child.content for child in inline.children or [] if child.type != "image")
    slug = slugify(said, allow_unicode=True)[:80] or "section"
    while True:
        count = slugs[slug] = slugs.get(slug, 0) + 1
        unique = slug if count == 1 else f"{slug}-{count - 1}"
        if count == 1 or unique not in slugs:
            slugs.setdefault(unique, 1)
            return f"{ID_PREFIX}{unique}"


def _cell(token: Token) -> dict[str, str | int | float]:
    attributes: dict[str, str | int | float] = {}
    if token.tag == "th":
        attributes["scope"] = "col"
    aligned = ALIGNED.get(str(token.attrs.get("style", "")))
    if aligned:
        attributes["class"] = aligned
    return attributes


def _links(children: list[Token]) -> Iterator[Token]:
    """Links that lead somewhere; of others the text. Addresses in the text become links."""
    opened: list[bool] = []
    for token in children:
        if token.type == "link_open":
            href = _href(str(token.attrs.get("href", "")))
            opened.append(bool(href))
            if not href:
                continue
            token.attrs["href"] = href
        elif token.type == "link_close":
            if not opened.pop():
                continue
        elif token.type == "image":
            token.meta["in_link"] = any(opened)
        elif token.type == "text" and not any(opened):
            yield from _addresses(token)
            continue
        yield token


def _href(written: str) -> str:
    """Where a link of the README leads on our page; empty where it leads nowhere."""
    if written.startswith("#"):
        return f"#{ID_PREFIX}{slugify(unquote(written[1:]), allow_unicode=True)}"
    return written if _may_lead_to(written) else ""


def _addresses(token: Token) -> Iterator[Token]:
    rest = 0
    for found in _address.finditer(token.content):
        address = _without_end(found.group())
        if not _may_lead_to(address):
            continue
        yield _text(token, token.content[rest : found.start()])
        rest = found.start() + len(address)
        yield Token("link_open", "a", 1, attrs={"href": address})
        yield _text(token, address)
        yield Token("link_close", "a", -1)
    yield _text(token, token.content[rest:])


def _without_end(address: str) -> str:
    """Without what belongs to the sentence round it."""
    address = address.rstrip(".,:;!?*_~|")
    if "(" not in address:
        address = address.rstrip(")].,:;!?")
    return address


def _text(like: Token, content: str) -> Token:
    return Token("text", "", 0, content=content, level=like.level)


# ── how it is written ──
class _Writer(RendererHTML):
    """As markdown-it writes, but for code, tables and images."""

    def fence(self, tokens: Sequence[Token], number: int, options: OptionsDict, env: Env) -> str:
        token = tokens[number]
        return (
            f'<pre tabindex="0" role="group" aria-label="{escape(token.meta["label"])}"><code>'
            f"{escape(token.content)}</code></pre>\n"
        )

    def code_block(
        self, tokens: Sequence[Token], number: int, options: OptionsDict, env: Env
    ) -> str:
        return self.fence(tokens, number, options, env)

    def table_open(
        self, tokens: Sequence[Token], number: int, options: OptionsDict, env: Env
    ) -> str:
        label = escape(tokens[number].meta["label"])
        return f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table>\n'

    def table_close(
        self, tokens: Sequence[Token], number: int, options: OptionsDict, env: Env
    ) -> str:
        return "</table></div>\n"

    def image(self, tokens: Sequence[Token], number: int, options: OptionsDict, env: Env) -> str:
        token = tokens[number]
        address = str(token.attrs.get("src", ""))
        alt = self.renderInlineAsText(token.children, options, env).strip()
        leads = _may_lead_to(address)
        name = alt or (_file_name(address) if leads else "") or gettext("no name")
        said = escape(gettext("Image: %s") % name)
        if token.meta.get("in_link") or not leads:
            return f'<span class="foreign-image">{said}</span>'
        return f'<a class="foreign-image" href="{escape(address)}">{said}</a>'


def _file_name(address: str) -> str:
    return unquote(urlsplit(address).path.rpartition("/")[2])


def _made() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Writer)
    made.enable(["table", "strikethrough"])
    made.block.ruler.at("table", _count_table, {"alt": ["paragraph", "reference"]})
    made.block.ruler.before(
        "table", "count", _count_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    made.inline.ruler.before("text", "count", _count_inline)
    made.core.ruler.push("arrange", _arrange)
    return made


# Nothing in it changes after this: threads share it.
_markdown = _made()


# ── what is kept ──
class _Kept:
    """What was rendered lately, the least used forgotten first."""

    def __init__(self) -> None:
        self._rows: OrderedDict[Any, SafeString] = OrderedDict()
        self._characters = 0
        self._lock = Lock()

    def get(self, key: Any) -> SafeString | None:
        with self._lock:
            if key in self._rows:
                self._rows.move_to_end(key)
            return self._rows.get(key)

    def keep(self, key: Any, html: SafeString) -> SafeString:
        with self._lock:
            if key not in self._rows:
                self._rows[key] = html
                self._characters += len(html)
            while self._rows and (
                len(self._rows) > MOST_KEPT or self._characters > MOST_KEPT_CHARACTERS
            ):
                self._characters -= len(self._rows.popitem(last=False)[1])
        return html


_kept = _Kept()
