"""The table's rows: what each route asks of the caller, and a request that shows it.

A row is one line where it can be: the method and the route as `urls.readable` writes it, the need
(`policy.NEEDS`), the kind of thing that it is about, and the request of a scene. A route that has
no row fails `test_every_route_has_its_rows`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import cache

from shub.operations.doctor.page import UNDER_WAY
from tests.isolation.policy import (
    ADMINISTRATORS,
    API,
    AUDITOR,
    DELETES,
    EVERYBODY,
    HAS_ROLE,
    JOINS,
    LOOKS_INTO,
    MANAGES,
    NOBODY,
    OPEN,
    OWNS,
    PAGE,
    PULLS,
    PUSHES,
    ROLES,
    SEES,
    SEES_ALL,
    SEES_SIGNED_IN,
    SESSION,
    SIGNED_IN_OWN,
    UNRECOGNISED,
    Answers,
    Need,
    counts_as,
)
from tests.isolation.requests import Ask
from tests.isolation.world import CLAIMED, NO_ID, Scene

Make = Callable[[Scene], Ask]

# The things that a row is tried on, by their kind.
COLUMNS = {
    "site": [""],
    "entity": ["mara", "crew"],
    "collection": ["public", "internal", "private", "team's"],
    "container": ["public", "internal", "private", "narrowed", "team's"],
    # What is answered alike wherever it is asked is asked of what is hidden best.
    "team's": ["team's"],
    "team": ["team"],
    # The default entity is not renamed.
    "team's entity": ["crew"],
    # Robots are below one of the two.
    "own entity": ["mara"],
    # Containers that are as their collection.
    "open container": ["public", "internal", "private", "team's"],
    "default": ["public", "internal", "private", "narrowed"],
}


@dataclass(frozen=True)
class Row:
    """One way to ask at one route.

    `success` and `lacking` are statuses where they are not the door's usual ones: what one gets who
    may, and who sees the thing and may not. `changes`: whoever may has changed something then, and
    nobody else has. `but`: roles that get another status than others who may, or who may not;
    `also`: roles that may beyond the table; `note` has the reason.
    """

    route: str
    methods: tuple[str, ...]
    need: Need
    kind: str
    ask: Make
    door: Answers
    success: int = 0
    lacking: int = 0
    changes: bool = False
    but: Mapping[str, int] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    note: str = ""

    @property
    def columns(self) -> list[str]:
        """The things to try it on."""
        return COLUMNS[self.kind]

    def __str__(self) -> str:
        return f"{' '.join(self.methods)} {self.route}" + (f" ({self.note})" if self.note else "")


ROWS: list[Row] = []


def row(methods: str, route: str, need: Need, kind: str, ask: Make, **options: Any) -> None:
    """A row of the API."""
    given = {"door": API, **options}
    ROWS.append(Row(route, tuple(methods.split()), need, kind, ask, **given))


def page(methods: str, route: str, need: Need, kind: str, ask: Make, **options: Any) -> None:
    """A row of the pages."""
    row(methods, route, need, kind, ask, door=PAGE, **options)


def to(address: str, body: Any = None, **headers: str) -> Make:
    """The request to this address, which may name parts of the thing: `/v1/entities/{entity}`."""
    return lambda scene: Ask(filled(address, scene), filled_body(body, scene), headers)


def filled(text: str, scene: Scene) -> str:
    """The text with the thing's own names in it."""
    place = scene.place
    return text.format(**{each: getattr(place, each) for each in place.__dataclass_fields__})


def filled_body(body: Any, scene: Scene) -> Any:
    """The same of each value of a body."""
    if isinstance(body, dict):
        return {name: filled_body(value, scene) for name, value in body.items()}
    return filled(body, scene) if isinstance(body, str) else body


# ── the API: the site itself ──
NO_GOOD_TOKEN = dict.fromkeys((NOBODY, SESSION, *UNRECOGNISED), 404)
row(
    "GET",
    "assets/config/config.prod.json",
    EVERYBODY,
    "site",
    to("/assets/config/config.prod.json"),
    door=OPEN,
)
row("GET", "version", EVERYBODY, "site", to("/version"), door=OPEN)
row(
    "GET",
    "v1/token-status",
    EVERYBODY,
    "site",
    to("/v1/token-status"),
    but=NO_GOOD_TOKEN,
    door=OPEN,
    note="404 where the token is not good",
)
row("GET", "v1/rbac/users/current", SIGNED_IN_OWN, "site", to("/v1/rbac/users/current"))
row(
    "GET",
    "v1/oci-redirect",
    EVERYBODY,
    "team's",
    door=OPEN,
    success=404,
    ask=to("/v1/oci-redirect?namespace={entity}%2F{collection}%2F{container}&accessTypes=pull"),
)
row("GET", "v1/search", EVERYBODY, "container", to("/v1/search?value=isolated"))
row("GET", "v1/search", EVERYBODY, "container", to("/v1/search?value={container}"), note="by name")
row(
    "GET",
    "v1/search",
    EVERYBODY,
    "container",
    to("/v1/search?value={entity}/{collection}/{container}"),
    note="by path",
)

