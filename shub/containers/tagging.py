"""Tagging: a tag moves when the bytes that it is to mean are proven, and each move is kept."""

from collections.abc import Iterable, Mapping, Sequence

from django.db.models import QuerySet
from django.utils import timezone

from shub.accounts.callers import Caller
from shub.audit import trail
from shub.audit.models import Event
from shub.containers import images, namespaces, recording
from shub.containers.admission import check_may_delete, check_not_frozen
from shub.containers.models import Container, Image, PendingTag, Tag, TagMove
from shub.containers.permissions import may_still_push
from shub.errors import Conflict, Invalid, NotFound
from shub.names import check_tag
from shub.rows import first, in_transaction
from shub.sif.layout import ARCHES

KNOWN_ARCHES = frozenset(ARCHES.values())


def tags_by_arch(container_id: str, *, by: Caller) -> dict[str, dict[str, str]]:
    """Every tag of the container: arch → tag → the image's public id."""
    container = namespaces.visible_container(container_id, by=by)
    found: dict[str, dict[str, str]] = {}
    for arch, name, image_id in Tag.objects.filter(container=container).values_list(
        "arch", "name", "image__public_id"
    ):
        found.setdefault(arch, {})[name] = image_id
    return found


def set_tags(*, container_id: str, tags: Mapping[str, str], by: Caller) -> None:
    """Set each tag to the image of that id, for the image's own arch; all of them or none."""
    container = namespaces.pushable_container(container_id, by=by)
    for name in tags:
        check_tag(name)

    def set_all() -> None:
        for name, image in _take_names(container, tags, arch="").items():
            _mean(container, name, image, arch="", by=by)

    in_transaction(set_all)


def set_tag(*, container_id: str, name: str, arch: str, image_id: str, by: Caller) -> None:
    """Make the tag mean the image, for the arch that the image's SIF header names.

    While the image is being verified the tag is kept pending: until the bytes are proven it answers
    with the image before. Conflict when no completed upload has brought the image's bytes.
    """
    container = namespaces.pushable_container(container_id, by=by)
    check_tag(name)
    if arch and arch not in KNOWN_ARCHES:
        raise Invalid(f"{arch!r} is no architecture: expected one of {', '.join(ARCHES.values())}.")

    def set_it() -> None:
        image = _take_names(container, {name: image_id}, arch=arch)[name]
        _mean(container, name, image, arch=arch, by=by)

    in_transaction(set_it)


def _take_names(container: Container, tags: Mapping[str, str], *, arch: str) -> dict[str, Image]:
    """Each name's image, locked; and no other one waits for the name any more: the latest word
    counts."""
    # In the order of their ids: two requests do not meet crosswise.
    locked = {image_id: _locked(container, image_id) for image_id in sorted(set(tags.values()))}
    taken = {name: locked[image_id] for name, image_id in tags.items()}
    waiting = PendingTag.objects.filter(image__container=container, name__in=taken, arch=arch)
    # The images' own, which are set anew, among them: none is locked out of turn.
    _delete_waiting(row.pk for row in _lock_waiting(waiting) if row.image_id != taken[row.name].pk)
    return taken


def _locked(container: Container, image_id: str) -> Image:
    # The lock makes this wait for, or be waited for by, the proof of the same image. Nothing is
    # joined to it: Postgres would join what was there before the wait.
    image = first(
        Image.objects.select_for_update(no_key=True).filter(container=container, public_id=image_id)
    )
    if image is None:
        raise Invalid(f"The container {container} has no image with the id {image_id!r}.")
    return image


def _lock_waiting(waiting: QuerySet[PendingTag]) -> list[PendingTag]:
    """Those of them that are there still, in the order of their keys, as all lock them."""
    return list(waiting.select_for_update(of=("self",)).order_by("pk"))


def _delete_waiting(keys: Iterable[int]) -> None:
    PendingTag.objects.filter(pk__in=list(keys)).delete()


