"""Images: looked up, announced, tagged, and removed."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shub.api.library import objects
from shub.api.library.door import (
    MOST_DESCRIPTION,
    LibraryView,
    answer,
    asked_arch,
    known,
    pusher,
    used_token,
)
from shub.containers import images, refs, removal, tagging
from shub.containers.models import Image
from shub.errors import Invalid
from shub.sif.layout import arch_named

# No client sets more than a few tags at once, and each costs a transaction.
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

    def post(self, request: Request) -> Response:
        """The image that the caller is about to send, or need not send."""
        by = pusher(request)
        body = self.read(request, NewImage)
        image = images.announce(
            container_id=body["container"],
            hash_ref=body["hash"],
            description=body["description"],
            by=by,
            token=used_token(request),
        )
        return answer(image_object(image))


class ImageView(LibraryView):
    """`v1/images/REF`"""

    def get(self, request: Request, ref: str) -> Response:
        """The image that the reference means to this caller."""
        image = images.find_image(refs.parse(ref), arch=asked_arch(request) or "", by=request.user)
        return answer(image_object(image))

    def delete(self, request: Request, ref: str) -> Response:
        """Remove the image, with all its tags. Exactly 200: clients take 204 for a failure."""
        removed = removal.remove_image(
            refs.parse(ref),
            arch=asked_arch(request) or "",
            by=known(request, "To delete needs a token. Run `remote login`, then try again."),
            token=used_token(request),
        )
        return answer(image_object(removed))


class ArchTag(serializers.Serializer[None]):
    """A tag as clients from 3.4 on set it, one per request, in capitals."""

    Tag = serializers.CharField()
    ImageID = serializers.CharField()
    Arch = serializers.CharField(allow_blank=True, required=False, default="")


class ArchTagsView(LibraryView):
    """`v2/tags/CONTAINER_ID`"""

    def get(self, request: Request, container_id: str) -> Response:
        """Every tag: arch → tag → image id."""
        return answer(tagging.tags_by_arch(container_id, by=request.user))

    def post(self, request: Request, container_id: str) -> Response:
        """Set one tag. Exactly 200: clients take 201 for a failure."""
        by = pusher(request)
        body = self.read(request, ArchTag)
        tagging.set_tag(
            container_id=container_id,
            name=body["Tag"],
            arch=arch_named(body["Arch"]),
            image_id=body["ImageID"],
            by=by,
            token=used_token(request),
        )
        return answer({body["Arch"]: {body["Tag"]: body["ImageID"]}})


class TagMap(serializers.Serializer[None]):
    """Tags as clients before 3.4 set them: the body itself is a map of strings."""

    tags = serializers.DictField(child=serializers.CharField(), allow_empty=False)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if len(data) > MOST_TAGS:
            raise Invalid(f"At most {MOST_TAGS} tags are set by one request, not {len(data)}.")
        found: dict[str, Any] = super().to_internal_value({"tags": data})
        return found


class TagsView(LibraryView):
    """`v1/tags/CONTAINER_ID`, for clients that know no arch."""

    def get(self, request: Request, container_id: str) -> Response:
        """Every tag once: tag → image id, amd64's where there are several."""
        by_arch = tagging.tags_by_arch(container_id, by=request.user)
        flat: dict[str, str] = {}
        for arch in sorted(by_arch, key=lambda arch: arch == images.DEFAULT_ARCH):
            flat.update(by_arch[arch])
        return answer(flat)

    def post(self, request: Request, container_id: str) -> Response:
        """Set one tag, as `{"Tag", "ImageID"}`, or several, as the map that GET gives."""
        by = pusher(request)
        body = self.read(request, TagMap)["tags"]
        if set(body) == {"Tag", "ImageID"}:
            body = {body["Tag"]: body["ImageID"]}
        for tag, image_id in body.items():
            tagging.set_tag(
                container_id=container_id,
                name=tag,
                arch="",
                image_id=image_id,
                by=by,
                token=used_token(request),
            )
        return answer({})


def image_object(image: Image) -> dict[str, Any]:
    """The wire's image; bytes that have arrived and are being verified need not be sent again."""
    return objects.image(image, uploaded=image.is_proven or images.is_verifying(image))