# ── the API: reading ──
row("GET", "v1/entities/<entity>", SEES, "entity", to("/v1/entities/{entity}"))
row(
    "GET",
    "v1/collections/<entity>/<collection>",
    SEES,
    "collection",
    to("/v1/collections/{entity}/{collection}"),
)
row(
    "GET",
    "v1/containers/<entity>/<collection>/<container>",
    SEES,
    "container",
    to("/v1/containers/{entity}/{collection}/{container}"),
)
for version in ("v1", "v2"):
    row(
        "GET",
        f"{version}/tags/<container_id>",
        SEES,
        "container",
        to(f"/{version}/tags/{{container_id}}"),
    )
REF = "{entity}/{collection}/{container}"
for tag, way in (
    (":latest", "by tag"),
    (":latest?arch=amd64", "by tag and arch"),
    (":sha256.{digest}", "by hash"),
    (":sif.{sif_id}", "by SIF id"),
):
    row("GET", "v1/images/<ref>", SEES, "container", to(f"/v1/images/{REF}{tag}"), note=way)
    row(
        "GET",
        "v1/imagefile/<ref>",
        PULLS,
        "container",
        to(f"/v1/imagefile/{REF}{tag}"),
        note=way,
        success=303 if "arch" in tag else 200,
        but={} if "arch" in tag else {NOBODY: 303, SESSION: 303},
    )
    row("HEAD", "v1/imagefile/<ref>", PULLS, "container", to(f"/v1/imagefile/{REF}{tag}"), note=way)

# ── the API: pushing ──
BOUND = "… bound to the public collection"
row(
    "POST",
    "v1/entities",
    PUSHES,
    "entity",
    to("/v1/entities", {"name": "{entity}"}),
    also=(BOUND,),
    note="a token for one collection begins here too",
)
row(
    "POST",
    "v1/collections",
    PUSHES,
    "entity",
    changes=True,
    ask=to("/v1/collections", {"name": "brand-new", "entity": "{entity_id}"}),
)
row(
    "POST",
    "v1/containers",
    PUSHES,
    "collection",
    changes=True,
    ask=to("/v1/containers", {"name": "brand-new", "collection": "{collection_id}"}),
)
row(
    "POST",
    "v1/images",
    PUSHES,
    "container",
    changes=True,
    note="of a new hash",
    ask=to("/v1/images", {"hash": f"sha256.{'7' * 64}", "container": "{container_id}"}),
)
row(
    "POST",
    "v1/images",
    PUSHES,
    "container",
    note="of the hash that is there",
    ask=to("/v1/images", {"hash": "sha256.{digest}", "container": "{container_id}"}),
)
NEW_TAG = {"Tag": "brand-new", "ImageID": "{image_id}"}
row(
    "POST",
    "v1/tags/<container_id>",
    PUSHES,
    "container",
    changes=True,
    ask=to("/v1/tags/{container_id}", NEW_TAG),
)
row(
    "POST",
    "v2/tags/<container_id>",
    PUSHES,
    "container",
    changes=True,
    ask=to("/v2/tags/{container_id}", {**NEW_TAG, "Arch": "amd64"}),
)


def one_body(scene: Scene) -> Ask:
    """A whole image, to the registry itself."""
    return Ask(f"/v1/imagefile/{scene.claim()}", CLAIMED)


def beginning(way: str) -> Make:
    """Begin to send the bytes of an image that was announced."""
    return lambda scene: Ask(f"/v2/imagefile/{scene.claim()}{way}", {"filesize": len(CLAIMED)})


def part(scene: Scene) -> Ask:
    """An address for a part of an upload that one has begun."""
    image, upload, _ = scene.upload()
    return Ask(f"/v2/imagefile/{image}/_multipart", part_of(upload))


def part_of(upload: str) -> dict[str, Any]:
    """What is sent for an address."""
    return {"uploadID": upload, "partNumber": 1, "partSize": len(CLAIMED)}


