"""Granting: who gets which role on an entity or a collection, and who loses it."""

from django.db import transaction

from shub.accounts import teams
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Team, User
from shub.accounts.models.user import ROBOT_MARK
from shub.audit import trail
from shub.containers.models import Collection, Grant, Role
from shub.containers.permissions import check_may_manage, check_may_own
from shub.errors import Invalid, NotFound
from shub.rows import first


def holder_named(name: str, *, by: Caller) -> User | Team:
    """The user of this sign-in name; with an `@` before it, the team that the caller is in.

    NotFound where there is none.
    """
    name = name.strip()
    if name.startswith("@") and ROBOT_MARK not in name:
        return teams.find(name.removeprefix("@"), by=by)
    found = first(User.objects.filter(username__iexact=name, is_active=True))
    if found is None:
        raise NotFound(f"There is no user {name!r}. A team is written with an @ before its name.")
    return found


def grant(*, place: Entity | Collection, holder: User | Team, role: int, by: Caller) -> Grant:
    """Give the holder this role there, instead of the one they were granted before.

    Maintainers give up to their own role; only owners make owners, and change what those have.
    """
    check_may_manage(by, place)
    if role not in Role.values:
        raise Invalid("This is no role: expected reader, writer, maintainer or owner.")
    with transaction.atomic():
        _lock(place)
        held = first(Grant.objects.filter(**_on(place), **_of(holder)))
        _check_may_change(held, role, place, by=by)
        if held is None:
            held = Grant.objects.create(**_on(place), **_of(holder), role=role)
        elif held.role != role:
            held.role = role
            held.save(update_fields=["role"])
        else:
            return held
        _record("role.granted", place, holder, by=by, role=Role(role).name.lower())
    return held


def revoke(*, place: Entity | Collection, grant_id: int, by: Caller) -> None:
    """Take away what was granted there; everybody may give up their own. Again is no error."""
    with transaction.atomic():
        _lock(place)
        held = first(Grant.objects.select_related("user", "team").filter(**_on(place), pk=grant_id))
        own = held is not None and by.token is None and held.user_id == by.known.pk
        if not own:
            check_may_manage(by, place)
        if held is None:
            return
        if not own:
            _check_may_change(held, held.role, place, by=by)
        held.delete()
        _record("role.revoked", place, held.user or held.team, by=by)


def _check_may_change(
    held: Grant | None, role: int, place: Entity | Collection, *, by: Caller
) -> None:
    if Role.OWNER in {role, held.role if held else None}:
        check_may_own(by, place)


def _lock(place: Entity | Collection) -> None:
    """Of two who change the roles of one place at once, one waits."""
    type(place).objects.select_for_update(no_key=True).get(pk=place.pk)


def _on(place: Entity | Collection) -> dict[str, Entity | Collection]:
    return {"entity" if isinstance(place, Entity) else "collection": place}


def _of(holder: User | Team) -> dict[str, User | Team]:
    return {"user" if isinstance(holder, User) else "team": holder}


def _record(
    action: str,
    place: Entity | Collection,
    holder: User | Team | None,
    *,
    by: Caller,
    **detail: str,
) -> None:
    entity = place if isinstance(place, Entity) else place.entity
    trail.record(
        action,
        kind="entity" if isinstance(place, Entity) else "collection",
        public_id=place.public_id,
        name=str(place),
        entity=entity.public_id,
        by=by,
        about=holder.public_id if isinstance(holder, User) else "",
        holder=str(holder) if isinstance(holder, User) else f"@{holder}",
        **detail,
    )
