"""`manage.py removed`: what was removed or refused, brought back or dropped for good."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shub.accounts.entities import entity_named
from shub.containers.restoring import Removed, RestoredImage
from shub.errors import Refusal
from shub.uploads import bringing_back
from shub.uploads.bringing_back import UPLOAD, BroughtBack

MOST_LISTED = 1000


class Command(BaseCommand):
    help = (
        "List the images, containers and collections that were removed and can be brought back "
        "(REMOVED_KEEP_DAYS), and the uploads that were refused and can be verified again "
        "(CONDEMNED_KEEP_DAYS); bring them back, or have them gone for good."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="act")
        listing = acts.add_parser(
            "list", help="one in each line, the newest first: kind, id, name and what is known"
        )
        listing.add_argument("entity", nargs="?", help="of this entity only")
        listing.add_argument(
            "--most",
            type=int,
            default=MOST_LISTED,
            help=f"how many lines at most ({MOST_LISTED})",
        )
        restore = acts.add_parser("restore", help="bring it back, with all that was in it")
        restore.add_argument("ids", nargs="+", metavar="id", help="an id that `list` shows")
        drop = acts.add_parser("drop", help="have it gone for good: the next sweeps remove it")
        drop.add_argument("ids", nargs="+", metavar="id", help="an id that `list` shows")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["act"] == "list":
            self.show(options["entity"], most=options["most"])
            return
        act = restored if options["act"] == "restore" else dropped
        failed = 0
        for public_id in options["ids"]:
            try:
                self.stdout.write(act(public_id))
            except Refusal as refusal:
                failed += 1
                self.stderr.write(refusal.message)
        if failed:
            raise CommandError(f"{failed} of {len(options['ids'])} could not be done.")

    def show(self, name: str | None, *, most: int) -> None:
        entity = entity_named(name) if name else None
        if name and entity is None:
            raise CommandError(f"There is no entity {name!r}.")
        for removed in bringing_back.removed_in(entity, by=None, most=max(most, 0)):
            self.stdout.write(line(removed))


def line(removed: Removed) -> str:
    """What is known of it, in one line."""
    if removed.size is not None:
        tags = f", tags {' '.join(removed.tags)}" if removed.tags else ", no tags"
        inside = f"{removed.size} bytes{tags}"
    else:
        inside = f"{removed.images} {'image' if removed.images == 1 else 'images'}"
    done = "refused" if removed.kind == UPLOAD else "removed"
    why = f": {removed.reason}" if removed.reason else ""
    at, until = (
        f"{moment:%Y-%m-%d %H:%M %Z}" for moment in (removed.removed_at, removed.kept_until)
    )
    # Of what was refused, it is who sent it.
    word = "sent by" if removed.kind == UPLOAD else "by"
    by = f" {word} {removed.removed_by}" if removed.removed_by else ""
    return (
        f"{removed.kind} {removed.public_id} {removed.name}: {inside}; "
        f"{done} {at}{by}, kept until {until}{why}"
    )


def restored(public_id: str) -> str:
    """Bring it back; what is to be said of that."""
    kind = bringing_back.kind_of(public_id, by=None)
    back = bringing_back.restore(kind, public_id, by=None)
    if isinstance(back, BroughtBack):
        return told_of_upload(back)
    if not isinstance(back, RestoredImage):
        return f"{back} is there again."
    told = f"{back.image} is there again."
    if back.tags_taken:
        taken = ", ".join(name for name, _ in back.tags_taken)
        told += f" Not so its tags that mean another image now, or are frozen: {taken}."
    return told


def told_of_upload(back: BroughtBack) -> str:
    """What becomes of it, and of its tags."""
    told = f"{bringing_back.name_of(back.upload)} is being verified again."
    if back.tags:
        told += f" Then its tags move: {', '.join(back.tags)}."
    if back.tags_taken:
        told += f" Not so those that mean something else now: {', '.join(back.tags_taken)}."
    return told


def dropped(public_id: str) -> str:
    """Have it gone; what is to be said of that."""
    kind = bringing_back.kind_of(public_id, by=None)
    bringing_back.remove_for_good(kind, public_id, by=None)
    return f"The {kind} {public_id} cannot be brought back any more; the next sweeps remove it."