def ending(scene: Scene) -> Ask:
    """The end of an upload that one has begun, whose bytes are there."""
    image, upload, etag = scene.upload(sent=True)
    return Ask(f"/v2/imagefile/{image}/_multipart_complete", end_of(upload, etag))


def end_of(upload: str, etag: str) -> dict[str, Any]:
    """What is sent at the end."""
    return {"uploadID": upload, "completedParts": [{"partNumber": 1, "token": etag}]}


def abortion(scene: Scene) -> Ask:
    """The end of an upload that one has begun and gives up."""
    image, upload, _ = scene.upload(sent=True)
    return Ask(f"/v2/imagefile/{image}/_multipart_abort", {"uploadID": upload})


def anothers(way: str, body: Callable[[str, str], dict[str, Any]]) -> Make:
    """The same with an upload that somebody else has begun."""

    def ask(scene: Scene) -> Ask:
        image, upload, etag = scene.upload(whose=scene.world.people["elsewhere"], sent=True)
        return Ask(f"/v2/imagefile/{image}/{way}", body(upload, etag))

    return ask


PARTS = "v2/imagefile/<image_id>/_multipart"
row("POST", "v1/imagefile/<ref>", PUSHES, "container", one_body, changes=True)
row("POST", "v2/imagefile/<image_id>", PUSHES, "container", beginning(""), changes=True)
row(
    "PUT",
    "v2/imagefile/<image_id>/_complete",
    PUSHES,
    "container",
    to("/v2/imagefile/{image_id}/_complete", {}),
)
row("POST", PARTS, PUSHES, "container", beginning("/_multipart"), changes=True)
row("PUT", PARTS, PUSHES, "container", part)
row("PUT", f"{PARTS}_complete", PUSHES, "container", ending, changes=True)
row("PUT", f"{PARTS}_abort", PUSHES, "container", abortion, changes=True)
for way, body in (
    ("_multipart", lambda upload, _: part_of(upload)),
    ("_multipart_complete", end_of),
    ("_multipart_abort", lambda upload, _: {"uploadID": upload}),
):
    row(
        "PUT",
        f"v2/imagefile/<image_id>/{way}",
        PUSHES,
        "container",
        anothers(way, body),
        success=409,
        note="an upload of another's",
    )

# ── the API: deleting ──
row(
    "DELETE",
    "v1/images/<ref>",
    DELETES,
    "container",
    to(f"/v1/images/{REF}:latest?arch=amd64"),
    changes=True,
    note="by tag",
)
row(
    "DELETE",
    "v1/images/<ref>",
    DELETES,
    "container",
    to(f"/v1/images/{REF}:sha256.{{digest}}"),
    changes=True,
    note="by hash",
)

# ── the API: addresses at which there is nothing, and other doors ──
for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
    for route, address in (
        ("v[12]/…", "/v2/{entity}/{collection}/{container}/manifests/latest"),
        ("(?:api|container)/", "/api/collections/{entity}/{collection}"),
    ):
        row(method, route, EVERYBODY, "team's", to(address), door=OPEN, success=404)
row(
    "GET",
    "pks/lookup",
    EVERYBODY,
    "team's",
    door=OPEN,
    ask=to("/pks/lookup?op=index&options=mr&search={container}"),
)
row("POST", "pks/add", EVERYBODY, "site", to("/pks/add", {}), door=OPEN, success=403)
for prefix in ("", "api/"):
    row(
        "GET",
        f"{prefix}container/<collection>/<name>",
        SEES,
        "default",
        door=OPEN,
        ask=to(f"/{prefix}container/{{collection}}/{{container}}:latest"),
    )

