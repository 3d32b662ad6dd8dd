"""Two ways to use a page: the mouse, and the keyboard alone."""

from collections.abc import Mapping

from playwright.sync_api import Locator
from playwright.sync_api import Page as Tab

# More stops than any page has.
STOPS = 300


class Mouse:
    """Clicks on what is seen."""

    def __init__(self, tab: Tab) -> None:
        self.tab = tab

    def press(self, target: Locator) -> None:
        """A link or a button, and wait for what comes of it."""
        with self.tab.expect_navigation():
            target.click()

    def write(self, target: Locator, text: str) -> None:
        """Into a field."""
        target.click()
        target.press_sequentially(text)

    # ── what is the same for both ──
    def follow(self, address: str) -> None:
        """A link of the main part, or else of the whole page, that leads there."""
        link = f'a[href="{address}"], a[href^="{address}?"]'
        inside = self.tab.locator("main").locator(link)
        self.press((inside if inside.count() else self.tab.locator(link)).first)

    def send(self, fields: Mapping[str, str]) -> None:
        """Fill in and send the first form of the main part that has all these fields, by name."""
        forms = self.tab.locator("main form")
        for name in fields:
            forms = forms.filter(has=self.tab.locator(f'[name="{name}"]'))
        form = forms.first
        for name, text in fields.items():
            self.write(form.locator(f'[name="{name}"]'), text)
        self.press(form.locator("button:not([type=button])").first)


class Keyboard(Mouse):
    """Goes by Tab and sends by Enter."""

    def press(self, target: Locator) -> None:
        """Go there, and Enter."""
        self.go(target)
        with self.tab.expect_navigation():
            self.tab.keyboard.press("Enter")

    def write(self, target: Locator, text: str) -> None:
        """Go there, and type."""
        self.go(target)
        self.tab.keyboard.type(text)

    def go(self, target: Locator) -> None:
        """Tab until it has the focus."""
        for _ in range(STOPS):
            if target.evaluate("node => node === document.activeElement"):
                return
            self.tab.keyboard.press("Tab")
        raise AssertionError(f"Tab does not lead to {target}")
