"""The pages for administrators: auditors look, members and strangers find nothing."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from shub import retrying
from shub.accounts import roster, standing, tokens
from shub.accounts.models import Entity, User
from shub.audit.models import Event
from shub.containers import ledger, robots, usage
from shub.containers.models import ReadOnly, Role
from shub.errors import Denied, NotFound
from shub.storage import ObjectStore
from shub.uploads import attempts, overview
from shub.uploads.models import Upload
from tests.factories import Person, make_auditor, make_collection, make_container, make_person
from tests.sif_files import sif_bytes
from tests.web.reading import forms_of, text_of
from tests.wire import send, sweep, wire

pytestmark = pytest.mark.django_db

PAGES = ["", "users", "quotas", "uploads", "read-only", "doctor"]


@pytest.fixture
def auditor(db: None) -> Person:
    return make_auditor()


def addresses(person: Person) -> list[str]:
    """Every page, and one of a user."""
    return [
        *(f"/admin-area/{each}" for each in PAGES),
        f"/admin-area/users/{person.user.public_id}",
    ]


def acts(person: Person) -> list[tuple[str, dict[str, str]]]:
    """Every form that changes something."""
    user = f"/admin-area/users/{person.user.public_id}"
    return [
        (f"{user}/disable", {}),
        (f"{user}/enable", {}),
        (f"{user}/role", {"role": "auditor"}),
        (f"{user}/sign-out", {}),
        ("/admin-area/quotas", {"entity": person.entity.name, "quota": "1 GB"}),
        ("/admin-area/read-only", {"message": "the disk is changed"}),
        ("/admin-area/doctor", {}),
    ]


# ── who sees what ──


def test_administrators_and_auditors_see_the_pages_and_nobody_else_does(
    mara: Person, administrator: Person, auditor: Person
) -> None:
    for address in addresses(mara):
        assert text_of(administrator.browser.get(address))
        assert text_of(auditor.browser.get(address))
        assert mara.browser.get(address).status_code == 404
        assert Client().get(address)["Location"].startswith("/account/sign-in?next=/admin-area/")


def test_the_pages_lead_to_each_other(administrator: Person) -> None:
    for address in (*(f"/admin-area/{each}" for each in PAGES), "/admin-area/audit"):
        text = administrator.browser.get(address).content.decode()
        for other in PAGES:
            assert f'href="/admin-area/{other}"' in text, address
        assert f'href="{address}"\n         aria-current="page"' in text, address


def test_an_auditor_is_offered_no_form_and_changes_nothing(mara: Person, auditor: Person) -> None:
    for address in addresses(mara):
        text = text_of(auditor.browser.get(address))
        assert 'method="post"' not in text, address
    before = Event.objects.exclude(action="user.signed_in").count()
    for address, form in acts(mara):
        assert auditor.browser.post(address, form).status_code == 403, address
        assert mara.browser.post(address, form).status_code == 404, address
        assert Client().post(address, form).status_code == 302, address
    assert Event.objects.exclude(action="user.signed_in").count() == before
    assert not ReadOnly.objects.exists()


def test_the_domain_asks_first(mara: Person) -> None:
    for ask in (
        lambda: roster.page(roster.Question(), by=mara.caller),
        lambda: roster.find(mara.user.public_id, by=mara.caller),
        lambda: attempts.page(attempts.Question(), by=mara.caller),
        lambda: overview.stored(by=mara.caller),
        lambda: overview.work(by=mara.caller),
        lambda: usage.by_entity(by=mara.caller, count=5),
    ):
        with pytest.raises(NotFound):
            ask()
    with pytest.raises(Denied):
        standing.sign_out(mara.user, by=mara.caller)


def test_a_token_of_an_administrator_is_not_enough(administrator: Person) -> None:
    with pytest.raises(NotFound):
        overview.stored(by=administrator.client)


# ── users ──


def test_users_are_found_by_name_and_address_and_filtered(
    mara: Person, otto: Person, administrator: Person, auditor: Person
) -> None:
    User.objects.filter(pk=otto.user.pk).update(email="o.tto@example.org")
    robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    standing.disable(mara.user, by=administrator.caller)

    def names(**asked: str) -> list[str]:
        question = roster.Question(**asked)
        return [user.username for user in roster.page(question, by=auditor.caller).users]

    assert names() == ["audit", "mara", "mara/ci", "otto", "root"]
    assert names(text="O.TTO@") == ["otto"]
    assert names(text="MAR") == ["mara", "mara/ci"]
    assert names(state="disabled") == ["mara"]
    assert names(role="robot") == ["mara/ci"]
    assert names(role="administrator") == ["root"]
    assert names(role="auditor") == ["audit"]
    assert names(role="none", state="enabled") == ["otto"]
    assert "No" in text_of(administrator.browser.get("/admin-area/users?q=nobody"))
    assert administrator.browser.get("/admin-area/users?q=%00&after=%00").status_code == 200


def test_users_are_paged_by_their_names(administrator: Person, monkeypatch: Any) -> None:
    monkeypatch.setattr(roster, "PAGE", 2)
    for name in ("ada", "bea", "cid"):
        make_person(name)
    browser = administrator.browser
    first = browser.get("/admin-area/users?state=enabled")
    assert [user.username for user, _ in first.context["users"]] == ["ada", "bea"]
    second = browser.get(f"/admin-area/users{first.context['next']}")
    assert [user.username for user, _ in second.context["users"]] == ["cid", "root"]
    assert second.context["next"] == ""


def test_an_administrator_disables_and_enables_somebody(
    mara: Person, administrator: Person
) -> None:
    address = f"/admin-area/users/{mara.user.public_id}"
    marked = mara.browser
    browser = administrator.browser
    assert f"{address}/disable" in forms_of(browser.get(address))
    done = browser.post(f"{address}/disable", {"because": "left the lab"}, follow=True)
    assert "mara is disabled" in text_of(done)
    assert tokens.recognise(mara.token_text) is None
    assert marked.get("/account").status_code == 302
    event = Event.objects.get(action="user.disabled")
    assert (event.actor, event.detail["because"]) == ("root", "left the lab")
    assert f"{address}/disable" not in forms_of(browser.get(address))
    browser.post(f"{address}/enable")
    assert tokens.recognise(mara.token_text) is not None


def test_the_last_administrator_stays_one_and_the_page_says_why(administrator: Person) -> None:
    address = f"/admin-area/users/{administrator.user.public_id}"
    browser = administrator.browser
    for act, form in (("disable", {}), ("role", {"role": ""})):
        done = browser.post(f"{address}/{act}", form, follow=True)
        assert "is the only administrator" in text_of(done)
    administrator.user.refresh_from_db()
    assert administrator.user.is_administrator
    refused = browser.post(f"{address}/role", {"role": "emperor"}, follow=True)
    assert "is no role on a site" in text_of(refused)


def test_signing_somebody_out_ends_their_sessions_and_no_token(
    mara: Person, administrator: Person
) -> None:
    marked, browser = mara.browser, administrator.browser
    assert Session.objects.count() == 2
    browser.post(f"/admin-area/users/{mara.user.public_id}/sign-out")
    assert Session.objects.count() == 1
    assert marked.get("/account").status_code == 302
    assert tokens.recognise(mara.token_text) is not None
    assert Event.objects.get(action="user.sessions_ended").actor == "root"


# ── quotas ──


@pytest.fixture
def pushed(mara: Person, otto: Person, store: ObjectStore, settings: Any) -> bytes:
    """The same image twice in one entity, and once in another's."""
    settings.VERIFY_WAIT_SECONDS = 0
    content = sif_bytes()
    wire(mara).push("mara/tools/gcc", content, "1")
    wire(mara).push("mara/tools/clang", content, "1")
    wire(otto).push("otto/tools/gcc", content, "1")
    wire(otto).push("otto/tools/gcc", sif_bytes(seed=2), "2")
    return content