# ── pages: for everybody ──
page("GET", "", EVERYBODY, "site", to("/"))
page("POST", "", EVERYBODY, "site", to("/", {}), success=405)
page("GET", "collections", EVERYBODY, "collection", to("/collections"))
page("POST", "collections", EVERYBODY, "site", to("/collections", {}), success=405)
page("GET", "search", EVERYBODY, "container", to("/search?q={container}"), note="by name")
page("GET", "search", EVERYBODY, "container", to("/search?entity={entity}"), note="by entity")
page("POST", "search", EVERYBODY, "site", to("/search", {}), success=405)
page("GET", "setup", EVERYBODY, "site", to("/setup"))
page("POST", "setup", EVERYBODY, "site", to("/setup", {}), success=405)
page("GET", "theme", EVERYBODY, "site", to("/theme"), success=405)
page("POST", "theme", EVERYBODY, "site", to("/theme", {"theme": "dark"}), success=302)
page("GET", "account/containers", SIGNED_IN_OWN, "site", to("/account/containers"), success=302)
page(
    "POST",
    "account/containers",
    SIGNED_IN_OWN,
    "site",
    to("/account/containers", {}),
    success=405,
)
page("GET", "remote.yaml", EVERYBODY, "site", to("/remote.yaml"))
page("GET", "setup", EVERYBODY, "site", to("/setup"))
page("GET", "setup", EVERYBODY, "site", to("/setup", None, **{"HX-Request": "true"}), note="a part")
page("POST", "setup", EVERYBODY, "site", to("/setup", {}), success=405)
page("GET", "robots.txt", EVERYBODY, "site", to("/robots.txt"))
page("POST", "robots.txt", EVERYBODY, "site", to("/robots.txt", {}), success=405)
for probe in ("healthz", "readyz"):
    row("GET", probe, EVERYBODY, "site", to(f"/{probe}"), door=OPEN)
    row("POST", probe, EVERYBODY, "site", to(f"/{probe}", {}), door=OPEN, success=405)
row(
    "GET",
    "metrics",
    EVERYBODY,
    "site",
    to("/metrics"),
    door=OPEN,
    success=404,
    note="for who has METRICS_TOKEN or is in METRICS_ALLOWED_NETWORKS, whatever their account",
)
row("POST", "metrics", EVERYBODY, "site", to("/metrics", {}), door=OPEN, success=404)
WELL_KNOWN = ".well-known/security.txt"
page("GET", WELL_KNOWN, EVERYBODY, "site", to(f"/{WELL_KNOWN}"), success=404)
page("POST", WELL_KNOWN, EVERYBODY, "site", to(f"/{WELL_KNOWN}", {}), success=405)


def form(route: str, need: Need, kind: str, body: Any, **options: Any) -> None:
    """A row of a page that only takes a form: a POST that changes something and leads on."""
    address = f"/{route}".replace("<", "{").replace(">", "}")
    make = body if callable(body) else to(address.replace("{team}", "{entity}"), body)
    page("POST", route, need, kind, make, **{"success": 302, "changes": True, **options})
    somewhere = re.sub(r"<(grant|public_id|tag)>", "0", route)
    page(
        "GET",
        route,
        SIGNED_IN_OWN,
        "site",
        success=405,
        note="only takes a form",
        ask=to("/" + re.sub(r"<\w+>", "x", somewhere.replace("<digest>", "0" * 64))),
    )


# ── pages: one's own things ──
page("GET", "account/password", SIGNED_IN_OWN, "site", to("/account/password"))
page("POST PUT", "account/password", SIGNED_IN_OWN, "site", to("/account/password", {}))
page(
    "POST",
    "remote.yaml",
    SIGNED_IN_OWN,
    "site",
    changes=True,
    ask=to("/remote.yaml", {"name": "for the file", "days": "30"}),
)
page("GET", "auth/tokens", SIGNED_IN_OWN, "site", to("/auth/tokens"))
page(
    "POST",
    "auth/tokens",
    SIGNED_IN_OWN,
    "site",
    changes=True,
    ask=to("/auth/tokens", {"name": "another", "days": "30", "scopes": ["pull"]}),
)
form(
    "auth/tokens/<public_id>/revoke",
    SIGNED_IN_OWN,
    "site",
    to(f"/auth/tokens/{NO_ID}/revoke", {}),
    changes=False,
)


# ── pages: signing in, and one's account ──
# Whoever is signed in already is led on.
SIGNED_IN = [role for role in ROLES if counts_as(role, PAGE) != NOBODY]
LED_ON = dict.fromkeys(SIGNED_IN, 302)


def own(methods: str, route: str, success: int = 200) -> None:
    """A row of a page about one's own account: by an address that names nothing of others."""
    page(
        methods, route, SIGNED_IN_OWN, "site", to(f"/{route.replace('<pk>', '1')}"), success=success
    )


def door(methods: str, route: str, success: int = 200, **options: Any) -> None:
    """A row of a page that is there before one signs in."""
    address = re.sub(r"<organization_slug>", "saml", route)
    page(
        methods,
        route,
        EVERYBODY,
        "site",
        to("/" + re.sub(r"<\w+>", "x", address)),
        success=success,
        **options,
    )


