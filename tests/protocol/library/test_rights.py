"""Roles, teams, robots, scopes and bindings of tokens, freezing and standing still: as clients meet
them."""

from io import BytesIO
from typing import Any

import pytest

from shub.accounts import teams, tokens
from shub.accounts.models import Entity, FormerName, Team, User
from shub.audit.models import Event
from shub.containers import freezing, granting, robots, visibility
from shub.containers.models import Collection, Container, Grant, Image, Role, Tag
from shub.errors import Refusal
from shub.storage import ObjectStore
from shub.uploads import body
from shub.uploads.models import Upload
from tests.factories import Person, make_person
from tests.sif_files import sif_bytes
from tests.stored import open_parts, stored_keys
from tests.wire import Wire, digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes(seed=7)
HASH = f"sha256.{digest(CONTENT)}"


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@pytest.fixture
def image(mara: Person) -> dict[str, Any]:
    """An image of Mara's, in a private collection."""
    image = wire(mara).push(PATH, CONTENT, "latest")
    Collection.objects.filter(name="tools").update(visibility="private")
    return image


def token_of(user: User, *scopes: str, **options: Any) -> Wire:
    """A client with a new token of this user."""
    _, text = tokens.issue(user=user, name="t", scopes=scopes or ("pull", "push"), **options)
    return Wire(token=text)


def grant(mara: Person, place: Entity | Collection, person: Person | Team, role: int) -> None:
    """Mara gives somebody a role."""
    holder = person if isinstance(person, Team) else person.user
    granting.grant(place=place, holder=holder, role=role, by=mara.caller)


def tools() -> Collection:
    """Mara's collection."""
    return Collection.objects.select_related("entity").get(name="tools", entity__name="mara")


def gcc() -> Container:
    """Her container."""
    return Container.objects.select_related("collection__entity").get(name="gcc")


def is_seen_by(client: Wire, path: str = PATH) -> bool:
    """The image is looked up, pulled, listed and found; or none of all that."""
    name = path.rpartition("/")[2]
    answers = {
        client.get(f"/v1/images/{path}:latest").status == 200,
        client.get(f"/v1/imagefile/{path}:latest?arch=amd64").status == 303,
        client.get(f"/v1/containers/{path}").status == 200,
        bool(client.get(f"/v1/search?value={name}").data["container"]),
        bool(client.get(f"/v1/search?value={name}").data["image"]),
    }
    assert len(answers) == 1, answers
    return answers.pop()


def test_what_is_internal_is_seen_by_whoever_is_logged_in(
    image: dict[str, Any], otto: Person
) -> None:
    Collection.objects.filter(name="tools").update(visibility="internal")
    assert is_seen_by(wire(otto))
    assert not is_seen_by(wire())


def test_a_container_that_is_narrower_than_its_collection_is_hidden_on_its_own(
    image: dict[str, Any], mara: Person, otto: Person
) -> None:
    wire(mara).push("mara/tools/clang", sif_bytes(seed=8), "latest")
    Collection.objects.filter(name="tools").update(visibility="public")
    visibility.change(gcc(), to="private", by=mara.caller)
    for stranger in (wire(otto), wire()):
        assert not is_seen_by(stranger)
        assert is_seen_by(stranger, "mara/tools/clang")
    assert is_seen_by(wire(mara))
    copy = wire(otto).announce("otto/tools/copy", CONTENT)
    assert copy["uploaded"] is False


