"""Who may do what: decided here and nowhere else.

For now: what is public is everybody's to see; the rest is its owner's and the administrators'.
An entity's owner pushes into it; administrators push into the entities of the site, which have no
owner. `Collection.objects.visible_to` says the same as `may_view`, for sets.
"""

from typing import NoReturn, TypeAlias

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet

from shub.accounts.models import Entity, User
from shub.containers.models import Collection
from shub.errors import Denied
from shub.rows import first

Caller: TypeAlias = User | AnonymousUser


def may_view(user: Caller, collection: Collection) -> bool:
    """See the collection and all that is below it."""
    return not collection.is_private or owns(user, collection.entity) or is_administrator(user)


def may_view_entity(user: Caller, entity: Entity) -> bool:
    """Know of the entity: something in it may be seen, or pushed there, or it is the site's."""
    return (
        entity.user_id is None
        or may_push(user, entity)
        or Collection.objects.visible_to(user).filter(entity=entity).exists()
    )


def entities_visible_to(user: Caller) -> QuerySet[Entity]:
    """Those that `may_view_entity` says yes to."""
    visible = Collection.objects.visible_to(user).filter(entity=OuterRef("pk"))
    own = Q(user=user) if isinstance(user, User) and user.is_active else Q(pk__in=[])
    return Entity.objects.filter(Q(user__isnull=True) | own | Q(Exists(visible)))


def may_push(user: Caller, entity: Entity) -> bool:
    """Make collections, containers, images and tags in the entity."""
    if entity.user_id is None:
        return is_administrator(user)
    return owns(user, entity)


def may_delete(user: Caller, entity: Entity) -> bool:
    """Remove images that are in the entity, and their tags."""
    return owns(user, entity) or is_administrator(user)


def may_administer(user: Caller, entity: Entity) -> bool:
    """Change who may see what is in the entity."""
    return owns(user, entity) or is_administrator(user)


def is_administrator(user: Caller) -> bool:
    """May do everything on this site that is not another's name to act in."""
    return isinstance(user, User) and user.is_administrator


def owns(user: Caller, entity: Entity) -> bool:
    """The entity is this user's namespace."""
    return isinstance(user, User) and user.is_active and entity.user_id == user.pk


def check_may_push(user: User, entity: Entity) -> None:
    """Denied unless the user may push here."""
    if not may_push(user, entity):
        refuse_push(user)


def refuse_push(user: User) -> NoReturn:
    """No, in the same words for what is hidden, for what is another's and for what is not there."""
    own = first(Entity.objects.filter(user=user))
    where = f"it may push into {own.name!r}" if own else "it may push nowhere"
    raise Denied(f"You may not push there. This token is of {user.username}: {where}.")