door("GET", "account/sign-in", but=LED_ON)
page(
    "POST PUT",
    "account/sign-in",
    EVERYBODY,
    "site",
    but=LED_ON,
    ask=to("/account/sign-in", {"login": "mara", "password": "a wrong one"}),
)
page("POST", "account/sign-out", EVERYBODY, "site", to("/account/sign-out", {}), success=302)
own("GET POST", "account")
page("GET", "account/delete", SIGNED_IN_OWN, "site", to("/account/delete"), but={AUDITOR: 302})
page("POST", "account/delete", SIGNED_IN_OWN, "site", to("/account/delete", {}), but={AUDITOR: 302})
own("GET", "account/export")
own("POST", "account/export", 405)
own("GET", "account/audit")
own("POST", "account/audit", 405)
page("GET", "admin-area/audit", SEES_ALL, "site", to("/admin-area/audit"), lacking=404)
own("POST", "admin-area/audit", 405)
SHOWN_TO_ALL_SEEING = {"need": SEES_ALL, "kind": "site", "lacking": 404}
for route in ("", "users", "quotas", "uploads", "read-only", "doctor"):
    page("GET", f"admin-area/{route}", ask=to(f"/admin-area/{route}"), **SHOWN_TO_ALL_SEEING)
for route in ("", "users", "uploads"):
    page(
        "POST",
        f"admin-area/{route}",
        ask=to(f"/admin-area/{route}", {}),
        success=405,
        **SHOWN_TO_ALL_SEEING,
    )


def for_administrators(route: str, body: Any) -> None:
    """A row of an act of administrators: auditors are told so, to others it is not there."""
    page(
        "POST",
        route,
        ADMINISTRATORS,
        "site",
        body if callable(body) else to(f"/{route}", body),
        success=302,
        lacking=404,
        but={AUDITOR: 403},
        changes=True,
    )


def of_user(way: str, body: Any = None, *, who: str = "elsewhere") -> Make:
    """A request about somebody who has no part in the table."""

    def ask(scene: Scene) -> Ask:
        user = scene.world.people[who]
        return Ask(f"/admin-area/users/{user.public_id}{way}", body)

    return ask


for_administrators("admin-area/quotas", {"entity": "mara", "quota": "7 GB"})
for_administrators("admin-area/read-only", {"message": "for the table"})


def while_another_looks(scene: Scene) -> Ask:
    """An examination that is refused since one is under way: the table is not the place for one."""
    cache.set(UNDER_WAY, True, 60)
    scene.prepared = True
    return Ask("/admin-area/doctor", {})


page(
    "POST",
    "admin-area/doctor",
    ADMINISTRATORS,
    "site",
    while_another_looks,
    success=302,
    lacking=404,
    but={AUDITOR: 403},
)
page("GET", "-/doctor", EVERYBODY, "site", to("/-/doctor"), success=404, note="but doctor")
page("POST", "-/doctor", EVERYBODY, "site", to("/-/doctor", {}), success=404, note="but doctor")
USER = "admin-area/users/<public_id>"
page("GET", USER, ask=of_user(""), **SHOWN_TO_ALL_SEEING)
page("POST", USER, ask=of_user("", {}), success=405, **SHOWN_TO_ALL_SEEING)
for act, body, who in (
    ("disable", {}, "elsewhere"),
    ("enable", {}, "disabled person"),
    ("role", {"role": "auditor"}, "elsewhere"),
    ("sign-out", {}, "elsewhere"),
):
    for_administrators(f"{USER}/{act}", of_user(f"/{act}", body, who=who))
    page(
        "GET",
        f"{USER}/{act}",
        ask=of_user(f"/{act}"),
        success=405,
        note="only takes a form",
        **SHOWN_TO_ALL_SEEING,
    )
page(
    "GET",
    "account/sign-out",
    EVERYBODY,
    "site",
    to("/account/sign-out"),
    success=302,
    but=dict.fromkeys(SIGNED_IN, 200),
)
door("GET", "account/sign-in/and-return", 302)
door("POST", "account/sign-in/and-return", 405)
door("GET POST PUT", "account/register", but=LED_ON)
door("GET", "account/register/<secret>", 302)
door("POST", "account/register/<secret>", 405)
door("GET", "account/disabled")
own("GET POST PUT", "account/confirm")
own("GET", "account/e-mail")
own("POST PUT", "account/e-mail", 302)
door("GET", "account/e-mail/sent")
door("POST", "account/e-mail/sent", 405)
door("GET", "account/e-mail/<key>")
door("POST", "account/e-mail/<key>", 404)
door("GET POST PUT", "account/password/forgotten")
door("GET", "account/password/forgotten/sent")
door("GET", "account/password/forgotten/done")
door("GET POST PUT", "account/password/forgotten/<uidb36>-<key>")
own("GET POST PUT", "account/with")
door("GET POST PUT", "account/with/register", 302)
door("GET", "account/with/cancelled")
door("GET", "account/with/failed", 401)
for provider in ("oidc", "gitlab"):
    door("GET", f"account/with/{provider}")
    door("GET POST", f"account/with/{provider}/back", 401)
