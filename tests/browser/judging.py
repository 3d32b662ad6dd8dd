"""What must hold of every page, whatever it looks like: each check says what it found, in lines.

A line names the rule and the node; nothing found is an empty list.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, ConsoleMessage, Request
from playwright.sync_api import Page as Tab

from tests.browser.site import Site


@dataclass(frozen=True)
class Look:
    """How a page is shown: with light or dark colours, and how wide (pixels)."""

    scheme: str
    width: int

    def __str__(self) -> str:
        return f"{self.scheme}@{self.width}"

    @property
    def options(self) -> dict[str, Any]:
        """A context's, of a window as high as such devices have it."""
        height = 800 if self.width < 1000 else 900
        return {
            "color_scheme": self.scheme,
            "reduced_motion": "reduce",
            "viewport": {"width": self.width, "height": height},
        }


# The two that differ in everything, at every build; all of them in `make pages`.
SHORT = (Look("light", 360), Look("dark", 1440))
FULL = tuple(Look(scheme, width) for scheme in ("light", "dark") for width in (360, 768, 1440))

# What is called good is 0.1; nobody sees this much.
SHIFT_NOISE = 0.001

# Before any script of the page: violations of the policy, and what moves after it was drawn.
WATCHER = """
window.__seen = {violations: [], shifts: [], shifted: 0};
document.addEventListener("securitypolicyviolation", event => {
    window.__seen.violations.push(
        `${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
new PerformanceObserver(list => {
    for (const shift of list.getEntries()) {
        window.__seen.shifted += shift.value;
        for (const source of shift.sources.length ? shift.sources : [{}])
            window.__seen.shifts.push(
                `${shift.value.toFixed(4)} ${source.node ? source.node.outerHTML ?
                    source.node.outerHTML.slice(0, 120) : source.node.nodeName : "?"}`);
    }
}).observe({type: "layout-shift", buffered: true});
"""

DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"

# What sticks out at the right, outermost first.
TOO_WIDE = """() => {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    const wide = [...document.body.querySelectorAll("*")].filter(node => {
        if (node.getBoundingClientRect().right <= root.clientWidth + 0.5) return false;
        for (let above = node.parentElement; above && above !== document.body;
             above = above.parentElement)
            if (getComputedStyle(above).overflowX !== "visible") return false;
        return true;
    });
    // Else what is placed past a box that scrolls: only an ancestor with a position holds it.
    if (!wide.length) wide.push(...[...document.body.querySelectorAll("*")].filter(node =>
        getComputedStyle(node).position === "absolute"
        && node.getBoundingClientRect().right > root.clientWidth + 0.5));
    const first = wide.slice(0, 3).map(node => node.cloneNode(false).outerHTML.slice(0, 160));
    return [`${root.scrollWidth} > ${root.clientWidth} pixels: ${first.join(" ")}`];
}"""


@dataclass
class Witness:
    """What goes on while a page is loaded."""

    site: Site
    status: int
    strangers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    finished: list[Request] = field(default_factory=list)

    @classmethod
    def of(cls, context: BrowserContext, site: Site, *, status: int) -> "Witness":
        """One who watches whatever the context loads; the page itself is answered with `status`."""
        witness = cls(site, status)
        context.add_init_script(WATCHER)
        context.on("request", witness.note_request)
        context.on("console", witness.note_words)
        context.on("weberror", lambda error: witness.errors.append(str(error.error)))
        context.on("requestfinished", witness.note_finished)
        return witness

    def note_request(self, request: Request) -> None:
        """A request to somebody else."""
        if not self.site.is_own(request.url):
            self.strangers.append(request.url)

    def note_finished(self, request: Request) -> None:
        """A request that was answered."""
        self.finished.append(request)

    def note_words(self, message: ConsoleMessage) -> None:
        """An error or a warning; but that of the page's own status, where that is meant."""
        if message.type not in {"error", "warning"}:
            return
        if self.status >= 400 and f"status of {self.status}" in message.text:
            return
        where = message.location
        self.errors.append(f"{message.text} ({urlsplit(where['url']).path}:{where['lineNumber']})")

    def weight(self) -> dict[str, int]:
        """Bytes over the wire by address, heads and all."""
        return {
            request.url: request.sizes()["responseBodySize"]
            + request.sizes()["responseHeadersSize"]
            for request in self.finished
        }


def faults(tab: Tab, witness: Witness, *, heaviest: int | None = None) -> list[str]:
    """Everything that is wrong with the page that the tab shows. `heaviest` is in bytes."""
    tab.wait_for_load_state("load")
    tab.evaluate(DRAWN)
    seen = tab.evaluate("() => window.__seen")
    found = [f"another host is asked: {address}" for address in witness.strangers]
    found += [f"policy violated: {line}" for line in seen["violations"]]
    found += [f"console: {line}" for line in witness.errors]
    found += [f"scrolls sideways: {line}" for line in tab.evaluate(TOO_WIDE)]
    found += head_faults(tab)
    found += axe_faults(tab)
    if heaviest is not None and sum((weight := witness.weight()).values()) > heaviest:
        found.append(f"heavier than {heaviest} bytes: {json.dumps(weight)}")
    return found


def shift_faults(tab: Tab) -> list[str]:
    """What moves after it was drawn, and does so again when the page is loaded anew.

    On a busy machine Chromium draws a page of which it has not read the end; seldom twice.
    """
    found: list[str] = []
    for _ in range(3):
        tab.wait_for_load_state("load")
        tab.evaluate(DRAWN)
        seen = tab.evaluate("() => window.__seen")
        if seen["shifted"] <= SHIFT_NOISE:
            return []
        found = [f"layout shift: {line}" for line in seen["shifts"]]
        tab.reload()
    return found


def head_faults(tab: Tab) -> Iterator[str]:
    """One heading of the first order, a title that names the page, and a language."""
    facts = tab.evaluate(
        """() => ({
            lang: document.documentElement.lang,
            title: document.title.replace(/\\s+/g, " ").trim(),
            headings: [...document.querySelectorAll("h1")].map(h => h.textContent.trim()),
        })"""
    )
    if not facts["lang"]:
        yield "no language: <html lang>"
    if len(facts["headings"]) != 1 or not facts["headings"][0]:
        yield f"not one heading: <h1> {facts['headings']}"
    page, mark, site = facts["title"].rpartition("·")
    if not site.strip() or (mark and not page.strip()):
        yield f"no title that names the page: <title> {facts['title']!r}"


@cache
def axe() -> str:
    """axe-core, which is put into the page past its policy."""
    return AXE_SCRIPT


def axe_faults(tab: Tab) -> list[str]:
    """What axe finds by its rules and best practices: nothing is left out."""
    tab.evaluate(axe())
    result: Mapping[str, Any] = tab.evaluate("() => axe.run({resultTypes: ['violations']})")
    found = []
    for violation in result["violations"]:
        for node in violation["nodes"]:
            why = "; ".join(each["message"] for each in (*node["any"], *node["all"], *node["none"]))
            html = " ".join(node["html"].split())[:200]
            found.append(f"axe {violation['id']}: {html} ({node['target'][0]}): {why}")
    return found
