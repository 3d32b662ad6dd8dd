"""What of a page is there without JavaScript: its words, and its forms with all their controls."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import Page as Tab

# What only a script can do at all: ask a security key, copy, look again by itself.
ONLY_WITH_SCRIPT = "#passkey, [data-copy], .with-script"

# A fresh secret, a signed moment: what differs between any two loads.
PASSING = re.compile(
    r"[A-Z2-7]{32}|\w+:\w+:[\w-]{20,}|[0-9a-f]{16,64}"
    r"|\b\d+ (second|minute)s?( ago)?|just now|\d\d:\d\d(:\d\d)?"
)

FORMS = """only => [...document.forms].filter(form => !form.closest(only)).flatMap(form => {
    const where = `${form.method} ${form.getAttribute("action") || ""}`;
    const controls = [...form.elements].filter(node =>
        node.type !== "hidden" && node.tagName !== "FIELDSET" && !node.closest(only));
    return controls.map(node => `${where}: ${node.tagName} ${node.type} ${node.name}`);
})"""


@dataclass(frozen=True)
class Content:
    """Lines of the main part's text, and the controls of all forms."""

    lines: list[str]
    controls: list[str]


def content(tab: Tab) -> Content:
    """What the tab shows."""
    tab.wait_for_load_state("load")
    apart = tab.locator("main").locator(ONLY_WITH_SCRIPT).all_inner_texts()
    only = {line.strip() for text in apart for line in text.splitlines()}
    text = tab.locator("main").inner_text()
    lines = [
        " ".join(PASSING.sub("", " ".join(line.split())).split())
        for line in text.splitlines()
        if line.strip() not in only
    ]
    controls = [PASSING.sub("", line) for line in tab.evaluate(FORMS, ONLY_WITH_SCRIPT)]
    return Content(list(filter(None, lines)), controls)


def lacking(with_script: Content, without: Content) -> Iterator[str]:
    """What is only there with a script."""
    for line in with_script.lines:
        if line not in without.lines:
            yield f"only with a script is said: {line[:160]}"
    for control in with_script.controls:
        if control not in without.controls:
            yield f"only with a script is there: {control}"
