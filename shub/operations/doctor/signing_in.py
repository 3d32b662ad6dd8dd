"""Those by whose word people sign in: providers and the directory."""

import json
from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.asking import Answer, NotReached, ask
from shub.operations.doctor.finding import Finding, fault, skipped, well
from shub.operations.doctor.options import Options

DISCOVERY = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")

AWAY = fault(
    "sign-in-provider-away",
    _("Nobody signs in by {provider}; who is signed in stays so, and tokens work."),
    _(
        "Let this server reach the provider (a proxy, a firewall, its certificate's "
        "authority), and correct {setting}."
    ),
)
NOT_A_PROVIDER = fault(
    "sign-in-not-a-provider",
    _("Nobody signs in by {provider}: what answers there does not say what a provider has to."),
    _("Correct {setting}: the issuer as the provider writes it itself, without /.well-known."),
)
OTHER_ISSUER = fault(
    "sign-in-other-issuer",
    _("Nobody signs in by {provider}: its word is by another issuer than was asked."),
    _("Set {setting} to what the provider says of itself: {issuer}"),
)
DIRECTORY_AWAY = fault(
    "sign-in-directory-away",
    _("Nobody of the directory signs in; each try takes some seconds."),
    _(
        "Let this server reach the directory, and correct LDAP_SERVER_URI, LDAP_START_TLS "
        "and LDAP_CA_FILE."
    ),
)
DIRECTORY_BIND = fault(
    "sign-in-directory-bind",
    _(
        "Nobody of the directory signs in: it does not take the account by which people are "
        "looked for."
    ),
    _("Correct LDAP_BIND_DN and LDAP_BIND_PASSWORD; the password may have expired."),
)
DIRECTORY_BASE = fault(
    "sign-in-directory-base",
    _("Nobody of the directory signs in: there is nothing where people are looked for."),
    _("Correct LDAP_USER_BASE, and let LDAP_BIND_DN read it."),
)


def look(options: Options) -> list[Finding]:
    """Each that is set."""
    found = [*_openid(options), *_others(options), *_directory()]
    return found or [skipped("People sign in by passwords of this registry only.")]


def _openid(options: Options) -> Iterator[Finding]:
    named = {"provider": settings.OIDC_NAME, "setting": "OIDC_ISSUER"}
    issuer = _issuer()
    if not issuer:
        return
    try:
        answer = ask(options, "GET", issuer + DISCOVERY)
    except NotReached as fault:
        yield AWAY.found(fault.words, **named)
        return
    told = _read(answer)
    missing = [each for each in ("issuer", *ENDPOINTS) if not told.get(each)]
    if answer.status >= 500:
        yield AWAY.found(f"{issuer}{DISCOVERY} answers {answer.status}", **named)
    elif answer.status != 200 or missing:
        seen = f"{issuer}{DISCOVERY} answers {answer.status}, without {', '.join(missing)}"
        yield NOT_A_PROVIDER.found(seen, **named)
    elif str(told["issuer"]).rstrip("/") != issuer:
        seen = f"asked at {issuer}, it calls itself {told['issuer']}"
        yield OTHER_ISSUER.found(seen, issuer=told["issuer"], **named)
    else:
        yield well(f"{settings.OIDC_NAME} answers at {issuer}.")


def _issuer() -> str:
    """Where the provider is asked, as allauth is told it."""
    apps = settings.SOCIALACCOUNT_PROVIDERS.get("openid_connect", {}).get("APPS", [])
    return str(apps[0]["settings"]["server_url"]).rstrip("/") if apps else ""


def _read(answer: Answer) -> dict[str, object]:
    try:
        told = json.loads(answer.body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _others(options: Options) -> Iterator[Finding]:
    """Those of whom only their address is known."""
    known = {
        "github": ("GitHub", settings.GITHUB_URL, "GITHUB_URL"),
        "gitlab": ("GitLab", settings.GITLAB_URL, "GITLAB_URL"),
        "orcid": ("ORCID", f"https://{settings.ORCID_DOMAIN}", "ORCID_DOMAIN"),
    }
    for app, (name, address, setting) in known.items():
        if app in settings.SOCIALACCOUNT_PROVIDERS:
            yield _reached(options, name, address, setting)
    if settings.SAML_IDP_METADATA_URL and "saml" in settings.SOCIALACCOUNT_PROVIDERS:
        where = settings.SAML_IDP_METADATA_URL
        yield _reached(options, settings.SAML_NAME, where, "SAML_IDP_METADATA_URL")


def _reached(options: Options, name: str, address: str, setting: str) -> Finding:
    try:
        answer = ask(options, "GET", address)
    except NotReached as fault:
        return AWAY.found(fault.words, provider=name, setting=setting)
    if answer.status >= 500:
        seen = f"{address} answers {answer.status}"
        return AWAY.found(seen, provider=name, setting=setting)
    return well(f"{name} answers at {address}.")


def _directory() -> Iterator[Finding]:
    if not settings.LDAP_SERVER_URI:
        return
    import ldap

    client = ldap.initialize(settings.LDAP_SERVER_URI)
    try:
        for option, value in getattr(settings, "AUTH_LDAP_CONNECTION_OPTIONS", {}).items():
            client.set_option(option, value)
        if settings.LDAP_START_TLS:
            client.start_tls_s()
        client.simple_bind_s(settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD)
        client.search_s(settings.LDAP_USER_BASE, ldap.SCOPE_BASE)
    except (ldap.INVALID_CREDENTIALS, ldap.INAPPROPRIATE_AUTH, ldap.STRONG_AUTH_REQUIRED) as error:
        yield DIRECTORY_BIND.found(_ldap_words(error))
    except (ldap.NO_SUCH_OBJECT, ldap.INSUFFICIENT_ACCESS, ldap.INVALID_DN_SYNTAX) as error:
        yield DIRECTORY_BASE.found(f"{settings.LDAP_USER_BASE}: {_ldap_words(error)}")
    except ldap.LDAPError as error:
        yield DIRECTORY_AWAY.found(f"{settings.LDAP_SERVER_URI}: {_ldap_words(error)}")
    else:
        yield well(f"The directory at {settings.LDAP_SERVER_URI} lets this server in.")
    finally:
        client.unbind_s()


def _ldap_words(error: Exception) -> str:
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return str(told.get("desc") or error)
