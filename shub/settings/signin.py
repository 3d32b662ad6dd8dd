"""Signing in to the pages: by a password here, by a directory, or by somebody else's word.

What is not set is not installed: a provider's code is loaded where its settings are.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from shub.settings import env
from shub.settings.directory import LDAP_SERVER_URI
from shub.settings.mail import EMAIL_HOST
from shub.settings.registry import PUBLIC_URL, REGISTRY_NAME

# ── who may come ──

#: Who may make an account: `closed` (nobody: administrators make them), `invitation` (whoever has
#: an invitation's link), `domain` (whoever has a verified address in one of
#: `REGISTRATION_DOMAINS`, and the invited), `open` (everybody).
REGISTRATION = env.choice("REGISTRATION", ["closed", "invitation", "domain", "open"])
#: Domains of e-mail addresses, separated by commas; those below them do not count.
REGISTRATION_DOMAINS = [domain.lower() for domain in env.listing("REGISTRATION_DOMAINS")]

# A directory is the site's own; a provider may know the whole world.
#: Ways to sign in whose word makes an account whatever `REGISTRATION` says: of `ldap`, `oidc`,
#: `github`, `gitlab`, `orcid`, `saml`, separated by commas. Name a provider only where all whom it
#: knows may come; `none` for no way at all.
AUTO_REGISTER_BY = env.listing("AUTO_REGISTER_BY") or ["ldap"]

#: Providers whose *verified* address leads to the account that has verified the same one. By
#: default none does: whoever has an account connects a provider on their page.
LINK_BY_EMAIL = env.listing("LINK_BY_EMAIL")

#: Who must have a second factor: `none`, `administrators`, `everybody`. Whoever lacks one is led
#: to where it is set up.
MFA_REQUIRED = env.choice("MFA_REQUIRED", ["none", "administrators", "everybody"])

if REGISTRATION == "domain" and not REGISTRATION_DOMAINS:
    raise ImproperlyConfigured("REGISTRATION=domain needs REGISTRATION_DOMAINS.")

# ── a password here ──

AUTHENTICATION_BACKENDS = ["shub.web.signin.backends.PasswordBackend"]

ACCOUNT_ADAPTER = "shub.web.signin.adapters.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "shub.web.signin.forms.SignInForm",
    "signup": "shub.web.signin.forms.RegistrationForm",
    "reset_password": "shub.web.signin.forms.ForgottenPasswordForm",
}
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = [
    "username*",
    "email*" if REGISTRATION == "domain" else "email",
    "password1*",
    "password2*",
]
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if REGISTRATION == "domain" else "optional"
# An address proves nothing and identifies nobody here: two accounts may have the same, and nobody
# keeps another out by naming theirs.
ACCOUNT_UNIQUE_EMAIL = False
ACCOUNT_EMAIL_NOTIFICATIONS = bool(EMAIL_HOST)
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_LOGOUT_REDIRECT_URL = "home"
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if PUBLIC_URL.startswith("https://") else "http"

# ── a second factor ──

MFA_ADAPTER = "shub.web.signin.adapters.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "shub.web.signin.forms.CodeForm",
    "reauthenticate": "shub.web.signin.forms.CodeAgainForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = REGISTRY_NAME
# Clocks of phones differ: the code before and the code after are taken as well.
MFA_TOTP_TOLERANCE = 1
# Where no mail is sent, no address is ever verified.
MFA_ALLOW_UNVERIFIED_EMAIL = True

# ── somebody else's word ──

SOCIALACCOUNT_ADAPTER = "shub.web.signin.adapters.ProviderAdapter"
SOCIALACCOUNT_FORMS = {
    "signup": "shub.web.signin.forms.ProviderRegistrationForm",
    "disconnect": "shub.web.signin.forms.DisconnectionForm",
}
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_QUERY_EMAIL = True
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True

SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, Any]] = {}
SIGN_IN_APPS = ["allauth", "allauth.account", "allauth.socialaccount", "allauth.mfa"]

# What a provider calls a person's groups, which of them matter, and for what.
GROUPS_CLAIM: dict[str, str] = {}
REQUIRE_GROUP: dict[str, str] = {}
DENY_GROUP: dict[str, str] = {}
ADMIN_GROUP: dict[str, str] = {}
TEAM_GROUPS: dict[str, dict[str, str]] = {}


def provider(app: str, *, client_id: str, secret: str, **rest: Any) -> None:
    """Install allauth's app for a provider, with the client that the provider knows us by."""
    SIGN_IN_APPS.append(f"allauth.socialaccount.providers.{app}")
    of_app = rest.pop("of_app", {})
    SOCIALACCOUNT_PROVIDERS[app] = {
        "APPS": [{"client_id": client_id, "secret": secret, **rest}],
        # A code that is caught on its way is worth nothing without what this session keeps.
        "OAUTH_PKCE_ENABLED": True,
        **of_app,
    }


