"""What allauth asks of a site, answered in one place: who may come, who may not, who is who."""

import logging
import smtplib
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import (
    clear_authentication_records,
    get_authentication_records,
)
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base.constants import AuthProcess
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from shub.accounts import groups
from shub.accounts.callers import Caller
from shub.accounts.models import User
from shub.client_address import client_address
from shub.errors import Denied, Refusal
from shub.web.signin import arrivals
from shub.web.signin.backends import may_sign_in

logger = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """Accounts that are kept here."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """As everything else here sees it, behind proxies too."""
        return client_address(request)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """What failures are counted by: the account that is meant, however the name is written.

        allauth's has the Host in it, which whoever guesses writes, with any port. In upper case,
        since that is how the account is looked for.
        """
        return str(credentials.get("username") or credentials.get("email") or "").upper()

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """By REGISTRATION."""
        return arrivals.is_open(request)

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> User:
        """A user and an entity, both or neither."""
        given = form.cleaned_data
        return make(
            request,
            username=given["username"],
            password=given.get("password1"),
            entity_name=given.get("entity_name", ""),
            email=given.get("email") or "",
        )

    def set_password(self, user: Any, password: str) -> None:
        """One that its owner has chosen, by a mail to them: the duty to choose one is done."""
        user.must_change_password = False
        super().set_password(user, password)

    def pre_login(self, request: HttpRequest, user: Any, **rest: Any) -> HttpResponse | None:
        """Stops whoever may not have a session, by whatever way they came.

        Where a provider or a directory says who may come, a passkey alone would open the site after
        they have said no.
        """
        if not may_sign_in(user):
            return redirect("account_inactive")
        if not user.has_usable_password() and is_by_passkey_alone(request, user):
            # Else the key would count as the second factor of whatever comes next.
            clear_authentication_records(request)
            words = "Your account is opened elsewhere: sign in there, and use your key after that."
            messages.error(request, words)
            return redirect("sign-in")
        super().pre_login(request, user, **rest)
        return None

    def login(self, request: HttpRequest, user: Any) -> None:
        """The session; asked once more, since a second factor may have come long after `pre_login`.
        A session of somebody disabled would open when they are enabled again."""
        if not may_sign_in(user):
            raise ImmediateHttpResponse(redirect("account_inactive"))
        super().login(request, user)

    def get_login_stages(self) -> list[str]:
        """allauth's; only addresses that were given are waited for."""
        ours = "shub.web.signin.stages.GivenAddressStage"
        theirs = "allauth.account.stages.EmailVerificationStage"
        return [ours if stage == theirs else stage for stage in super().get_login_stages()]

    def get_reset_password_from_key_url(self, key: str) -> str:
        """At the site's own address: who asks for the mail must not say where its link leads."""
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.PUBLIC_URL + path.replace("UID-KEY", key)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """At the site's own address."""
        path = reverse("account_confirm_email", args=[emailconfirmation.key])
        return f"{settings.PUBLIC_URL}{path}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send it, or write down that it could not be sent: the page is answered either way."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, smtplib.SMTPException) as error:
            logger.error("A mail (%s) could not be sent: %s", template_prefix, error)  # noqa: TRY400  the trace says no more


def is_by_passkey_alone(request: HttpRequest, user: User) -> bool:
    """Whether a passkey is all that there was: nobody was asked whether they may still come."""
    return any(step.get("passwordless") for step in get_authentication_records(request, user)[-1:])


class ProviderAdapter(DefaultSocialAccountAdapter):
    """Accounts that somebody else vouches for."""

    def get_provider(self, request: HttpRequest, provider: str, client_id: Any = None) -> Any:
        """allauth's; OpenID with a nonce."""
        found = super().get_provider(request, provider, client_id)
        if found.id != "openid_connect":
            return found
        from shub.web.signin.oidc import BoundProvider

        return BoundProvider(request, app=found.app)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """By AUTO_REGISTER_BY and REGISTRATION."""
        return arrivals.is_open_by(
            sociallogin.account.provider, request, sociallogin.email_addresses
        )

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: Any) -> bool:
        """Without a question only where the name that the provider suggests can be had."""
        try:
            arrivals.check_free(sociallogin.user.username)
        except ValidationError:
            return False
        return True

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Refuse what is no answer to this attempt, and whoever's groups keep out."""
        provider, said = sociallogin.account.provider, sociallogin.account.extra_data
        try:
            if provider == "oidc":
                from shub.web.signin.oidc import check_word

                check_word(said, sociallogin.state.get("nonce", ""))
            groups.check_may_come(provider, groups_in(provider, said))
            if sociallogin.is_existing and sociallogin.state.get("process") == AuthProcess.LOGIN:
                take_groups(request, sociallogin)
        except Denied as refusal:
            raise refused(request, refusal) from refusal

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> User:
        """A user and an entity, both or neither, and then whom the provider knows them as."""
        suggested = sociallogin.user
        given = form.cleaned_data if form else {"username": suggested.username}
        user = make(
            request,
            username=given["username"],
            password=None,
            entity_name=given.get("entity_name", ""),
            email=suggested.email,
        )
        sociallogin.user = user
        sociallogin.save(request)
        take_groups(request, sociallogin)
        return user

    def authenticate_by_email(self, sociallogin: Any) -> tuple[User, str] | None:
        """Nobody, unless LINK_BY_EMAIL names the provider: then whoever alone verified the same.

        Never by an address that the provider, or the account, only claims.
        """
        if sociallogin.account.provider not in settings.LINK_BY_EMAIL:
            return None
        for address in sociallogin.email_addresses:
            if not address.verified:
                continue
            owners = EmailAddress.objects.filter(email__iexact=address.email, verified=True)
            found = list(owners.select_related("user")[:2])
            if len(found) == 1:
                return found[0].user, address.email
        return None


class SecondFactorAdapter(DefaultMFAAdapter):
    """Codes and keys."""

    def get_totp_label(self, user: Any) -> str:
        """What the authenticator app calls the account: an address may be wrong, or change."""
        name: str = user.username
        return name

    def _get_site_name(self) -> str:
        return settings.REGISTRY_NAME


def make(request: HttpRequest, **account: Any) -> User:
    """Register somebody; where somebody else was faster, back to the form with the words why."""
    try:
        return arrivals.make(request, **account)
    except Refusal as refusal:
        messages.error(request, refusal.message)
        raise ImmediateHttpResponse(redirect(request.get_full_path())) from refusal


def take_groups(request: HttpRequest, sociallogin: Any) -> None:
    """What the provider's groups give somebody, and no longer give."""
    provider = sociallogin.account.provider
    groups.follow(
        provider,
        groups_in(provider, sociallogin.account.extra_data),
        by=Caller(sociallogin.user, address=client_address(request)),
    )


def groups_in(provider: str, said: dict[str, Any]) -> set[str]:
    """The groups that a provider's words name: in the person's own claims, or the ID token's."""
    claim = settings.GROUPS_CLAIM.get(provider, "")
    found: set[str] = set()
    for words in (said, said.get("userinfo") or {}, said.get("id_token") or {}):
        named = words.get(claim) or []
        found |= {str(name) for name in ([named] if isinstance(named, str) else named)}
    return found


def refused(request: HttpRequest, refusal: Refusal) -> ImmediateHttpResponse:
    """Back to the sign-in page, with the words why."""
    messages.error(request, refusal.message)
    return ImmediateHttpResponse(redirect("sign-in"))
