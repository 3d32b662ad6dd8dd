"""Every page, how one gets there, and as whom. A new page is one more line.

test_registry.py walks the addresses and fails where one that shows a page is not here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from django.urls import URLPattern, URLResolver, get_resolver, reverse
from playwright.sync_api import BrowserContext, Response, Route
from playwright.sync_api import Page as Tab

from shub import urls
from shub.web.urls import urlpatterns as of_web
from tests.browser.filling import (
    ADMINISTRATOR,
    ARRIVING,
    CAREFUL,
    HALFWAY,
    NEWCOMER,
    NOBODY,
    OWNER,
    READER,
)
from tests.browser.site import Site

# All that people look at; those of operations are put into the root map.
urlpatterns = [
    *of_web,
    *(each for each in urls.urlpatterns if str(each.pattern).startswith("admin-area/")),
]


@dataclass(frozen=True)
class Page:
    """One page as one person sees it.

    `parts` says of which of the site's values a part of the address is made, where that is not the
    one of its own name; `status` is what it is answered with; `answered` marks one of the site's
    `answers`, which no address has. `then` brings the loaded page into a state: an open menu, a
    form with its errors; `what` names that state.
    """

    name: str
    by: str = NOBODY
    status: int = 200
    parts: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    answered: bool = False
    what: str = ""
    then: Callable[[Tab], None] | None = None

    @property
    def label(self) -> str:
        """Its own among all, fit for a file's name."""
        return "-".join(filter(None, [self.name, self.what, self.by]))

    @property
    def is_addressed(self) -> bool:
        """Whether an address of the pages leads to it."""
        return not self.answered and self.name != "missing"

    def address(self, site: Site) -> str:
        """Its path and query on this site."""
        if not self.is_addressed:
            return f"/library/missing/{self.name}"
        kwargs = {part: site.parts[self.parts.get(part, part)] for part in parts_of(self.name)}
        return reverse(self.name, kwargs=kwargs) + self.query

    def open(self, context: BrowserContext, site: Site) -> Tab:
        """A new tab that shows it, and nothing else: AssertionError where it does not."""
        tab = context.new_page()
        self.load(tab, site)
        return tab

    def load(self, tab: Tab, site: Site) -> None:
        """Show it in the tab."""
        address = self.address(site)
        if self.answered:
            tab.route(f"**{address}", lambda route: answer(route, site, self.name))
        shown = tab.goto(address)
        assert shown is not None
        assert shown.status == self.status, f"{self.label}: {shown.status} at {shown.url}"
        if self.then:
            self.then(tab)
        elif not self.parts.get("key"):
            path = address.partition("?")[0]
            assert tab.url.partition("?")[0].endswith(path), f"{self.label} leads to {tab.url}"


def answer(route: Route, site: Site, name: str) -> None:
    """Answer with a page of the site's that no address has; with a page's usual headers."""
    headers = {"Content-Type": "text/html; charset=utf-8"}
    home: Response = route.request.frame.page.request.get("/")  # type: ignore[assignment]
    for kept in ("content-security-policy", "permissions-policy"):
        headers[kept] = home.headers[kept]
    written = site.answers[name]
    route.fulfill(status=written["status"], body=written["body"], headers=headers)


def sent_empty(tab: Tab) -> None:
    """Send the page's own form with nothing in it, past what the browser would complain of."""
    form = tab.locator("main form[method=post i]:not([action]):not([hidden])").first
    form.evaluate("form => { form.noValidate = true; }")
    with tab.expect_navigation():
        form.locator("button, input[type=submit]").last.click()


def looked_at(tab: Tab) -> None:
    """Have doctor look at everything, unless it has: what it sees is another each time."""
    if tab.locator("main dl").count():
        return
    with tab.expect_navigation(timeout=60_000):
        tab.locator("main form[method=post i] button").first.click(timeout=60_000)
    # Without the word that it was done.
    tab.reload()


