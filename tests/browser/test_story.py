"""From nobody to a first image: registering, a token, a push by the real client, and its page; then
the image is removed, and that is undone."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Browser

from tests import sif_files
from tests.browser.hands import Keyboard, Mouse
from tests.browser.site import Site
from tests.clients import doors, obtain
from tests.clients.apptainer import Apptainer
from tests.clients.outcome import assert_done, assert_refused
from tests.factories import PASSWORD

TOKEN = re.compile(r"shub_[0-9A-Za-z_-]{20,}")


@pytest.fixture
def client() -> Iterator[Apptainer]:
    """The CLI of somebody who has never used it; left out where there is none, but not in CI."""
    try:
        program = obtain.apptainer().path
    except obtain.Missing as lack:
        if os.environ.get("CI"):
            pytest.fail(str(lack), pytrace=False)
        pytest.skip(str(lack))
    with tempfile.TemporaryDirectory(prefix="shub-story-") as home:
        yield Apptainer(program, Path(home))


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    """The site's address as `remote add` takes it: without a port."""
    if site.registry is None:
        pytest.skip("A site that others look at gets no new people.")
    try:
        door = doors.without_port(site.url)
    except PermissionError:
        pytest.skip("Only root may listen on port 80, and `remote add` takes no other port.")
    with door as url:
        yield url


@pytest.mark.parametrize(
    ("hand", "name", "scripts"),
    [
        pytest.param(Mouse, "dora", True, id="by mouse"),
        pytest.param(Keyboard, "enno", False, id="by keyboard without JavaScript"),
    ],
)
def test_somebody_registers_pushes_sees_the_image_removes_it_and_undoes_that(
    browser: Browser,
    site: Site,
    client: Apptainer,
    address: str,
    hand: type[Mouse],
    name: str,
    scripts: bool,
) -> None:
    with site.entered(browser, "nobody", java_script_enabled=scripts) as context:
        tab = context.new_page()
        using = hand(tab)

        tab.goto("/")
        using.follow(reverse("sign-in"))
        using.follow(reverse("register"))
        using.send({"username": name, "password1": PASSWORD, "password2": PASSWORD})
        tab.goto(reverse("sign-out"))
        using.send({})
        tab.goto(reverse("tokens"))
        assert tab.url.partition("?")[0].endswith(reverse("sign-in")), "is still signed in"
        using.send({"username": name, "password": PASSWORD})
        assert tab.url.endswith(reverse("tokens")), tab.url

        using.send({"name": "laptop"})
        found = TOKEN.search(tab.locator("main").inner_text())
        assert found, "no token is shown"

        reference = f"library://{name}/first/hello:1.0"
        push(client, address, found[0], reference)

        # The address that the client printed, and the way there from one's own.
        tab.goto(reverse("entity", args=[name]))
        using.follow(reverse("collection", args=[name, "first"]))
        using.follow(reverse("container", args=[name, "first", "hello"]))
        assert "hello" in tab.locator("h1").inner_text()
        main = tab.locator("main").inner_text()
        assert "1.0" in main
        assert f"library://{name}/first/hello" in main

        image = tab.locator('main a[href*="/-/images/sha256."]').first.get_attribute("href")
        assert image is not None
        using.follow(image)
        assert "Verified" in tab.locator("main").inner_text()
        using.follow(f"{image}/remove")
        assert "1 tag" in tab.locator("main").inner_text()
        using.send({})
        assert tab.url.endswith(reverse("container", args=[name, "first", "hello"])), tab.url
        assert image not in tab.locator("main").inner_html()
        assert_refused(client.run("pull", "-U", client.home / "gone.sif", reference))

        using.send({})  # the notice's: Undo
        assert image in tab.locator("main").inner_html()
        back = client.home / "back.sif"
        assert_done(client.run("pull", "-U", back, reference))
        assert back.read_bytes() == (client.home / "hello.sif").read_bytes()


def push(client: Apptainer, address: str, token: str, ref: str) -> None:
    """Tell the client of the site, log in and push a small image, as the pages say."""
    image = client.home / "hello.sif"
    sif_files.write_sif(image, size=100_000, seed=sum(ref.encode()))
    assert_done(client.run("remote", "add", "--no-login", "--insecure", "site", address))
    assert_done(client.run("remote", "use", "site"))
    assert_done(client.run("remote", "login", "site", typed=f"{token}\n"))
    pushed = client.run("push", "-U", image, ref)
    assert_done(pushed)
