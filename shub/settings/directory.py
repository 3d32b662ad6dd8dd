"""An LDAP directory or an Active Directory, as django-auth-ldap is told of it.

python-ldap is loaded only where a directory is set: not every site has it.
"""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from shub.settings import env

#: `ldaps://ldap.example.org`; turns it on (install `requirements-ldap.txt`).
LDAP_SERVER_URI = env.text("LDAP_SERVER_URI")
#: Go over to TLS on an `ldap://` address.
LDAP_START_TLS = env.boolean("LDAP_START_TLS", False)
#: A PEM file of the authority that signed the server's certificate, where it is a private one.
LDAP_CA_FILE = env.text("LDAP_CA_FILE")
#: Who searches; empty: anonymously.
LDAP_BIND_DN = env.text("LDAP_BIND_DN")
LDAP_BIND_PASSWORD = env.secret("LDAP_BIND_PASSWORD")

# Where the people are, how one is found by the sign-in name, and which attribute says for good who
# they are: names are given again to others.
#: Below which the people are.
LDAP_USER_BASE = env.text("LDAP_USER_BASE")
#: The attribute that is the sign-in name; Active Directory: `sAMAccountName`.
LDAP_USER_NAME = env.text("LDAP_USER_NAME", "uid")
#: Finds the one who signs in; by default by `LDAP_USER_NAME`.
LDAP_USER_FILTER = env.text("LDAP_USER_FILTER", f"({LDAP_USER_NAME}=%(user)s)")
#: The attribute that names an entry for good; Active Directory: `objectGUID`.
LDAP_USER_ID = env.text("LDAP_USER_ID", "entryUUID")
#: The attribute of the address.
LDAP_USER_EMAIL = env.text("LDAP_USER_EMAIL", "mail")

#: Below which the groups are; without it nobody is in any.
LDAP_GROUP_BASE = env.text("LDAP_GROUP_BASE")
#: How groups name people: `member` (groupOfNames), `uniquemember` (groupOfUniqueNames), `posix`
#: (posixGroup), `nested` (groupOfNames in each other), `activedirectory` (nested too).
LDAP_GROUP_TYPE = env.choice(
    "LDAP_GROUP_TYPE", ["member", "uniquemember", "posix", "nested", "activedirectory"]
)

#: People of the directory get the account that has their name already, unless it is an
#: administrator's or an auditor's.
LDAP_LINK_BY_NAME = env.boolean("LDAP_LINK_BY_NAME", False)


def told() -> dict[str, Any]:
    """django-auth-ldap's settings; stops the start where python-ldap is not installed."""
    try:
        import ldap
        from django_auth_ldap import config
    except ImportError as error:
        raise ImproperlyConfigured(
            "LDAP_SERVER_URI is set, but python-ldap is not installed: "
            "pip install --require-hashes -r requirements-ldap.txt"
        ) from error
    if not LDAP_USER_BASE:
        raise ImproperlyConfigured("LDAP_SERVER_URI needs LDAP_USER_BASE: where the people are.")
    attributes = ["*", "memberOf", LDAP_USER_ID]
    found: dict[str, Any] = {
        "AUTH_LDAP_SERVER_URI": LDAP_SERVER_URI,
        "AUTH_LDAP_START_TLS": LDAP_START_TLS,
        "AUTH_LDAP_BIND_DN": LDAP_BIND_DN,
        "AUTH_LDAP_BIND_PASSWORD": LDAP_BIND_PASSWORD,
        "AUTH_LDAP_USER_ATTRLIST": attributes,
        "AUTH_LDAP_USER_SEARCH": config.LDAPSearch(
            LDAP_USER_BASE, ldap.SCOPE_SUBTREE, LDAP_USER_FILTER, attributes
        ),
        # A directory that says nothing must not hold a page for long; Active Directory answers a
        # search from its root with pointers to other servers, which are not followed.
        "AUTH_LDAP_CONNECTION_OPTIONS": {
            ldap.OPT_NETWORK_TIMEOUT: 5,
            ldap.OPT_TIMEOUT: 10,
            ldap.OPT_REFERRALS: 0,
        },
        # An empty password is an anonymous bind, which succeeds: never.
        "AUTH_LDAP_PERMIT_EMPTY_PASSWORD": False,
        "AUTH_LDAP_FIND_GROUP_PERMS": False,
        # Accounts are ours to make and to change.
        "AUTH_LDAP_ALWAYS_UPDATE_USER": False,
    }
    if LDAP_CA_FILE:
        found["AUTH_LDAP_CONNECTION_OPTIONS"] |= {
            ldap.OPT_X_TLS_CACERTFILE: LDAP_CA_FILE,
            ldap.OPT_X_TLS_NEWCTX: 0,
        }
    if LDAP_GROUP_BASE:
        kinds = {
            "member": (config.GroupOfNamesType, "groupOfNames"),
            "uniquemember": (config.GroupOfUniqueNamesType, "groupOfUniqueNames"),
            "posix": (config.PosixGroupType, "posixGroup"),
            "nested": (config.NestedGroupOfNamesType, "groupOfNames"),
            "activedirectory": (config.NestedActiveDirectoryGroupType, "group"),
        }
        kind, object_class = kinds[LDAP_GROUP_TYPE]
        found["AUTH_LDAP_GROUP_TYPE"] = kind()
        found["AUTH_LDAP_GROUP_SEARCH"] = config.LDAPSearch(
            LDAP_GROUP_BASE, ldap.SCOPE_SUBTREE, f"(objectClass={object_class})"
        )
    return found


if LDAP_SERVER_URI:
    globals().update(told())
