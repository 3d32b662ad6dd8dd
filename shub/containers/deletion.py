"""Deletion of an account: what goes is said beforehand, and goes in an order that a kill cannot
break.

One transaction ends the account and retires its entity, or hands it over: then nobody sees what was
in it, and nobody can push there. The images of a retired entity are removed by the sweep, one by
one (`removal.empty_retired`), and their bytes after them.
"""

from dataclasses import dataclass
from functools import partial

from django.db.models import SET_NULL, F, ManyToOneRel, Q, QuerySet
from django.utils import timezone

from shub.accounts import administrators, standing, teams
from shub.accounts.administrators import is_administrator
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Team, TeamMembership, Token, User
from shub.audit import trail
from shub.containers import recording, usage
from shub.containers.admission import check_writable
from shub.containers.models import (
    Collection,
    Container,
    Grant,
    Image,
    RemovedImage,
    Tag,
    Visibility,
    not_removed,
)
from shub.errors import Conflict, Denied, Invalid, NotFound
from shub.rows import first, in_transaction

FORGOTTEN_AT_ONCE = 10_000

# What becomes of the images: removed, or the entity is the site's. Else: the name of the team that
# gets the entity.
REMOVE, TO_THE_SITE = "", "*"


@dataclass(frozen=True)
class EntitySummary:
    """What is in an entity."""

    name: str
    collections: int
    containers: int
    images: int
    size: int
    """Bytes; what several images share counts once."""
    tags: int
    frozen: int
    """Containers and tags that are frozen."""
    removed: int
    """Images that were removed and could still be brought back; they go too."""
    robots: list[str]


@dataclass(frozen=True)
class Summary:
    """What the deletion of an account would do."""

    username: str
    entities: list[EntitySummary]
    """Theirs; and of the teams that go, theirs."""
    teams_left: list[str]
    teams_gone: list[str]
    """Those that nobody else is in."""
    teams_in_the_way: list[str]
    """Those with others in them, of which nobody else is an owner."""
    grants: int
    tokens: int
    heirs: list[Team]
    """Teams without an entity, that may get this one."""


def foresee(user: User, *, by: Caller) -> Summary:
    """What `delete_account` would do, to who may ask for it; the figures of this moment."""
    _check_may_delete(user, by=by)
    gone = list(_alone_in(user))
    in_the_way = [team.name for team in standing.owned_alone(user) if team not in gone]
    left = Team.objects.filter(memberships__user=user).exclude(pk__in=[team.pk for team in gone])
    return Summary(
        username=user.username,
        entities=[_summary(entity) for entity in _entities(user, gone)],
        teams_left=list(left.order_by("name").values_list("name", flat=True)),
        teams_gone=[team.name for team in gone],
        teams_in_the_way=in_the_way,
        grants=Grant.objects.filter(Q(user=user) | Q(team__in=gone)).count(),
        tokens=Token.objects.valid().filter(user=user).count(),
        heirs=list(_heirs(user, by=by)),
    )


def delete_account(user: User, *, images: str, by: Caller) -> None:
    """End the account: by who it is of, signed in, or by an administrator.

    `images` is REMOVE, TO_THE_SITE (by administrators), or the name of a team without an entity.
    Conflict for the last administrator, and for who alone owns a team that has others in it. What
    is gone already is no error.
    """
    _check_may_delete(user, by=by)
    in_transaction(partial(_delete, user, images=images, by=by))


def _delete(user: User, *, images: str, by: Caller) -> None:
    found = administrators.locked(user)
    if found is None:
        return
    if found.is_administrator:
        administrators.check_another(found)
    gone = _teams_that_go(found)
    for team in gone:
        teams.record_removed(team, by=by)
    entities = list(Entity.objects.select_for_update().filter(Q(user=found) | Q(team__in=gone)))
    if images == REMOVE:
        removed = sum(_retire(entity, by=by) for entity in entities)
    else:
        removed = 0
        heir = None if images == TO_THE_SITE else _heir(found, images, by=by)
        for entity in entities:
            _hand_over(entity, heir, found, by=by)
    _remove_teams(gone)
    _end(found, images_removed=removed, images=images, by=by)


def _check_may_delete(user: User, *, by: Caller) -> None:
    if by.token is not None:
        raise Denied("Accounts are deleted by who is signed in to the pages, not by tokens.")
    if user.pk != by.known.pk and not is_administrator(by):
        raise Denied("Only an administrator may delete the account of somebody else.")
    if by.known.is_auditor:
        raise Denied("An auditor changes nothing: ask an administrator to delete your account.")
    if user.is_robot:
        raise Invalid("A robot has no account of its own: it is removed where it belongs to.")
    check_writable()


def _alone_in(user: User) -> QuerySet[Team]:
    others = TeamMembership.objects.exclude(user=user).values("team")
    return Team.objects.filter(memberships__user=user).exclude(pk__in=others).order_by("name")


