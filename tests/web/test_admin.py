"""Django's admin: everything to be looked at, nothing to be broken, and for nobody else there."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.staticfiles import finders
from django.db import connection, models
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from shub.accounts import invitations, standing, teams, tokens
from shub.accounts.models import Entity, FormerName, Invitation, Token, User
from shub.audit.models import Event
from shub.containers import admission, granting, naming, robots
from shub.containers.models import (
    Blob,
    Collection,
    Container,
    Download,
    DownloadCount,
    Grant,
    Image,
    PendingTag,
    ReadOnly,
    RemovedImage,
    Role,
    Tag,
    TagMove,
)
from shub.operations.admin import site
from shub.uploads.models import Upload
from tests.factories import PASSWORD, Person, make_person

pytestmark = pytest.mark.django_db

MODELS: list[type[models.Model]] = list(site._registry)
NAMES = [model._meta.label_lower.replace(".", "_") for model in MODELS]


def browser(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


@pytest.fixture
def auditor(administrator: Person) -> Person:
    person = make_person("audra")
    standing.set_site_role(person.user, "auditor", by=administrator.caller)
    person.user.refresh_from_db()
    return person


def make_world(mara: Person, otto: Person, *, number: int = 0) -> None:
    """A row of each model at least."""
    collection = Collection.objects.create(entity=mara.entity, name=f"tools{number}")
    container = Container.objects.create(collection=collection, name="gcc")
    blob = Blob.objects.create(digest=f"{number:064x}", size=1, state="proven", key=f"k{number}")
    image = Image.objects.create(
        container=container, digest=blob.digest, blob=blob, created_by=mara.user
    )
    Tag.objects.create(container=container, name="v1", arch="amd64", image=image)
    RemovedImage.objects.create(
        container=container,
        digest=f"{number + 10**6:064x}",
        blob=blob,
        tags=[["v0", "amd64"]],
        kept_until="2036-01-01T00:00:00Z",
    )
    TagMove.objects.create(container=container, name="v1", to_digest=blob.digest)
    TagMove.objects.create(container_id=10**6 + number, name="of a container that is gone")
    PendingTag.objects.create(image=image, name="v2", asked_by=mara.user)
    DownloadCount.objects.create(image=image, day="2026-11-26", count=3)
    Download.objects.create(image=image)
    Upload.objects.create(
        container=container, image=image, kind="single", size=1, part_bytes=1, key=f"u{number}"
    )
    team = teams.create(name=f"lab{number}", description="", by=mara.caller)
    granting.grant(place=mara.entity, holder=team, role=Role.READER, by=mara.caller)
    granting.grant(place=collection, holder=otto.user, role=Role.READER, by=mara.caller)
    robots.create(home=mara.entity, name=f"ci{number}", role=Role.WRITER, by=mara.caller)
    robots.create(home=team, name="ci", role=0, by=mara.caller)
    invitations.invite_by_link(team=team, by=mara.caller)
    invitations.invite_by_name(team=team, username="otto", role="member", by=mara.caller)
    tokens.issue(user=mara.user, name="more", entity=mara.entity, by=mara.caller)
    naming.rename(Entity.objects.get(user=otto.user), to=f"otto{number}", by=otto.caller)


@pytest.fixture
def world(mara: Person, otto: Person, administrator: Person) -> None:
    make_world(mara, otto)
    ReadOnly.objects.create(message="a move")


def lists() -> Iterator[str]:
    for name in NAMES:
        yield reverse(f"admin:{name}_changelist")


def pages() -> Iterator[str]:
    """Every address of the admin, with a row where one is named."""
    yield from ("/admin/", *lists())
    for model, name in zip(MODELS, NAMES, strict=True):
        yield reverse(f"admin:{name}_add")
        row = model._default_manager.first()
        assert row is not None, name
        for page in ("change", "delete", "history"):
            yield reverse(f"admin:{name}_{page}", args=[row.pk])
    for label in ("accounts", "containers", "uploads", "audit"):
        yield f"/admin/{label}/"


def snapshot() -> dict[str, list[Any]]:
    """All rows that there are, but for sessions and what was signed in when."""
    every = [*MODELS, Download, LogEntry, Token, User, Event]
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values()) for model in every
    }


def test_every_page_shows_itself_to_administrators_and_auditors(
    world: None, administrator: Person, auditor: Person
) -> None:
    for person in (administrator, auditor):
        client = browser(person)
        for address in pages():
            page = client.get(address, follow=True)
            status = page.status_code
            if person is auditor:
                assert b'name="_save"' not in page.content, address
                assert b'name="action"' not in page.content, address
            if not address.endswith(("/add/", "/delete/")):
                assert status == 200, address
            elif person is auditor:
                assert status in {403, 404}, address
            else:
                assert status in {200, 403}, address


def test_it_is_not_there_for_others_and_a_stranger_signs_in_on_our_own_page(
    world: None, mara: Person
) -> None:
    user, stranger = browser(mara), Client()
    for address in (*pages(), "/admin/login/", "/admin/nothing/", "/admin/jsi18n/"):
        for method in ("get", "post"):
            assert getattr(user, method)(address).status_code == 404, address
            answer = getattr(stranger, method)(address)
            assert answer.status_code == 302, address
            assert answer["Location"].startswith("/account/sign-in?next=/admin/"), address


def test_who_is_no_administrator_any_more_is_out_at_once(
    administrator: Person, mara: Person
) -> None:
    client = browser(administrator)
    assert client.get("/admin/").status_code == 200
    standing.set_site_role(mara.user, "administrator", by=administrator.caller)
    standing.set_site_role(administrator.user, "", by=None)
    assert client.get("/admin/").status_code == 404


def test_a_first_password_is_changed_before_the_admin_is_entered(administrator: Person) -> None:
    administrator.user.must_change_password = True
    administrator.user.save()
    for address in ("/admin/", *lists(), "/admin/accounts/user/add/"):
        assert browser(administrator).get(address)["Location"] == "/account/password"


def test_nothing_that_an_auditor_posts_changes_anything(
    world: None, auditor: Person, mara: Person
) -> None:
    client = browser(auditor)
    words = {
        "action": "",
        "index": "0",
        "post": "yes",
        "name": "taken-over",
        "username": "evil",
        "first_password": "a long enough word",
        "message": "closed",
        "quota_bytes": "1",
        "visibility": "private",
        "is_frozen": "on",
        "site_role": "administrator",
        "images": "",
        "note": "x",
    }
    before = snapshot()
    assert sum(len(admin.actions or ()) for admin in site._registry.values()) >= 10
    for address in pages():
        answer = client.post(address, words)
        assert answer.status_code in {200, 302, 403, 404}, address
    chosen = [str(row) for row in range(1, 400)]
    for admin, address in zip(site._registry.values(), lists(), strict=True):
        for action in ("delete_selected", *(admin.actions or ())):
            form = {**words, "action": action, "_selected_action": chosen}
            assert client.post(address, form).status_code in {200, 302, 403}, address
    for user in User.objects.all():
        delete = reverse("admin:accounts_user_delete", args=[user.pk])
        assert client.post(delete, {"images": "", "name": user.username}).status_code == 404
    assert snapshot() == before


def test_no_page_shows_a_digest_of_a_token_or_a_link_or_a_password(
    world: None, administrator: Person
) -> None:
    secrets = [
        *Token.objects.values_list("digest", flat=True),
        *Invitation.objects.exclude(digest="").values_list("digest", flat=True),
        *User.objects.exclude(password="").values_list("password", flat=True),
    ]
    assert len(secrets) > 5
    client = browser(administrator)
    for model, name in zip(MODELS, NAMES, strict=True):
        for row in model._default_manager.all():
            page = client.get(reverse(f"admin:{name}_change", args=[row.pk])).content.decode()
            assert not [secret for secret in secrets if secret in page]
    for address in (*lists(), *pages()):
        page = client.get(address, follow=True).content.decode()
        assert not [secret for secret in secrets if secret in page]


def queries_of(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as found:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in found]


def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(
    mara: Person, otto: Person, administrator: Person
) -> None:
    make_world(mara, otto)
    client = browser(administrator)
    few = {address: queries_of(client, address) for address in lists()}
    for number in range(1, 6):
        make_world(mara, otto, number=number)
    for address in lists():
        many = queries_of(client, address)
        assert len(many) <= min(len(few[address]) + 1, 12), (address, many)
        counts = [sql for sql in many if "COUNT(*)" in sql]
        assert all("LIMIT 10000" in sql for sql in counts), (address, counts)


def test_every_link_of_every_list_leads_to_a_page(world: None, administrator: Person) -> None:
    client, seen = browser(administrator), set()
    for address in (*lists(), *(page for page in pages() if "/change/" in page)):
        page = client.get(address).content.decode()
        for link in re.findall(r'href="(/admin/[^"]*)"', page):
            target = link.replace("&amp;", "&")
            if target in seen or "?o=" in target:
                continue
            seen.add(target)
            answer = client.get(target, follow=True)
            assert answer.status_code == 200, (address, target)
            assert "e=1" not in answer.request["QUERY_STRING"], (address, target)
    assert len(seen) > 60


def test_the_pages_work_under_the_content_security_policy(
    world: None, administrator: Person
) -> None:
    client = browser(administrator)
    for address in [*pages(), "/admin/accounts/user/add/"]:
        page = client.get(address, follow=True)
        text = page.content.decode()
        assert "default-src 'none'" in page["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", text), (
            address
        )
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=\"|javascript:", text), address
        for file in set(re.findall(r'(?:src|href)="/static/([^"]+)"', text)):
            assert finders.find(file), file


@pytest.mark.parametrize(
    "address",
    [
        "/admin/accounts/user/?password__startswith=md5",
        "/admin/accounts/token/?digest__startswith=a",
        "/admin/accounts/token/?user__password__startswith=md5",
        "/admin/accounts/invitation/?digest__gte=5",
        "/admin/containers/grant/?user__password__contains=a",
        "/admin/containers/image/?created_by__tokens__digest__lt=8",
        "/admin/audit/event/?detail__x=1",
    ],
)
def test_a_secret_cannot_be_found_out_by_filters(
    address: str, world: None, administrator: Person, auditor: Person
) -> None:
    for person in (administrator, auditor):
        assert browser(person).get(address).status_code == 400


def test_a_search_for_what_no_text_can_be_finds_nothing(world: None, administrator: Person) -> None:
    client = browser(administrator)
    for address in lists():
        for term in ("%00", "%27%22%3B--", "x" * 3000, "%25", "mara"):
            assert client.get(f"{address}?q={term}").status_code in {200, 302}, address


# ── what administrators do there ──
def change(client: Client, model: str, row: models.Model, **fields: Any) -> HttpResponse:
    return client.post(reverse(f"admin:{model}_change", args=[row.pk]), fields, follow=True)


def act(client: Client, name: str, action: str, *rows: models.Model) -> HttpResponse:
    chosen = {"action": action, "index": 0, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(f"admin:{name}_changelist"), chosen, follow=True)


def recorded(action: str) -> Event:
    event = Event.objects.filter(action=action).latest("id")
    assert event.actor == "root"
    assert event.address == "127.0.0.1"
    return event


def test_somebody_new_has_a_first_password_and_an_entity(administrator: Person) -> None:
    client = browser(administrator)
    new = {"username": "ada", "entity_name": "lovelace", "email": "", "first_password": PASSWORD}
    weak = client.post("/admin/accounts/user/add/", {**new, "first_password": "12345"})
    assert b"too short" in weak.content
    answer = client.post("/admin/accounts/user/add/", new, follow=True)
    assert answer.status_code == 200
    user = User.objects.get(username="ada")
    assert (user.must_change_password, user.entity.name) == (True, "lovelace")
    assert user.check_password(PASSWORD)
    assert recorded("user.created").name == "ada"
    again = client.post("/admin/accounts/user/add/", {**new, "username": "grace"}, follow=True)
    assert b"is taken" in again.content
    assert not User.objects.filter(username="grace").exists()


def test_a_user_is_disabled_and_given_a_role_by_the_domain(
    administrator: Person, mara: Person
) -> None:
    client = browser(administrator)
    change(client, "accounts_user", mara.user, site_role="auditor", is_active="on")
    assert recorded("user.site_role").detail["after"] == "auditor"
    change(client, "accounts_user", mara.user, site_role="")
    mara.user.refresh_from_db()
    assert (mara.user.is_active, mara.user.is_auditor) == (False, False)
    assert recorded("user.disabled").name == "mara"
    page = change(client, "accounts_user", administrator.user, site_role="")
    assert b"the only administrator" in page.content
    administrator.user.refresh_from_db()
    assert administrator.user.is_administrator
    page = act(client, "accounts_user", "enable", mara.user, administrator.user)
    assert b"2 enabled" in page.content
    page = act(client, "accounts_user", "disable", mara.user, administrator.user)
    assert b"1 disabled" in page.content
    assert b"only administrator" in page.content


def test_an_account_is_deleted_after_it_was_said_what_goes(
    administrator: Person, mara: Person
) -> None:
    client = browser(administrator)
    address = reverse("admin:accounts_user_delete", args=[mara.user.pk])
    assert b"stays taken" in client.get(address).content
    assert b"Write mara to delete" in client.post(address, {"images": "", "name": "x"}).content
    assert User.objects.filter(username="mara").exists()
    client.post(address, {"images": "*", "name": "mara"})
    assert not User.objects.filter(username="mara").exists()
    assert Entity.objects.get(name="mara").is_sites
    assert recorded("user.deleted").detail["images"] == "*"


def test_a_robot_is_not_deleted_as_a_person_is(administrator: Person, mara: Person) -> None:
    robot = robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    address = reverse("admin:accounts_user_delete", args=[robot.pk])
    page = browser(administrator).get(address, follow=True)
    assert b"removed where it belongs" in page.content


def test_an_entity_gets_a_name_and_a_quota_by_the_domain(
    administrator: Person, mara: Person, otto: Person
) -> None:
    client = browser(administrator)
    change(client, "accounts_entity", mara.entity, name="genomics", quota_bytes="5")
    entity = Entity.objects.get(pk=mara.entity.pk)
    assert (entity.name, entity.quota_bytes) == ("genomics", 5)
    assert recorded("entity.renamed").detail["before"] == "mara"
    assert recorded("entity.quota").detail == {"before": None, "after": 5}
    change(client, "accounts_entity", entity, name="genomics", quota_bytes="")
    assert Entity.objects.get(pk=entity.pk).quota_bytes is None
    page = change(client, "accounts_entity", otto.entity, name="mara", quota_bytes="7")
    assert b"is taken" in page.content
    stored = Entity.objects.get(pk=otto.entity.pk)
    assert (stored.name, stored.quota_bytes) == ("otto", None)


def test_a_name_is_released_after_a_question(administrator: Person, mara: Person) -> None:
    naming.rename(mara.entity, to="genomics", by=mara.caller)
    client, former = browser(administrator), FormerName.objects.get()
    address = reverse("admin:accounts_formername_delete", args=[former.pk])
    assert b"Are you sure" in client.get(address).content
    assert FormerName.objects.exists()
    client.post(address, {"post": "yes"})
    assert not FormerName.objects.exists()
    assert recorded("name.released").name == "mara"


def test_tokens_roles_tags_and_places_are_changed_by_the_domain(
    world: None, administrator: Person, mara: Person
) -> None:
    client = browser(administrator)
    ReadOnly.objects.all().delete()
    act(client, "accounts_token", "revoke", mara.token)
    assert tokens.recognise(mara.token_text) is None
    assert recorded("token.revoked").detail["user"] == "mara"
    container, tag = Container.objects.get(), Tag.objects.get()
    act(client, "containers_tag", "freeze", tag)
    assert recorded("tag.frozen").name == f"{container}:v1"
    change(client, "containers_container", container, visibility="private", is_frozen="on")
    container.refresh_from_db()
    assert (container.visibility, container.is_frozen) == ("private", True)
    assert recorded("container.frozen")
    change(client, "containers_collection", container.collection, visibility="internal")
    assert recorded("collection.visibility").detail["after"] == "internal"
    act(client, "containers_grant", "revoke", *Grant.objects.all())
    assert not Grant.objects.exists()
    assert recorded("role.revoked")
    membership = mara.user.memberships.get()
    page = act(client, "accounts_teammembership", "take_out", membership)
    assert b"is the only owner of the team" in page.content
    act(client, "accounts_invitation", "withdraw", *Invitation.objects.all())
    assert not Invitation.objects.open().exists()


def test_the_site_is_made_read_only_and_again_not(administrator: Person, mara: Person) -> None:
    client = browser(administrator)
    client.post("/admin/containers/readonly/add/", {"message": "the disk is changed"})
    assert recorded("site.read_only").detail["message"] == "the disk is changed"
    with pytest.raises(Exception, match="the disk is changed"):
        admission.check_writable()
    assert client.get("/admin/containers/readonly/add/").status_code == 403
    change(client, "containers_readonly", ReadOnly.objects.get(), message="until noon")
    assert ReadOnly.objects.get().message == "until noon"
    client.post("/admin/containers/readonly/1/delete/", {"post": "yes"})
    assert not ReadOnly.objects.exists()
    assert recorded("site.writable")


def test_an_invitation_to_register_shows_its_link_once(administrator: Person) -> None:
    client = browser(administrator)
    answer = client.post("/admin/accounts/invitation/add/", {"note": "Ada"})
    secret = re.search(r"/account/register/([\w-]{40,})", answer.content.decode())
    assert secret is not None
    assert invitations.find(secret[1]).note == "Ada"
    assert "no-store" in answer["Cache-Control"]
    assert secret[1] not in client.get("/admin/accounts/invitation/").content.decode()
    assert recorded("invitation.made")


def test_the_history_of_a_thing_is_the_trail_and_no_log_beside_it(
    administrator: Person, mara: Person
) -> None:
    client = browser(administrator)
    change(client, "accounts_entity", mara.entity, name="genomics", quota_bytes="")
    history = reverse("admin:accounts_entity_history", args=[mara.entity.pk])
    page = client.get(history, follow=True).content.decode()
    assert "entity.renamed" in page
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("address", ["/admin/logout/", "/admin/password_change/"])
def test_leaving_and_the_password_are_our_own_pages(address: str, administrator: Person) -> None:
    client = browser(administrator)
    if "logout" in address:
        assert client.get(address).status_code == 405
        assert client.post(address)["Location"] == "/"
        assert client.get("/admin/").status_code == 302
    else:
        assert client.get(address)["Location"] == "/account/password"


def test_no_form_of_the_admin_is_taken_from_another_site(administrator: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator.user)
    answer = client.post("/admin/containers/readonly/add/", {"message": "closed"})
    assert answer.status_code == 403
    assert not ReadOnly.objects.exists()