def client(name: str, client_id: str, secret: str) -> bool:
    """Whether a provider's client is configured; half of one stops the start."""
    if bool(client_id) != bool(secret):
        raise ImproperlyConfigured(f"Set both {name}_CLIENT_ID and {name}_CLIENT_SECRET.")
    return bool(client_id)


#: The provider's address, below which `/.well-known/openid-configuration` lies.
OIDC_ISSUER = env.text("OIDC_ISSUER").rstrip("/")
#: What the button says: Sign in by ….
OIDC_NAME = env.text("OIDC_NAME", "OpenID Connect")
#: The client that the provider knows this site by.
OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.secret("OIDC_CLIENT_SECRET")
#: What is asked for.
OIDC_SCOPES = env.listing("OIDC_SCOPES") or ["openid", "profile", "email"]

if client("OIDC", OIDC_CLIENT_ID, OIDC_CLIENT_SECRET):
    if not OIDC_ISSUER:
        raise ImproperlyConfigured("OIDC_CLIENT_ID needs OIDC_ISSUER.")
    provider(
        "openid_connect",
        provider_id="oidc",
        name=OIDC_NAME,
        client_id=OIDC_CLIENT_ID,
        secret=OIDC_CLIENT_SECRET,
        settings={
            "server_url": OIDC_ISSUER,
            "scope": OIDC_SCOPES,
            "oauth_pkce_enabled": True,
        },
    )

#: The claim that lists a person's groups.
GROUPS_CLAIM["oidc"] = env.text("OIDC_GROUPS_CLAIM", "groups")
#: Only those in the one, and nobody in the other, may come.
REQUIRE_GROUP["oidc"] = env.text("OIDC_REQUIRE_GROUP")
DENY_GROUP["oidc"] = env.text("OIDC_DENY_GROUP")
#: Those in it are administrators, for as long as they are.
ADMIN_GROUP["oidc"] = env.text("OIDC_ADMIN_GROUP")
#: Pairs of group and team, as `lab=physics,heads=physics:owner`: those in the group are in the
#: team, for as long as they are.
TEAM_GROUPS["oidc"] = env.pairs("OIDC_TEAM_GROUPS")

#: An Enterprise Server's address.
GITHUB_URL = env.text("GITHUB_URL", "https://github.com").rstrip("/")
#: The OAuth app.
GITHUB_CLIENT_ID = env.text("GITHUB_CLIENT_ID")
GITHUB_CLIENT_SECRET = env.secret("GITHUB_CLIENT_SECRET")

if client("GITHUB", GITHUB_CLIENT_ID, GITHUB_CLIENT_SECRET):
    provider(
        "github",
        client_id=GITHUB_CLIENT_ID,
        secret=GITHUB_CLIENT_SECRET,
        # Its API is elsewhere on github.com and below the address of an Enterprise Server.
        of_app={} if GITHUB_URL == "https://github.com" else {"GITHUB_URL": GITHUB_URL},
    )

#: Your own server's address.
GITLAB_URL = env.text("GITLAB_URL", "https://gitlab.com").rstrip("/")
#: The application.
GITLAB_CLIENT_ID = env.text("GITLAB_CLIENT_ID")
GITLAB_CLIENT_SECRET = env.secret("GITLAB_CLIENT_SECRET")

if client("GITLAB", GITLAB_CLIENT_ID, GITLAB_CLIENT_SECRET):
    provider(
        "gitlab",
        client_id=GITLAB_CLIENT_ID,
        secret=GITLAB_CLIENT_SECRET,
        settings={"gitlab_url": GITLAB_URL, "scope": ["read_user"]},
    )

#: `sandbox.orcid.org` to try it.
ORCID_DOMAIN = env.text("ORCID_DOMAIN", "orcid.org")
#: The API client.
ORCID_CLIENT_ID = env.text("ORCID_CLIENT_ID")
ORCID_CLIENT_SECRET = env.secret("ORCID_CLIENT_SECRET")

if client("ORCID", ORCID_CLIENT_ID, ORCID_CLIENT_SECRET):
    provider(
        "orcid",
        client_id=ORCID_CLIENT_ID,
        secret=ORCID_CLIENT_SECRET,
        of_app={"BASE_DOMAIN": ORCID_DOMAIN},
    )

