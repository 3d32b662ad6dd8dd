"""Tokens: issued, recognised, revoked.

The text is `shub_`, 213 random base62 characters (1,268 bits) and a 6-character checksum, so that a
scanner can find one in a log without asking us. It is 224 characters long, since clients refuse a
token file of less than 200; being random and long, it needs no slow hash at rest.
"""

import hashlib
import secrets
import string
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Token, User
from shub.audit import trail
from shub.errors import Denied, Invalid, NotFound
from shub.names import check_name, folded
from shub.statements import Statement

PREFIX = "shub_"
RANDOM_LENGTH = 213
CHECKSUM_LENGTH = 6
LENGTH = len(PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

# What a token is good for where nothing is said: what clients do.
DEFAULT_SCOPES = (Token.Scope.PULL, Token.Scope.PUSH, Token.Scope.DELETE)

NOTED_EVERY = timedelta(minutes=10)

BY_DIGEST: Statement[Token] = Statement(
    lambda digest: Token.objects.valid().filter(digest=digest).select_related("user", "entity")
)


def issue(
    *,
    user: User,
    name: str,
    expires_at: datetime | None = None,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    entity: Entity | None = None,
    collection: str = "",
    by: Caller | None = None,
) -> tuple[Token, str]:
    """Make a token for the user; the row, and the text that is never to be had again.

    `entity`, and the name of a collection in it, bind the token to that. Whoever asks by a token
    gets none: a token that could make others would outlive its own end.
    """
    _check_issuer(by)
    name = name.strip()
    if not name or len(name) > 100:
        raise Invalid("A token needs a name of 1 to 100 characters, to know it by later.")
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("A token has to expire in the future.")
    scopes = [scope for scope in Token.Scope.values if scope in scopes]
    if user.is_auditor and scopes != [Token.Scope.PULL]:
        raise Invalid("An auditor changes nothing: their tokens are for pulling only.")
    if not scopes:
        raise Invalid("A token needs a scope at least: what it is to be good for.")
    if collection:
        if entity is None:
            raise Invalid("A token is bound to a collection of an entity: name that too.")
        collection = folded(collection)
        check_name(collection, "collection")
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    text = body + checksum(body)
    with transaction.atomic():
        token = Token.objects.create(
            user=user,
            name=name,
            digest=digest(text),
            expires_at=expires_at,
            scopes=scopes,
            entity=entity,
            collection=collection,
            created_by=by.name if by else "",
        )
        trail.record(
            "token.issued",
            kind="token",
            public_id=token.public_id,
            name=name,
            entity=user.robot_entity.public_id if user.robot_entity else "",
            by=by,
            about=user.public_id,
            user=user.username,
            scopes=scopes,
            bound_to=token.bound_to,
        )
    return token, text


def recognise(text: str) -> Token | None:
    """The token of this text with its user, if it opens a door now."""
    if not has_token_form(text):
        return None
    return BY_DIGEST.row(digest=digest(text))


def note_use(token: Token, *, address: str) -> None:
    """Write down that the token is used, and from where: every few minutes, not at each request."""
    now = timezone.now()
    if token.last_used_at is not None and now - token.last_used_at < NOTED_EVERY:
        return
    token.last_used_at = now
    # Of several requests at once one writes it.
    Token.objects.filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - NOTED_EVERY), pk=token.pk
    ).update(last_used_at=now, last_used_from=address)


def revoke(*, public_id: str, user: User, by: Caller) -> None:
    """End one of the user's tokens, at once and for good; again is no error."""
    _check_issuer(by)
    with transaction.atomic():
        token = Token.objects.select_for_update().filter(user=user, public_id=public_id).first()
        if token is None:
            raise NotFound("There is no such token.")
        _end(token, by=by)


def _end(token: Token, *, by: Caller) -> None:
    if token.revoked_at is not None:
        return
    home = token.user.robot_entity
    token.revoked_at = timezone.now()
    token.save(update_fields=["revoked_at"])
    trail.record(
        "token.revoked",
        kind="token",
        public_id=token.public_id,
        name=token.name,
        entity=home.public_id if home else "",
        by=by,
        about=token.user.public_id,
        user=token.user.username,
    )


def _check_issuer(by: Caller | None) -> None:
    if by is not None and by.token is not None:
        raise Denied("Tokens are made and revoked by who is signed in to the pages, not by tokens.")


def has_token_form(text: str) -> bool:
    """Whether it could be one of ours, by its length, prefix and checksum, without a look-up."""
    return (
        len(text) == LENGTH
        and text.startswith(PREFIX)
        and text.isascii()
        and checksum(text[:-CHECKSUM_LENGTH]) == text[-CHECKSUM_LENGTH:]
    )


def checksum(body: str) -> str:
    """CRC-32 of the text in base62, six characters.

    >>> checksum("shub_")
    '2DH4vl'
    """
    value = zlib.crc32(body.encode())
    letters = []
    for _ in range(CHECKSUM_LENGTH):
        value, remainder = divmod(value, len(ALPHABET))
        letters.append(ALPHABET[remainder])
    return "".join(reversed(letters))


def digest(text: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(text.encode()).hexdigest()