# One that is not configured to be reached leads nowhere.
door("POST", "account/with/oidc", 502)
door("POST", "account/with/gitlab", 200)
SAML = "account/with/<organization_slug>"
door("GET POST", SAML)
door("GET POST", f"{SAML}/metadata")
door("GET", f"{SAML}/back", 405)
door("POST", f"{SAML}/back", 302)
door("GET POST", f"{SAML}/done", 401)
door("GET POST", f"{SAML}/sign-out", 404)
FACTOR = "account/second-factor"
own("GET", FACTOR)
door("GET POST", f"{FACTOR}/sign-in", 302)
own("GET POST PUT", f"{FACTOR}/confirm", 302)
# These ask for the password first.
own("GET POST PUT", f"{FACTOR}/app", 302)
own("GET POST PUT", f"{FACTOR}/app/remove", 404)
own("GET", f"{FACTOR}/codes", 404)
own("GET POST PUT", f"{FACTOR}/codes/new", 302)
own("GET", f"{FACTOR}/codes/file", 404)
own("GET", f"{FACTOR}/keys")
own("GET POST PUT", f"{FACTOR}/keys/new", 302)
door("GET POST PUT", f"{FACTOR}/keys/sign-in", 302)
own("GET POST PUT", f"{FACTOR}/keys/confirm", 302)
own("GET POST PUT", f"{FACTOR}/keys/<pk>", 302)
own("GET POST DELETE", f"{FACTOR}/keys/<pk>/remove", 302)

# ── pages: teams ──
TEAM = "account/teams/<team>"
page("GET", "account/teams", SIGNED_IN_OWN, "site", to("/account/teams"))
page(
    "POST",
    "account/teams",
    JOINS,
    "site",
    success=302,
    changes=True,
    ask=to("/account/teams", {"name": "brand-new-team"}),
)
page("GET", TEAM, SEES_SIGNED_IN, "team", to("/account/teams/{entity}"))
page("POST", TEAM, SIGNED_IN_OWN, "site", to("/account/teams/x", {}), success=405)
MEMBER = {"username": "member-of-the-team"}
form(f"{TEAM}/members/role", MANAGES, "team", {**MEMBER, "role": "owner"})
form(
    f"{TEAM}/members/remove",
    MANAGES,
    "team",
    MEMBER,
    also=("member of the team",),
    note="everybody may leave",
)
form(f"{TEAM}/invitations/by-name", MANAGES, "team", {"username": "elsewhere", "role": "member"})
form(f"{TEAM}/invitations/by-link", MANAGES, "team", {"role": "member", "days": "7"}, success=200)
form(
    f"{TEAM}/invitations/<public_id>/withdraw",
    MANAGES,
    "team",
    to("/account/teams/{entity}/invitations/{invitation}/withdraw", {}),
    lacking=302,
)
page("GET", f"{TEAM}/robots", LOOKS_INTO, "team", to("/account/teams/{entity}/robots"))
page(
    "POST",
    f"{TEAM}/robots",
    MANAGES,
    "team",
    success=302,
    changes=True,
    ask=to("/account/teams/{entity}/robots", {"name": "brand-new"}),
)
TOKEN = {"name": "another", "days": "30", "scopes": ["pull"]}
page("GET", f"{TEAM}/robots/<robot>", LOOKS_INTO, "team", to("/account/teams/{entity}/robots/ci"))
page(
    "POST",
    f"{TEAM}/robots/<robot>",
    MANAGES,
    "team",
    changes=True,
    ask=to("/account/teams/{entity}/robots/ci", TOKEN),
)
form(
    f"{TEAM}/robots/<robot>/remove",
    MANAGES,
    "team",
    to("/account/teams/{entity}/robots/ci/remove", {}),
)
form(
    f"{TEAM}/robots/<robot>/tokens/<public_id>/revoke",
    MANAGES,
    "team",
    changes=False,
    body=to(f"/account/teams/{{entity}}/robots/ci/tokens/{NO_ID}/revoke", {}),
)
page(
    "GET",
    "account/invitations/<secret>",
    EVERYBODY,
    "site",
    lambda scene: Ask(f"/account/invitations/{scene.world.link}"),
)
page(
    "POST",
    "account/invitations/<secret>",
    EVERYBODY,
    "site",
    to("/account/invitations/x", {}),
    success=405,
)
form(
    "account/invitations/-/accept",
    JOINS,
    "site",
    lambda scene: Ask("/account/invitations/-/accept", {"secret": scene.world.link}),
    note="by the link's secret",
)
form(
    "account/invitations/-/<public_id>/accept",
    SIGNED_IN_OWN,
    "site",
    success=404,
    changes=False,
    body=to(f"/account/invitations/-/{NO_ID}/accept", {}),
)
form(
    "account/invitations/-/<public_id>/decline",
    SIGNED_IN_OWN,
    "site",
    changes=False,
    body=to(f"/account/invitations/-/{NO_ID}/decline", {}),
)

