"""Tokens: issued, recognised, revoked.

The text is `shub_`, 213 random base62 characters (1,268 bits) and a 6-character checksum, so that a
scanner can find one in a log without asking us. It is 224 characters long, since clients refuse a
token file of less than 200; being random and long, it needs no slow hash at rest.
"""

import hashlib
import secrets
import string
import zlib
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from shub.accounts.models import Token, User
from shub.audit import trail
from shub.errors import Invalid, NotFound
from shub.statements import Statement

PREFIX = "shub_"
RANDOM_LENGTH = 213
CHECKSUM_LENGTH = 6
LENGTH = len(PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

BY_DIGEST: Statement[Token] = Statement(
    lambda digest: Token.objects.valid().filter(digest=digest).select_related("user")
)


def issue(*, user: User, name: str, expires_at: datetime | None = None) -> tuple[Token, str]:
    """Make a token for the user; the row, and the text that is never to be had again."""
    name = name.strip()
    if not name or len(name) > 100:
        raise Invalid("A token needs a name of 1 to 100 characters, to know it by later.")
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid("A token has to expire in the future.")
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    text = body + checksum(body)
    with transaction.atomic():
        token = Token.objects.create(
            user=user, name=name, digest=digest(text), expires_at=expires_at
        )
        trail.record(
            "token.issued", kind="token", public_id=token.public_id, name=name, actor=user.username
        )
    return token, text


def recognise(text: str) -> Token | None:
    """The token of this text with its user, if it opens a door now."""
    if not has_token_form(text):
        return None
    return BY_DIGEST.row(digest=digest(text))


def revoke(*, public_id: str, by: User) -> None:
    """End one of the user's own tokens, at once and for good; again is no error."""
    with transaction.atomic():
        token = Token.objects.select_for_update().filter(user=by, public_id=public_id).first()
        if token is None:
            raise NotFound("You have no such token.")
        if token.revoked_at is None:
            token.revoked_at = timezone.now()
            token.save(update_fields=["revoked_at"])
            trail.record(
                "token.revoked",
                kind="token",
                public_id=token.public_id,
                name=token.name,
                actor=by.username,
            )


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
