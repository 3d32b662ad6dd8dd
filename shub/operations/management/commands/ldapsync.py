"""`manage.py ldapsync`: disable whom the directory no longer lets in, so that their tokens stop."""

from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from shub.accounts import groups, standing
from shub.accounts.callers import Caller
from shub.accounts.models import User
from shub.errors import Conflict, Denied

# In the link's row: this command disabled the account, and may enable it again.
MARK = "disabled_by_ldapsync"


class Command(BaseCommand):
    help = (
        "Look every account of the directory up in it. Disables those that are gone or whose "
        "groups keep them out, enables again those that it disabled, and follows groups to teams "
        "and administrators. Does nothing where the directory does not answer. Run it every hour."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say it, and do nothing")
        parser.add_argument(
            "--force",
            action="store_true",
            help="disable even more than half of the accounts",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.LDAP_SERVER_URI:
            raise CommandError("LDAP_SERVER_URI is not set: there is no directory to ask.")
        import ldap

        from shub.web.signin import directory

        links = list(
            SocialAccount.objects.filter(provider=directory.PROVIDER)
            .select_related("user")
            .order_by("user__username")
        )
        try:
            found = {link: held(link) for link in links}
        except ldap.LDAPError as error:
            raise CommandError(
                f"The directory did not answer, nothing was done: {error}"
            ) from error
        gone = [link for link in links if found[link] is None]
        if len(gone) > max(1, len(links) // 2) and not options["force"]:
            raise CommandError(
                f"{len(gone)} of {len(links)} accounts would be disabled: look at LDAP_USER_BASE, "
                "LDAP_USER_FILTER and the group settings, or say --force."
            )
        for link, names in found.items():
            self.apply(link, names, dry=options["dry_run"])

    def apply(self, link: SocialAccount, names: set[str] | None, *, dry: bool) -> None:
        """Bring one account to what the directory says."""
        user: Any = link.user
        if names is None and user.is_active:
            self.switch(link, user, active=False, dry=dry)
        elif names is not None and not user.is_active and link.extra_data.get(MARK):
            self.switch(link, user, active=True, dry=dry)
        if not dry and names is not None:
            groups.follow(link.provider, names, by=Caller(user))

    def switch(self, link: SocialAccount, user: User, *, active: bool, dry: bool) -> None:
        """Disable or enable, and remember that it was done here."""
        became = "enabled" if active else "disabled"
        act = standing.enable if active else standing.disable
        if not dry:
            try:
                with transaction.atomic():
                    act(user, by=None, because="the directory")
                    link.extra_data = {} if active else {MARK: True}
                    link.save(update_fields=["extra_data"])
            except Conflict as refusal:
                became = f"not {became}: {refusal.message}"
        self.stdout.write(f"{user.username}: {became}")


def held(link: SocialAccount) -> set[str] | None:
    """The groups of somebody who may come; None where the directory or a group keeps them out."""
    from shub.web.signin import directory

    entry = directory.entry_of(link)
    if entry is None:
        return None
    names = directory.groups_of(entry)
    try:
        groups.check_may_come(directory.PROVIDER, names)
    except Denied:
        return None
    return names
