"""Collections and containers are renamed; what they were called leads to them until something new
is called so."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shub.accounts import tokens
from shub.accounts.callers import NOBODY
from shub.audit.models import Event
from shub.containers import (
    dropping,
    former_names,
    freezing,
    granting,
    images,
    namespaces,
    naming,
    removal,
    restoring,
)
from shub.containers.models import (
    Collection,
    Container,
    FormerCollectionName,
    FormerContainerName,
    Image,
    Role,
)
from shub.containers.refs import parse
from shub.errors import Conflict, Denied, Invalid, NotFound
from shub.storage import ObjectStore
from tests.at_once import outcomes
from tests.factories import Person, make_auditor, make_collection, make_container, make_person
from tests.sif_files import sif_bytes
from tests.wire import Wire, digest, wire

pytestmark = pytest.mark.django_db

OLD = "mara/tools/gcc"
CONTENT = sif_bytes()
BY_TAG, BY_HASH = "13.2?arch=amd64", f"sha256.{digest(CONTENT)}"


@pytest.fixture
def pushed(mara: Person, store: ObjectStore, settings: Any) -> dict[str, Any]:
    settings.VERIFY_WAIT_SECONDS = 0
    return wire(mara).push(OLD, CONTENT, "13.2")


@pytest.fixture
def gcc(mara: Person) -> Container:
    return make_container(make_collection(mara.entity, "tools", mara), "gcc", mara)


def collection(name: str) -> Collection:
    return Collection.objects.select_related("entity").get(name=name, removed_at=None)


def container(name: str) -> Container:
    found = Container.objects.select_related("collection__entity")
    return found.get(name=name, removed_at=None)


def rename(place: Collection | Container, to: str, by: Person) -> Collection | Container:
    return naming.rename_place(place, to=to, by=by.caller)


def rename_both(by: Person) -> None:
    rename(container("gcc"), "compiler", by)
    rename(collection("tools"), "builds", by)


def found_by(path: str, by: Person) -> Container:
    return namespaces.find_container(*path.split("/"), by=by.caller)


# ── clients ──
@pytest.mark.parametrize("entity", ["mara", "genomics"])
def test_a_client_pulls_by_every_mixture_of_old_and_new_names(
    pushed: dict[str, Any], mara: Person, entity: str
) -> None:
    if entity == "genomics":
        naming.rename(mara.entity, to=entity, by=mara.caller)
    rename_both(mara)
    for within in {"mara", entity}:
        for path in (f"{within}/{c}/{n}" for c in ("tools", "builds") for n in ("gcc", "compiler")):
            for ref in (BY_TAG, BY_HASH, "13.2"):
                found = wire().get(f"/v1/images/{path}:{ref}").data
                assert found["id"] == pushed["id"]
                names = [found[f"{kind}Name"] for kind in ("entity", "collection", "container")]
                assert names == [entity, "builds", "compiler"]
                assert wire().get(f"/v1/imagefile/{path}:{ref}").status in {200, 303}
            assert wire().get(f"/v1/containers/{path}").data["id"] == pushed["container"]
            assert wire().get(f"/v1/collections/{path.rpartition('/')[0]}").status == 200


def test_a_push_to_the_old_names_goes_to_the_renamed_place(
    pushed: dict[str, Any], mara: Person
) -> None:
    rename_both(mara)
    more = wire(mara).push(OLD, sif_bytes(seed=2), "14")
    assert more["container"] == pushed["container"]
    # One who does not ask first makes no second one either.
    client = wire(mara)
    asked = {"name": "tools", "entity": mara.entity.public_id}
    within = client.post("/v1/collections", asked).data
    assert within["name"] == "builds"
    made = client.post("/v1/containers", {"name": "gcc", "collection": within["id"]}).data
    assert (made["id"], made["name"]) == (pushed["container"], "compiler")
    assert mara.entity.collections.count() == Container.objects.count() == 1


def test_a_pull_by_the_name_of_today_takes_the_queries_that_it_took(
    pushed: dict[str, Any], mara: Person
) -> None:
    for ref in ("13.2", BY_HASH):
        for arch in ("amd64", ""):
            with CaptureQueriesContext(connection) as before:
                images.find_image(parse(f"{OLD}:{ref}"), arch=arch, by=mara.client)
            assert len(before) == 1
    rename_both(mara)
    with CaptureQueriesContext(connection) as after:
        images.find_image(parse("mara/builds/compiler:13.2"), arch="amd64", by=mara.client)
    assert len(after) == 1
    with CaptureQueriesContext(connection) as by_old_name:
        images.find_image(parse(f"{OLD}:13.2"), arch="amd64", by=NOBODY)
    assert len(by_old_name) == 4  # nothing there, the two, and the image


def test_a_tag_of_several_archs_is_not_deleted_by_a_guess_by_an_old_name_either(
    pushed: dict[str, Any], mara: Person
) -> None:
    other = wire(mara).push(OLD, sif_bytes(seed=3, arch="arm64"))
    assert wire(mara).tag(other["container"], other["id"], "13.2", arch="arm64").status == 200
    rename_both(mara)
    assert wire(mara).call("DELETE", f"/v1/images/{OLD}:13.2").status == 409
    assert Image.objects.count() == 2
    assert wire(mara).call("DELETE", f"/v1/images/{OLD}:13.2?arch=arm64").status == 200
    assert [image.public_id for image in Image.objects.all()] == [pushed["id"]]


def test_what_is_hidden_is_missing_by_both_names(
    pushed: dict[str, Any], mara: Person, otto: Person
) -> None:
    Collection.objects.update(visibility="private")
    rename_both(mara)
    for client in (wire(), wire(otto)):
        for path in (OLD, "mara/builds/compiler", "mara/tools/compiler"):
            hidden = client.get(f"/v1/images/{path}:{BY_TAG}")
            assert hidden.status == 404
            missing = client.get(f"/v1/images/nobody/a/b:{BY_TAG}")
            assert hidden.message.replace(path, "nobody/a/b") == missing.message
            for kind in ("containers/" + path, "collections/" + path.rpartition("/")[0]):
                assert client.get(f"/v1/{kind}").status == 404
    assert wire(mara).get(f"/v1/images/{OLD}:{BY_TAG}").status == 200


def test_a_token_that_is_bound_to_a_collection_follows_it(
    pushed: dict[str, Any], mara: Person
) -> None:
    Collection.objects.update(visibility="private")
    bound, text = tokens.issue(
        user=mara.user, name="ci", entity=mara.entity, collection="tools", by=mara.caller
    )
    other, _ = tokens.issue(user=mara.user, name="ci", entity=mara.entity, collection="toolset")
    rename_both(mara)
    bound.refresh_from_db()
    other.refresh_from_db()
    assert (bound.bound_to, other.bound_to) == ("mara/builds", "mara/toolset")
    for path in (OLD, "mara/builds/compiler"):
        assert Wire(text).get(f"/v1/images/{path}:{BY_TAG}").status == 200
        assert Wire(text).push(path, sif_bytes(seed=5), "15")["container"] == pushed["container"]
    # It makes nothing under the name that it was bound to.
    new = {"name": "tools", "entity": mara.entity.public_id}
    assert Wire(text).post("/v1/collections", new).status == 403
    assert Event.objects.get(action="collection.renamed").detail["tokens"] == 1


def test_a_token_bound_to_an_old_name_since_makes_something_new_of_it(
    gcc: Container, mara: Person
) -> None:
    rename(gcc.collection, "builds", mara)
    _, text = tokens.issue(user=mara.user, name="ci", entity=mara.entity, collection="tools")
    made = Wire(text).post("/v1/collections", {"name": "tools", "entity": mara.entity.public_id})
    assert made.data["name"] == "tools"
    assert not FormerCollectionName.objects.exists()


# ── names ──
def test_two_renames_leave_both_old_names_and_the_way_back_gives_one_up(
    gcc: Container, mara: Person
) -> None:
    rename(container("gcc"), "compiler", mara)
    rename(container("compiler"), "compilers", mara)
    rename(collection("tools"), "builds", mara)
    rename(collection("builds"), "works", mara)
    for within in ("tools", "builds", "works"):
        for name in ("gcc", "compiler", "compilers"):
            assert found_by(f"mara/{within}/{name}", mara) == gcc
    rename(collection("works"), "tools", mara)
    assert str(rename(container("compilers"), " GCC ", mara)) == OLD
    assert set(FormerCollectionName.objects.values_list("name", flat=True)) == {"builds", "works"}
    former = set(FormerContainerName.objects.values_list("name", flat=True))
    assert former == {"compiler", "compilers"}
    for path in ("mara/works/compiler", OLD):
        assert found_by(path, mara) == gcc


def test_names_of_today_lead_nowhere_else(gcc: Container, mara: Person) -> None:
    for path in (OLD, "mara/tools/none", "mara/none/gcc", "nobody/tools/gcc"):
        assert former_names.present_path(*path.split("/")) == former_names.NOWHERE
    rename_both(mara)
    assert former_names.present_path("mara", "builds", "compiler") == former_names.NOWHERE
    assert former_names.present_path("mara", "builds") == former_names.NOWHERE
    assert former_names.present_path("Mara", "Tools", "GCC") == ("mara", "builds", "compiler")
    assert former_names.present_path("mara", "tools") == ("mara", "builds", "")


def test_the_same_name_again_is_no_error_and_no_event(gcc: Container, mara: Person) -> None:
    for place in (gcc, gcc.collection):
        assert naming.rename_place(place, to=place.name.upper(), by=mara.caller) == place
    assert not Event.objects.filter(action__endswith=".renamed").exists()
    assert not FormerCollectionName.objects.exists()


def test_it_is_written_down_what_was_renamed(gcc: Container, mara: Person) -> None:
    rename_both(mara)
    done = Event.objects.filter(action__endswith=".renamed").order_by("pk")
    assert [(e.action, e.public_id, e.name, e.entity, e.actor, e.detail) for e in done] == [
        (
            "container.renamed", gcc.public_id, "mara/tools/compiler", mara.entity.public_id,
            "mara", {"before": "gcc", "after": "compiler"},
        ),
        (
            "collection.renamed", gcc.collection.public_id, "mara/builds", mara.entity.public_id,
            "mara", {"before": "tools", "after": "builds", "tokens": 0},
        ),
    ]  # fmt: skip


def test_a_name_that_something_there_has_is_not_taken(gcc: Container, mara: Person) -> None:
    make_container(gcc.collection, "clang", mara)
    make_collection(mara.entity, "builds", mara)
    for place, taken in ((gcc, "clang"), (gcc.collection, "builds")):
        with pytest.raises(Conflict, match="is taken: another"):
            rename(place, taken, mara)
    assert found_by(OLD, mara) == gcc
    assert not FormerContainerName.objects.exists()


def test_a_name_that_is_taken_elsewhere_is_free_here(
    gcc: Container, mara: Person, otto: Person
) -> None:
    other = make_container(make_collection(otto.entity, "builds", otto), "compiler", otto)
    rename_both(mara)
    assert found_by(OLD, mara) == gcc
    with pytest.raises(NotFound):
        found_by("otto/tools/compiler", mara)
    assert found_by("otto/builds/compiler", mara) == other


def test_only_a_legal_name_is_taken(gcc: Container, mara: Person) -> None:
    for place in (gcc, gcc.collection):
        for wrong in ("", "a--b", "x" * 129, "-", "builds\0"):
            with pytest.raises(Invalid):
                rename(place, wrong, mara)


def test_owners_rename_collections_and_maintainers_containers(
    gcc: Container, mara: Person, otto: Person, administrator: Person
) -> None:
    auditor, maintainer = make_auditor(), make_person("nora")
    for person, role in ((otto, Role.WRITER), (maintainer, Role.MAINTAINER)):
        granting.grant(place=gcc.collection, holder=person.user, role=role, by=mara.caller)
    for caller in (otto.caller, auditor.caller, mara.client):
        for place in (gcc, gcc.collection):
            with pytest.raises(Denied):
                naming.rename_place(place, to="other", by=caller)
    with pytest.raises(Denied, match="Only an owner"):
        rename(gcc.collection, "other", maintainer)
    assert rename(gcc, "first", maintainer).name == "first"
    assert rename(gcc, "second", administrator).name == "second"
    assert rename(gcc.collection, "other", administrator).name == "other"


def test_what_is_frozen_keeps_its_names(gcc: Container, mara: Person) -> None:
    freezing.set_container_frozen(gcc, frozen=True, by=mara.caller)
    for place in (gcc, gcc.collection):
        with pytest.raises(Conflict, match="is frozen: references to it stay"):
            rename(place, "other", mara)
    freezing.set_container_frozen(gcc, frozen=False, by=mara.caller)
    rename_both(mara)


def test_what_a_frozen_tag_is_in_keeps_its_names(pushed: dict[str, Any], mara: Person) -> None:
    gcc = container("gcc")
    freezing.set_tag_frozen(gcc, name="13.2", frozen=True, by=mara.caller)
    for place in (gcc, gcc.collection):
        with pytest.raises(Conflict, match=r"The tag mara/tools/gcc:13\.2 is frozen"):
            rename(place, "other", mara)


def test_what_is_removed_is_not_renamed(gcc: Container, mara: Person) -> None:
    stale, collection = container("gcc"), gcc.collection
    removal.remove_container(gcc, by=mara.caller)
    gcc.refresh_from_db()
    for each in (gcc, stale):
        with pytest.raises(NotFound):
            rename(each, "other", mara)
    removal.remove_collection(collection, by=mara.caller)
    with pytest.raises(NotFound):
        rename(collection, "other", mara)


def test_nothing_is_renamed_while_the_site_is_read_only(gcc: Container, mara: Person) -> None:
    freezing.set_read_only("Until noon.", by=None)
    for place in (gcc, gcc.collection):
        with pytest.raises(Exception, match="Until noon"):
            rename(place, "other", mara)


def test_the_collection_that_short_references_mean_keeps_its_name(administrator: Person) -> None:
    library = namespaces.find_entity("library", by=administrator.caller)
    default = make_collection(library, "default", administrator)
    with pytest.raises(Conflict, match="DEFAULT_COLLECTION"):
        rename(default, "other", administrator)
    assert rename(make_collection(library, "more", administrator), "other", administrator)


# ── names taken over ──
def test_something_new_takes_an_old_name_over(gcc: Container, mara: Person) -> None:
    rename(gcc, "compiler", mara)
    clang = make_container(gcc.collection, "clang", mara)
    rename(clang, "gcc", mara)
    assert found_by(OLD, mara) == clang
    assert found_by("mara/tools/clang", mara) == clang
    # For good: what it meant before it does not come to mean again.
    rename(clang, "llvm", mara)
    assert found_by(OLD, mara) == clang
    removal.remove_container(container("llvm"), by=mara.caller)
    with pytest.raises(NotFound):
        found_by(OLD, mara)


def test_a_push_takes_over_the_name_of_what_was_removed(
    pushed: dict[str, Any], mara: Person
) -> None:
    rename_both(mara)
    removal.remove_container(container("compiler"), by=mara.caller)
    assert wire(mara).get(f"/v1/images/{OLD}:{BY_TAG}").status == 404
    new = wire(mara).push(OLD, sif_bytes(seed=4), "13.2")
    assert new["container"] != pushed["container"]
    restoring.restore_container(public_id=pushed["container"], by=mara.caller)
    assert wire().get(f"/v1/images/{OLD}:{BY_TAG}").data["id"] == new["id"]
    by_new_name = wire().get(f"/v1/images/mara/tools/compiler:{BY_TAG}")
    assert by_new_name.data["id"] == pushed["id"]
    # For good: with what took it the name goes.
    removal.remove_container(container("gcc"), by=mara.caller)
    assert wire().get(f"/v1/images/{OLD}:{BY_TAG}").status == 404


def test_an_old_name_does_not_stand_in_the_way_of_what_is_brought_back(
    gcc: Container, mara: Person
) -> None:
    tools = gcc.collection
    removal.remove_collection(tools, by=mara.caller)
    second = make_collection(mara.entity, "tools", mara)
    rename(second, "builds", mara)
    assert namespaces.find_collection("mara", "tools", by=mara.caller) == second
    restoring.restore_collection(public_id=tools.public_id, by=mara.caller)
    assert namespaces.find_collection("mara", "tools", by=mara.caller) == tools
    assert found_by(OLD, mara) == gcc
    assert not FormerCollectionName.objects.exists()


def test_old_names_go_with_what_had_them(gcc: Container, mara: Person) -> None:
    rename_both(mara)
    removal.remove_collection(collection("builds"), by=mara.caller)
    restoring.remove_for_good(restoring.COLLECTION, gcc.collection.public_id, by=mara.caller)
    dropping.drop_places()
    assert not mara.entity.collections.exists()
    assert not FormerCollectionName.objects.exists()
    assert not FormerContainerName.objects.exists()


# ── at the same moment ──
def world() -> tuple[Person, Container]:
    mara = make_person("mara")
    return mara, make_container(make_collection(mara.entity, "tools", mara), "gcc", mara)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_rename_one_thing_at_once_each_name_leads_to_it() -> None:
    mara, gcc = world()
    for number in range(5):
        names = [f"a{number}", f"b{number}"]
        for place in (gcc, gcc.collection):
            done = outcomes(*(lambda to=to, it=place: rename(it, to, mara) for to in names))
            assert done == ["done", "done"]
        for within in names:
            for name in names:
                assert found_by(f"mara/{within}/{name}", mara) == gcc


@pytest.mark.django_db(transaction=True)
def test_of_two_that_are_to_be_called_alike_at_once_one_is() -> None:
    mara, gcc = world()
    for number in range(5):
        second = make_container(gcc.collection, f"second{number}", mara)
        third = make_container(gcc.collection, f"third{number}", mara)
        to = f"one{number}"
        done = outcomes(*(lambda it=each, to=to: rename(it, to, mara) for each in (second, third)))
        assert sorted(done) == ["Conflict", "done"]
        assert Container.objects.filter(name=to).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_push_at_the_moment_of_a_rename_makes_no_second_one() -> None:
    mara, gcc = world()
    before = "gcc"
    for number in range(10):
        to = f"gcc{number}"
        done = outcomes(
            lambda to=to: rename(gcc, to, mara),
            lambda before=before: make_container(gcc.collection, before, mara),
        )
        assert done == ["done", "done"]
        assert Container.objects.count() == 1
        before = to


@pytest.mark.django_db(transaction=True)
def test_of_who_brings_back_and_who_renames_to_one_name_at_once_one_has_it() -> None:
    mara, gcc = world()
    for number in range(5):
        name, other = f"gone{number}", make_container(gcc.collection, f"other{number}", mara)
        gone = make_container(gcc.collection, name, mara)
        removal.remove_container(gone, by=mara.caller)
        done = outcomes(
            lambda it=other, to=name: rename(it, to, mara),
            lambda it=gone: restoring.restore_container(public_id=it.public_id, by=mara.caller),
        )
        assert sorted(done) == ["Conflict", "done"]
        assert Container.objects.filter(name=name, removed_at=None).count() == 1