# ── pages: entities, collections and containers ──
ENTITY = "library/<entity>"
COLLECTION = f"{ENTITY}/<collection>"
CONTAINER = f"{COLLECTION}/<container>"
for route, kind in ((ENTITY, "entity"), (COLLECTION, "collection"), (CONTAINER, "container")):
    address = f"/{route}".replace("<", "{").replace(">", "}")
    page("GET", route, SEES, kind, to(address))
    page("POST", route, EVERYBODY, kind, to(address, {}), success=405)
    page("GET", f"{route}/-/settings", LOOKS_INTO, kind, to(f"{address}/-/settings"))
    page(
        "POST",
        f"{route}/-/settings",
        SIGNED_IN_OWN,
        kind,
        to(f"{address}/-/settings", {}),
        success=405,
    )
    form(f"{route}/-/description", MANAGES, kind, {"description": "brand-new"})
    page("GET", f"{route}/-/readme", MANAGES, kind, to(f"{address}/-/readme"))
    page(
        "POST",
        f"{route}/-/readme",
        MANAGES,
        kind,
        success=302,
        changes=True,
        ask=to(f"{address}/-/readme", {"text": "brand-new"}),
    )
    form(f"{route}/-/readme/preview", MANAGES, kind, {"text": "new"}, success=200, changes=False)
    page("GET", f"{route}/-/removed", LOOKS_INTO, kind, to(f"{address}/-/removed"))
    page(
        "POST",
        f"{route}/-/removed",
        SIGNED_IN_OWN,
        kind,
        to(f"{address}/-/removed", {}),
        success=405,
    )
    form(
        f"{route}/-/removed/<public_id>/restore",
        LOOKS_INTO,
        kind,
        changes=False,
        body=to(f"{address}/-/removed/{NO_ID}/restore", {}),
    )
    for method in ("GET", "POST"):
        page(
            method,
            f"{route}/-/removed/<public_id>/for-good",
            LOOKS_INTO,
            kind,
            to(f"{address}/-/removed/{NO_ID}/for-good", {} if method == "POST" else None),
            success=404,
        )
    if kind != "container":
        page("GET", f"{route}/-/members", HAS_ROLE, kind, to(f"{address}/-/members"))
        page(
            "POST",
            f"{route}/-/members",
            MANAGES,
            kind,
            success=302,
            changes=True,
            ask=to(f"{address}/-/members", {"holder": "elsewhere", "role": "10"}),
        )
        page(
            "POST",
            f"{route}/-/members",
            OWNS,
            kind,
            success=302,
            changes=True,
            note="an owner",
            ask=to(f"{address}/-/members", {"holder": "elsewhere", "role": "40"}),
        )
        form(f"{route}/-/members/<grant>/role", MANAGES, kind, {"role": "20"})
        form(f"{route}/-/members/<grant>/take-away", MANAGES, kind, {})
        page(
            "POST",
            f"{route}/-/members/<grant>/role",
            OWNS,
            kind,
            success=302,
            changes=True,
            note="an owner",
            ask=to(f"{address}/-/members/{{grant}}/role", {"role": "40"}),
        )
page("GET", f"{ENTITY}/-/robots", LOOKS_INTO, "entity", to("/library/{entity}/-/robots"))
page(
    "POST",
    f"{ENTITY}/-/robots",
    MANAGES,
    "entity",
    success=302,
    changes=True,
    ask=to("/library/{entity}/-/robots", {"name": "brand-new", "role": "20"}),
)
page(
    "GET",
    f"{ENTITY}/-/robots/<robot>",
    LOOKS_INTO,
    "own entity",
    to("/library/{entity}/-/robots/ci"),
)
page(
    "POST",
    f"{ENTITY}/-/robots/<robot>",
    MANAGES,
    "own entity",
    changes=True,
    ask=to("/library/{entity}/-/robots/ci", TOKEN),
)
form(
    f"{ENTITY}/-/robots/<robot>/remove",
    MANAGES,
    "own entity",
    to("/library/{entity}/-/robots/ci/remove", {}),
)
form(
    f"{ENTITY}/-/robots/<robot>/tokens/<public_id>/revoke",
    MANAGES,
    "own entity",
    changes=False,
    body=to(f"/library/{{entity}}/-/robots/ci/tokens/{NO_ID}/revoke", {}),
)
form(f"{ENTITY}/-/default-private", MANAGES, "entity", {"default_private": "on"})


