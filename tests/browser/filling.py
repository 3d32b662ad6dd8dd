"""What there is to see: people, things and their ways in, made inside a registry that runs.

A process of its own, with that registry's settings: `python -m tests.browser.filling` makes what is
missing and prints, as JSON, what the pages' addresses are made of and the sessions of the people.
"""

import json
import os
import sys
import time
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.utils import timezone

# The names of the people by what they may; the last are in the middle of something.
NOBODY = "nobody"
OWNER, READER, ADMINISTRATOR = "owner", "reader", "administrator"
CAREFUL = "careful"  # with an app and a key as second factors
NEWCOMER = "newcomer"  # with a password that somebody else gave
HALFWAY = "halfway"  # CAREFUL, before the code
ARRIVING = "arriving"  # sent by a provider, without an account

ENTITY, COLLECTION, CONTAINER, TEAM, ROBOT = OWNER, "genomics", "samtools", "lab", "ci"

# Longer than any run: else the pages that want a fresh sign-in would ask for one in its middle.
FRESH_DAYS = 7
FRESH_SECONDS = FRESH_DAYS * 24 * 3600

# The environment's name for the password of all whom `manage.py demo` has made, where it has.
DEMONSTRATION = "DEMONSTRATION_PASSWORD"

DEFINITION = "Bootstrap: docker\nFrom: debian:12\n\n%post\n    apt-get install -y samtools\n"


def fill() -> dict[str, Any]:
    """Make it; what is made of it. None of the names is taken yet in the registry."""
    from shub.accounts import invitations
    from shub.accounts.models import User
    from shub.containers import granting, robots
    from shub.containers.models import Role
    from tests.factories import make_collection, make_container, make_person, make_team

    owner, reader, _ = make_person(OWNER), make_person(READER), make_person(CAREFUL)
    administrator = make_person(ADMINISTRATOR, is_administrator=True)
    make_person(NEWCOMER)
    User.objects.filter(username=NEWCOMER).update(must_change_password=True)

    tools = make_collection(owner.entity, COLLECTION, owner, visibility="public")
    make_collection(owner.entity, "drafts", owner, visibility="private")
    make_container(tools, "untouched", owner)
    digest = push(owner.token_text)
    removed = remove(owner)
    verify_slowly(owner)

    lab = make_team(TEAM, owner, reader)
    invitations.invite_by_name(team=lab, username=CAREFUL, role="member", by=owner.caller)
    _, to_team = invitations.invite_by_link(team=lab, note="the new one", by=owner.caller)
    _, to_register = invitations.invite_by_link(team=None, by=administrator.caller)
    for home in (owner.entity, lab):
        robot = robots.create(home=home, name=ROBOT, role=Role.WRITER, by=owner.caller)
        robots.issue_token(
            robot=robot, name="pipeline", scopes=["pull"], expires_at=None, by=owner.caller
        )
    given = granting.grant(place=tools, holder=reader.user, role=Role.READER, by=owner.caller)
    granting.grant(place=owner.entity, holder=reader.user, role=Role.READER, by=owner.caller)

    sessions, parts = enter()
    parts |= {
        "entity": ENTITY,
        "collection": COLLECTION,
        "container": CONTAINER,
        "empty container": "untouched",
        "tag": "1.21",
        "digest": digest,
        "damaged digest": damage(),
        "refused digest": refuse_upload(owner, "5f" * 32, "condemned"),
        "lost digest": refuse_upload(owner, "7b" * 32, "gone"),
        "removed container": removed["container"],
        "removed image": removed["image"],
        "user": reader.user.public_id,
        "team": TEAM,
        "robot": ROBOT,
        "grant": given.pk,
        "public_id": owner.token.public_id,
        "secret": to_team,
        "secret to register": to_register,
        "organization_slug": "saml",
    }
    if password := os.environ.get(DEMONSTRATION):
        demonstrated_parts, demonstrated_sessions = show_demonstration(password)
        parts |= demonstrated_parts
        sessions |= demonstrated_sessions
    return {"parts": parts, "sessions": sessions, "answers": answers()}


def show_demonstration(password: str) -> tuple[dict[str, str], dict[str, str]]:
    """What `manage.py demo` has made, and its people, in the place of the things and people here:
    its owner of most, one of their team, its administrator. A robot is added to it."""
    from django.db.models import Count

    from shub.accounts.callers import Caller
    from shub.accounts.models import Entity, Team, User
    from shub.containers import robots
    from shub.containers.models import Container, Role

    team, people = "genomics", {OWNER: "mara", READER: "tomasz", ADMINISTRATOR: "ada"}
    by = Caller(User.objects.get(username=people[OWNER]))
    for home in (Entity.objects.get(name=team), Team.objects.get(name=team)):
        robots.create(home=home, name=ROBOT, role=Role.WRITER, by=by)
    public = Container.objects.filter(
        collection__entity__name=team, collection__visibility="public"
    )
    # Not the largest: one that fits on a picture.
    counted = public.annotate(tagged=Count("tags")).filter(tagged__lte=20).order_by("-tagged")
    shown = counted.select_related("collection").first()
    assert shown is not None
    newest = shown.tags.select_related("image").order_by("-moved_at")[0]
    sessions = {role: signed_in(name, password) for role, name in people.items()}
    return {
        "entity": team,
        "team": team,
        "collection": shown.collection.name,
        "container": shown.name,
        "tag": newest.name,
        "digest": newest.image.digest,
    }, sessions


