"""Happenings: what an event of the audit trail says, as a sentence.

`mara` `pushed the image` `mara/tools/gcc:sha256.…`: who, what, and what it was done to. An action
that has no words here is shown by its name.
"""

from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from shub.audit.models import Event
from shub.web.templatetags.pages import in_units

# By action: the sign, what is said before the name of the thing, and after it, of the details.
SENTENCES: dict[str, tuple[str, str | Promise, str | Promise]] = {
    "address.added": ("add", _("added an address to the account"), _("(%(address)s)")),
    "address.changed": ("check", _("changed the address of the account"), _("to %(address)s")),
    "address.removed": ("remove", _("removed an address from the account"), _("(%(address)s)")),
    "address.verified": ("check", _("verified an address of the account"), _("(%(address)s)")),
    "collection.created": ("collection", _("made the collection"), ""),
    "collection.described": ("collection", _("changed the description of"), ""),
    "collection.dropped": ("remove", _("dropped, after its time, the collection"), ""),
    "collection.readme": ("collection", _("changed the README of"), ""),
    "collection.removed": ("remove", _("removed the collection"), ""),
    "collection.removed_for_good": ("remove", _("removed for good the collection"), ""),
    "collection.renamed": ("collection", _("renamed the collection"), _("which was %(before)s")),
    "collection.restored": ("undo", _("brought back the collection"), ""),
    "collection.visibility": ("internal", _("changed who sees"), _("to %(after)s")),
    "container.created": ("container", _("made the container"), ""),
    "container.described": ("container", _("changed the description of"), ""),
    "container.dropped": ("remove", _("dropped, after its time, the container"), ""),
    "container.frozen": ("frozen", _("froze the container"), ""),
    "container.readme": ("container", _("changed the README of"), ""),
    "container.removed": ("remove", _("removed the container"), ""),
    "container.removed_for_good": ("remove", _("removed for good the container"), ""),
    "container.renamed": ("container", _("renamed the container"), _("which was %(before)s")),
    "container.restored": ("undo", _("brought back the container"), ""),
    "container.unfrozen": ("frozen", _("unfroze the container"), ""),
    "container.visibility": ("internal", _("changed who sees"), _("to %(after)s")),
    "entity.default_private": ("private", _("changed whether new collections are private in"), ""),
    "entity.created": ("entity", _("made the entity"), ""),
    "entity.described": ("entity", _("changed the description of"), ""),
    "entity.handed_over": ("entity", _("handed over the entity"), _("to %(to)s")),
    "entity.quota": ("settings", _("changed the quota of"), ""),
    "entity.readme": ("entity", _("changed the README of"), ""),
    "entity.renamed": ("entity", _("renamed the entity"), _("which was %(before)s")),
    "entity.retired": ("remove", _("retired the entity"), ""),
    "factor.added": ("key", _("added a second factor to the account"), ""),
    "factor.refused": ("warning", _("gave a wrong second factor for the account"), ""),
    "factor.removed": ("key", _("removed a second factor from the account"), ""),
    "factor.reset": ("key", _("made new recovery codes for the account"), ""),
    "image.damaged": ("warning", _("found damaged the image"), ""),
    "image.dropped": ("remove", _("dropped, after its time, the image"), ""),
    "image.healed": ("check", _("has right bytes again of the image"), ""),
    "image.linked": ("container", _("pushed, without sending its bytes again, the image"), ""),
    "image.pushed": ("container", _("pushed the image"), ""),
    "image.removed": ("remove", _("removed the image"), ""),
    "image.removed_for_good": ("remove", _("removed for good the image"), ""),
    "image.restored": ("undo", _("brought back the image"), ""),
    "invitation.accepted": ("check", _("accepted the"), ""),
    "invitation.made": ("add", _("made the"), ""),
    "invitation.withdrawn": ("remove", _("withdrew or declined the"), ""),
    "name.released": ("entity", _("released the name"), ""),
    "password.changed": ("key", _("changed the password of"), ""),
    "password.reset": ("key", _("replaced, by a mail, the password of"), ""),
    "provider.connected": ("key", _("connected an account elsewhere to"), ""),
    "provider.disconnected": ("key", _("disconnected an account elsewhere from"), ""),
    "robot.created": ("add", _("made the robot"), ""),
    "robot.removed": ("remove", _("removed the robot"), ""),
    "role.granted": ("key", _("granted a role on"), _("to %(holder)s: %(role)s")),
    "role.revoked": ("remove", _("took away a role on"), _("from %(holder)s")),
    "site.backed_up": ("check", _("backed up the site"), _("(%(point)s)")),
    "site.read_only": ("frozen", _("made the site read-only"), ""),
    "site.repaired": ("check", _("repaired what rows and store did not agree on"), _("(%(what)s)")),
    "site.restored": ("undo", _("brought back the site from a backup"), _("(%(point)s)")),
    "site.writable": ("check", _("ended that the site is read-only"), ""),
    "tag.frozen": ("frozen", _("froze the tag"), ""),
    "tag.moved": ("tag", _("set the tag"), ""),
    "tag.refused": ("refused", _("was refused the tag"), ""),
    "tag.removed": ("remove", _("removed the tag"), ""),
    "tag.unfrozen": ("frozen", _("unfroze the tag"), ""),
    "team.created": ("add", _("made the team"), ""),
    "team.joined": ("add", _("let somebody into the team"), _("(%(user)s, as %(role)s)")),
    "team.left": ("remove", _("ended a membership in the team"), _("(%(user)s)")),
    "team.removed": ("remove", _("removed the team"), ""),
    "team.role": ("key", _("changed a role in the team"), _("(%(user)s is %(role)s)")),
    "token.issued": ("key", _("made the token"), ""),
    "token.revoked": ("refused", _("revoked the token"), ""),
    "upload.refused": ("refused", _("was refused an upload into"), ""),
    "upload.removed_for_good": ("remove", _("ended the keeping of a refused upload into"), ""),
    "upload.restored": ("undo", _("had verified again a refused upload into"), ""),
    "user.created": ("add", _("made the account"), ""),
    "user.deleted": ("remove", _("deleted the account"), ""),
    "user.disabled": ("refused", _("disabled the account"), ""),
    "user.enabled": ("check", _("enabled the account"), ""),
    "user.sessions_ended": ("refused", _("ended the sessions of the account"), ""),
    "user.sign_in_failed": ("warning", _("failed to sign in to the account"), ""),
    "user.signed_in": ("check", _("signed in to the account"), ""),
    "user.signed_out": ("check", _("signed out of the account"), ""),
    "user.site_role": ("settings", _("changed what, on the whole site, may do"), ""),
}