#: What the button says.
SAML_NAME = env.text("SAML_NAME", "your institution")
#: The identity provider; turns SAML on (install `requirements-saml.txt`).
SAML_IDP_ENTITY_ID = env.text("SAML_IDP_ENTITY_ID")
#: Where its metadata are; or, instead, the next two.
SAML_IDP_METADATA_URL = env.text("SAML_IDP_METADATA_URL")
#: Where people are sent, and what it signs with.
SAML_IDP_SSO_URL = env.text("SAML_IDP_SSO_URL")
SAML_IDP_CERTIFICATE = env.secret("SAML_IDP_CERTIFICATE")
#: With them requests are signed.
SAML_SP_CERTIFICATE = env.secret("SAML_SP_CERTIFICATE")
SAML_SP_PRIVATE_KEY = env.secret("SAML_SP_PRIVATE_KEY")
#: The attribute that names a person for good; where it is missing, the NameID does.
SAML_UID = env.text("SAML_UID", "urn:oasis:names:tc:SAML:attribute:subject-id")
#: The attribute for the sign-in name (uid).
SAML_USERNAME = env.text("SAML_USERNAME", "urn:oid:0.9.2342.19200300.100.1.1")
#: The one for the address (mail).
SAML_EMAIL = env.text("SAML_EMAIL", "urn:oid:0.9.2342.19200300.100.1.3")
#: The one for groups (isMemberOf).
GROUPS_CLAIM["saml"] = env.text("SAML_GROUPS", "urn:oid:1.3.6.1.4.1.5923.1.5.1.1")
#: As for OpenID Connect.
REQUIRE_GROUP["saml"] = env.text("SAML_REQUIRE_GROUP")
DENY_GROUP["saml"] = env.text("SAML_DENY_GROUP")
ADMIN_GROUP["saml"] = env.text("SAML_ADMIN_GROUP")
TEAM_GROUPS["saml"] = env.pairs("SAML_TEAM_GROUPS")

if SAML_IDP_ENTITY_ID:
    if not SAML_IDP_METADATA_URL and not (SAML_IDP_SSO_URL and SAML_IDP_CERTIFICATE):
        raise ImproperlyConfigured(
            "SAML_IDP_ENTITY_ID needs SAML_IDP_METADATA_URL, or SAML_IDP_SSO_URL and "
            "SAML_IDP_CERTIFICATE."
        )
    provider(
        "saml",
        provider_id="saml",
        name=SAML_NAME,
        client_id="saml",
        secret="",
        settings={
            "idp": {
                "entity_id": SAML_IDP_ENTITY_ID,
                **({"metadata_url": SAML_IDP_METADATA_URL} if SAML_IDP_METADATA_URL else {}),
                "sso_url": SAML_IDP_SSO_URL,
                "x509cert": SAML_IDP_CERTIFICATE,
            },
            "sp": {"entity_id": f"{PUBLIC_URL}/account/with/saml/metadata"},
            "attribute_mapping": {
                "uid": [SAML_UID],
                "username": [SAML_USERNAME],
                "email": [SAML_EMAIL],
            },
            "advanced": {
                # What is not signed is not said; nobody is signed in who did not begin here.
                "strict": True,
                "want_assertion_signed": True,
                "reject_idp_initiated_sso": True,
                "reject_deprecated_algorithm": True,
                "want_name_id": False,
                # Closed networks have names without a dot.
                "allow_single_label_domains": True,
                **(
                    {
                        "x509cert": SAML_SP_CERTIFICATE,
                        "private_key": SAML_SP_PRIVATE_KEY,
                        "authn_request_signed": True,
                    }
                    if SAML_SP_PRIVATE_KEY
                    else {}
                ),
            },
        },
    )

# ── a directory (shub.settings.directory) ──

#: As for OpenID Connect; a group's name or its DN.
REQUIRE_GROUP["ldap"] = env.text("LDAP_REQUIRE_GROUP")
DENY_GROUP["ldap"] = env.text("LDAP_DENY_GROUP")
ADMIN_GROUP["ldap"] = env.text("LDAP_ADMIN_GROUP")
#: Pairs of a group's name and a team, as for OpenID Connect.
TEAM_GROUPS["ldap"] = env.pairs("LDAP_TEAM_GROUPS")

if LDAP_SERVER_URI:
    AUTHENTICATION_BACKENDS.append("shub.web.signin.directory.DirectoryBackend")
