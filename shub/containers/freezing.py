"""Freezing: containers and tags that are to go on meaning what they mean; and a site that stands
still."""

from django.db import transaction

from shub.accounts.administrators import check_administrator
from shub.accounts.callers import Caller
from shub.audit import trail
from shub.containers import recording
from shub.containers.admission import check_may_manage
from shub.containers.models import Collection, Container, ReadOnly, Tag
from shub.errors import Invalid, NotFound
from shub.rows import first


def set_container_frozen(container: Container, *, frozen: bool, by: Caller) -> None:
    """Have nothing pushed into the container, and nothing removed from it; or again."""
    check_may_manage(by, container)
    with transaction.atomic():
        locked = _locked(container)
        if locked.is_frozen == frozen:
            return
        locked.is_frozen = container.is_frozen = frozen
        locked.save(update_fields=["is_frozen"])
        _record("container", container, frozen=frozen, by=by)


def set_tag_frozen(container: Container, *, name: str, frozen: bool, by: Caller) -> None:
    """Have the tag, in every arch that it has, mean what it means now; or let it move again."""
    check_may_manage(by, container)
    with transaction.atomic():
        # As who moves a tag does: the two wait for each other.
        _locked(container)
        tags = Tag.objects.filter(container=container, name=name)
        if not tags.exists():
            raise NotFound(f"There is no tag {name!r} in {container}.")
        if tags.exclude(is_frozen=frozen).update(is_frozen=frozen):
            _record("tag", container, name=f"{container}:{name}", frozen=frozen, by=by)


def _locked(container: Container) -> Container:
    """The container as it is now. With its collection, as who removes either locks that: of what is
    removed nothing becomes frozen."""
    collection = Collection.objects.select_for_update(no_key=True).get(pk=container.collection_id)
    found = Container.objects.select_for_update(no_key=True).get(pk=container.pk)
    if collection.is_removed or found.removed_at is not None:
        raise NotFound("There is no such container, or you may not see it.")
    return found


def _record(what: str, container: Container, *, frozen: bool, by: Caller, name: str = "") -> None:
    action = f"{what}.frozen" if frozen else f"{what}.unfrozen"
    recording.record(action, container, by=by, name=name)


def read_only_mode() -> ReadOnly | None:
    """What is said while the site stands still, and since when; None while it does not."""
    return first(ReadOnly.objects.all())


def set_read_only(message: str, *, by: Caller | None) -> None:
    """Have nothing change on the whole site, and clients told why; an empty message ends it.

    `by` is None for whoever is at the server's own terminal.
    """
    if by is not None:
        check_administrator(by)
    message = " ".join(message.split())
    if len(message) > 500:
        raise Invalid("The message for clients has 500 characters at most.")
    with transaction.atomic():
        if message:
            ReadOnly.objects.update_or_create(id=1, defaults={"message": message})
        else:
            ReadOnly.objects.all().delete()
        trail.record(
            "site.read_only" if message else "site.writable",
            kind="site",
            by=by,
            message=message,
        )
