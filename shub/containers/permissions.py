"""Who may do what: decided here and nowhere else.

* What is public everybody sees; what is internal, whoever is logged in; what is private, those who
  have a role there. Of a container's visibility and its collection's the narrower one counts.
* Roles are held on an entity, and so on all that is in it, or on one collection. A user owns the
  entity that is theirs; a team's members are writers of the team's entity, its owners own it; all
  else is granted. A reader sees, a writer pushes, a maintainer removes and changes, an owner says
  who owns.
* Administrators see, remove and change everything. They push into the site's own entities; into
  another's only with a role there. Auditors see everything, and change nothing anywhere.
* What was removed is there for nobody, and neither is what is in it: not for administrators either.
  It is brought back, or removed for good, by those who might remove it if it were there.
* A token is good for what its user may do now, as far as its scopes and its binding go; beyond
  either it counts for nobody. Seeing needs any of its scopes, getting the bytes needs `pull`.

`*_visible_to` say for sets what `may_view` and `may_view_entity` say for one.
"""

from typing import Any, TypeAlias

from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When

from shub.accounts.administrators import sees_everything
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Team, TeamMembership, Token, User
from shub.containers.models import (
    Collection,
    Container,
    Grant,
    RemovedImage,
    Role,
    Visibility,
    not_removed,
)

Place: TypeAlias = Entity | Collection | Container

Scope = Token.Scope

ANY_SCOPE = ""

# Where nobody has a role.
NOWHERE = Entity(pk=0)


# ── roles ──
def role_on(user: User, place: Place) -> int:
    """The highest role that the user has there; 0 for none. One query, or none.

    The same query for whatever place: the time that a no takes does not tell what is there.
    """
    if is_removed(place):
        place = NOWHERE
    entity, collection = _entity_of(place), _collection_of(place)
    if entity.user_id == user.pk:
        return Role.OWNER
    where = Q(entity=entity.pk) | Q(collection=(collection and collection.pk) or NOWHERE.pk)
    granted = grants_of(user).filter(where).values_list("role")
    held = granted.union(_by_team(user, entity), all=True)
    return 0 if entity.retired_at else max((role for (role,) in held), default=0)


def grants_of(user: User) -> QuerySet[Grant]:
    """What is granted to the user, and to the teams they are in."""
    return Grant.objects.filter(Q(user=user) | Q(team__in=teams_of(user)))


def teams_of(user: User) -> QuerySet[Team]:
    """The teams that the user is in. A robot is in the team that it belongs to."""
    if user.is_robot:
        return Team.objects.filter(robots=user)
    return Team.objects.filter(memberships__user=user)


def _by_team(user: User, entity: Entity) -> QuerySet[Any, Any]:
    """The role that the team of the entity gives its members."""
    if user.is_robot:
        own = Team.objects.filter(entity=entity.pk, robots=user)
        return own.values_list(Value(int(Role.WRITER)))
    owns = When(role=TeamMembership.Role.OWNER, then=Value(int(Role.OWNER)))
    in_team = TeamMembership.objects.filter(team__entity=entity.pk, user=user)
    return in_team.values_list(Case(owns, default=Value(int(Role.WRITER))))


def is_removed(place: Place | None) -> bool:
    """Removed itself, or in what is."""
    return not (place is None or isinstance(place, Entity)) and place.is_removed


def _entity_of(place: Place) -> Entity:
    if isinstance(place, Container):
        return place.collection.entity
    return place.entity if isinstance(place, Collection) else place


def _collection_of(place: Place) -> Collection | None:
    if isinstance(place, Container):
        return place.collection
    return place if isinstance(place, Collection) else None


def _acting(caller: Caller, place: Place, scope: str) -> User | None:
    """The caller's user, as far as their token is good for this scope in this place; None for what
    is removed."""
    if is_removed(place):
        return None
    collection = _collection_of(place)
    return caller.acting(
        scope,
        entity_id=collection.entity_id if collection else place.pk,
        collection=collection.name if collection else "",
    )


def _has(caller: Caller, place: Place, scope: str, least: int) -> bool:
    """Has this role there, by themselves: what an auditor never changes with."""
    user = _acting(caller, place, scope)
    if user is None or user.is_auditor:
        return False
    return role_on(user, place) >= least


# ── one thing ──
def may_view(caller: Caller, place: Collection | Container | None) -> bool:
    """Know that it is there, and what it is like.

    Where nothing is there, as much is asked as of something hidden: the time that a no takes does
    not tell which it was.
    """
    if place is None or place.is_removed:
        unbound = caller.token is None or caller.token.entity_id is None
        if caller.user is not None and unbound:
            role_on(caller.user, NOWHERE)
        return False
    return _may_see(caller, place, ANY_SCOPE)


def may_pull(caller: Caller, place: Container) -> bool:
    """Have the bytes of what is in it."""
    return _may_see(caller, place, Scope.PULL)


