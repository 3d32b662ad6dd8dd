"""What scripts add to pages that are complete without: quicker, and nothing else."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from tests.browser.judging import Witness
from tests.browser.site import Site

ENDED = re.compile(r"htmx:(sendAbort|afterRequest), ")


@contextmanager
def opened(browser: Browser, site: Site, address: str, person: str = "nobody") -> Iterator[Tab]:
    """A tab on the page; at the end nothing has been asked of another host, and nothing failed."""
    with site.entered(browser, person) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        witness = Witness.of(context, site, status=200)
        tab = context.new_page()
        tab.goto(address)
        yield tab
        assert not witness.strangers
        # A question that a newer one replaces is ended, and htmx writes that down as an error.
        assert [words for words in witness.errors if not ENDED.match(words)] == []


def container(site: Site) -> str:
    return reverse(
        "container", args=[site.parts[part] for part in ("entity", "collection", "container")]
    )


def test_a_search_answers_as_one_types_and_can_be_gone_back_from(
    browser: Browser, site: Site
) -> None:
    with opened(browser, site, reverse("search")) as tab:
        tab.evaluate("window.isStillThere = true")
        box = tab.get_by_role("searchbox")
        box.press_sequentially(site.parts["container"])
        found = tab.locator(f'#found a[href="{container(site)}"]')
        expect(found.locator("mark")).to_have_text(site.parts["container"])
        expect(tab).to_have_url(re.compile(f"q={site.parts['container']}"))
        expect(tab.locator("#live")).to_contain_text("match")
        expect(box).to_be_focused()
        assert tab.evaluate("window.isStillThere")
        tab.get_by_role("radio", name="arm64").check()
        expect(tab).to_have_url(re.compile("arch=arm64"))
        expect(tab.get_by_role("radio", name="arm64")).to_be_checked()
        found.click()
        tab.go_back()
        expect(tab.get_by_role("searchbox")).to_have_value(site.parts["container"])
        expect(tab.locator("header.site-head")).to_be_visible()


def test_no_page_is_left_in_the_browsers_store(browser: Browser, site: Site) -> None:
    with opened(browser, site, reverse("search"), "owner") as tab:
        tab.get_by_role("searchbox").press_sequentially("samtools")
        expect(tab).to_have_url(re.compile("q=samtools"))
        kept = tab.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        # htmx keeps the address that it has put into the bar; of what stood there, nothing.
        assert "<" not in kept
        assert "container" not in kept


def test_a_slash_goes_to_the_search_box_unless_one_is_writing(browser: Browser, site: Site) -> None:
    for address in ("/", reverse("search"), container(site)):
        with opened(browser, site, address) as tab:
            tab.keyboard.press("/")
            box = tab.get_by_role("searchbox").first
            expect(box).to_be_focused()
            tab.keyboard.type("a/b")
            expect(box).to_have_value("a/b")


def test_a_command_is_copied_and_that_is_said(browser: Browser, site: Site) -> None:
    with opened(browser, site, container(site)) as tab:
        tab.locator("[data-copy]:visible").first.click()
        expect(tab.locator("#live")).to_have_text("Copied")
        copied = tab.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("apptainer pull ")
        tab.get_by_label("singularity").check()
        tab.locator("[data-copy]:visible").first.click()
        assert tab.evaluate("navigator.clipboard.readText()").startswith("singularity pull ")


def test_the_theme_changes_at_once_and_stays(browser: Browser, site: Site) -> None:
    with opened(browser, site, container(site)) as tab:
        ground = "getComputedStyle(document.body).backgroundColor"
        light = tab.evaluate(ground)
        with tab.expect_response(lambda answer: answer.url.endswith(reverse("theme"))):
            tab.get_by_role("button", name="Dark").click()
        assert tab.evaluate(ground) != light
        expect(tab.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
        dark = tab.evaluate(ground)
        tab.goto(reverse("search"))
        assert tab.evaluate(ground) == dark
        with tab.expect_response(lambda answer: answer.url.endswith(reverse("theme"))):
            tab.get_by_role("button", name="System").click()
        assert tab.evaluate(ground) == light


def test_a_menu_closes_by_escape_and_gives_the_focus_back(browser: Browser, site: Site) -> None:
    with opened(browser, site, "/", "owner") as tab:
        menu = tab.locator("details.menu")
        menu.locator("summary").click()
        expect(menu).to_have_attribute("open", "")
        tab.keyboard.press("Tab")
        tab.keyboard.press("Escape")
        expect(menu).not_to_have_attribute("open", "")
        expect(menu.locator("summary")).to_be_focused()


def test_a_readme_is_looked_at_before_it_is_kept(browser: Browser, site: Site) -> None:
    parts = [site.parts[part] for part in ("entity", "collection", "container")]
    with opened(browser, site, reverse("container-readme", args=parts), "owner") as tab:
        tab.get_by_role("textbox", name="README").fill(
            "# Seen before\n\n<img src=x onerror=alert(1)>"
        )
        tab.get_by_role("button", name="Preview").click()
        expect(
            tab.locator("#preview h2, #preview h3").filter(has_text="Seen before")
        ).to_be_visible()
        expect(tab.locator("#preview img")).to_have_count(0)
        tab.goto(container(site))
        assert "Seen before" not in tab.locator("main").inner_text()


@pytest.mark.parametrize("person", ["nobody", "owner"])
def test_pages_work_where_scripts_are_not_allowed_to_copy(
    browser: Browser, site: Site, person: str
) -> None:
    with site.entered(browser, person, java_script_enabled=False) as context:
        tab = context.new_page()
        tab.goto(container(site))
        assert tab.locator("[data-copy]:visible").count() == 0
        assert "apptainer pull" in tab.locator("main").inner_text()