def test_a_role_on_a_collection_is_one_there_and_nowhere_else(
    image: dict[str, Any], mara: Person, otto: Person
) -> None:
    wire(mara).push("mara/secret/clang", sif_bytes(seed=8), "latest")
    Collection.objects.filter(name="secret").update(visibility="private")
    grant(mara, tools(), otto, Role.READER)
    client = wire(otto)
    assert is_seen_by(client)
    assert not is_seen_by(client, "mara/secret/clang")
    tag = client.tag(image["container"], image["id"], "mine")
    assert (tag.status, "You may not push there" in tag.message) == (403, True)
    assert client.call("DELETE", f"/v1/images/{PATH}:latest").status == 403

    grant(mara, tools(), otto, Role.WRITER)
    assert client.push("mara/tools/new", sif_bytes(seed=9), "1.0")["uploaded"]
    assert client.call("DELETE", f"/v1/images/{PATH}:latest").status == 403
    entity = client.get("/v1/entities/mara").data["id"]
    assert client.post("/v1/collections", {"name": "more", "entity": entity}).status == 403

    grant(mara, tools(), otto, Role.MAINTAINER)
    assert client.call("DELETE", f"/v1/images/{PATH}:latest").status == 200
    assert not Tag.objects.filter(name="latest", container__name="gcc").exists()


def test_a_role_on_an_entity_holds_for_all_that_is_in_it(
    image: dict[str, Any], mara: Person, otto: Person
) -> None:
    grant(mara, mara.entity, otto, Role.WRITER)
    assert is_seen_by(wire(otto))
    assert wire(otto).push("mara/another/thing", sif_bytes(seed=9), "1.0")["uploaded"]


def test_a_team_pushes_into_its_entity_and_what_it_is_granted(
    image: dict[str, Any], mara: Person, otto: Person
) -> None:
    team = teams.create(name="genomics", description="", by=mara.caller)
    assert wire(otto).post("/v1/entities", {"name": "genomics"}).status == 403
    teams.add(team=team, user=otto.user, role="member", by=mara.caller)
    assert wire(otto).push("genomics/tools/bwa", sif_bytes(seed=9), "1.0")["uploaded"]
    assert wire(otto).call("DELETE", "/v1/images/genomics/tools/bwa:1.0").status == 403
    assert wire(mara).call("DELETE", "/v1/images/genomics/tools/bwa:1.0").status == 200
    assert not is_seen_by(wire(otto))
    grant(mara, tools(), team, Role.READER)
    assert is_seen_by(wire(otto))
    teams.remove(team=team, username="otto", by=mara.caller)
    assert not is_seen_by(wire(otto))
    assert wire(otto).post("/v1/entities", {"name": "genomics"}).status == 403


def test_robots_do_what_their_entity_or_their_team_lets_them(
    image: dict[str, Any], mara: Person
) -> None:
    team = teams.create(name="genomics", description="", by=mara.caller)
    of_entity = robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    of_team = robots.create(home=team, name="ci", role=0, by=mara.caller)
    assert (of_entity.username, of_team.username) == ("mara/ci", "@genomics/ci")
    first, second = token_of(of_entity), token_of(of_team)
    assert first.get("/v1/rbac/users/current").body["username"] == "mara/ci"
    assert first.push("mara/tools/new", sif_bytes(seed=9), "1.0")["uploaded"]
    assert second.push("genomics/tools/bwa", sif_bytes(seed=10), "1.0")["uploaded"]
    assert is_seen_by(first)
    assert not is_seen_by(second)
    assert second.post("/v1/entities", {"name": "mara"}).status == 403
    robots.remove(home=mara.entity, robot=of_entity, by=mara.caller)
    assert first.get("/v1/token-status").status == 404
    assert Image.objects.filter(container__name="new").exists()


def test_an_administrator_who_has_a_role_pushes_and_an_auditor_never_does(
    image: dict[str, Any], mara: Person, administrator: Person
) -> None:
    auditor = make_person("auditor")
    auditor.user.is_auditor = True
    auditor.user.save()
    for person in (administrator, auditor):
        grant(mara, tools(), person, Role.OWNER)
        assert is_seen_by(wire(person))
    assert wire(administrator).push("mara/tools/new", sif_bytes(seed=9), "1.0")["uploaded"]
    for path in ("mara", "auditor"):
        answer = wire(auditor).post("/v1/entities", {"name": path})
        assert (answer.status, "auditors change nothing" in answer.message) == (403, True)
    assert wire(auditor).call("DELETE", f"/v1/images/{PATH}:latest").status == 403