def _mean(container: Container, name: str, image: Image, *, arch: str, by: Caller) -> None:
    """Have the tag mean the locked image, now or when it is proven."""
    if image.is_proven:
        check_arch(image, arch)
        move(container, name, image, arch=arch, by=by)
    elif images.is_arriving(image):
        PendingTag.objects.update_or_create(
            image=image,
            name=name,
            defaults={
                "arch": arch,
                "asked_at": timezone.now(),
                "asked_by": by.known,
                "token": by.token,
                "address": by.address,
            },
        )
    elif image.is_damaged:
        raise Conflict(
            f"The stored bytes of the image {image.hash} are damaged. Push it again, then tag it."
        )
    else:
        raise Conflict(
            f"The image {image.hash} has no bytes yet: its upload was not completed, or was "
            "refused. Push it again."
        )


def check_arch(image: Image, arch: str) -> None:
    """Invalid when a client says another arch than the proven image's own."""
    if image.arch and arch and arch != image.arch:
        raise Invalid(
            f"The image is for {image.arch}, by its SIF header; it cannot be tagged for {arch}."
        )


def move(container: Container, name: str, image: Image, *, arch: str, by: Caller) -> None:
    """Point the tag at the proven image and write the move down; again is no move.

    Conflict where the container or the tag is frozen. Runs in the caller's transaction.
    """
    arch = image.arch or arch
    # Who freezes locks the container too: nothing moves once they are told that it is frozen.
    locked = Container.objects.select_for_update(no_key=True).get(pk=container.pk)
    named = Tag.objects.select_related("image").filter(container=container, name=name)
    tags = {tag.arch: tag for tag in named}
    tag = tags.get(arch)
    before = tag.image.digest if tag else ""
    if before == image.digest:
        return
    if locked.is_frozen or any(each.is_frozen for each in tags.values()):
        raise Conflict(
            f"The tag {container}:{name} is frozen: it goes on meaning what it means. Push under "
            "another tag, or ask a maintainer to unfreeze it."
        )
    now = timezone.now()
    if tag is None:
        Tag.objects.create(container=container, name=name, arch=arch, image=image, moved_at=now)
    else:
        tag.image = image
        tag.moved_at = now
        tag.save(update_fields=["image", "moved_at"])
    _write_move(container, name, arch, before=before, after=image.digest, by=by)


def _write_move(
    container: Container,
    name: str,
    arch: str,
    *,
    before: str,
    after: str,
    by: Caller,
    action: str = "tag.moved",
) -> None:
    move, event = _moved(container, name, arch, before=before, after=after, by=by, action=action)
    move.save(force_insert=True)
    event.save(force_insert=True)


def _moved(
    container: Container,
    name: str,
    arch: str,
    *,
    before: str,
    after: str,
    by: Caller,
    action: str = "tag.moved",
) -> tuple[TagMove, Event]:
    """What is written of a move: into the tag's history, and into the trail."""
    move = TagMove(
        container=container,
        name=name,
        arch=arch,
        from_digest=before,
        to_digest=after,
        moved_by=by.name,
        token=by.token_id,
    )
    event = recording.event(
        action,
        container,
        by=by,
        name=f"{container}:{name}",
        arch=arch,
        before=before,
        after=after,
    )
    return move, event


def remove_tag(container: Container, *, name: str, arch: str | None, by: Caller) -> int:
    """Remove the tag for one arch (empty: the one of unknown arch), or for all (None); how many.

    The images stay, and the tag is set again as any other is. By those who may remove images there:
    it takes no bytes, and what pulls by the tag ends as if it did. NotFound where there is none;
    Conflict where it, or the container, is frozen.
    """
    check_may_delete(by, container)
    removed = 0

    def remove() -> None:
        nonlocal removed
        removed = _remove_tag(container, name, {} if arch is None else {"arch": arch}, by=by)

    in_transaction(remove)
    return removed