def remove(owner: Any) -> dict[str, str]:
    """A container and an image that can be brought back; their ids."""
    from shub.containers import removal
    from shub.containers.models import Collection, Image
    from shub.containers.refs import LibraryRef
    from tests.factories import make_container

    old = make_container(Collection.objects.get(name=COLLECTION), "retired", owner)
    removal.remove_container(old, by=owner.caller)
    image = Image.objects.get(tags__name="1.19")
    reference = LibraryRef(ENTITY, COLLECTION, CONTAINER, image.hash)
    removal.remove_image(reference, arch="", by=owner.caller)
    return {"container": old.public_id, "image": image.public_id}


def refuse_upload(owner: Any, digest: str, blob_state: str) -> str:
    """An upload that was found to be other bytes, which are kept while they are only condemned; the
    hash that was claimed."""
    add_upload(
        owner,
        digest,
        blob_state,
        state="refused",
        reason=f"The bytes that arrived do not have the SHA-256 {digest}. Push the image again.",
    )
    return digest


def verify_slowly(owner: Any) -> None:
    """An upload that is being read at this moment, after it could not be twice."""
    add_upload(
        owner,
        "6a" * 32,
        "pending",
        state="verifying",
        verified_bytes=84_000_000,
        lease="0" * 24,
        leased_until=in_days(FRESH_DAYS),
        failures=2,
        retry_at=in_days(FRESH_DAYS),
        trouble="The store broke off after 84000000 bytes.",
    )


def add_upload(owner: Any, digest: str, blob_state: str, **fields: Any) -> None:
    """An upload of 212 MB, with its blob, as the database has them."""
    from shub.containers import ledger
    from shub.containers.models import Blob, Container
    from shub.uploads.models import Upload

    size, key = 212_000_000, f"blobs/{digest[:2]}/{digest}.{'0' * 24}"
    kept_until = in_days(FRESH_DAYS) if blob_state == "condemned" else None
    Upload.objects.create(
        container=Container.objects.get(name=CONTAINER),
        created_by=owner.user,
        kind="single",
        digest=digest,
        size=size,
        part_bytes=size,
        key=key,
        blob=Blob.objects.create(
            digest=digest, size=size, key=key, state=blob_state, kept_until=kept_until
        ),
        **fields,
    )
    ledger.forget_counts()


def damage() -> str:
    """An image whose stored bytes were found to be others, and are looked at again after the run;
    its hash."""
    from shub.containers.models import Image

    image = Image.objects.select_related("blob").get(tags__name="1.20")
    assert image.blob is not None
    image.blob.state = "damaged"
    image.blob.damaged_at = in_days(0)
    image.blob.damage = f"The object's bytes have the SHA-256 {'d0' * 32}."
    image.blob.retry_at = in_days(FRESH_DAYS)
    image.blob.save()
    return image.digest


def in_days(days: int) -> datetime:
    """The moment so many days from now."""
    return timezone.now() + timedelta(days=days)


def push(token: str) -> str:
    """Images for two architectures and with several tags, sent as clients send them; the hash of
    one."""
    from tests.sif_files import sif_bytes
    from tests.wire import Wire

    wire = Wire(token=token, http=client())
    path = f"{ENTITY}/{COLLECTION}/{CONTAINER}"
    for number, arch, tags in (
        (4, "amd64", ["1.19"]),
        (1, "amd64", ["1.20"]),
        (2, "amd64", ["1.21", "latest"]),
        (3, "arm64", ["1.21"]),
    ):
        content = sif_bytes(
            size=60_000, seed=number, arch=arch, definition=DEFINITION, labels={"Version": "1"}
        )
        image = wire.push(path, content)
        for tag in tags:
            answer = wire.tag(image["container"], image["id"], tag, arch)
            assert answer.status == 200, answer
    return str(image["hash"]).removeprefix("sha256.")


# ── ways in ──
def client() -> Any:
    """A browser of Django's, at the address that the registry is known by."""
    from django.test import Client

    return Client(HTTP_HOST=urlsplit(settings.PUBLIC_URL).netloc, raise_request_exception=False)