def test_a_token_does_what_its_scopes_say_and_says_what_they_lack(
    image: dict[str, Any], mara: Person
) -> None:
    pulls, pushes = token_of(mara.user, "pull"), token_of(mara.user, "push")
    deletes = token_of(mara.user, "pull", "delete")
    assert is_seen_by(pulls)
    for client, word in ((pulls, "pull"), (deletes, "pull and delete")):
        answer = client.tag(image["container"], image["id"], "mine")
        assert answer.status == 403
        assert answer.message.startswith(f"This token may not push: it is for {word}.")
    assert pushes.tag(image["container"], image["id"], "mine").status == 200
    assert pushes.get(f"/v1/images/{PATH}:latest").status == 200
    refused = pushes.get(f"/v1/imagefile/{PATH}:latest?arch=amd64")
    assert (refused.status, "may not pull" in refused.message) == (403, True)
    # Neither by a copy: who may not have the bytes is not given them elsewhere.
    assert pushes.announce("mara/other/copy", CONTENT)["uploaded"] is False
    answer = pushes.call("DELETE", f"/v1/images/{PATH}:latest")
    assert (answer.status, "may not delete" in answer.message) == (403, True)
    assert deletes.call("DELETE", f"/v1/images/{PATH}:latest").status == 200
    Collection.objects.filter(name="other").update(visibility="public")
    wire(mara).push("mara/open/thing", sif_bytes(seed=3), "latest")
    assert is_seen_by(pushes, "mara/open/thing")


def test_a_token_that_is_bound_counts_for_nobody_elsewhere(
    image: dict[str, Any], mara: Person
) -> None:
    wire(mara).push("mara/secret/clang", sif_bytes(seed=8), "latest")
    Collection.objects.filter(name="secret").update(visibility="private")
    bound = token_of(mara.user, "pull", "push", entity=mara.entity, collection="tools")
    assert is_seen_by(bound)
    assert not is_seen_by(bound, "mara/secret/clang")
    assert bound.push("mara/tools/new", sif_bytes(seed=9), "1.0")["uploaded"]
    clang = Container.objects.get(name="clang")
    answer = bound.tag(clang.public_id, image["id"], "x")
    assert (answer.status, "into 'mara/tools' at most" in answer.message) == (403, True)
    elsewhere = token_of(mara.user, "pull", "push", entity=Entity.objects.get(name="library"))
    assert not is_seen_by(elsewhere)
    assert elsewhere.post("/v1/entities", {"name": "mara"}).status == 403


def test_a_token_that_is_bound_to_a_collection_makes_it_and_no_other(mara: Person) -> None:
    bound = token_of(mara.user, "pull", "push", entity=mara.entity, collection="ci")
    entity = bound.get("/v1/entities/mara").data["id"]
    assert bound.post("/v1/collections", {"name": "other", "entity": entity}).status == 403
    assert bound.push("mara/ci/thing", sif_bytes(seed=9), "1.0")["uploaded"]
    assert [str(each) for each in mara.entity.collections.all()] == ["mara/ci"]


def test_a_frozen_container_takes_nothing_and_loses_nothing(
    image: dict[str, Any], mara: Person
) -> None:
    client = wire(mara)
    under_way = client.announce(PATH, sif_bytes(seed=8))
    upload = client.begin_parts(under_way["id"], 1000)
    freezing.set_container_frozen(gcc(), frozen=True, by=mara.caller)
    new = {"hash": f"sha256.{digest(sif_bytes(seed=9))}", "container": image["container"]}
    for answer in (
        client.post("/v1/images", new),
        client.tag(image["container"], image["id"], "again"),
        client.sign_part(under_way["id"], upload["uploadID"], 1, b"x" * 1000),
        client.complete_parts(under_way["id"], upload["uploadID"], ['"x"']),
        client.call("DELETE", f"/v1/images/{PATH}:latest"),
    ):
        assert (answer.status, "is frozen" in answer.message) == (409, True)
    assert is_seen_by(client)
    assert client.get(f"/v1/containers/{PATH}").data["readOnly"] is True
    freezing.set_container_frozen(gcc(), frozen=False, by=mara.caller)
    assert client.tag(image["container"], image["id"], "again").status == 200


