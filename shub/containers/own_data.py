"""One's own data, as one JSON document: what is known here of a person, for that person.

Made piece by piece, each from a bounded query: it may be as long as it is. No digest of a token, of
a link or of a password is in it.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from shub.accounts.administrators import sees_everything
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Invitation, TeamMembership, Token, User
from shub.audit import reading
from shub.containers import describing
from shub.containers.models import Grant, Image, not_removed
from shub.containers.permissions import containers_visible_to
from shub.errors import Denied
from shub.rows import in_chunks

Row = TypeVar("Row", bound=Model)


def document(user: User, *, by: Caller) -> Iterator[str]:
    """The text, in pieces; for the user, and for who sees everything."""
    if by.token is not None or (by.known.pk != user.pk and not sees_everything(by)):
        raise Denied("What is known of an account is for who it is of, signed in to the pages.")
    return _pieces(user)


def _pieces(user: User) -> Iterator[str]:
    yield f'{{"exported_at": {json.dumps(timezone.now().isoformat())},\n'
    yield f'"profile": {json.dumps(_profile(user), ensure_ascii=False)}'
    for name, facts in _lists(user):
        yield f',\n"{name}": ['
        separator = "\n"
        for fact in facts:
            yield separator + json.dumps(fact, ensure_ascii=False)
            separator = ",\n"
        yield "]"
    yield "}\n"


def _profile(user: User) -> dict[str, Any]:
    return {
        "id": user.public_id,
        "sign_in_name": user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "registered_at": user.date_joined.isoformat(),
        "last_sign_in_at": user.last_login.isoformat() if user.last_login else None,
        "is_administrator": user.is_administrator,
        "is_auditor": user.is_auditor,
    }


def _lists(user: User) -> Iterator[tuple[str, Iterable[dict[str, Any]]]]:
    entities = Entity.objects.filter(user=user).prefetch_related("former_names")
    yield "entities", _facts(entities, _entity)
    memberships = TeamMembership.objects.filter(user=user).select_related("team")
    yield "teams", _facts(memberships, _membership)
    # What was removed is there for nobody, whoever had a role in it.
    here = Q(collection__isnull=True) | not_removed("collection")
    grants = Grant.objects.filter(here, user=user).select_related("entity", "collection__entity")
    yield "roles", _facts(grants, _grant)
    yield "tokens", _facts(Token.objects.filter(user=user).select_related("entity"), _token)
    invitations = Invitation.objects.filter(Q(user=user) | Q(created_by=user))
    yield "invitations", _facts(invitations.select_related("team", "created_by"), _invitation)
    # Where they may still look: what is somebody else's by now has its own name for things.
    visible = containers_visible_to(Caller(user))
    images = Image.objects.filter(created_by=user, container__in=visible)
    yield (
        "images_pushed",
        _facts(images.select_related("blob", "container__collection__entity"), _image),
    )
    person = reading.Person(user.username, user.public_id, user.date_joined)
    yield "events", map(reading.facts, reading.every(reading.Question(person=person)))


def _facts(rows: QuerySet[Row], facts: Callable[[Row], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return map(facts, in_chunks(rows))


def _entity(entity: Entity) -> dict[str, Any]:
    return {
        "id": entity.public_id,
        "name": entity.name,
        "former_names": sorted(former.name for former in entity.former_names.all()),
        "description": entity.description,
        "readme": describing.readme_of(entity),
        "created_at": entity.created_at.isoformat(),
    }


def _membership(membership: TeamMembership) -> dict[str, Any]:
    return {
        "team": membership.team.name,
        "role": membership.role,
        "joined_at": membership.joined_at.isoformat(),
    }


def _grant(grant: Grant) -> dict[str, Any]:
    return {
        "on": str(grant.entity or grant.collection),
        "role": grant.get_role_display().partition(":")[0],
        "granted_at": grant.granted_at.isoformat(),
    }


def _token(token: Token) -> dict[str, Any]:
    return {
        "id": token.public_id,
        "name": token.name,
        "scopes": token.scopes,
        "bound_to": token.bound_to,
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        "revoked_at": token.revoked_at.isoformat() if token.revoked_at else None,
        "last_used_at": token.last_used_at.isoformat() if token.last_used_at else None,
        "last_used_from": token.last_used_from,
    }


def _invitation(invitation: Invitation) -> dict[str, Any]:
    return {
        "id": invitation.public_id,
        "team": invitation.team.name if invitation.team else None,
        "role": invitation.role,
        "note": invitation.note,
        "made_by": invitation.created_by.username if invitation.created_by else None,
        "created_at": invitation.created_at.isoformat(),
        "expires_at": invitation.expires_at.isoformat(),
        "accepted_at": invitation.accepted_at.isoformat() if invitation.accepted_at else None,
    }


def _image(image: Image) -> dict[str, Any]:
    return {
        "id": image.public_id,
        "reference": str(image),
        "size": image.blob.size if image.blob else None,
        "pushed_at": image.created_at.isoformat(),
    }