def test_what_an_entity_stores_counts_shared_bytes_once(
    pushed: bytes, administrator: Person
) -> None:
    rows = usage.by_entity(by=administrator.caller, count=10)
    told = {each.entity.name: each.bytes for each in rows}
    assert next(iter(told)) == "otto"
    assert told["mara"] == len(pushed)
    assert told == {name: usage.stored_bytes(Entity.objects.get(name=name)) for name in told}
    assert told["root"] == 0
    # The store holds each once.
    assert ledger.site().stored_bytes == told["otto"]


def test_a_quota_is_set_as_people_write_it(mara: Person, administrator: Person) -> None:
    browser = administrator.browser

    def set_to(written: str) -> int | None:
        form = {"entity": "mara", "quota": written}
        assert browser.post("/admin-area/quotas", form).status_code == 302
        return Entity.objects.get(name="mara").quota_bytes

    assert set_to("20 GB") == 20_000_000_000
    assert set_to("none") == 0
    assert set_to("default") is None
    assert set_to("1tib") == 2**40
    assert Event.objects.filter(action="entity.quota", actor="root").count() == 4
    for entity, quota in (
        ("mara", "much"),
        ("mara", "-1"),
        ("mara", "²"),
        ("mara", "9" * 18 + "TB"),
        ("nobody-here", "1 GB"),
    ):
        page = browser.post("/admin-area/quotas", {"entity": entity, "quota": quota})
        assert "errorlist" in text_of(page), quota
    assert Entity.objects.get(name="mara").quota_bytes == 2**40