def enter() -> tuple[dict[str, str], dict[str, Any]]:
    """The sessions of all, by the forms where there is one; and what links in mails hold."""
    from tests.factories import PASSWORD

    sessions = {
        name: signed_in(name, PASSWORD) for name in (OWNER, READER, ADMINISTRATOR, NEWCOMER)
    }
    careful = entered(CAREFUL, PASSWORD)
    factor = add_factors(careful)
    sessions[CAREFUL] = kept(careful)
    halfway = client()
    halfway.post("/account/sign-in", {"username": CAREFUL, "password": PASSWORD})
    sessions[HALFWAY] = kept(halfway)
    arriving = client()
    session = arriving.session
    session["socialaccount_sociallogin"] = from_provider()
    session.save()
    sessions[ARRIVING] = arriving.cookies[settings.SESSION_COOKIE_NAME].value
    return sessions, {"pk": factor, **in_mails()}


def entered(name: str, password: str) -> Any:
    """A browser in which the password has been said, twice."""
    browser = client()
    browser.post("/account/sign-in", {"username": name, "password": password})
    browser.post("/account/confirm", {"password": password})
    return browser


def signed_in(name: str, password: str) -> str:
    """The session of whoever signs in by this password."""
    return kept(entered(name, password))


def kept(browser: Any) -> str:
    """The browser's session, in which a password has just been said for as long as a run takes."""
    session = browser.session
    for said in session.get("account_authentication_methods", []):
        said["at"] = time.time() + FRESH_SECONDS
    session.save()
    return str(browser.cookies[settings.SESSION_COOKIE_NAME].value)


def add_factors(browser: Any) -> int:
    """Set up an app and a key; which row the key is."""
    import re

    from allauth.mfa.models import Authenticator

    from tests.authenticators import SecurityKey, code, options_in

    app = browser.get("/account/second-factor/app").content.decode()
    secret = re.search(r">\s*([A-Z2-7]{32})\s*<", app)
    assert secret, app
    browser.post("/account/second-factor/app", {"code": code(secret[1])})
    # Keys know names, and no addresses as that of the registry here.
    named = {"secure": True, "HTTP_HOST": "localhost"}
    key = SecurityKey("https://localhost")
    options = options_in(browser.get("/account/second-factor/keys/new", **named).content.decode())
    form = {"name": "blue", "credential": key.make(options), "passwordless": "on"}
    browser.post("/account/second-factor/keys/new", form, **named)
    made = Authenticator.objects.filter(user__username=CAREFUL)
    assert {each.type for each in made} == {"totp", "webauthn", "recovery_codes"}
    return int(made.get(type="webauthn").pk)


def from_provider() -> Any:
    """What a provider has said of somebody without an account, as the session keeps it."""
    from allauth.socialaccount.adapter import get_adapter
    from allauth.socialaccount.models import SocialAccount, SocialLogin
    from django.test import RequestFactory

    from shub.accounts.models import User

    provider = get_adapter().get_provider(RequestFactory().get("/"), "oidc")
    account = SocialAccount(provider="oidc", uid="dora", extra_data={})
    return SocialLogin(user=User(username="dora"), account=account, provider=provider).serialize()


def in_mails() -> dict[str, str]:
    """The parts of the links that confirm an address, and that lead to a new password."""
    from allauth.account.forms import default_token_generator
    from allauth.account.models import EmailAddress, EmailConfirmationHMAC
    from allauth.account.utils import user_pk_to_url_str

    from shub.accounts.models import User

    reader = User.objects.get(username=READER)
    address, _ = EmailAddress.objects.get_or_create(user=reader, email="reader@example.org")
    EmailAddress.objects.get_or_create(
        user=User.objects.get(username=OWNER),
        email="owner@example.org",
        defaults={"verified": True, "primary": True},
    )
    return {
        "key": EmailConfirmationHMAC(address).key,
        "uidb36": user_pk_to_url_str(reader),
        "key to a password": default_token_generator.make_token(reader),
    }


# ── what no address answers ──
def answers() -> dict[str, dict[str, Any]]:
    """The pages of faults, as the registry's own functions write them."""
    from django.core.exceptions import SuspiciousOperation
    from django.template.loader import render_to_string
    from django.test import RequestFactory

    from shub import failures

    request = RequestFactory(headers={"Accept": "text/html"}).get("/")
    written = {
        "unreadable": failures.unreadable(request, SuspiciousOperation()),
        "forbidden": failures.forbidden(request, PermissionError()),
        "forged": failures.forged(request),
        "failed": failures.failed(request),
    }
    found = {
        name: {"status": answer.status_code, "body": answer.content.decode()}
        for name, answer in written.items()
    }
    too_often = render_to_string("429.html", {"registry_name": settings.REGISTRY_NAME})
    return {**found, "too-often": {"status": 429, "body": too_often}}


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(json.dumps(fill()))