# Of things that have a page.
PLACES = {"entity", "collection", "container", "image"}
GONE = ("removed", "removed_for_good", "dropped", "retired", "released")


@dataclass(frozen=True)
class Happening:
    """An event in words, with the thing's name after the first of them."""

    sign: str
    who: str | Promise
    words: str | Promise
    more: str
    """What is said after the name."""
    address: str
    """The page of the thing; empty where it has none."""
    details: list[tuple[str, str]]
    """What the event says besides."""


def told(event: Event) -> Happening:
    """The event in words."""
    details = {n: _fact(n, fact) for n, fact in event.detail.items() if _says_something(fact)}
    action = event.action
    if action == "tag.moved" and "after" not in details:
        action = "tag.removed"  # it is written down as a move to nothing
    sign, words, after = SENTENCES.get(action, ("history", action, ""))
    try:
        more = str(after) % details if after else ""
    except KeyError:
        more = ""  # an event of before, that says less
    left = [
        (name.replace("_", " "), fact)
        for name, fact in details.items()
        if not more or f"%({name})s" not in str(after)
    ]
    return Happening(sign, _who(event), words, more, _address(event), left)


def _who(event: Event) -> str | Promise:
    if event.actor:
        return event.actor
    # The server itself, or an administrator at its terminal, comes from nowhere.
    return _("Somebody") if event.address else _("The server")


def every_action() -> list[tuple[str, str | Promise]]:
    """Each action that can be asked for, and what it says."""
    return [(action, words) for action, (_sign, words, _after) in SENTENCES.items()]


def _says_something(fact: Any) -> bool:
    return fact not in ("", None, [])


def _fact(name: str, fact: Any) -> str:
    if name == "size" and isinstance(fact, int):
        return in_units(fact)
    return ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact)


def _address(event: Event) -> str:
    if event.kind not in PLACES or event.action.endswith(GONE):
        return ""
    parts = event.name.partition(":")[0].split("/")
    try:
        return reverse(("entity", "collection", "container")[len(parts) - 1], args=parts)
    except (IndexError, NoReverseMatch):
        return ""
