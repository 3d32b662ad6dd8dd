"""Tagging: a tag moves when the bytes that it is to mean are proven, and each move is kept."""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from shub.accounts.models import Token, User
from shub.containers import images, namespaces
from shub.containers.models import Container, Image, PendingTag, Tag, TagMove
from shub.containers.permissions import Caller, may_push
from shub.errors import Conflict, Invalid
from shub.names import check_tag
from shub.rows import first
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


def set_tags(*, container_id: str, tags: Mapping[str, str], by: User, token: Token | None) -> None:
    """Set each tag to the image of that id, for the image's own arch; all of them or none."""
    with transaction.atomic():
        # In the order of the images, whose rows are locked: two requests do not meet crosswise.
        for name, image_id in sorted(tags.items(), key=lambda tag: tag[1]):
            set_tag(
                container_id=container_id,
                name=name,
                arch="",
                image_id=image_id,
                by=by,
                token=token,
            )


def set_tag(
    *, container_id: str, name: str, arch: str, image_id: str, by: User, token: Token | None
) -> None:
    """Make the tag mean the image, for the arch that the image's SIF header names.

    While the image is being verified the tag is kept pending: until the bytes are proven it answers
    with the image before. Conflict when no completed upload has brought the image's bytes.
    """
    container = namespaces.pushable_container(container_id, by=by)
    check_tag(name)
    if arch and arch not in KNOWN_ARCHES:
        raise Invalid(f"{arch!r} is no architecture: expected one of {', '.join(ARCHES.values())}.")
    with transaction.atomic():
        # The lock makes this wait for, or be waited for by, the proof of the same image. Nothing is
        # joined to it: Postgres would join what was there before the wait.
        image = first(
            Image.objects.select_for_update(no_key=True).filter(
                container=container, public_id=image_id
            )
        )
        if image is None:
            raise Invalid(f"The container {container} has no image with the id {image_id!r}.")
        # The latest word counts: what waits for another image under this name waits no more.
        PendingTag.objects.filter(image__container=container, name=name, arch=arch).exclude(
            image=image
        ).delete()
        if image.is_proven:
            check_arch(image, arch)
            move(container, name, image, arch=arch, actor=by.username, token=token)
        elif images.is_arriving(image):
            PendingTag.objects.update_or_create(
                image=image,
                name=name,
                defaults={
                    "arch": arch,
                    "asked_at": timezone.now(),
                    "asked_by": by,
                    "token": token,
                },
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


def move(
    container: Container, name: str, image: Image, *, arch: str, actor: str, token: Token | None
) -> None:
    """Point the tag at the proven image and write the move down; again is no move.

    Runs in the caller's transaction.
    """
    arch = image.arch or arch
    now = timezone.now()
    tag, made = Tag.objects.select_for_update(no_key=True).get_or_create(
        container=container, name=name, arch=arch, defaults={"image": image, "moved_at": now}
    )
    before = "" if made else tag.image.digest
    if before == image.digest:
        return
    if not made:
        tag.image = image
        tag.moved_at = now
        tag.save(update_fields=["image", "moved_at"])
    TagMove.objects.create(
        container=container,
        name=name,
        arch=arch,
        from_digest=before,
        to_digest=image.digest,
        moved_at=now,
        moved_by=actor,
        token=token.public_id if token else "",
    )


def drop(image: Image, *, actor: str, token: Token | None) -> None:
    """Remove every tag of the image and write the moves down, in the caller's transaction."""
    now = timezone.now()
    tags = Tag.objects.select_for_update().filter(image=image)
    TagMove.objects.bulk_create(
        TagMove(
            container=image.container,
            name=tag.name,
            arch=tag.arch,
            from_digest=image.digest,
            to_digest="",
            moved_at=now,
            moved_by=actor,
            token=token.public_id if token else "",
        )
        for tag in tags
    )
    Tag.objects.filter(image=image).delete()


def move_pending(image: Image) -> None:
    """Move the tags that waited for the image, in the order they were asked for.

    Those who asked must still be the ones who may.
    """
    # Locked: whoever sets one of these anew at this moment has taken it away, or waits.
    waiting = (
        image.pending_tags.select_for_update(of=("self",))
        .select_related("asked_by", "token")
        .order_by("asked_at", "id")
    )
    for pending in waiting:
        if not may_push(pending.asked_by, image.container.collection.entity):
            continue
        move(
            image.container,
            pending.name,
            image,
            arch=pending.arch,
            actor=pending.asked_by.username,
            token=pending.token,
        )
    image.pending_tags.all().delete()