def other_visibility(scene: Scene) -> Ask:
    """Have the collection seen by others than now."""
    collection = scene.world.collections.get(scene.place.column)
    narrower = "private" if collection and collection.visibility == "internal" else "internal"
    address = filled("/library/{entity}/{collection}/-/visibility", scene)
    return Ask(address, {"visibility": narrower})


IMAGE = "-/images/sha256.<digest>"
WITHIN = "/library/{entity}/{collection}/{container}"
for route, given, status in (
    ("-/tags", "-/tags", 200),
    ("-/tags/<tag>", "-/tags/latest", 200),
    ("-/history", "-/history", 200),
    ("-/images", "-/images", 200),
    (IMAGE, "-/images/sha256.{digest}", 200),
    (f"{IMAGE}/download", "-/images/sha256.{digest}/download", 303),
):
    at = f"{WITHIN}/{given}"
    need = PULLS if "download" in route else SEES
    page("GET", f"{CONTAINER}/{route}", need, "container", to(at), success=status)
    page("POST", f"{CONTAINER}/{route}", EVERYBODY, "container", to(at, {}), success=405)
AN_IMAGE = f"{WITHIN}/-/images/sha256.{{digest}}"
page("GET", f"{CONTAINER}/{IMAGE}/remove", DELETES, "container", to(f"{AN_IMAGE}/remove"))
page(
    "POST",
    f"{CONTAINER}/{IMAGE}/remove",
    DELETES,
    "container",
    success=302,
    changes=True,
    ask=to(f"{AN_IMAGE}/remove", {}),
)
form(
    f"{CONTAINER}/-/tags/<tag>/remove",
    DELETES,
    "container",
    to(f"{WITHIN}/-/tags/latest/remove", {}),
)
form(
    f"{CONTAINER}/{IMAGE}/tag",
    PUSHES,
    "container",
    to(f"{WITHIN}/-/images/sha256.{{digest}}/tag", {"name": "brand-new"}),
)
form(f"{COLLECTION}/-/visibility", MANAGES, "collection", other_visibility)
form(f"{CONTAINER}/-/visibility", MANAGES, "open container", {"visibility": "private"})
form(f"{CONTAINER}/-/frozen", MANAGES, "container", {"frozen": "yes"})
form(
    f"{CONTAINER}/-/tags/<tag>/frozen",
    MANAGES,
    "container",
    to("/library/{entity}/{collection}/{container}/-/tags/latest/frozen", {"frozen": "yes"}),
)
for route, kind, need in ((COLLECTION, "collection", OWNS), (CONTAINER, "container", MANAGES)):
    address = f"/{route}".replace("<", "{").replace(">", "}")
    page("GET", f"{route}/-/remove", need, kind, to(f"{address}/-/remove"))
    page(
        "POST",
        f"{route}/-/remove",
        need,
        kind,
        success=302,
        changes=True,
        ask=to(f"{address}/-/remove", {}),
    )
page("GET", f"{ENTITY}/-/audit", LOOKS_INTO, "entity", to("/library/{entity}/-/audit"), lacking=404)
own("POST", f"{ENTITY}/-/audit", 405)
page("GET", f"{ENTITY}/-/rename", OWNS, "entity", to("/library/{entity}/-/rename"), lacking=404)
page(
    "POST",
    f"{ENTITY}/-/rename",
    OWNS,
    "team's entity",
    lacking=404,
    success=302,
    changes=True,
    ask=to("/library/{entity}/-/rename", {"to": "brand-new"}),
)
for route, kind, need in ((COLLECTION, "collection", OWNS), (CONTAINER, "container", MANAGES)):
    address = f"/{route}/-/rename".replace("<", "{").replace(">", "}")
    page("GET", f"{route}/-/rename", need, kind, to(address), lacking=404)
    page(
        "POST",
        f"{route}/-/rename",
        need,
        kind,
        lacking=404,
        success=302,
        changes=True,
        ask=to(address, {"to": "brand-new"}),
    )
