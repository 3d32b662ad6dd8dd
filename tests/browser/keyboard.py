"""The keyboard alone: where Tab leads, and whether one sees where one is."""

from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Page as Tab

# More than any page has: whoever walks as far goes in circles.
STEPS = 600

# Of those that have stops within: the parts of a date.
STOPS_WITHIN = 12

# Where Tab should lead, in order: what is shown and can be focused. Of radio buttons of one name
# one is reached, the arrows lead to the others.
PREPARE = """() => {
    document.activeElement.blur();
    const candidates = document.querySelectorAll(
        "a[href], button, input, select, textarea, summary, [tabindex], [contenteditable=true]");
    const groups = new Set();
    window.__stops = [...candidates].filter(node => {
        if (node.disabled || node.type === "hidden" || node.tabIndex < 0) return false;
        if (node.matches("fieldset:disabled *")) return false;
        if (!node.checkVisibility({visibilityProperty: true})) return false;
        if (node.tagName === "SUMMARY" && node.parentElement.tagName !== "DETAILS") return false;
        if (node.type !== "radio") return true;
        const group = `${node.form ? [...document.forms].indexOf(node.form) : ""} ${node.name}`;
        if (groups.has(group)) return false;
        groups.add(group);
        return true;
    });
    const look = node => {
        const seen = [];
        for (let each = node; each && each !== document.body && seen.length < 3;
             each = each.parentElement) {
            const style = getComputedStyle(each);
            seen.push([
                style.outlineStyle === "none" ? "" : `${style.outline} ${style.outlineOffset}`,
                style.boxShadow, style.border, style.backgroundColor, style.color,
                style.textDecoration, style.clipPath, style.opacity].join("|"));
        }
        const box = node.getBoundingClientRect();
        return `${seen.join("/")} ${box.width > 1 && box.height > 1}`;
    };
    window.__name = node =>
        node.cloneNode(node.children.length === 0).outerHTML.slice(0, 160);
    window.__look = look;
    window.__before = new Map(window.__stops.map(node => [node, look(node)]));
    return window.__stops.length;
}"""

# Also where the page has put the focus into a field.
FROM_THE_BEGINNING = """() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
    window.scrollTo(0, 0);
}"""

# Where one is now. A scrolling box, which the browser makes a stop by itself, is none of ours.
WHERE = """() => {
    const here = document.activeElement;
    if (!here || here === document.body || here === document.documentElement) return null;
    let at = window.__stops.indexOf(here);
    if (at < 0 && here.type === "radio")
        at = window.__stops.findIndex(node => node.type === "radio" && node.name === here.name
            && node.form === here.form);
    const within = ["date", "datetime-local", "month", "time", "week"].includes(here.type);
    const box = here.getBoundingClientRect();
    const root = document.documentElement;
    return {
        at, name: window.__name(here),
        // Of a date, a part is lit up, which no style tells.
        changed: within || window.__before.get(here) !== window.__look(here),
        within,
        scroller: at < 0 && here.tabIndex < 0,
        shown: box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < root.clientHeight
            && box.right > 0 && box.left < root.clientWidth,
    };
}"""


def faults(tab: Tab) -> Iterator[str]:
    """What is wrong with the way of Tab through the page; ends where it began."""
    expected: int = tab.evaluate(PREPARE)
    tab.evaluate(FROM_THE_BEGINNING)
    way: list[int] = []
    held = 0
    for _ in range(STEPS):
        tab.keyboard.press("Tab")
        here: dict[str, Any] | None = tab.evaluate(WHERE)
        if here is None or (way and here["at"] == way[0]):
            break
        if here["scroller"]:
            continue
        if here["at"] < 0:
            yield f"focus where nothing is to be focused: {here['name']}"
        if not here["changed"] or not here["shown"]:
            yield f"focus is not seen: {here['name']}"
        if way and here["at"] == way[-1]:
            held += 1
            if not here["within"] or held > STOPS_WITHIN:
                yield f"focus is trapped: {here['name']}"
                return
            continue
        held = 0
        way.append(here["at"])
    if way != sorted(way):
        yield f"focus jumps: {way}"
    for missed in sorted(set(range(expected)) - set(way)):
        name = tab.evaluate("at => window.__name(window.__stops[at])", missed)
        yield f"Tab does not lead there: {name}"
    yield from skip_link_faults(tab)
    yield from form_faults(tab)


def skip_link_faults(tab: Tab) -> Iterator[str]:
    """The first stop leads past the head of the page."""
    first = tab.evaluate("() => window.__stops[0] && window.__stops[0].getAttribute('href')")
    if not first or not first.startswith("#"):
        yield f"the first stop is no skip link: {first}"
        return
    tab.evaluate("() => window.__stops[0].focus()")
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    # Past it: what has the focus now lies in the main part, or nothing there can have it.
    past = tab.evaluate(
        """target => {
            const main = document.querySelector(target);
            if (!main || location.hash !== target) return false;
            const inside = window.__stops.filter(node => main.contains(node));
            return !inside.length || main.contains(document.activeElement);
        }""",
        first,
    )
    if not past:
        yield f"the skip link does not lead to {first}"


def form_faults(tab: Tab) -> Iterator[str]:
    """Each form that shows anything has a button that the keyboard reaches, or is one field, which
    Enter sends."""
    yield from tab.evaluate(
        """() => [...document.forms].filter(form => {
            const shown = [...form.elements].filter(node => node.checkVisibility());
            const buttons = shown.filter(
                node => node.matches("button, [type=submit], [type=image]"));
            if (!buttons.length && shown.length === 1 && window.__stops.includes(shown[0]))
                return false;
            return shown.length && !buttons.some(
                node => node.disabled || window.__stops.includes(node));
        }).map(form => `no button sends the form: ${window.__name(form)}`)"""
    )
