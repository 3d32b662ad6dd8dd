"""Who is let in, and who has a role on the whole site: said by administrators, never by none."""

from collections.abc import Callable
from contextlib import suppress
from io import StringIO
from threading import Barrier, BrokenBarrierError, Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from shub.accounts import administrators, standing, teams, tokens
from shub.accounts.callers import Caller
from shub.accounts.models import TeamMembership, User
from shub.audit.models import Event
from shub.containers import permissions, robots
from shub.containers.models import Role
from shub.errors import Conflict, Denied, Invalid, NotFound, Refusal
from tests.factories import Person, make_person
from tests.wire import wire

pytestmark = pytest.mark.django_db


def test_who_is_disabled_is_let_in_by_no_token_and_no_session(
    mara: Person, administrator: Person
) -> None:
    browser = Client()
    browser.force_login(mara.user)
    assert browser.get("/auth/tokens").status_code == 200
    assert wire(mara).get("/v1/token-status").status == 200
    standing.disable(mara.user, by=administrator.caller)
    assert browser.get("/auth/tokens").status_code == 302
    # The clients' own word for a token that is none.
    assert wire(mara).get("/v1/token-status").status == 404
    assert tokens.recognise(mara.token_text) is None


def test_who_is_enabled_again_has_their_tokens_and_signs_in_anew(
    mara: Person, administrator: Person
) -> None:
    browser = Client()
    browser.force_login(mara.user)
    standing.disable(mara.user, by=administrator.caller)
    standing.enable(mara.user, by=administrator.caller)
    assert wire(mara).get("/v1/token-status").status == 200
    assert browser.get("/auth/tokens").status_code == 302


def test_the_sessions_of_others_go_on(mara: Person, otto: Person, administrator: Person) -> None:
    browser = Client()
    browser.force_login(otto.user)
    standing.disable(mara.user, by=administrator.caller)
    assert browser.get("/auth/tokens").status_code == 200


def test_the_robots_of_an_entity_work_on_while_its_owner_is_disabled(
    mara: Person, administrator: Person
) -> None:
    robot = robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    _, text = tokens.issue(user=robot, name="ci", by=mara.caller)
    standing.disable(mara.user, by=administrator.caller)
    assert tokens.recognise(text) is not None
    assert permissions.may_push(Caller(robot), mara.entity)


@pytest.mark.parametrize(
    "act",
    [
        lambda user, by: standing.disable(user, by=by),
        lambda user, by: standing.enable(user, by=by),
        lambda user, by: standing.set_site_role(user, "administrator", by=by),
        lambda user, by: standing.set_site_role(user, "auditor", by=by),
        lambda user, by: standing.revoke_token(user.tokens.first(), by=by),
    ],
)
def test_only_a_signed_in_administrator_says_so(
    act: Callable[[User, Caller], object], mara: Person, otto: Person, administrator: Person
) -> None:
    auditor = make_person("audra")
    standing.set_site_role(auditor.user, "auditor", by=administrator.caller)
    events = Event.objects.count()
    for caller in (otto.caller, mara.caller, auditor.caller, administrator.client):
        with pytest.raises(Denied):
            act(mara.user, caller)
    mara.user.refresh_from_db()
    assert mara.user.is_active
    assert not mara.user.sees_everything
    assert Event.objects.count() == events


def test_the_last_administrator_is_neither_disabled_nor_demoted(
    administrator: Person, mara: Person
) -> None:
    disabled = make_person("former", is_administrator=True)
    standing.disable(disabled.user, by=administrator.caller)
    for act in (
        lambda: standing.disable(administrator.user, by=None),
        lambda: standing.set_site_role(administrator.user, "", by=administrator.caller),
        lambda: standing.set_site_role(administrator.user, "auditor", by=administrator.caller),
    ):
        with pytest.raises(Conflict, match="only administrator"):
            act()
    administrator.user.refresh_from_db()
    assert administrator.user.is_administrator
    standing.set_site_role(mara.user, "administrator", by=administrator.caller)
    standing.disable(administrator.user, by=mara.caller)