def _remove_tag(container: Container, name: str, which: dict[str, str], *, by: Caller) -> int:
    # The latest word counts: what waits under this name waits no more. Before the container is
    # locked, as who sets a tag does.
    waiting = PendingTag.objects.filter(image__container=container, name=name, **which)
    _delete_waiting(row.pk for row in _lock_waiting(waiting))
    check_not_frozen(Container.objects.select_for_update(no_key=True).get(pk=container.pk))
    named = list(Tag.objects.select_related("image").filter(container=container, name=name))
    if any(tag.is_frozen for tag in named):
        raise Conflict(
            f"The tag {container}:{name} is frozen: it goes on meaning what it means. Ask a "
            "maintainer to unfreeze it first."
        )
    going = [tag for tag in named if not which or tag.arch == which["arch"]]
    if not going:
        of_arch = f" for {which['arch'] or 'unknown arch'}" if which else ""
        raise NotFound(f"There is no tag {name!r}{of_arch} in {container}.")
    for tag in going:
        _write_move(
            container,
            name,
            tag.arch,
            before=tag.image.digest,
            after="",
            by=by,
            action="tag.removed",
        )
    Tag.objects.filter(pk__in=[tag.pk for tag in going]).delete()
    return len(going)


def check_no_frozen_tag(image: Image) -> None:
    """Conflict where a tag of the image is frozen."""
    frozen = Tag.objects.filter(image=image, is_frozen=True)
    names = sorted(set(frozen.values_list("name", flat=True)))
    if names:
        raise Conflict(
            f"The image has a frozen tag: {', '.join(names)}. Ask a maintainer to unfreeze it "
            "first."
        )


def drop(*images: Image, by: Caller) -> list[tuple[str, str]]:
    """Remove every tag of the images, whatever is frozen, and write the moves down, in the caller's
    transaction, by few statements; the name and arch of each."""
    of = {image.pk: image for image in images}
    tags = list(Tag.objects.select_for_update().filter(image__in=of).order_by("name", "arch"))
    moved = [
        _moved(image.container, tag.name, tag.arch, before=image.digest, after="", by=by)
        for tag in tags
        for image in [of[tag.image_id]]
    ]
    TagMove.objects.bulk_create(move for move, _ in moved)
    trail.record_all(event for _, event in moved)
    Tag.objects.filter(pk__in=[tag.pk for tag in tags]).delete()
    return [(tag.name, tag.arch) for tag in tags]


def bring_back(
    image: Image, tags: Sequence[tuple[str, str]], *, by: Caller
) -> list[tuple[str, str]]:
    """Set those tags of the image, each by its name and arch, that nothing else has taken; which
    those are. A frozen name gets no further arch.

    Runs in the caller's transaction, which has locked the container.
    """
    names = {name for name, _ in tags}
    there = list(Tag.objects.filter(container=image.container, name__in=names))
    taken = {(tag.name, tag.arch) for tag in there}
    frozen = {tag.name for tag in there if tag.is_frozen}
    free = [tag for tag in tags if tag not in taken and tag[0] not in frozen]
    Tag.objects.bulk_create(
        Tag(container=image.container, name=name, arch=arch, image=image) for name, arch in free
    )
    for name, arch in free:
        _write_move(image.container, name, arch, before="", after=image.digest, by=by)
    return free


def lock_pending(*images: Image) -> None:
    """Lock the tags that wait for the locked images, for whoever locks the container next and may
    move or drop them: who sets a tag, or removes it, takes them in this order."""
    _lock_waiting(PendingTag.objects.filter(image__in=[image.pk for image in images]))


def move_pending(image: Image) -> None:
    """Move the tags that waited for the image, in the order they were asked for. In the caller's
    transaction, after `lock_pending`.

    Those who asked must still be the ones who may, by a token that is not revoked since.
    """
    # Locked: whoever sets one of these anew at this moment has taken it away, or waits.
    waiting = (
        image.pending_tags.select_for_update(of=("self",))
        .select_related("asked_by", "token__entity")
        .order_by("asked_at", "id")
    )
    container = image.container
    for pending in waiting:
        by = Caller(pending.asked_by, pending.token, pending.address)
        if not may_still_push(by, container):
            continue
        try:
            move(container, pending.name, image, arch=pending.arch, by=by)
        except Conflict as refusal:
            recording.record(
                "tag.refused",
                container,
                by=by,
                name=f"{container}:{pending.name}",
                reason=refusal.message,
            )
    image.pending_tags.all().delete()
