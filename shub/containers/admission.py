"""Admission: an act is let through, or refused in words.

Whether somebody may is asked of `shub.containers.permissions`. Beside that nothing is changed while
the site is read-only, and nothing comes into what is frozen, or goes.
"""

from typing import NoReturn, TypeVar, cast

from django.db.models import Q

from shub.accounts.callers import Caller
from shub.accounts.models import Entity, User
from shub.containers.models import Collection, Container, ReadOnly, Role, not_removed
from shub.containers.permissions import (
    Place,
    Scope,
    grants_of,
    may_delete,
    may_look_into,
    may_manage,
    may_own,
    may_pull,
    may_push,
    may_remove,
    teams_of,
)
from shub.errors import Conflict, Denied, Unavailable
from shub.rows import first

AnyPlace = TypeVar("AnyPlace", Entity, Collection, Container)

# So many places are named to one who may not push where they tried.
MOST_NAMED = 5


def pushable(caller: Caller, place: AnyPlace | None) -> AnyPlace:
    """The place, if the caller may push there. Denied else, in the same words as for what is not
    there; Conflict where nobody may, since it is frozen."""
    if not may_push(caller, place) or place is None:
        _refuse_push(caller)
    check_writable()
    if isinstance(place, Container):
        check_not_frozen(place)
    return place


def entity_for(caller: Caller, entity: Entity | None, *, collection: str) -> Entity:
    """The entity, if the caller may make the collection of this name in it; else refused as in
    `pushable`. The name counts for a token that is bound to it."""
    pushable(caller, Collection(entity=entity, name=collection) if entity else None)
    return cast("Entity", entity)


def check_may_pull(caller: Caller, place: Container) -> None:
    """Denied to a token that may see the container and is not for pulling."""
    if not may_pull(caller, place):
        raise Denied("This token may not pull: it has no scope for that. Make one that may.")


def check_may_delete(caller: Caller, place: Container) -> None:
    """Denied to those who may see the container and not remove images there."""
    if not may_delete(caller, place):
        _refuse_scope(caller, Scope.DELETE)
        raise Denied(
            f"You may not delete images of {place}. This token is of {caller.name}: ask a "
            f"maintainer or owner of {place.collection}, or an administrator."
        )
    check_writable()
    check_not_frozen(place)


def check_may_remove(caller: Caller, place: Collection | Container) -> None:
    """Denied to those who may see the place and not remove it as a whole."""
    if not may_remove(caller, place):
        whole = isinstance(place, Collection)
        _refuse_scope(caller, Scope.MANAGE if whole else Scope.DELETE)
        who = "an owner" if whole else "a maintainer or owner"
        raise Denied(f"You may not remove {place}: ask {who} of it, or an administrator.")
    check_writable()


def check_may_manage(caller: Caller, place: Place) -> None:
    """Denied to those who may see the place and not change it."""
    if not may_manage(caller, place):
        _refuse_scope(caller, Scope.MANAGE)
        raise Denied(f"Only a maintainer or owner of {place} may change this.")
    check_writable()


def check_may_look_into(caller: Caller, place: Place) -> None:
    """Denied to all others who may see the place. What they find may be looked at while the site
    is read-only too."""
    if not may_look_into(caller, place):
        raise Denied(f"Only a maintainer or owner of {place} may see this.")


def check_may_own(caller: Caller, place: Place) -> None:
    """Denied to all but those who may say who owns the place."""
    if not may_own(caller, place):
        _refuse_scope(caller, Scope.MANAGE)
        raise Denied(f"Only an owner of {place} may change this.")
    check_writable()


def check_writable() -> None:
    """Unavailable, in the administrator's words, while the site is read-only."""
    mode = first(ReadOnly.objects.all())
    if mode is not None:
        raise Unavailable(f"This registry is read-only at the moment: {mode.message}")


def check_not_frozen(container: Container) -> None:
    """Conflict where the container is frozen."""
    if container.is_frozen:
        raise Conflict(
            f"{container} is frozen: nothing is pushed there, and nothing is removed. Push under "
            "another name, or ask a maintainer to unfreeze it."
        )


def _refuse_scope(caller: Caller, scope: str) -> None:
    """Denied to a token that is not for this, whatever its user may do."""
    token = caller.token
    if token is not None and scope not in token.scopes:
        raise Denied(
            f"This token may not {scope}: it is for {' and '.join(token.scopes)}. Make one that "
            "may."
        )


def _refuse_push(caller: Caller) -> NoReturn:
    """No, in the same words for what is hidden, for what is another's and for what is not there."""
    user = caller.known
    _refuse_scope(caller, Scope.PUSH)
    raise Denied(
        f"You may not push there. This token is of {user.username}: it may push "
        f"{_places_to_push(caller, user)}."
    )


def _places_to_push(caller: Caller, user: User) -> str:
    token = caller.token
    if token is not None and token.entity is not None:
        bound = "/".join(filter(None, [token.entity.name, token.collection]))
        return f"into {bound!r} at most"
    if user.is_auditor:
        return "nowhere, since auditors change nothing"
    writes = grants_of(user).filter(role__gte=Role.WRITER)
    entities = Entity.objects.filter(
        Q(user=user) | Q(team__in=teams_of(user)) | Q(pk__in=writes.values("entity")),
        retired_at__isnull=True,
    )
    names = list(entities.order_by("name").values_list("name", flat=True)[: MOST_NAMED + 1])
    granted = writes.values("collection")
    collections = Collection.objects.filter(not_removed(""), pk__in=granted)
    names += [str(each) for each in collections.select_related("entity")[: MOST_NAMED + 1]]
    if not names:
        return "nowhere"
    more = " and others" if len(names) > MOST_NAMED else ""
    return "into " + ", ".join(repr(name) for name in names[:MOST_NAMED]) + more
