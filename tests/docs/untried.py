"""Commands that no test runs: docs/untried.toml lists them, and their pages say so.

    python -m tests.docs.untried            writes onto each page what is not tried there
    python -m tests.docs.untried --check    only says which pages differ

An entry is one line below the heading of its page, or of `*` for all pages:

    ["docs/how-to/limits.md"]
    "redis-cli *" = "needs a Redis of your own"

A `*` stands for any text. A reason that begins with `tried by ` names the test that runs the
command elsewhere; then the page says nothing.
"""

import re
import sys
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from tests.docs.fences import ROOT, Command, Fence, fences, pages

LIST = ROOT / "docs/untried.toml"
SAYS = "> Not tried by our tests: "
TRIED = "tried by "

SAID = re.compile(rf"\n\n *{re.escape(SAYS)}[^\n]*")

Reasons = Mapping[str, Mapping[str, str]]


def listed() -> Reasons:
    """Page → pattern → reason."""
    return tomllib.loads(LIST.read_text())


def matches(pattern: str, command: Command) -> bool:
    """Whether an entry means the command. Only a star is special."""
    literal = pattern.replace("[", "[[]").replace("?", "[?]")
    return fnmatchcase(command.key, literal)


def reason(command: Command, reasons: Reasons) -> str | None:
    """Why it is not run with its page; None where it is. Its own page's entries count first."""
    for page in (command.page, "*"):
        for pattern, why in reasons.get(page, {}).items():
            if matches(pattern, command):
                return why
    return None


def note(fence: Fence, reasons: Reasons) -> str:
    """What is said below the fence; empty where all of it is tried."""
    why = [(command, reason(command, reasons)) for command in fence.commands]
    untried = [(command, said) for command, said in why if said and not said.startswith(TRIED)]
    if not untried:
        return ""
    said = {text for _, text in untried}
    if len(said) == 1 and len(untried) == len(fence.commands):
        return f"{SAYS}{said.pop()}."
    by_reason: dict[str, list[str]] = {}
    for command, text in untried:
        by_reason.setdefault(text, []).append(_short(command))
    told = (f"{', '.join(commands)} ({text})" for text, commands in by_reason.items())
    return f"{SAYS}{'; '.join(told)}."


def _short(command: Command) -> str:
    key = command.key
    if len(key) > 40:
        key = key[:40].rsplit(" ", 1)[0] + " …"
    return f"``{key}``" if "`" in key else f"`{key}`"


def page_with_notes(page: Path, reasons: Reasons) -> str:
    """The page as it has to be."""
    text = page.read_text()
    pieces, at = [], 0
    for fence in fences(page):
        pieces.append(text[at : fence.end])
        at = fence.end
        if there := SAID.match(text, at):
            at = there.end()
        if said := note(fence, reasons):
            pieces.append(f"\n\n{fence.indent}{said}")
    return "".join([*pieces, text[at:]])


def main(words: list[str]) -> int:
    """Write, or compare; 1 where something differs."""
    reasons = listed()
    differing = [page for page in pages() if page_with_notes(page, reasons) != page.read_text()]
    for page in differing:
        if "--check" not in words:
            page.write_text(page_with_notes(page, reasons))
        sys.stdout.write(f"{page.relative_to(ROOT)}\n")
    return 1 if differing and "--check" in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