def _teams_that_go(user: User) -> list[Team]:
    """The teams that nobody else is in, locked, as all of the user's are: nobody joins or leaves
    meanwhile. Conflict where others would be left without an owner."""
    every = Team.objects.filter(memberships__user=user).order_by("pk")
    list(every.select_for_update(of=("self",)))
    gone = list(_alone_in(user))
    left = [team.name for team in standing.owned_alone(user) if team not in gone]
    if left:
        raise Conflict(
            f"{user.username} is the only owner of {', '.join(left)}, and others are in it. Make "
            "one of them an owner first."
        )
    return gone


def _entities(user: User, gone: list[Team]) -> QuerySet[Entity]:
    return Entity.objects.filter(Q(user=user) | Q(team__in=gone)).order_by(
        F("team").asc(nulls_first=True)
    )


def _summary(entity: Entity) -> EntitySummary:
    containers = Container.objects.filter(not_removed("", "collection"), collection__entity=entity)
    there = not_removed("container", "container__collection")
    tags = Tag.objects.filter(there, container__collection__entity=entity)
    images = _images(entity)
    removed = RemovedImage.objects.filter(container__collection__entity=entity)
    frozen = containers.filter(is_frozen=True).count() + tags.filter(is_frozen=True).count()
    return EntitySummary(
        name=entity.name,
        collections=entity.collections.filter(not_removed("")).count(),
        containers=containers.count(),
        images=images.filter(there).count(),
        size=usage.stored_bytes(entity),
        tags=tags.count(),
        frozen=frozen,
        removed=images.exclude(there).count() + removed.count(),
        robots=list(_robots(entity).values_list("username", flat=True)),
    )


def _images(entity: Entity) -> QuerySet[Image]:
    """Those in what was removed too."""
    return Image.objects.filter(container__collection__entity=entity)


def _robots(entity: Entity) -> QuerySet[User]:
    """Those of the entity; and of the team that it belongs to, which goes with it."""
    of_its_team = Q(robot_team__isnull=False, robot_team=entity.team_id)
    return User.objects.filter(Q(robot_entity=entity) | of_its_team).order_by("username")


def _heirs(user: User, *, by: Caller) -> QuerySet[Team]:
    """Teams without an entity, that the user owns, or anybody where an administrator asks; none
    that goes with the account."""
    found = Team.objects.filter(entity__isnull=True).exclude(pk__in=_alone_in(user).values("pk"))
    if not is_administrator(by):
        found = found.filter(memberships__user=user, memberships__role=TeamMembership.Role.OWNER)
    return found.order_by("name")


def _heir(user: User, name: str, *, by: Caller) -> Team:
    team = first(_heirs(user, by=by).filter(name=name))
    if team is None:
        raise NotFound(f"There is no team {name!r} without an entity, that could get this one.")
    return team


def _retire(entity: Entity, *, by: Caller) -> int:
    """Take the entity from everybody; how many images the sweep will remove."""
    count = _images(entity).count()
    Collection.objects.filter(entity=entity).update(visibility=Visibility.PRIVATE)
    Grant.objects.filter(Q(entity=entity) | Q(collection__entity=entity)).delete()
    _robots(entity).filter(robot_entity=entity).delete()
    entity.user = entity.team = None
    entity.retired_at = timezone.now()
    entity.save(update_fields=["user", "team", "retired_at"])
    recording.record("entity.retired", entity, by=by, images=count)
    return count


def _hand_over(entity: Entity, heir: Team | None, user: User, *, by: Caller) -> None:
    """Give the entity, as it is, to a team or to the site; no image goes."""
    if heir is None and not is_administrator(by):
        raise Denied("Only an administrator hands an entity over to the site.")
    if heir is not None and entity.user_id != user.pk:
        raise Conflict(
            f"The team of {entity} has nobody else in it: its entity cannot be handed over with "
            "yours. Take somebody into the team first."
        )
    entity.user, entity.team = None, heir
    entity.save(update_fields=["user", "team"])
    recording.record("entity.handed_over", entity, by=by, to=f"@{heir}" if heir else "the site")


def _remove_teams(gone: list[Team]) -> None:
    User.objects.filter(robot_team__in=gone).delete()
    for team in gone:
        team.delete()


def _end(user: User, *, images_removed: int, images: str, by: Caller) -> None:
    standing.end_sessions(user)
    for membership in user.memberships.select_related("team__entity"):
        teams.record_left(membership, by=by)
    trail.record(
        "user.deleted",
        kind="user",
        public_id=user.public_id,
        name=user.username,
        by=by,
        about=user.public_id,
        images_removed=images_removed,
        images=images or "removed",
    )
    _forget(user)
    user.delete()


def _forget(user: User) -> None:
    """Empty the fields that say who made something, some rows at a time: of one who has pushed very
    much, a single statement for all would take longer than the database is given."""
    for relation in User._meta.get_fields(include_hidden=True):  # noqa: SLF001  Django's own name
        if not isinstance(relation, ManyToOneRel) or relation.on_delete is not SET_NULL:
            continue
        field = relation.field.name
        rows = relation.related_model._base_manager.filter(**{field: user})  # noqa: SLF001
        while rows.filter(pk__in=rows.values("pk")[:FORGOTTEN_AT_ONCE]).update(**{field: None}):
            pass