def test_an_auditor_who_becomes_an_administrator_is_an_auditor_no_more(
    mara: Person, administrator: Person
) -> None:
    standing.set_site_role(mara.user, "auditor", by=administrator.caller)
    assert standing.site_role(User.objects.get(pk=mara.user.pk)) == "auditor"
    standing.set_site_role(mara.user, "administrator", by=administrator.caller)
    stored = User.objects.get(pk=mara.user.pk)
    assert (stored.is_superuser, stored.is_auditor) == (True, False)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=mara.user.pk).update(is_auditor=True)
    event = Event.objects.filter(action="user.site_role").latest("id")
    assert event.detail == {"before": "auditor", "after": "administrator"}
    assert event.about == mara.user.public_id


def test_what_an_administrator_says_is_no_groups_to_take_away(
    mara: Person, administrator: Person
) -> None:
    User.objects.filter(pk=mara.user.pk).update(
        is_superuser=True, is_staff=True, administrator_from_group="ldap:admins"
    )
    standing.set_site_role(mara.user, "", by=administrator.caller)
    standing.set_site_role(mara.user, "administrator", by=administrator.caller)
    assert User.objects.get(pk=mara.user.pk).administrator_from_group == ""


def test_a_robot_has_no_role_on_the_site(mara: Person, administrator: Person) -> None:
    robot = robots.create(home=mara.entity, name="ci", role=Role.OWNER, by=mara.caller)
    with pytest.raises(Invalid):
        standing.set_site_role(robot, "auditor", by=administrator.caller)
    with pytest.raises(Invalid, match="no role"):
        standing.set_site_role(mara.user, "emperor", by=administrator.caller)


def test_the_team_of_a_disabled_only_owner_is_named(
    mara: Person, otto: Person, administrator: Person
) -> None:
    team = teams.create(name="bio", description="", by=mara.caller)
    shared = teams.create(name="chem", description="", by=mara.caller)
    for each, role in ((team, "member"), (shared, "owner")):
        teams.add(team=each, user=otto.user, role=role, by=mara.caller)
    standing.disable(mara.user, by=administrator.caller)
    assert [each.name for each in standing.owned_alone(mara.user)] == ["bio"]
    teams.set_role(
        team=team, username="otto", role=TeamMembership.Role.OWNER, by=administrator.caller
    )
    assert standing.owned_alone(mara.user) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_who_demote_each_other_at_once_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = make_person("one", is_administrator=True)
    two = make_person("two", is_administrator=True)
    together, refused = Barrier(2), list[Refusal]()
    asked = administrators.check_another

    def ask_together(user: User) -> None:
        """Both have got so far, unless one is kept waiting for the other's end."""
        with suppress(BrokenBarrierError):
            together.wait(timeout=2)
        asked(user)

    monkeypatch.setattr(administrators, "check_another", ask_together)

    def demote(victim: User, by: Caller) -> None:
        try:
            standing.set_site_role(victim, "", by=by)
        except Refusal as refusal:
            refused.append(refusal)
        finally:
            connection.close()

    threads = [
        Thread(target=demote, args=(two.user, one.caller)),
        Thread(target=demote, args=(one.user, two.caller)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert User.objects.filter(is_superuser=True).count() == 1


def told(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_says_who_is_who_and_fails_for_who_is_not_there(
    mara: Person, administrator: Person
) -> None:
    assert told("user", "auditor", "mara") == "mara: auditor, enabled\n"
    assert told("user", "nothing", "mara") == "mara: user, enabled\n"
    assert told("user", "disable", "MARA") == "mara: user, disabled\n"
    assert told("user", "enable", "mara") == "mara: user, enabled\n"
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 2"):
        call_command("user", "disable", "nobody", "mara", stdout=out, stderr=out)
    assert "There is no user 'nobody'" in out.getvalue()
    assert not User.objects.get(username="mara").is_active
    with pytest.raises(CommandError, match="1 of 1"):
        told("user", "disable", "root")
    with pytest.raises(NotFound):
        standing.user_named("nobody")


def test_the_site_is_made_read_only_by_command_and_says_so(mara: Person, store: Any) -> None:
    assert told("readonly") == "The site is not read-only.\n"
    assert "the disk is changed" in told("readonly", "the disk  is changed")
    answer = wire(mara).post("/v1/collections", {"name": "x", "entity": mara.entity.public_id})
    assert (answer.status, "the disk is changed" in answer.message) == (503, True)
    assert told("readonly", "off") == "The site is not read-only.\n"
    with pytest.raises(CommandError, match="500 characters"):
        told("readonly", "x" * 501)
    assert Event.objects.filter(action__startswith="site.").count() == 2