def test_the_quotas_are_paged(administrator: Person, monkeypatch: Any) -> None:
    from shub.web.admin_area import quotas

    monkeypatch.setattr(quotas, "PAGE", 2)
    for name in ("ada", "bea"):
        make_person(name)
    browser = administrator.browser
    assert len(browser.get("/admin-area/quotas").context["rows"]) == 2
    assert len(browser.get("/admin-area/quotas?page=2").context["rows"]) == 2
    assert not browser.get("/admin-area/quotas?page=2").context["page"].has_next
    for odd in ("0", "-1", "x", "²", "99999", "9" * 30):
        assert browser.get("/admin-area/quotas", {"page": odd}).status_code == 200


# ── the switch ──


def test_the_site_is_made_read_only_and_takes_pushes_again(
    mara: Person, administrator: Person
) -> None:
    browser = administrator.browser
    assert browser.post("/admin-area/read-only", {"message": " "}).status_code == 200
    assert not ReadOnly.objects.exists()
    browser.post("/admin-area/read-only", {"message": "until 18:00"})
    assert ReadOnly.objects.get().message == "until 18:00"
    for address in ("/admin-area/", "/admin-area/read-only"):
        assert "until 18:00" in text_of(browser.get(address))
    browser.post("/admin-area/read-only", {"end": "yes"})
    assert not ReadOnly.objects.exists()
    actions = Event.objects.filter(action__startswith="site.").values_list("action", flat=True)
    assert set(actions) == {"site.read_only", "site.writable"}


# ── uploads ──


