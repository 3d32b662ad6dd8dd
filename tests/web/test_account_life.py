"""The pages of an account's life: deletion, export, another name."""

import json

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.test import Client

from shub.accounts import teams
from shub.accounts.models import Entity, User
from shub.audit.models import Event
from shub.containers import freezing, granting
from shub.containers.models import Collection, Role
from tests.authenticators import code
from tests.factories import PASSWORD, Person, make_collection, make_container, make_person
from tests.web.reading import text_of

pytestmark = pytest.mark.django_db


def browser(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


def form(**fields: str) -> dict[str, str]:
    return {"images": "", "name": "mara", "password": PASSWORD, **fields}


def test_the_deletion_page_says_what_goes_and_a_look_deletes_nothing(mara: Person) -> None:
    Collection.objects.create(entity=mara.entity, name="tools")
    teams.create(name="lab", description="", by=mara.caller)
    page = browser(mara).get("/account/delete").content.decode()
    for words in ("1 collection", "1 token", "nobody else is in them: lab", "stays taken"):
        assert words in " ".join(page.split())
    assert User.objects.filter(username="mara").exists()
    assert Client().get("/account/delete").status_code == 302


def test_an_account_is_deleted_by_its_name_and_password_and_signed_out(mara: Person) -> None:
    client = browser(mara)
    answer = client.post("/account/delete", form(), follow=True)
    assert "The account mara is deleted" in answer.content.decode()
    assert client.get("/auth/tokens").status_code == 302
    assert not User.objects.filter(username="mara").exists()
    assert Entity.objects.get(name="mara").retired_at is not None


@pytest.mark.parametrize(
    "wrong",
    [{"name": "otto"}, {"name": ""}, {"password": "another"}, {"images": "lab"}, {"images": "*"}],
)
def test_nothing_goes_by_a_form_that_is_not_filled_in_right(
    wrong: dict[str, str], mara: Person
) -> None:
    page = browser(mara).post("/account/delete", form(**wrong))
    assert page.status_code == 200
    assert "errorlist" in page.content.decode()
    assert User.objects.filter(username="mara", is_active=True).exists()


def test_who_signs_in_elsewhere_has_no_password_to_give(mara: Person) -> None:
    mara.user.set_unusable_password()
    mara.user.save()
    answer = browser(mara).post("/account/delete", {"images": "", "name": "mara"})
    assert answer.status_code == 302
    assert not User.objects.filter(username="mara").exists()


def test_who_has_no_password_but_a_second_factor_gives_that(mara: Person) -> None:
    mara.user.set_unusable_password()
    mara.user.save()
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(mara.user, secret)
    client = browser(mara)
    answer = client.post("/account/delete", {"images": "", "name": "mara"}, follow=True)
    assert answer.redirect_chain[0][0].startswith("/account/second-factor/confirm")
    assert User.objects.filter(username="mara").exists()
    client.post("/account/second-factor/confirm", {"code": code(secret)})
    client.post("/account/delete", {"images": "", "name": "mara"})
    assert not User.objects.filter(username="mara").exists()


def test_who_alone_owns_a_team_with_others_is_told_so(mara: Person, otto: Person) -> None:
    lab = teams.create(name="lab", description="", by=mara.caller)
    teams.add(team=lab, user=otto.user, role="member", by=mara.caller)
    client = browser(mara)
    page = client.get("/account/delete").content.decode()
    assert "Nobody else owns lab" in page
    assert '<button type="submit" class="danger"' not in page
    answer = client.post("/account/delete", form(), follow=True)
    assert "only owner of lab" in answer.content.decode()
    assert User.objects.filter(username="mara").exists()


def test_while_the_site_is_read_only_the_page_leads_home_and_says_why(mara: Person) -> None:
    freezing.set_read_only("a move", by=None)
    answer = browser(mara).get("/account/delete", follow=True)
    assert "read-only at the moment: a move" in answer.content.decode()


def test_ones_own_data_is_a_file(mara: Person) -> None:
    answer = browser(mara).get("/account/export")
    assert "attachment" in answer["Content-Disposition"]
    assert "no-store" in answer["Cache-Control"]
    found = json.loads(b"".join(answer.streaming_content))
    assert found["profile"]["id"] == mara.user.public_id
    assert Client().get("/account/export").status_code == 302
    assert browser(mara).post("/account/export").status_code == 405


def test_an_owner_renames_on_the_page_and_is_led_on(mara: Person) -> None:
    client = browser(mara)
    assert "Rename mara" in client.get("/library/mara/-/rename").content.decode()
    answer = client.post("/library/mara/-/rename", {"to": "genomics"})
    assert answer["Location"] == "/library/genomics/-/rename"
    assert client.get("/library/mara/-/rename")["Location"] == "/library/genomics/-/rename"
    assert "mara" in client.get("/library/genomics/-/rename").content.decode()


def test_collections_and_containers_are_renamed_on_pages_of_their_own(mara: Person) -> None:
    make_container(make_collection(mara.entity, "tools", mara), "gcc", mara)
    client = browser(mara)
    for before, to, after, said in (
        ("mara/tools/gcc", "Compiler", "mara/tools/compiler", "The container is called compiler"),
        ("mara/tools", "builds", "mara/builds", "The collection is called builds"),
    ):
        assert f"/library/{before}/-/rename" in text_of(client.get(f"/library/{before}/-/settings"))
        page = text_of(client.get(f"/library/{before}/-/rename"))
        assert f"Rename {before}" in page
        assert "Names that it had" not in page
        answer = client.post(f"/library/{before}/-/rename", {"to": to})
        assert answer["Location"] == f"/library/{after}/-/rename"
        page = client.get(answer["Location"])
        assert said in page.content.decode()
        assert "Names that it had" in text_of(page)
        old = client.get(f"/library/{before}")
        assert old["Location"] == f"/library/{after}"


def test_why_a_place_is_not_renamed_is_said_beside_the_field(mara: Person) -> None:
    tools = make_collection(mara.entity, "tools", mara)
    make_collection(mara.entity, "builds", mara)
    gcc = make_container(tools, "gcc", mara)
    freezing.set_container_frozen(gcc, frozen=True, by=mara.caller)
    for address, to, words in (
        ("mara/builds", "tools", "another collection here is called so"),
        ("mara/builds", "a--b", "not a legal collection name"),
        ("mara/tools", "works", "references to it stay as they are"),
        ("mara/tools/gcc", "works", "references to it stay as they are"),
    ):
        page = browser(mara).post(f"/library/{address}/-/rename", {"to": to})
        assert page.status_code == 200
        assert words in page.content.decode()
    assert not Event.objects.filter(action__endswith=".renamed").exists()


def test_who_maintains_renames_containers_and_not_the_collection(
    mara: Person, otto: Person
) -> None:
    tools = make_collection(mara.entity, "tools", mara)
    make_container(tools, "gcc", mara)
    granting.grant(place=tools, holder=otto.user, role=Role.MAINTAINER, by=mara.caller)
    for address, status in (("mara/tools", 404), ("mara/tools/gcc", 200)):
        answer = browser(otto).get(f"/library/{address}/-/rename")
        assert answer.status_code == status
        settings = text_of(browser(otto).get(f"/library/{address}/-/settings"))
        assert ("/-/rename" in settings) == (status == 200)


def test_a_name_that_cannot_be_had_is_said_beside_the_field(mara: Person, otto: Person) -> None:
    for name, words in (("otto", "is taken"), ("a--b", "not a legal entity name")):
        page = browser(mara).post("/library/mara/-/rename", {"to": name})
        assert page.status_code == 200
        assert words in page.content.decode()
    assert Entity.objects.get(user=mara.user).name == "mara"


def test_the_page_to_rename_is_there_for_no_other(mara: Person, otto: Person) -> None:
    Collection.objects.create(entity=mara.entity, name="tools")
    client = browser(otto)
    for address in (
        "/library/mara/-/rename",
        "/library/nobody/-/rename",
        "/library/library/-/rename",
    ):
        assert client.get(address).status_code == 404
        assert client.post(address, {"to": "mine"}).status_code == 404
    assert Client().get("/library/mara/-/rename").status_code == 302
    administrator = make_person("root", is_administrator=True)
    assert browser(administrator).get("/library/mara/-/rename").status_code == 200


def test_no_form_is_taken_from_another_site(mara: Person) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(mara.user)
    assert client.post("/account/delete", form()).status_code == 403
    assert client.post("/library/mara/-/rename", {"to": "x"}).status_code == 403
    assert User.objects.filter(username="mara").exists()
