"""allauth's forms, with what is ours: entities, and passwords that are kept elsewhere."""

from typing import Any

from allauth.account.forms import LoginForm, ResetPasswordForm, SignupForm
from allauth.core import context
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings as factor_settings
from allauth.mfa.adapter import get_adapter as get_factor_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.socialaccount.forms import DisconnectForm
from allauth.socialaccount.forms import SignupForm as SocialSignupForm
from django import forms
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from shub.names import NAME_LENGTH
from shub.web.signin.arrivals import check_free, in_domain, invitation_of


class SignInForm(LoginForm):
    """By sign-in name and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("Sign-in name")
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
        # The page of its own, which the form's help text would lead to, has a link below the form.
        self.fields["password"].help_text = ""

    def add_prefix(self, field_name: str) -> str:
        """What password managers look for, and what these forms were always sent with."""
        return str(super().add_prefix("username" if field_name == "login" else field_name))


def entity_field() -> forms.CharField:
    """For whoever's entity cannot be called like them."""
    return forms.CharField(
        label=_("Entity name (optional)"),
        required=False,
        max_length=NAME_LENGTH,
        help_text=_(
            "The first part of your images' names: library://NAME/… Leave it empty for your "
            "sign-in name in lower case."
        ),
    )


class Arrival(forms.Form):
    """What both ways to register have in common."""

    def arrange(self) -> None:
        """Our words and our order."""
        self.fields["username"].label = _("Sign-in name")
        self.fields["entity_name"] = entity_field()
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
        if settings.REGISTRATION == "domain" and "email" in self.fields:
            domains = ", ".join(settings.REGISTRATION_DOMAINS)
            self.fields["email"].help_text = _("At one of: %(domains)s") % {"domains": domains}
        first = [name for name in ("username", "entity_name", "email") if name in self.fields]
        self.order_fields(first)

    def check_names(self, cleaned: dict[str, Any]) -> None:
        """Errors at the fields where a name is illegal or taken."""
        if "username" not in cleaned:
            return
        try:
            cleaned["entity_name"] = check_free(
                cleaned["username"], cleaned.get("entity_name", "").strip()
            )
        except ValidationError as error:
            self.add_error("entity_name" if "entity" in str(error) else "username", error)


class RegistrationForm(Arrival, SignupForm):
    """An account with a password here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invited = invitation_of(context.request) is not None
        self.arrange()

    def clean_email(self) -> str:
        """In one of the site's domains, where those are who may come; the invited come anyhow."""
        email: str = super().clean_email()
        if settings.REGISTRATION == "domain" and not (in_domain(email) or self.invited):
            raise ValidationError(_("This site takes addresses of its own domains only."))
        return email

    def clean(self) -> dict[str, Any]:
        """allauth's, and names that are free."""
        super().clean()
        self.check_names(self.cleaned_data)
        return self.cleaned_data


class ProviderRegistrationForm(Arrival, SocialSignupForm):
    """The names of somebody whom a provider vouches for; the address is the provider's word."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # An address that is typed here would be taken for one that the provider has verified.
        self.fields.pop("email", None)
        self.arrange()

    def clean(self) -> dict[str, Any]:
        """allauth's, and names that are free."""
        super().clean()
        self.check_names(self.cleaned_data)
        return self.cleaned_data


class ForgottenPasswordForm(ResetPasswordForm):
    """Mails those who have a password here, and nobody else.

    Somebody of a directory or a provider must not get one by this way: it would still open the site
    when they are disabled there.
    """

    def clean_email(self) -> str:
        """allauth's, without those."""
        email: str = super().clean_email()
        self.users: list[Any] = [user for user in self.users if user.has_usable_password()]
        return email


class DisconnectionForm(DisconnectForm):
    """A directory is no provider that one could let go."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.accounts: Any = self.accounts.exclude(provider="ldap")
        self.fields["account"].queryset = self.accounts


class OnceOnly(forms.Form):
    """A code of an app is taken once for as long as it is right.

    allauth remembers a code for one period; with its neighbours it is right for several.
    """

    user: Any
    authenticator: Authenticator

    def clean_code(self) -> str:
        """allauth's; a code that somebody has seen being used opens nothing."""
        code: str = super().clean_code()  # type: ignore[misc]
        if self.authenticator.type == Authenticator.Type.TOTP:
            is_right_for = factor_settings.TOTP_PERIOD * (2 * factor_settings.TOTP_TOLERANCE + 1)
            used = f"code {self.user.pk} {normalize_user_code(code)}"
            if not cache.add(used, "used", timeout=is_right_for):
                raise get_factor_adapter().validation_error("incorrect_code")
        return code


class CodeForm(OnceOnly, AuthenticateForm):
    """The code after the password."""


class CodeAgainForm(OnceOnly, ReauthenticateForm):
    """The code before something that matters."""