def _may_see(caller: Caller, place: Collection | Container, scope: str) -> bool:
    if place.is_removed:
        return False
    visibility = visibility_of(place)
    if visibility == Visibility.PUBLIC:
        return True
    user = _acting(caller, place, scope)
    if user is None:
        return False
    return (
        visibility == Visibility.INTERNAL
        or user.sees_everything
        or role_on(user, place) >= Role.READER
    )


def visibility_of(place: Collection | Container) -> str:
    """The visibility that counts."""
    return place.narrowest_visibility if isinstance(place, Container) else place.visibility


def may_view_entity(caller: Caller, entity: Entity | None) -> bool:
    """Know of the entity: it is the site's, one has a role in it, or sees something that is."""
    if entity is None:
        may_view(caller, None)
        return collections_visible_to(caller).filter(entity=NOWHERE).exists()
    if entity.is_sites:
        return True
    within = caller.token.collection if caller.token else ""
    user = caller.acting(ANY_SCOPE, entity_id=entity.pk, collection=within)
    if user is not None and (user.sees_everything or role_on(user, entity) >= Role.READER):
        return True
    return collections_visible_to(caller).filter(entity=entity).exists()


def may_push(caller: Caller, place: Place | None) -> bool:
    """Make what is missing below it, send images, set tags.

    Where nothing is there, as much is asked as of something hidden.
    """
    if place is None or is_removed(place):
        _has(caller, NOWHERE, Scope.PUSH, Role.WRITER)
        return False
    if _has(caller, place, Scope.PUSH, Role.WRITER):
        return True
    user = _acting(caller, place, Scope.PUSH)
    return user is not None and user.is_administrator and _entity_of(place).is_sites


def may_still_push(caller: Caller, place: Place) -> bool:
    """As `may_push`, for what was asked for a while ago: the token may have been revoked since."""
    revoked = caller.token is not None and caller.token.revoked_at is not None
    return not revoked and may_push(caller, place)


def may_delete(caller: Caller, place: Place) -> bool:
    """Remove images that are in it, and their tags."""
    return _may_change(caller, place, Scope.DELETE, Role.MAINTAINER)


def may_manage(caller: Caller, place: Place) -> bool:
    """Change its settings, who sees it, and who has a role up to maintainer there."""
    return _may_change(caller, place, Scope.MANAGE, Role.MAINTAINER)


def may_own(caller: Caller, place: Place) -> bool:
    """Say who owns it, what it is called, and whether it is to be at all."""
    return _may_change(caller, place, Scope.MANAGE, Role.OWNER)


def may_rename(caller: Caller, place: Place) -> bool:
    """Say what it is called."""
    return may_manage(caller, place) if isinstance(place, Container) else may_own(caller, place)


def may_remove(caller: Caller, place: Collection | Container) -> bool:
    """Remove it as a whole, with all that is in it."""
    if isinstance(place, Collection):
        return may_own(caller, place)
    return may_delete(caller, place)


def may_restore(caller: Caller, thing: Collection | Container | RemovedImage | None) -> bool:
    """Of what was removed: know of it, bring it back, remove it for good. What it was in must be
    there."""
    if thing is None:
        _has(caller, NOWHERE, Scope.DELETE, Role.MAINTAINER)
        return False
    if isinstance(thing, RemovedImage):
        return may_delete(caller, thing.container)
    return may_remove(caller, thing.as_if_there())


def _may_change(caller: Caller, place: Place, scope: str, least: int) -> bool:
    user = _acting(caller, place, scope)
    return user is not None and (user.is_administrator or _has(caller, place, scope, least))


def may_look_into(caller: Caller, place: Place) -> bool:
    """See who has which role there, its robots and its settings: who may change them, and who sees
    everything."""
    return may_manage(caller, place) or (sees_everything(caller) and not is_removed(place))


# ── sets ──
def collections_visible_to(caller: Caller, scope: str = ANY_SCOPE) -> QuerySet[Collection]:
    """Those that `may_view` says yes to; with `pull`, those that the bytes may be had of."""
    public = Q(visibility=Visibility.PUBLIC)
    return Collection.objects.filter(
        not_removed("") & (public | _seen_by_role(caller, scope, wide=("internal",)))
    )


def containers_visible_to(caller: Caller, scope: str = ANY_SCOPE) -> QuerySet[Container]:
    """Those that `may_view` (with `pull`: `may_pull`) says yes to."""
    there = Container.objects.filter(not_removed("", "collection"))
    seen = {
        wide: Q(collection__in=Collection.objects.filter(visibility__in=wide))
        & Q(visibility__in=["", *wide])
        for wide in (("public",), ("public", "internal"))
    }
    covered = _covered(caller, scope)
    if covered is None:
        return there.filter(seen["public",])
    bound = Q(collection__in=Collection.objects.filter(covered))
    with_a_role = Q(collection__in=Collection.objects.filter(_with_a_role(caller)))
    return there.filter(seen["public",] | (bound & (seen["public", "internal"] | with_a_role)))