# ── the registry ──
PAGES = [
    Page("home"),
    Page("home", OWNER),
    Page("home", ADMINISTRATOR),
    Page("search", query="?q=samtools"),
    Page("search", OWNER, query="?q=nothing-is-called-so", what="empty"),
    Page("collections"),
    Page("setup"),
    Page("setup", OWNER),
    # places
    Page("entity"),
    Page("entity", OWNER),
    Page("collection"),
    Page("collection", OWNER),
    Page("container"),
    Page("container", OWNER),
    Page("container", READER),
    Page("container", OWNER, parts={"container": "empty container"}, what="empty"),
    Page("tags"),
    Page("tags", query="?contains=nothing", what="narrowed"),
    Page("tag"),
    Page("tag", OWNER),
    Page("history"),
    Page("history", OWNER, parts={"container": "empty container"}, what="empty"),
    Page("images"),
    Page("image"),
    Page("image", OWNER),
    Page("image", OWNER, parts={"digest": "refused digest"}, what="refused"),
    Page("image", OWNER, parts={"digest": "lost digest"}, what="lost"),
    Page("image", parts={"digest": "damaged digest"}, what="damaged"),
    Page("entity-settings", OWNER),
    Page("collection-settings", OWNER),
    Page("container-settings", OWNER),
    Page("entity-readme", OWNER),
    Page("collection-readme", OWNER),
    Page("container-readme", OWNER),
    Page("entity-removed", OWNER),
    Page("collection-removed", OWNER),
    Page("container-removed", OWNER),
    Page("entity-remove-for-good", OWNER, parts={"public_id": "removed container"}),
    Page("collection-remove-for-good", OWNER, parts={"public_id": "removed container"}),
    Page("container-remove-for-good", OWNER, parts={"public_id": "removed image"}),
    Page("remove-collection", OWNER),
    Page("remove-container", OWNER),
    Page("remove-image", OWNER),
    Page("entity-members", OWNER),
    Page("collection-members", OWNER),
    Page("entity-robots", OWNER),
    Page("entity-robot", OWNER),
    Page("entity-audit", OWNER),
    Page("rename-entity", ADMINISTRATOR),
    Page("rename-collection", OWNER),
    Page("rename-container", OWNER),
    # tokens, teams, invitations
    Page("tokens", OWNER),
    Page("tokens", OWNER, what="refused", then=sent_empty),
    Page("teams", OWNER),
    Page("teams", CAREFUL),
    Page("team", OWNER),
    Page("team", READER),
    Page("team-robots", OWNER),
    Page("team-robot", OWNER),
    Page("invitation", CAREFUL),
    Page("invitation"),
    # one's own account
    Page("account", OWNER),
    Page("account", CAREFUL),
    Page("own-audit", OWNER),
    Page("admin-area", ADMINISTRATOR),
    Page("admin-users", ADMINISTRATOR),
    Page("admin-users", ADMINISTRATOR, query="?text=nobody-is-called-so", what="empty"),
    Page("admin-user", ADMINISTRATOR, parts={"public_id": "user"}),
    Page("admin-quotas", ADMINISTRATOR),
    Page("admin-uploads", ADMINISTRATOR),
    Page("admin-read-only", ADMINISTRATOR),
    Page("admin-doctor", ADMINISTRATOR),
    Page("admin-doctor", ADMINISTRATOR, what="report", then=looked_at),
    Page("audit", ADMINISTRATOR),
    Page("delete-account", OWNER),
    Page("account_email", OWNER),
    Page("change-password", OWNER),
    Page("change-password", NEWCOMER),
    Page("account_reauthenticate", OWNER),
    Page("sign-out", OWNER),
    Page("socialaccount_connections", OWNER),
    # coming in
    Page("sign-in"),
    Page("sign-in", what="refused", then=sent_empty),
    Page("register"),
    Page("register", what="refused", then=sent_empty),
    Page("account_inactive"),
    Page("account_email_verification_sent"),
    Page("account_confirm_email"),
    Page("account_reset_password"),
    Page("account_reset_password_done"),
    Page("account_reset_password_from_key", parts={"key": "key to a password"}),
    Page("account_reset_password_from_key_done"),
    Page("openid_connect_login"),
    Page("gitlab_login"),
    Page("saml_login"),
    Page("openid_connect_callback", status=401),
    Page("socialaccount_signup", ARRIVING),
    Page("socialaccount_login_cancelled"),
    Page("socialaccount_login_error", status=401),
    # second factors
    Page("mfa_index", OWNER),
    Page("mfa_index", CAREFUL),
    Page("mfa_authenticate", HALFWAY),
    Page("mfa_reauthenticate", CAREFUL),
    Page("mfa_reauthenticate_webauthn", CAREFUL),
    Page("mfa_activate_totp", OWNER),
    Page("mfa_deactivate_totp", CAREFUL),
    Page("mfa_view_recovery_codes", CAREFUL),
    Page("mfa_generate_recovery_codes", CAREFUL),
    Page("mfa_list_webauthn", CAREFUL),
    Page("mfa_add_webauthn", OWNER),
    Page("mfa_edit_webauthn", CAREFUL),
    Page("mfa_remove_webauthn", CAREFUL),
    # refusals and faults
    Page("missing", status=404),
    Page("missing", OWNER, status=404),
    Page("entity-settings", READER, status=403),
    Page("unreadable", status=400, answered=True),
    Page("forbidden", status=403, answered=True),
    Page("forged", status=403, answered=True),
    Page("too-often", status=429, answered=True),
    Page("failed", status=500, answered=True),
]

# What answers a GET, and not with a page of ours.
NO_PAGES = {
    "robots-txt": "a file",
    "security-txt": "a file",
    "export-account": "a file",
    "remote-file": "a file",
    "mfa_download_recovery_codes": "a file",
    "follow-invitation": "leads to the form of registering",
    "download": "leads to the store",
    "own-containers": "leads to one's entity",
    "gitlab_callback": "for the provider; the page is that of openid_connect_callback",
    "saml_finish_acs": "for the provider; the page is that of openid_connect_callback",
    "saml_metadata": "a file",
    "saml_sls": "is not there",
}

# How many bytes may go over the wire for the whole page, with styles, scripts and images.
WEIGHTS = {"home": 100_000, "container": 100_000}


# ── the addresses ──
def named_patterns(patterns: list[URLPattern | URLResolver] = urlpatterns) -> Iterator[URLPattern]:
    """Every address of the pages that has a name."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from named_patterns(pattern.url_patterns)
        elif pattern.name:
            yield pattern


def parts_of(name: str) -> list[str]:
    """The parts of the address of this name."""
    ((((_, parts), *_), *_), *_) = get_resolver().reverse_dict.getlist(name)
    return list(parts)
