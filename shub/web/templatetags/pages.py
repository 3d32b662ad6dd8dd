"""How pages write sizes, moments, counts, hashes and commands."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.contrib.messages.storage.base import Message
from django.http import QueryDict
from django.templatetags.static import static
from django.utils import timezone
from django.utils.dates import MONTHS
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from shub.accounts.models import Token
from shub.containers.contents import GridRow
from shub.containers.models import Tag
from shub.rows import Page

register = template.Library()

# Decimal, as disks and networks are measured.
UNITS = ("kB", "MB", "GB", "TB", "PB")

THIN = "\u202f"
NO_BREAK = "\u00a0"

# Of the first day, a moment is told as its age; later ones are, too, but by one unit only.
JUST_NOW_SECONDS = 60

# Time enough to make another token, and to put it where the old one is.
SOON = timedelta(days=7)

# Before the address, in the tags of a message that can be undone.
UNDO = "undo "

# Eight digits tell the images of a container apart, and fit into a table.
SHORT = 8
WHOLE = re.compile(r"\b[0-9a-f]{64}\b")

# The first of the 256 signs that are eight dots, each of them there or not.
NO_DOTS = 0x2800


@register.filter
def in_units(size: int) -> str:
    """A size in bytes in the largest unit that leaves at least 1.

    >>> [in_units(size).replace(NO_BREAK, " ") for size in (0, 999, 1000, 1_450_000, 212_000_000)]
    ['0 B', '999 B', '1 kB', '1.4 MB', '212 MB']
    """
    value, unit = float(size), "B"
    for larger in UNITS:
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    digits = f"{value:.1f}" if unit != "B" and value < 9.95 else f"{value:.0f}"
    return f"{digits.removesuffix('.0')}{NO_BREAK}{unit}"


@register.simple_tag
def size(value: int | None) -> SafeString | str:
    """A size, with its exact bytes on hover; nothing for None."""
    if value is None:
        return ""
    exact = ngettext("%(count)s byte", "%(count)s bytes", value) % {"count": count(value)}
    return format_html('<data value="{}" title="{}">{}</data>', str(value), exact, in_units(value))


@register.simple_tag
def when(moment: datetime | None) -> SafeString | str:
    """How long ago, or until when, with the exact moment on hover; nothing for None."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        _exact(local),
        _distance(moment),
    )


def _exact(local: datetime) -> str:
    """As `date_format` writes it, which takes ten times as long: a page has a hundred of them.

    >>> from datetime import UTC
    >>> _exact(datetime(2026, 11, 6, 3, 4, tzinfo=UTC))
    '6 November 2026 03:04 UTC'
    """
    return f"{_day(local)} {local:%H:%M %Z}"


def _day(local: datetime) -> str:
    return f"{local.day} {MONTHS[local.month]} {local.year}"


def _distance(moment: datetime) -> str:
    now = timezone.now()
    if abs((now - moment).total_seconds()) < JUST_NOW_SECONDS:
        return _("just now")
    if moment < now:
        return _("%(age)s ago") % {"age": timesince(moment, now, depth=1)}
    return _("in %(time)s") % {"time": timesince(now, moment, depth=1)}


@register.simple_tag
def day(moment: datetime | None) -> SafeString | str:
    """The day of a moment, which is exact on hover; nothing for None."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        local.isoformat(),
        _exact(local),
        _day(local),
    )


@register.filter
def count(number: int) -> str:
    """A number with thin spaces between its thousands.

    >>> count(1234567) == "1\u202f234\u202f567"
    True
    """
    return f"{number:,}".replace(",", THIN)


@register.filter
def by_arch(row: GridRow, arches: Sequence[str]) -> list[tuple[str, Tag | None]]:
    """The cells of a tag grid's row, each with its arch; None where the name lacks it."""
    return list(zip(arches, row.cells, strict=True))


@register.filter
def less(total: int, named: Sequence[Any]) -> int:
    """How many there are besides those that are named."""
    return total - len(named)


@register.simple_tag
def marked(text: str, spans: Sequence[tuple[int, int]], most: int = 0) -> SafeString:
    """The text with these pieces of it marked; with `most`, so many characters round the first.

    >>> marked("samtools", [(0, 3)])
    '<mark>sam</mark>tools'
    """
    start = max(spans[0][0] - most // 4, 0) if most and spans else 0
    end = min(start + most, len(text)) if most else len(text)
    pieces, at = [format_html("{}", "…" if start else "")], start
    for low, high in spans:
        if start <= low and high <= end:
            pieces.append(format_html("{}<mark>{}</mark>", text[at:low], text[low:high]))
            at = high
    pieces.append(format_html("{}{}", text[at:end], "…" if end < len(text) else ""))
    return format_html_join("", "{}", ((piece,) for piece in pieces))


@register.filter
def ends_soon(token: Token) -> bool:
    """Whether it is time to make another in its place."""
    return token.expires_at is not None and token.expires_at - timezone.now() < SOON


@register.simple_tag
def short_hash(digest: str) -> SafeString:
    """The first digits of an image's hash, whole on hover, after a mark that equal ones share."""
    return format_html(
        '<span class="hash" title="sha256.{}">'
        '<span class="dots" aria-hidden="true">{}</span><code>{}</code></span>',
        digest,
        dots(digest),
        digest[:SHORT],
    )


@register.filter
def short_hashes(text: str) -> SafeString | str:
    """The text with the first digits only of each hash in it, and on hover whole.

    >>> short_hashes("mara/tools/gcc:sha256." + "0f" * 32).partition(">")[2]
    'mara/tools/gcc:sha256.0f0f0f0f…</span>'
    """
    text = str(text)
    short = WHOLE.sub(lambda found: f"{found[0][:SHORT]}…", text)
    return text if short == text else format_html('<span title="{}">{}</span>', text, short)


def dots(digest: str) -> str:
    """A mark of 16 dots that the hash decides: equal images look equal.

    >>> [hex(ord(sign)) for sign in dots("ff00" + "0" * 60)]
    ['0x28ff', '0x2800']
    """
    return "".join(chr(NO_DOTS + int(digest[at : at + 2], 16)) for at in (0, 2))


@register.simple_tag
def icon(name: str) -> SafeString:
    """A sign out of the sprite, which says nothing that the words beside it do not say."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>',
        static("web/icons.svg"),
        name,
    )


@register.filter
def undo_address(message: Message) -> str:
    """Where the form leads that undoes what the message tells; empty where there is none."""
    tags = message.extra_tags or ""
    return tags.removeprefix(UNDO) if tags.startswith(UNDO) else ""


@register.inclusion_tag("web/parts/copyable.html")
def copyable(text: str, label: str = "") -> dict[str, str]:
    """A command, with a button that copies it. `label` says what it is, to who cannot see."""
    return {"text": text, "label": label}


@register.inclusion_tag("web/parts/visibility.html")
def visibility(name: str) -> dict[str, str]:
    """Who sees it, as a sign and a word."""
    return {"visibility": name}


@register.inclusion_tag("web/parts/pages.html", takes_context=True)
def pages_of(context: dict[str, Any], page: Page[Any]) -> dict[str, Any]:
    """The ways to the other pages of a list; the rest of the query string stays."""
    query = context["request"].GET.copy()
    return {"page": page, "newer": _with_page(query, page, -1), "older": _with_page(query, page, 1)}


def _with_page(query: QueryDict, page: Page[Any], step: int) -> str:
    query["page"] = str(page.number + step)
    return f"?{query.urlencode()}"