def test_a_frozen_tag_goes_on_meaning_what_it_means(image: dict[str, Any], mara: Person) -> None:
    client = wire(mara)
    freezing.set_tag_frozen(gcc(), name="latest", frozen=True, by=mara.caller)
    other = client.push(PATH, sif_bytes(seed=8), "next")
    arm = client.push(PATH, sif_bytes(arch="arm64"))
    for image_id, arch in ((other["id"], "amd64"), (arm["id"], "arm64")):
        answer = client.tag(image["container"], image_id, "latest", arch)
        assert (answer.status, "is frozen" in answer.message) == (409, True)
    # Said again it is no move.
    assert client.tag(image["container"], image["id"], "latest").status == 200
    answer = client.call("DELETE", f"/v1/images/{PATH}:{HASH}")
    assert (answer.status, "frozen tag: latest" in answer.message) == (409, True)
    assert client.get(f"/v1/images/{PATH}:latest?arch=amd64").data["id"] == image["id"]
    freezing.set_tag_frozen(gcc(), name="latest", frozen=False, by=mara.caller)
    assert client.tag(image["container"], other["id"], "latest").status == 200


def test_a_tag_that_waited_does_not_move_what_was_frozen_meanwhile(
    image: dict[str, Any], mara: Person
) -> None:
    client, content = wire(mara), sif_bytes(seed=8)
    waiting = client.announce(PATH, content)
    assert send(client.begin_single(waiting["id"], content), content).status == 200
    client.complete_single(waiting["id"])
    assert client.tag(waiting["container"], waiting["id"], "latest").status == 200
    freezing.set_tag_frozen(gcc(), name="latest", frozen=True, by=mara.caller)
    sweep()
    assert client.get(f"/v1/images/{PATH}:latest?arch=amd64").data["id"] == image["id"]
    assert client.announce(PATH, content)["uploaded"]


def test_a_tag_that_waited_does_not_move_by_a_token_that_was_revoked(mara: Person) -> None:
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    client.complete_single(image["id"])
    assert client.tag(image["container"], image["id"], "latest").status == 200
    tokens.revoke(public_id=mara.token.public_id, user=mara.user, by=mara.caller)
    sweep()
    assert not Tag.objects.exists()


def freezes(mara: Person, otto: Person) -> None:
    freezing.set_container_frozen(gcc(), frozen=True, by=mara.caller)


def takes_the_role(mara: Person, otto: Person) -> None:
    granting.revoke(place=mara.entity, grant_id=Grant.objects.get().pk, by=mara.caller)


def revokes_the_token(mara: Person, otto: Person) -> None:
    tokens.revoke(public_id=otto.token.public_id, user=otto.user, by=otto.caller)


def disables(mara: Person, otto: Person) -> None:
    User.objects.filter(pk=otto.user.pk).update(is_active=False)


def makes_read_only(mara: Person, otto: Person) -> None:
    freezing.set_read_only("The store moves.", by=None)


@pytest.mark.parametrize("ends", [freezes, takes_the_role, revokes_the_token, disables])
def test_what_was_sent_does_not_arrive_where_it_may_not_be_pushed_any_more(
    mara: Person, otto: Person, ends: Any, store: ObjectStore
) -> None:
    grant(mara, mara.entity, otto, Role.WRITER)
    client = wire(otto)
    image = client.announce(PATH, CONTENT)
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    assert client.complete_single(image["id"]).status == 200
    ends(mara, otto)
    sweep()
    assert not Image.objects.exists()
    assert Upload.objects.get().state == "refused"
    assert Event.objects.filter(action="upload.refused", actor="otto").count() == 1
    assert stored_keys(store) == []


