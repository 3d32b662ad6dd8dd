"""Signing in by a directory: django-auth-ldap asks it, and what an answer means is decided here.

Somebody is who the entry's id says, not who the name says: names are given again to others.
"""

import logging
from typing import Any

import ldap
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import transaction
from django_auth_ldap.backend import LDAPBackend, _LDAPUser
from django_auth_ldap.config import LDAPSearch
from ldap.filter import escape_filter_chars

from shub.accounts import groups, registration
from shub.accounts.callers import NOBODY, Caller
from shub.accounts.models import User
from shub.accounts.users import user_named
from shub.errors import Denied, Refusal
from shub.web.signin.backends import may_sign_in

logger = logging.getLogger(__name__)

PROVIDER = "ldap"


class DirectoryBackend(LDAPBackend):
    """A sign-in name and a password that the directory takes."""

    def get_user(self, user_id: Any) -> User | None:
        """Whoever is disabled is signed out at once."""
        user = User.objects.filter(pk=user_id).first()
        return user if user and may_sign_in(user) else None

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[User, bool]:
        """The account of the entry, made where there is none; its groups are looked at first."""
        try:
            return account_of(ldap_user), False
        except Refusal as refusal:
            logger.warning("%s of the directory was refused: %s", ldap_user.dn, refusal.message)
            raise ldap_user.AuthenticationFailed(refusal.message) from refusal


def account_of(entry: Any) -> User:
    """The account of somebody whom the directory knows. Denied by groups; Conflict over a name."""
    held = groups_of(entry)
    groups.check_may_come(PROVIDER, held)
    uid = id_of(entry)
    link = SocialAccount.objects.filter(provider=PROVIDER, uid=uid).select_related("user").first()
    user = link.user if link else link_account(entry, uid)
    groups.follow(PROVIDER, held, by=Caller(user))
    return user


def link_account(entry: Any, uid: str) -> User:
    """Make the account of an entry that has none, or give it the one of its name."""
    name = first(entry, settings.LDAP_USER_NAME)
    if not name:
        raise Denied(f"The entry has no {settings.LDAP_USER_NAME}.")
    there = user_named(name)
    with transaction.atomic():
        if there and may_be_linked(there):
            user = there
            # From now on the directory says whether they may come, and no provider does that
            # whoever had the account has connected.
            user.set_unusable_password()
            user.save(update_fields=["password"])
            SocialAccount.objects.filter(user=user).delete()
        elif PROVIDER not in settings.AUTO_REGISTER_BY:
            raise Denied("AUTO_REGISTER_BY does not name ldap.")
        else:
            user = registration.create_user(
                username=name,
                password=None,
                email=first(entry, settings.LDAP_USER_EMAIL),
                by=NOBODY,
            )
        SocialAccount.objects.create(user=user, provider=PROVIDER, uid=uid)
    return user


def may_be_linked(user: User) -> bool:
    """Whether an account that is there may become that of the entry of its name.

    Not an administrator's or an auditor's: who may give names in the directory need not be one
    here.
    """
    return (
        settings.LDAP_LINK_BY_NAME
        and not (user.is_superuser or user.is_auditor or user.is_robot)
        and not SocialAccount.objects.filter(user=user, provider=PROVIDER).exists()
    )


def id_of(entry: Any) -> str:
    """What names the entry for good. Denied where the directory does not say it."""
    values = entry.attrs.get(settings.LDAP_USER_ID) or []
    if not values:
        raise Denied(f"The directory does not show the entry's {settings.LDAP_USER_ID}.")
    value = values[0]
    if is_of_bytes() and isinstance(value, str):
        # By chance bytes that are a text as well, which django-auth-ldap has made of them.
        value = value.encode()
    return value.hex() if isinstance(value, bytes) else str(value)


def first(entry: Any, attribute: str) -> str:
    """The first value of an attribute, or nothing."""
    values = entry.attrs.get(attribute) or [""]
    return str(values[0])


def groups_of(entry: Any) -> set[str]:
    """The names and the DNs of the entry's groups."""
    if not settings.LDAP_GROUP_BASE:
        return set()
    return {name for name in entry.group_names if name} | set(entry.group_dns)


def entry_of(link: SocialAccount) -> Any:
    """The directory's entry of an account, as a sign-in would find it today; None where it is gone.

    Raises ldap.LDAPError where the directory does not say.
    """
    backend = DirectoryBackend()
    asking = _LDAPUser(backend, username=link.user.username)
    connection = asking.connection
    wanted = filter_value(link.uid)
    search = LDAPSearch(
        settings.LDAP_USER_BASE,
        ldap.SCOPE_SUBTREE,
        f"({settings.LDAP_USER_ID}={wanted})",
        [settings.LDAP_USER_NAME],
    )
    for _, attributes in search.execute(connection):
        names = attributes.get(settings.LDAP_USER_NAME) or [""]
        entry = _LDAPUser(backend, username=names[0])
        # Asked again as at a sign-in: the filter may leave out the locked.
        found = backend.settings.USER_SEARCH.execute(entry.connection, {"user": names[0]})
        if len(found) == 1:
            entry._user_dn, entry._user_attrs = found[0]  # noqa: SLF001  what its own search keeps
            return entry if id_of(entry) == link.uid else None
    return None


def filter_value(uid: str) -> str:
    """An entry's id in a filter; Active Directory's are bytes, that are kept as hex."""
    if is_of_bytes():
        return "".join(f"\\{byte:02x}" for byte in bytes.fromhex(uid))
    return str(escape_filter_chars(uid))


def is_of_bytes() -> bool:
    """Whether an entry's id is no text: Active Directory's."""
    name: str = settings.LDAP_USER_ID
    return name.lower() == "objectguid"
