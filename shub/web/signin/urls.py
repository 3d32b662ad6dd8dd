"""The addresses of signing in. Only what is used: allauth has more than is named here.

Its code and its pages look for its own names; the names that our pages use are before them.
"""

from importlib import import_module

from allauth.account import views as account
from allauth.mfa.base import views as factor
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as keys
from allauth.socialaccount import views as social
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path
from django.views.decorators.http import require_POST

from shub.web import passwords
from shub.web.signin import invited, overview
from shub.web.signin.leaving import asking, bounded, leaving

change_password = passwords.ChangePasswordView.as_view()

urlpatterns = [
    path("", overview.show, name="account"),
    path("/sign-in", account.login, name="sign-in"),
    path("/sign-in", account.login, name="account_login"),
    path("/sign-out", account.logout, name="sign-out"),
    path("/sign-out", account.logout, name="account_logout"),
    path("/register", account.signup, name="register"),
    path("/register", account.signup, name="account_signup"),
    path("/register/<str:secret>", invited.follow, name="follow-invitation"),
    path("/disabled", account.account_inactive, name="account_inactive"),
    path("/confirm", account.reauthenticate, name="account_reauthenticate"),
    path("/e-mail", account.email, name="account_email"),
    path("/e-mail/sent", account.email_verification_sent, name="account_email_verification_sent"),
    re_path(r"^/e-mail/(?P<key>[-:\w]+)$", account.confirm_email, name="account_confirm_email"),
    path("/password", change_password, name="change-password"),
    path("/password", change_password, name="account_change_password"),
    path("/password/forgotten", account.password_reset, name="account_reset_password"),
    path(
        "/password/forgotten/sent", account.password_reset_done, name="account_reset_password_done"
    ),
    path(
        "/password/forgotten/done",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^/password/forgotten/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("/with", social.connections, name="socialaccount_connections"),
    path("/with/register", social.signup, name="socialaccount_signup"),
    path("/with/cancelled", social.login_cancelled, name="socialaccount_login_cancelled"),
    path("/with/failed", social.login_error, name="socialaccount_login_error"),
    path("/second-factor", factor.index, name="mfa_index"),
    path("/second-factor/sign-in", factor.authenticate, name="mfa_authenticate"),
    path("/second-factor/confirm", factor.reauthenticate, name="mfa_reauthenticate"),
    path("/second-factor/app", totp.activate_totp, name="mfa_activate_totp"),
    path("/second-factor/app/remove", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("/second-factor/codes", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path(
        "/second-factor/codes/new",
        codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
    path(
        "/second-factor/codes/file",
        codes.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
    path("/second-factor/keys", keys.list_webauthn, name="mfa_list_webauthn"),
    path("/second-factor/keys/new", keys.add_webauthn, name="mfa_add_webauthn"),
    path("/second-factor/keys/sign-in", keys.login_webauthn, name="mfa_login_webauthn"),
    path(
        "/second-factor/keys/confirm",
        keys.reauthenticate_webauthn,
        name="mfa_reauthenticate_webauthn",
    ),
    path("/second-factor/keys/<int:pk>", keys.edit_webauthn, name="mfa_edit_webauthn"),
    path("/second-factor/keys/<int:pk>/remove", keys.remove_webauthn, name="mfa_remove_webauthn"),
]


def not_offered(request: HttpRequest, **_: str) -> HttpResponse:
    """Signing out by the provider: its requests need no signature, anybody could sign us out."""
    raise Http404


def provider_addresses(app: str) -> list[URLPattern]:
    """Where a provider is left for, and where it sends people back to."""
    views = import_module(f"allauth.socialaccount.providers.{app}.views")
    if app == "openid_connect":
        oidc = {"provider_id": "oidc"}
        return [
            path("/with/oidc", leaving(views.login), oidc, name="openid_connect_login"),
            path("/with/oidc/back", asking(views.callback), oidc, name="openid_connect_callback"),
        ]
    if app == "saml":
        # A part of its own: allauth makes these addresses from its value.
        saml = r"^/with/(?P<organization_slug>saml)"
        return [
            re_path(f"{saml}$", leaving(views.login), name="saml_login"),
            re_path(f"{saml}/metadata$", asking(views.metadata), name="saml_metadata"),
            re_path(f"{saml}/back$", require_POST(bounded(asking(views.acs))), name="saml_acs"),
            re_path(f"{saml}/done$", asking(views.finish_acs), name="saml_finish_acs"),
            re_path(f"{saml}/sign-out$", not_offered, name="saml_sls"),
        ]
    return [
        path(f"/with/{app}", leaving(views.oauth2_login), name=f"{app}_login"),
        path(f"/with/{app}/back", asking(views.oauth2_callback), name=f"{app}_callback"),
    ]


for app in settings.SOCIALACCOUNT_PROVIDERS:
    urlpatterns += provider_addresses(app)