@pytest.mark.parametrize(
    "ends", [freezes, takes_the_role, revokes_the_token, disables, makes_read_only]
)
def test_a_body_that_is_being_sent_ends_where_it_may_not_be_pushed_any_more(
    mara: Person, otto: Person, ends: Any, store: ObjectStore
) -> None:
    grant(mara, mara.entity, otto, Role.WRITER)
    image = wire(otto).announce(PATH, CONTENT)
    upload = body.begin(image_id=image["id"], size=len(CONTENT), by=otto.client)
    ends(mara, otto)
    with pytest.raises(Refusal):
        body.receive(upload, BytesIO(CONTENT))
    assert Upload.objects.get().state == "aborted"
    assert not Image.objects.get().is_proven
    assert stored_keys(store) == open_parts(store) == []


def test_a_site_that_is_read_only_says_why_and_changes_nothing(
    image: dict[str, Any], mara: Person, otto: Person
) -> None:
    freezing.set_read_only("The store moves to another room until noon.", by=None)
    client = wire(mara)
    for answer in (
        client.post("/v1/entities", {"name": "mara"}),
        client.post("/v1/images", {"hash": HASH, "container": image["container"]}),
        client.tag(image["container"], image["id"], "again"),
        client.call("DELETE", f"/v1/images/{PATH}:latest"),
    ):
        assert answer.status == 503
        assert answer.message.endswith(
            "read-only at the moment: The store moves to another room until noon."
        )
    # Who may not push anyhow is told that, and not how things stand.
    assert wire(otto).post("/v1/entities", {"name": "mara"}).status == 403
    assert is_seen_by(client)
    freezing.set_read_only("", by=None)
    assert client.tag(image["container"], image["id"], "again").status == 200


def test_an_entity_answers_by_the_name_that_it_had(image: dict[str, Any], mara: Person) -> None:
    Entity.objects.filter(name="mara").update(name="mara-lab")
    FormerName.objects.create(name="mara", entity=mara.entity)
    client = wire(mara)
    for entity in ("mara", "mara-lab"):
        for ref in ("latest", HASH):
            found = client.get(f"/v1/images/{entity}/tools/gcc:{ref}")
            assert (found.status, found.data["entityName"]) == (200, "mara-lab")
        assert client.push(f"{entity}/tools/new", sif_bytes(seed=9), "1.0")["uploaded"]
    assert wire().get(f"/v1/images/{PATH}:latest").status == 404


def test_a_token_remembers_when_and_from_where_it_was_used(mara: Person) -> None:
    wire(mara).get("/v1/rbac/users/current")
    mara.token.refresh_from_db()
    assert mara.token.last_used_from == "127.0.0.1"
    first = mara.token.last_used_at
    assert first is not None
    wire(mara).get("/v1/rbac/users/current")
    mara.token.refresh_from_db()
    assert mara.token.last_used_at == first


def test_the_tokens_of_one_who_is_disabled_stop_at_once(
    image: dict[str, Any], mara: Person
) -> None:
    User.objects.filter(pk=mara.user.pk).update(is_active=False)
    assert wire(mara).get("/v1/token-status").status == 404
    assert wire(mara).get(f"/v1/images/{PATH}:latest").status == 401


def test_what_a_push_makes_is_in_the_trail_of_its_entity(mara: Person) -> None:
    wire(mara).push(PATH, CONTENT, "latest")
    wire(mara).push(PATH, sif_bytes(seed=8), "latest")
    events = Event.objects.filter(entity=mara.entity.public_id).order_by("pk")
    done = [(event.action, event.actor, event.token, event.address) for event in events]
    assert [action for action, *_ in done] == [
        "collection.created",
        "container.created",
        "image.pushed",
        "tag.moved",
        "image.pushed",
        "tag.moved",
    ]
    assert {tuple(rest) for _, *rest in done} == {("mara", mara.token.public_id, "127.0.0.1")}
