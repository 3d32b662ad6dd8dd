"""Who may do what, in worlds made at random: what is said of one thing is said of sets of them too,
and both are what the rules say in words."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shub.accounts.callers import NOBODY, Caller
from shub.accounts.models import Entity, Team, TeamMembership, Token, User
from shub.containers import permissions
from shub.containers.models import Blob, Collection, Container, Grant, RemovedImage, Role
from shub.containers.permissions import Scope

pytestmark = pytest.mark.django_db

VISIBILITIES = ["public", "internal", "private"]

# What each entity is: one user's, one team's, the site's, or nobody's any more.
HOMES = ["ada", "ben", "team", "site", "retired"]
PEOPLE = ["ada", "ben", "cleo", "root", "auditor", "gone"]


@dataclass
class World:
    """Rows, and who acts in them."""

    entities: dict[str, Entity] = field(default_factory=dict)
    collections: list[Collection] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    images: list[RemovedImage] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)


@st.composite
def plans(draw: st.DrawFn) -> dict[str, list]:
    """What a world is to have: visibilities, members, grants, tokens."""
    grants = st.tuples(
        st.sampled_from(["ada", "ben", "cleo", "auditor", "gone", "robot", "@team", "@others"]),
        st.sampled_from([*HOMES, 0, 1, 2, 3]),
        st.sampled_from(Role.values),
    )
    tokens = st.tuples(
        st.sampled_from([*PEOPLE, "robot", "team robot"]),
        st.sets(st.sampled_from(Scope.values), min_size=1),
        st.sampled_from(["", *HOMES]),
        st.sampled_from(["", "c0", "c1", "not-there"]),
    )
    return {
        "collections": draw(
            st.lists(
                st.tuples(st.sampled_from(HOMES), st.sampled_from(VISIBILITIES)),
                min_size=4,
                max_size=7,
            )
        ),
        "containers": draw(
            st.lists(
                st.tuples(st.integers(0, 3), st.sampled_from(["", *VISIBILITIES])),
                min_size=3,
                max_size=8,
            )
        ),
        "members": draw(
            st.lists(
                st.tuples(
                    st.sampled_from(["team", "others"]),
                    st.sampled_from(["ada", "ben", "cleo", "auditor", "gone"]),
                    st.sampled_from(["member", "owner"]),
                ),
                max_size=5,
            )
        ),
        "grants": draw(st.lists(grants, max_size=8)),
        "removed": draw(st.sets(st.sampled_from(["c0", "c1", "c2", "n0", "n1"]))),
        "tokens": draw(st.lists(tokens, max_size=8)),
    }


def build(plan: dict[str, list]) -> World:
    """The rows of the plan."""
    world = World()
    people = {
        name: User.objects.create(
            username=name,
            is_superuser=name == "root",
            is_auditor=name == "auditor",
            is_active=name != "gone",
        )
        for name in PEOPLE
    }
    teams = {}
    for name in ("team", "others"):
        teams[name] = Team.objects.create(name=name)
        TeamMembership.objects.create(team=teams[name], user=people["root"], role="owner")
    for team, name, role in plan["members"]:
        TeamMembership.objects.get_or_create(
            team=teams[team], user=people[name], defaults={"role": role}
        )
    owners = {
        "ada": {"user": people["ada"]},
        "ben": {"user": people["ben"]},
        "team": {"team": teams["team"]},
        "site": {},
        "retired": {"retired_at": "2026-01-01T00:00:00Z"},
    }
    for name, owner in owners.items():
        world.entities[name] = Entity.objects.create(name=f"e-{name}", **owner)
    people["robot"] = User.objects.create(username="e/robot", robot_entity=world.entities["ada"])
    people["team robot"] = User.objects.create(username="@t/robot", robot_team=teams["team"])
    for number, (home, visibility) in enumerate(plan["collections"]):
        # As retiring does: what is nobody's is nobody's to see.
        seen_by = "private" if home == "retired" else visibility
        world.collections.append(
            Collection.objects.create(
                entity=world.entities[home], name=f"c{number}", visibility=seen_by
            )
        )
    for number, (parent, visibility) in enumerate(plan["containers"]):
        world.containers.append(
            Container.objects.create(
                collection=world.collections[parent], name=f"n{number}", visibility=visibility
            )
        )
    remove(world, plan["removed"])
    for holder, place, role in plan["grants"]:
        on = (
            {"collection": world.collections[place]}
            if isinstance(place, int)
            else {"entity": world.entities[place]}
        )
        to = {"team": teams[holder[1:]]} if holder[0] == "@" else {"user": people[holder]}
        Grant.objects.get_or_create(**on, **to, defaults={"role": role})
    world.callers = [NOBODY, *(Caller(user) for user in people.values())]
    for number, (name, scopes, entity, collection) in enumerate(plan["tokens"]):
        token = Token.objects.create(
            user=people[name],
            name="t",
            digest=f"{number:064x}",
            scopes=sorted(scopes),
            entity=world.entities[entity] if entity else None,
            collection=collection if entity else "",
        )
        world.callers.append(Caller(people[name], token))
    return world


def remove(world: World, names: set[str]) -> None:
    """Remove what is called so; and an image of every second container."""
    for each in (*world.collections, *world.containers):
        if each.name in names:
            each.removed_at = each.kept_until = timezone.now()
            each.save()
    for container in world.containers[::2]:
        blob = Blob.objects.create(digest="0" * 64, size=1, key=container.name)
        world.images.append(
            RemovedImage.objects.create(
                container=container, digest="0" * 64, blob=blob, kept_until=timezone.now()
            )
        )


# ── the rules once more, by other means: row by row, in Python, from the words of the docs ──
def role_by_the_rules(user: User, entity: Entity, collection: Collection | None) -> int:
    if entity.retired_at:
        return 0
    team_ids = (
        {user.robot_team_id}
        if user.is_robot
        else {m.team_id for m in TeamMembership.objects.all() if m.user_id == user.pk}
    ) - {None}
    held = [0]
    if entity.user_id == user.pk:
        held.append(Role.OWNER)
    if entity.team_id in team_ids:
        owner = TeamMembership.objects.filter(team=entity.team_id, user=user, role="owner")
        held.append(Role.OWNER if owner.exists() else Role.WRITER)
    for grant in Grant.objects.all():
        mine = grant.user_id == user.pk or grant.team_id in team_ids
        here = grant.entity_id == entity.pk or (
            collection is not None and grant.collection_id == collection.pk
        )
        if mine and here:
            held.append(grant.role)
    return max(held)


def counts(caller: Caller, scope: str, entity: Entity, collection: str) -> bool:
    """The caller is somebody, and their token (if any) is good for it."""
    if caller.user is None or not caller.user.is_active:
        return False
    token = caller.token
    if token is None:
        return True
    if scope and scope not in token.scopes:
        return False
    return not token.entity_id or (
        token.entity_id == entity.pk and (not token.collection or token.collection == collection)
    )


def is_there(place: Collection | Container) -> bool:
    if isinstance(place, Container) and place.collection.removed_at is not None:
        return False
    return place.removed_at is None


def sees(caller: Caller, collection: Collection, own: str, scope: str) -> bool:
    narrow = max(VISIBILITIES.index(own or "public"), VISIBILITIES.index(collection.visibility))
    if narrow == 0:
        return True
    if not counts(caller, scope, collection.entity, collection.name):
        return False
    user = caller.user
    assert user is not None
    if narrow == 1 or user.is_superuser or user.is_auditor:
        return True
    return role_by_the_rules(user, collection.entity, collection) > 0


def changes(caller: Caller, scope: str, least: int, collection: Collection, by_site: bool) -> bool:
    if not counts(caller, scope, collection.entity, collection.name):
        return False
    user = caller.user
    assert user is not None
    if user.is_auditor:
        return False
    if user.is_superuser and by_site:
        return True
    return role_by_the_rules(user, collection.entity, collection) >= least


def pairs(world: World) -> Iterator[tuple[Caller, Container]]:
    return product(world.callers, world.containers)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(plan=plans())
def test_one_and_many_and_the_rules_agree_in_every_world(plan: dict[str, list]) -> None:
    with transaction.atomic():
        world = build(plan)
        for caller in world.callers:
            for scope in ("", "pull"):
                seen = set(permissions.collections_visible_to(caller, scope))
                seen_containers = set(permissions.containers_visible_to(caller, scope))
                for each in world.collections:
                    expected = is_there(each) and sees(caller, each, "", scope)
                    assert (each in seen) == expected, (caller, scope, each, each.visibility)
                    assert scope or permissions.may_view(caller, each) == expected
                for container in world.containers:
                    expected = is_there(container) and sees(
                        caller, container.collection, container.visibility, scope
                    )
                    assert (container in seen_containers) == expected
                    asked = permissions.may_pull if scope else permissions.may_view
                    assert asked(caller, container) == expected
            entities = set(permissions.entities_visible_to(caller))
            for entity in world.entities.values():
                assert (entity in entities) == permissions.may_view_entity(caller, entity)
            pushable = set(permissions.containers_pushable_by(caller))
            for container in world.containers:
                assert (container in pushable) == permissions.may_push(caller, container)
        for caller, container in pairs(world):
            parent = container.collection
            sites = parent.entity.is_sites
            for asked, scope, least, by_site in (
                (permissions.may_push, "push", Role.WRITER, sites),
                (permissions.may_delete, "delete", Role.MAINTAINER, True),
                (permissions.may_manage, "manage", Role.MAINTAINER, True),
                (permissions.may_own, "manage", Role.OWNER, True),
            ):
                expected = changes(caller, scope, least, parent, by_site)
                here = is_there(container)
                assert asked(caller, container) == (expected and here), (asked, caller, container)
                assert asked(caller, parent) == (expected and is_there(parent))
        for caller in world.callers:
            agree_on_what_was_removed(world, caller)
        transaction.set_rollback(True)


def agree_on_what_was_removed(world: World, caller: Caller) -> None:
    """Restored by whoever could remove it if it were there, and what it was in is."""
    owns = {
        each
        for each in world.collections
        if changes(caller, "manage", Role.OWNER, each, by_site=True)
    }
    empties = {
        each
        for each in world.collections
        if is_there(each) and changes(caller, "delete", Role.MAINTAINER, each, by_site=True)
    }
    expected: set[Collection | Container | RemovedImage] = {
        *(each for each in owns if each.removed_at),
        *(each for each in world.containers if each.removed_at and each.collection in empties),
        *(
            each
            for each in world.images
            if not each.container.removed_at and each.container.collection in empties
        ),
    }
    every = [*world.collections, *world.containers, *world.images]
    one_by_one = {
        each
        for each in every
        if permissions.may_restore(caller, each)
        and (isinstance(each, RemovedImage) or each.removed_at)
    }
    assert one_by_one == expected, caller
    assert {
        *permissions.collections_restorable_by(caller),
        *permissions.containers_restorable_by(caller),
        *permissions.images_restorable_by(caller),
    } == expected, caller
    for place in (*world.collections, *world.containers):
        if permissions.may_remove(caller, place):
            assert is_there(place)


def test_what_one_may_change_one_may_also_see() -> None:
    """Whoever may change something by a role sees it; nobody changes what is hidden from them."""
    plan = {
        "collections": [(home, "private") for home in HOMES],
        "containers": [(number, "") for number in range(4)],
        "members": [("team", "cleo", "member")],
        "grants": [("ben", 0, Role.MAINTAINER), ("@team", "site", Role.WRITER)],
        "tokens": [(name, Scope.values, "", "") for name in PEOPLE],
        "removed": [],
    }
    world = build(plan)
    for caller, container in pairs(world):
        for asked in (permissions.may_push, permissions.may_delete, permissions.may_manage):
            if asked(caller, container):
                assert permissions.may_view(caller, container)
