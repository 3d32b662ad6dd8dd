"""Who may register: the site's rule, for a form of ours and for a provider's word alike."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from shub.accounts import invitations, registration
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, FormerName, Invitation, User
from shub.accounts.users import user_named
from shub.client_address import client_address
from shub.errors import Conflict, NotFound, Refusal
from shub.names import check_name

# Where a session keeps the secret of the invitation whose link was followed.
INVITATION = "invitation"


def is_open(request: HttpRequest) -> bool:
    """Whether somebody may register by a form, with a password.

    The invited may in every mode but the closed one.
    """
    if settings.REGISTRATION in {"open", "domain"}:
        return True
    return settings.REGISTRATION == "invitation" and invitation_of(request) is not None


def invitation_of(request: HttpRequest) -> Invitation | None:
    """The open invitation to register whose link was followed in this browser."""
    secret = request.session.get(INVITATION, "")
    if not secret:
        return None
    try:
        found = invitations.find(secret)
    except NotFound:
        return None
    # A place in a team is for those who are here already.
    return found if found.team is None else None


def make(request: HttpRequest, **account: Any) -> User:
    """Register somebody, and use up the invitation that they came by; all or nothing.

    Conflict where the invitation was used, or withdrawn, since it let them in.
    """
    invitation = invitation_of(request)
    if invitation is None and request.session.pop(INVITATION, ""):
        raise Conflict("This invitation has been used meanwhile. Ask for another.")
    address = client_address(request)
    with transaction.atomic():
        user = registration.create_user(**account, by=Caller(address=address))
        if invitation is not None:
            invitations.accept(invitation, by=Caller(user, address=address))
    request.session.pop(INVITATION, None)
    return user


def is_open_by(provider: str, request: HttpRequest, addresses: Iterable[Any]) -> bool:
    """Whether somebody whom the provider vouches for may register.

    By e-mail domain only with an address that the provider says it has verified: another mail to
    the same address would prove no more.
    """
    if provider in settings.AUTO_REGISTER_BY:
        return True
    if settings.REGISTRATION == "domain" and invitation_of(request) is None:
        return any(address.verified and in_domain(address.email) for address in addresses)
    return is_open(request)


def in_domain(address: str) -> bool:
    """Whether the address is in one of REGISTRATION_DOMAINS, not in one below.

    Parts behind the last `@` count: `"a@good.org"@bad.org` is at bad.org.
    """
    return address.rpartition("@")[2].lower() in settings.REGISTRATION_DOMAINS


def check_free(username: str, entity_name: str = "") -> str:
    """The entity name that the two mean; ValidationError where one is illegal or taken."""
    try:
        User.username_validator(username)
        name = entity_name or registration.entity_name_for(username)
        check_name(name, "entity")
    except Refusal as refusal:
        raise ValidationError(refusal.message) from refusal
    if user_named(username) is not None:
        raise ValidationError(f"The sign-in name {username!r} is taken. Choose another.")
    names = (Entity.objects.filter(name=name), FormerName.objects.filter(name=name))
    if any(taken.exists() for taken in names):
        raise ValidationError(f"The entity name {name!r} is taken. Choose another.")
    return name