def containers_pushable_by(caller: Caller) -> QuerySet[Container]:
    """Those that `may_push` says yes to."""
    covered = _covered(caller, Scope.PUSH)
    if covered is None or caller.known.is_auditor:
        return Container.objects.none()
    user = caller.known
    granted = grants_of(user).filter(role__gte=Role.WRITER)
    with_role = Q(user=user) | Q(team__in=teams_of(user))
    with_role |= Q(pk__in=granted.filter(entity__isnull=False).values("entity"))
    if user.is_administrator:
        with_role |= Q(user__isnull=True, team__isnull=True)
    entities = Entity.objects.filter(with_role, retired_at__isnull=True)
    directly = granted.filter(collection__isnull=False).values("collection")
    mine = Q(entity__in=entities) | Q(pk__in=directly, entity__retired_at__isnull=True)
    collections = Collection.objects.filter(not_removed(""), covered & mine)
    return Container.objects.filter(not_removed(""), collection__in=collections)


def entities_visible_to(caller: Caller) -> QuerySet[Entity]:
    """Those that `may_view_entity` says yes to."""
    of_the_site = Q(user__isnull=True, team__isnull=True, retired_at__isnull=True)
    visible = collections_visible_to(caller).filter(entity=OuterRef("pk"))
    seen = of_the_site | Q(Exists(visible))
    user = caller.user
    if user is not None and user.is_active:
        own = Q() if user.sees_everything else _entities_with_a_role(user)
        if caller.token is not None and caller.token.entity_id is not None:
            own = Q(pk=caller.token.entity_id) & own
        seen |= own or Q(pk__isnull=False)
    return Entity.objects.filter(seen)


def collections_restorable_by(caller: Caller) -> QuerySet[Collection]:
    """The removed ones that `may_restore` says yes to."""
    mine = _changed_by(caller, Scope.MANAGE, Role.OWNER)
    return Collection.objects.filter(mine, removed_at__isnull=False)


def containers_restorable_by(caller: Caller) -> QuerySet[Container]:
    """The removed ones that `may_restore` says yes to."""
    return Container.objects.filter(removed_at__isnull=False, collection__in=_emptied_by(caller))


def images_restorable_by(caller: Caller) -> QuerySet[RemovedImage]:
    """Those that `may_restore` says yes to."""
    return RemovedImage.objects.filter(
        not_removed("container"), container__collection__in=_emptied_by(caller)
    )


def _emptied_by(caller: Caller) -> QuerySet[Collection]:
    """Those that are there and that the caller may remove things from."""
    mine = _changed_by(caller, Scope.DELETE, Role.MAINTAINER)
    return Collection.objects.filter(not_removed("") & mine)


def _changed_by(caller: Caller, scope: str, least: int) -> Q:
    """Collections, removed or not, that `_may_change` says yes to, for a role above a writer's."""
    covered = _covered(caller, scope)
    if covered is None or caller.known.is_auditor:
        return Q(pk__in=[])
    user = caller.known
    if user.is_administrator:
        return covered
    granted = grants_of(user).filter(role__gte=least)
    owned = Q(user=user) | Q(pk__in=granted.filter(entity__isnull=False).values("entity"))
    if not user.is_robot:
        owner = TeamMembership.objects.filter(user=user, role=TeamMembership.Role.OWNER)
        owned |= Q(team__in=owner.values("team"))
    entities = Entity.objects.filter(owned, retired_at__isnull=True)
    directly = granted.filter(collection__isnull=False).values("collection")
    return covered & (Q(entity__in=entities) | Q(pk__in=directly, entity__retired_at__isnull=True))


def _seen_by_role(caller: Caller, scope: str, *, wide: tuple[str, ...]) -> Q:
    """Collections that are seen though they are not public."""
    covered = _covered(caller, scope)
    if covered is None:
        return Q(pk__in=[])
    return covered & (Q(visibility__in=wide) | _with_a_role(caller))


def _covered(caller: Caller, scope: str) -> Q | None:
    """The collections that the caller acts in; None where they count for nobody."""
    user, token = caller.user, caller.token
    if user is None or not user.is_active or (token and scope and scope not in token.scopes):
        return None
    if token is None or token.entity_id is None:
        return Q(pk__isnull=False)
    bound = Q(entity=token.entity_id)
    return bound & Q(name=token.collection) if token.collection else bound


def _with_a_role(caller: Caller) -> Q:
    """Collections that the caller's user has a role in, or sees as all others."""
    user = caller.known
    if user.sees_everything:
        return Q(pk__isnull=False)
    granted = grants_of(user).filter(collection__isnull=False).values("collection")
    entities = Entity.objects.filter(_entities_with_a_role(user))
    return Q(entity__in=entities) | Q(pk__in=granted, entity__retired_at__isnull=True)


def _entities_with_a_role(user: User) -> Q:
    granted = grants_of(user).filter(entity__isnull=False).values("entity")
    return Q(retired_at__isnull=True) & (
        Q(user=user) | Q(team__in=teams_of(user)) | Q(pk__in=granted)
    )
