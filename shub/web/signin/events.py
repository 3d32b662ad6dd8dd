"""What happens at the door, written to the audit trail: allauth's and Django's signals, heard."""

from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as factor
from allauth.socialaccount import signals as social
from django.contrib.auth import signals as auth
from django.dispatch import Signal
from django.http import HttpRequest

from shub import metrics
from shub.accounts.callers import Caller
from shub.accounts.models import User
from shub.accounts.users import user_named
from shub.audit import trail
from shub.client_address import client_address


def write(action: str, user: User, request: HttpRequest | None = None, **detail: Any) -> None:
    """An event that somebody did to their own account."""
    trail.record(
        action,
        kind="user",
        public_id=user.public_id,
        name=user.username,
        by=Caller(user, address=client_address(request) if request else ""),
        about=user.public_id,
        **detail,
    )


def hear(signal: Signal, action: str) -> None:
    """Write the action whenever the signal says that a user did it."""

    def listener(
        sender: Any, user: Any = None, request: HttpRequest | None = None, **said: Any
    ) -> None:
        if isinstance(user, User):
            write(action, user, request, **details(said))

    signal.connect(listener, weak=False, dispatch_uid=f"{action} {id(signal)}")


def details(said: dict[str, Any]) -> dict[str, Any]:
    """What of a signal is worth keeping: which factor, which address. Never a secret."""
    found = {}
    if authenticator := said.get("authenticator"):
        found["factor"] = str(authenticator.type)
    if address := said.get("email_address") or said.get("to_email_address"):
        found["address"] = address.email
    return found


hear(account.password_reset, "password.reset")
hear(account.email_added, "address.added")
hear(account.email_removed, "address.removed")
hear(account.email_changed, "address.changed")
hear(factor.authenticator_added, "factor.added")
hear(factor.authenticator_removed, "factor.removed")
hear(factor.authenticator_reset, "factor.reset")
hear(factor.authentication_failed, "factor.refused")


def signed_in(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """By which ways: a password, a provider, a second factor."""
    metrics.SIGN_INS.labels("in").inc()
    steps = request.session.get("account_authentication_methods", [])
    ways = [step.get("provider") or step.get("type") or step["method"] for step in steps]
    write("user.signed_in", user, request, ways=ways)


def sign_in_failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """Whose account was tried. What names no account is not kept: it may be a password."""
    metrics.SIGN_INS.labels("failed").inc()
    tried = str(credentials.get("username", ""))
    user = user_named(tried)
    trail.record(
        "user.sign_in_failed",
        kind="user",
        public_id=user.public_id if user else "",
        name=user.username if user else "",
        by=Caller(address=client_address(request) if request else ""),
        about=user.public_id if user else "",
    )


def signed_out(sender: Any, request: HttpRequest, user: Any, **_: Any) -> None:
    """Somebody who was signed in."""
    if isinstance(user, User):
        write("user.signed_out", user, request)


def connected(sender: Any, request: HttpRequest, sociallogin: Any, **_: Any) -> None:
    """From now on a provider's word opens the account."""
    write(
        "provider.connected",
        sociallogin.user,
        request,
        provider=sociallogin.account.provider,
        uid=sociallogin.account.uid,
    )


def disconnected(sender: Any, request: HttpRequest, socialaccount: Any, **_: Any) -> None:
    """It no longer does."""
    write(
        "provider.disconnected",
        socialaccount.user,
        request,
        provider=socialaccount.provider,
        uid=socialaccount.uid,
    )


def confirmed(sender: Any, request: HttpRequest, email_address: Any, **_: Any) -> None:
    """An address is verified."""
    write("address.verified", email_address.user, request, address=email_address.email)


auth.user_logged_in.connect(signed_in, dispatch_uid="shub.signed_in")
auth.user_login_failed.connect(sign_in_failed, dispatch_uid="shub.sign_in_failed")
auth.user_logged_out.connect(signed_out, dispatch_uid="shub.signed_out")
social.social_account_added.connect(connected, dispatch_uid="shub.connected")
social.social_account_removed.connect(disconnected, dispatch_uid="shub.disconnected")
account.email_confirmed.connect(confirmed, dispatch_uid="shub.confirmed")