@pytest.fixture
def begun(mara: Person, store: ObjectStore, settings: Any) -> dict[str, Upload]:
    """An upload of each state that somebody looks for."""
    settings.VERIFY_WAIT_SECONDS = 0
    client, found = wire(mara), {}
    for number, name in enumerate(("open", "expired", "verifying", "refused")):
        script = b"#!/bin/sh\n" * 100
        content = script if name == "refused" else sif_bytes(seed=number + 1)
        image = client.announce(f"mara/tools/{name}", content)
        address = client.begin_single(image["id"], content)
        found[name] = Upload.objects.latest("id")
        if name == "refused":
            assert send(address, content).status == 200
            client.complete_single(image["id"])
            sweep()
    content = sif_bytes(seed=3)
    image = client.announce("mara/tools/verifying", content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    client.complete_single(image["id"])
    found["verifying"] = Upload.objects.latest("id")
    Upload.objects.filter(pk=found["expired"].pk).update(state="expired")
    return found


def test_uploads_are_told_by_their_state(
    begun: dict[str, Upload], administrator: Person, auditor: Person
) -> None:
    def shown(query: str) -> set[str]:
        page = auditor.browser.get(f"/admin-area/uploads{query}")
        return {str(row[0].container.name) for row in page.context["rows"]}

    assert shown("?state=under-way") == {"open", "verifying"}  # its first attempt is open still
    assert shown("?state=waiting") == {"verifying"}
    assert shown("?state=refused") == {"refused"}
    assert shown("?state=expired") == {"expired"}
    assert shown("?state=failed") == {"expired", "refused"}
    assert shown("?entity=MARA") == {"open", "expired", "verifying", "refused"}
    assert shown("?entity=audit") == set()
    assert shown("?state=stuck") == set()
    assert shown("?state=nonsense&before=x") == {"open", "expired", "verifying", "refused"}
    text = text_of(administrator.browser.get("/admin-area/uploads?state=refused"))
    assert "no SIF image" in text
    assert "mara/tools/refused" in text


def test_what_is_tried_again_later_says_why_and_when(
    begun: dict[str, Upload], administrator: Person
) -> None:
    browser = administrator.browser
    page = browser.get("/admin-area/uploads?state=trouble")
    assert page.context["rows"] == []
    retrying.postpone(begun["verifying"], "The store stopped sending before the end.")
    refused = Upload.objects.select_related("blob").get(pk=begun["refused"].pk)
    assert refused.blob is not None
    for _ in range(3):
        retrying.postpone(refused.blob, "The key may not delete.")
    page = browser.get("/admin-area/uploads?state=trouble")
    assert [row[0].pk for row in page.context["rows"]] == [refused.pk, begun["verifying"].pk][
        :: 1 if refused.pk > begun["verifying"].pk else -1
    ]
    text = " ".join(text_of(page).split())
    for said in ("failed 1 time", "stopped sending before", "failed 3 times", "may not delete"):
        assert said in text


def test_what_has_not_moved_for_long_is_stuck(
    begun: dict[str, Upload], administrator: Person, django_assert_num_queries: Any
) -> None:
    long_ago = timezone.now() - timedelta(hours=2)
    for name in ("open", "verifying"):
        Upload.objects.filter(pk=begun[name].pk).update(active_at=long_ago)
    page = administrator.browser.get("/admin-area/uploads?state=stuck")
    assert {row[0].pk for row in page.context["rows"]} == {
        begun["open"].pk,
        begun["verifying"].pk,
    }
    with django_assert_num_queries(5):
        work = overview.work(by=administrator.caller)
    assert (work.stuck, work.waiting, work.failed) == (2, 1, 2)
    assert work.waiting_since == long_ago
    assert "does the sweep run?" in text_of(administrator.browser.get("/admin-area/"))


def test_uploads_are_paged_by_key(
    begun: dict[str, Upload], administrator: Person, monkeypatch: Any
) -> None:
    monkeypatch.setattr(attempts, "PAGE", 3)
    first = administrator.browser.get("/admin-area/uploads")
    rows = [row[0].pk for row in first.context["rows"]]
    assert len(rows) == 3
    second = administrator.browser.get(f"/admin-area/uploads{first.context['older']}")
    rest = [row[0].pk for row in second.context["rows"]]
    assert max(rest) < min(rows)
    assert len(rows + rest) == Upload.objects.count()


# ── figures ──


def test_the_overview_counts_what_is_there(pushed: bytes, administrator: Person) -> None:
    stored = overview.stored(by=administrator.caller)
    assert (stored.people, stored.new_people, stored.images) == (3, 3, 4)
    assert stored.bytes == ledger.site().stored_bytes
    first = overview.largest(stored)[0]
    assert (first.entity.name, first.bytes) == ("otto", usage.stored_bytes(first.entity))
    make_person("late")
    assert overview.stored(by=administrator.caller) == stored
    cache.clear()
    assert overview.stored(by=administrator.caller).people == 4


def test_the_lists_ask_as_often_however_long_they_are(
    mara: Person, administrator: Person, django_assert_num_queries: Any
) -> None:
    browser = administrator.browser
    tools = make_collection(mara.entity, "tools", mara)
    ledger.count_uncounted()
    counts = []
    for round_ in (1, 2):
        for number in range(4):
            name = f"p{round_}{number}"
            person = make_person(name)
            container = make_container(tools, name, mara)
            Upload.objects.create(
                container=container, kind="single", digest="0" * 64, size=1, part_bytes=1,
                key=f"blobs/{name}", created_by=person.user,
            )  # fmt: skip
        cache.clear()
        counts.append([queries(browser, address) for address in addresses(mara)])
    assert counts[0] == counts[1]
    assert max(counts[0]) <= 16


def queries(browser: Client, address: str) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert browser.get(address).status_code == 200
    return len(asked)
