"""Completion: what a pusher is told once the bytes are there, after waiting for the verdict."""

from dataclasses import dataclass, replace

from shub.accounts.callers import Caller
from shub.containers import usage
from shub.containers.models import Container
from shub.containers.permissions import may_push
from shub.errors import Invalid
from shub.uploads import ending
from shub.uploads.models import Upload
from shub.uploads.waiting import wait_for_verdict


@dataclass(frozen=True)
class Completed:
    """The container that the image is in, and its entity's room, in bytes; a quota of 0 is none.

    Both are 0 to one who may push into a collection only: the rest is not theirs to know of.
    """

    container: Container
    quota_bytes: int
    stored_bytes: int
    under_way: Upload | None = None
    """The upload, where its verification takes longer than the client was kept waiting."""


def conclude(upload: Upload, *, by: Caller) -> Completed:
    """Wait for the verdict a while. Invalid with the reason of a refusal.

    Where the verification takes longer, the answer is the same: the image is then seen by those
    who may push it, its tags wait, and a refusal is written into the audit trail.
    """
    upload = wait_for_verdict(upload)
    if upload.state == Upload.State.REFUSED:
        raise Invalid(upload.reason)
    if not upload.is_handed_over:
        ending.refuse_ended(upload)
    container = Container.objects.select_related("collection__entity").get(pk=upload.container_id)
    done = completed(container, by=by)
    under_way = upload.state in {Upload.State.JOINING, Upload.State.VERIFYING}
    return replace(done, under_way=upload) if under_way else done


def completed(container: Container, *, by: Caller) -> Completed:
    """What is told of an image of this container that is there already; its parents are fetched."""
    entity = container.collection.entity
    if not may_push(by, entity):
        return Completed(container, quota_bytes=0, stored_bytes=0)
    return Completed(
        container=container,
        quota_bytes=usage.quota_bytes(entity),
        stored_bytes=usage.stored_bytes(entity),
    )
