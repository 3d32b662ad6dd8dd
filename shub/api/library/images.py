"""Images: looked up, announced, tagged, and removed."""

from functools import partial
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shub.api.authentication import caller
from shub.api.description import ARCH, answering, described, enveloped
from shub.api.library import objects
from shub.api.library.door import (
    MOST_DESCRIPTION,
    LibraryView,
    answer,
    asked_arch,
    known,
    pusher,
)
from shub.containers import announcing, images, refs, removal, tagging
from shub.containers.models import Image
from shub.errors import Invalid, NotFound
from shub.sif.layout import arch_named
from shub.uploads import resuming

# No client sets more than a few tags at once, and each costs several queries.
MOST_TAGS = 100


class NewImage(serializers.Serializer[None]):
    """What a push sends where it found no image of its file's hash."""

    hash = serializers.CharField()
    container = serializers.CharField()
    description = serializers.CharField(
        allow_blank=True, required=False, default="", max_length=MOST_DESCRIPTION
    )


class ImagesView(LibraryView):
    """`v1/images`"""

    @described(
        "Announce an image that is to be sent, or need not be",
        answers={200: enveloped(objects.ImageObject)},
        refusals=[403, 409],
        request=NewImage,
    )
    def post(self, request: Request) -> Response:
        """The image that the caller is about to send, or need not send."""
        by = pusher(request)
        body = self.read(request, NewImage)
        announce = partial(
            announcing.announce,
            container_id=body["container"],
            hash_ref=body["hash"],
            description=body["description"],
            by=by,
        )
        image = announce()
        if not image.is_proven and resuming.resume(image, by=by):
            # It is proven by now, or being verified; or it was refused, and its claim has gone.
            image = announce()
        return answer(image_object(image))


class ImageView(LibraryView):
    """`v1/images/REF`"""

    @described(
        "The image that a reference means",
        answers={200: enveloped(objects.ImageObject)},
        refusals=[404],
        parameters=[ARCH],
    )
    def get(self, request: Request, ref: str) -> Response:
        """The image that the reference means to this caller."""
        by = caller(request)
        image = images.find_image(refs.parse(ref), arch=asked_arch(request), by=by)
        if not image.is_proven and resuming.has_open(image, by=by):
            # A client that finds it sends it at once. One that does not announces it: then what it
            # has sent already can be gone on with, which is nothing for a GET to do.
            raise NotFound(f"There is no image {ref}: its bytes have not arrived.")
        return answer(image_object(image))

    @described(
        "Remove an image, with all its tags",
        answers={200: enveloped(objects.ImageObject)},
        refusals=[403, 404, 409],
        parameters=[ARCH],
    )
    def delete(self, request: Request, ref: str) -> Response:
        """Remove the image, with all its tags. Exactly 200: clients take 204 for a failure."""
        removed = removal.remove_image(
            refs.parse(ref),
            arch=asked_arch(request),
            by=known(request, "Deleting needs a token. Run `remote login`, then try again."),
        )
        return answer(image_object(removed))


class ArchTag(serializers.Serializer[None]):
    """A tag as clients from 3.4 on set it, one per request, in capitals."""

    Tag = serializers.CharField(trim_whitespace=False)
    ImageID = serializers.CharField()
    Arch = serializers.CharField(allow_blank=True, required=False, default="")


# arch → tag → image id, and tag → image id.
ArchTagsAnswer = answering(
    "ArchTags", serializers.DictField(child=serializers.DictField(child=objects.ObjectIdField()))
)
TagsAnswer = answering("Tags", serializers.DictField(child=objects.ObjectIdField()))


class ArchTagsView(LibraryView):
    """`v2/tags/CONTAINER_ID`"""

    @described("Every tag, by arch", answers={200: ArchTagsAnswer}, refusals=[404])
    def get(self, request: Request, container_id: str) -> Response:
        """Every tag: arch → tag → image id."""
        return answer(tagging.tags_by_arch(container_id, by=caller(request)))

    @described(
        "Set a tag for one arch",
        answers={200: ArchTagsAnswer},
        refusals=[403, 409],
        request=ArchTag,
    )
    def post(self, request: Request, container_id: str) -> Response:
        """Set one tag. Exactly 200: clients take 201 for a failure."""
        by = pusher(request)
        body = self.read(request, ArchTag)
        arch = arch_named(body["Arch"])
        tagging.set_tag(
            container_id=container_id,
            name=body["Tag"],
            arch=arch,
            image_id=body["ImageID"],
            by=by,
        )
        return answer({arch: {body["Tag"]: body["ImageID"]}})


class TagMap(serializers.Serializer[None]):
    """Tags as clients before 3.4 set them: the body itself is a map of strings."""

    tags = serializers.DictField(
        child=serializers.CharField(trim_whitespace=False), allow_empty=False
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if len(data) > MOST_TAGS:
            raise Invalid(f"At most {MOST_TAGS} tags are set by one request, not {len(data)}.")
        found: dict[str, Any] = super().to_internal_value({"tags": data})
        return found


class TagsView(LibraryView):
    """`v1/tags/CONTAINER_ID`, for clients that know no arch."""

    @described("Every tag once", answers={200: TagsAnswer}, refusals=[404])
    def get(self, request: Request, container_id: str) -> Response:
        """Every tag once: tag → image id, amd64's where there are several."""
        by_arch = tagging.tags_by_arch(container_id, by=caller(request))
        flat: dict[str, str] = {}
        for arch in sorted(by_arch, key=lambda arch: arch == images.DEFAULT_ARCH):
            flat.update(by_arch[arch])
        return answer(flat)

    @described(
        "Set tags",
        answers={200: TagsAnswer},
        refusals=[403, 409],
        request={
            "application/json": {"type": "object", "additionalProperties": {"type": "string"}}
        },
    )
    def post(self, request: Request, container_id: str) -> Response:
        """Set one tag, as `{"Tag", "ImageID"}`, or several, as the map that GET gives."""
        by = pusher(request)
        body = self.read(request, TagMap)["tags"]
        if set(body) == {"Tag", "ImageID"}:
            body = {body["Tag"]: body["ImageID"]}
        tagging.set_tags(container_id=container_id, tags=body, by=by)
        return answer({})


def image_object(image: Image) -> dict[str, Any]:
    """The wire's image; bytes that have arrived and are being verified need not be sent again."""
    return objects.image(image, uploaded=image.is_proven or images.is_verifying(image))
