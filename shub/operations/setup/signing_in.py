"""Ways to sign in beside a password here: which settings each takes (docs/how-to/sign-in-*.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shub.operations.setup.failures import Refused

LOCAL = "local"
# In .env: the ways whose word is enough for a first sign-in.
BY_WORD = "AUTO_REGISTER_BY"


@dataclass(frozen=True)
class Way:
    """One way: the setting that turns it on, and what has to be known of the provider."""

    title: str
    # Settings and what a person is asked for each; the first turns the way on.
    asked: Mapping[str, str]
    secret: str = ""
    # What has a value already, or may be left empty.
    preset: Mapping[str, str] = field(default_factory=dict)
    # Whose settings they are: they go when the way is given up.
    prefix: str = ""
    callback: str = ""
    # Whether everybody whom the provider knows may be let in by a yes.
    by_word: str = ""

    @property
    def trigger(self) -> str:
        return next(iter(self.asked))


WAYS = {
    "oidc": Way(
        "OpenID Connect: Keycloak, Dex, Globus, Entra ID, a university",
        {
            "OIDC_CLIENT_ID": "The client id that the provider gave this site",
            "OIDC_ISSUER": "The provider's address (the issuer, https://…)",
            "OIDC_NAME": "What the button says: Sign in by …",
        },
        secret="OIDC_CLIENT_SECRET",  # noqa: S106  a setting's name
        preset={"OIDC_NAME": "OpenID Connect"},
        prefix="OIDC_",
        callback="/account/with/oidc/back",
        by_word="oidc",
    ),
    "github": Way(
        "GitHub, or an Enterprise Server",
        {
            "GITHUB_CLIENT_ID": "The client id of the OAuth app",
            "GITHUB_URL": "The server's address",
        },
        secret="GITHUB_CLIENT_SECRET",  # noqa: S106
        preset={"GITHUB_URL": "https://github.com"},
        prefix="GITHUB_",
        callback="/account/with/github/back",
        by_word="github",
    ),
    "gitlab": Way(
        "GitLab, theirs or your own",
        {
            "GITLAB_CLIENT_ID": "The application's id",
            "GITLAB_URL": "The server's address",
        },
        secret="GITLAB_CLIENT_SECRET",  # noqa: S106
        preset={"GITLAB_URL": "https://gitlab.com"},
        prefix="GITLAB_",
        callback="/account/with/gitlab/back",
        by_word="gitlab",
    ),
    "orcid": Way(
        "ORCID",
        {"ORCID_CLIENT_ID": "The API client's id"},
        secret="ORCID_CLIENT_SECRET",  # noqa: S106
        prefix="ORCID_",
        callback="/account/with/orcid/back",
        by_word="orcid",
    ),
    "saml": Way(
        "SAML",
        {
            "SAML_IDP_ENTITY_ID": "The identity provider's entity id",
            "SAML_IDP_METADATA_URL": "The address of its metadata",
            "SAML_NAME": "What the button says: Sign in by …",
        },
        preset={"SAML_NAME": "your institution"},
        prefix="SAML_",
        callback="/account/with/saml/back",
        by_word="saml",
    ),
    "ldap": Way(
        "an LDAP directory",
        {
            "LDAP_SERVER_URI": "The directory's address (ldaps://…)",
            "LDAP_USER_BASE": "Below which entry the people are (ou=people,dc=…)",
            "LDAP_BIND_DN": "Who searches (a DN)",
            "LDAP_GROUP_BASE": "Below which entry the groups are (empty: no groups)",
        },
        secret="LDAP_BIND_PASSWORD",  # noqa: S106
        preset={"LDAP_GROUP_BASE": ""},
        prefix="LDAP_",
    ),
    "active-directory": Way(
        "an Active Directory",
        {
            "LDAP_SERVER_URI": "The directory's address (ldaps://…)",
            "LDAP_USER_BASE": "Below which entry the people are (OU=People,DC=…)",
            "LDAP_BIND_DN": "Who searches (NAME@DOMAIN)",
            "LDAP_GROUP_BASE": "Below which entry the groups are (empty: no groups)",
            "LDAP_USER_NAME": "The attribute that is the sign-in name",
            "LDAP_USER_ID": "The attribute that names an entry for good",
            "LDAP_USER_FILTER": "What finds the one who signs in",
            "LDAP_GROUP_TYPE": "How groups name people",
        },
        secret="LDAP_BIND_PASSWORD",  # noqa: S106
        preset={
            "LDAP_GROUP_BASE": "",
            "LDAP_USER_NAME": "sAMAccountName",
            "LDAP_USER_ID": "objectGUID",
            # Not the accounts that are disabled there.
            "LDAP_USER_FILTER": "(&(sAMAccountName=%(user)s)"
            "(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
            "LDAP_GROUP_TYPE": "activedirectory",
        },
        prefix="LDAP_",
    ),
}


def parse(written: str) -> list[str]:
    """Ways by their names, commas between them; `local` is a password here, which always works."""
    found: list[str] = []
    for word in written.replace(" ", "").lower().split(","):
        if word and word != LOCAL and word not in WAYS:
            raise Refused(f"--sign-in knows {LOCAL}, {', '.join(WAYS)}; not {word!r}.")
        if word and word != LOCAL and word not in found:
            found.append(word)
    if "ldap" in found and "active-directory" in found:
        raise Refused("--sign-in: there can be one directory, ldap or active-directory.")
    return found


def current(settings: Mapping[str, str]) -> list[str]:
    """The ways that these settings turn on."""
    found = [name for name, way in WAYS.items() if settings.get(way.trigger)]
    if "ldap" in found:
        found.remove(
            "ldap" if settings.get("LDAP_GROUP_TYPE") == "activedirectory" else "active-directory"
        )
    return found
