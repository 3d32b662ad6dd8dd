"""Uploads: as one body to one address, or in parts, each to an address asked for."""

from typing import Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shub.accounts.callers import Caller
from shub.api.description import answering, described, enveloped
from shub.api.library.door import LibraryView, answer, asked_host, pusher
from shub.containers.images import pushable_image
from shub.errors import Invalid, NotFound
from shub.storage import Part
from shub.uploads import completion, multipart
from shub.uploads.completion import Completed
from shub.uploads.models import Upload
from shub.uploads.parts import MOST_PARTS

MOST_ETAG = 128

SHA256 = r"^([0-9a-f]{64})?$"


class SingleRequest(serializers.Serializer[None]):
    """Asked for before one body (UploadImageRequest); up to 3.5.2 without sha256sum."""

    filesize = serializers.IntegerField()
    sha256sum = serializers.RegexField(SHA256, allow_blank=True, required=False, default="")


class MultipartRequest(serializers.Serializer[None]):
    """Asked for before parts (MultipartUploadStartRequest)."""

    filesize = serializers.IntegerField()


class PartRequest(serializers.Serializer[None]):
    """Asked for before each part (UploadImagePartRequest)."""

    uploadID = serializers.CharField()
    partNumber = serializers.IntegerField(min_value=1, max_value=MOST_PARTS)
    partSize = serializers.IntegerField(min_value=1)
    sha256sum = serializers.RegexField(SHA256, allow_blank=True, required=False, default="")


class MultipartCompletion(serializers.Serializer[None]):
    """Sent after the last part (CompleteMultipartUploadRequest)."""

    uploadID = serializers.CharField()
    # Read by hand below: a serializer for each of 10,000 parts takes seconds.
    completedParts = serializers.JSONField()


class MultipartAbortion(serializers.Serializer[None]):
    """Sent when a part failed (AbortMultipartUploadRequest)."""

    uploadID = serializers.CharField()


class QuotaObject(serializers.Serializer[None]):
    """What the entity may store and stores, in bytes; a total of 0 is no bound."""

    quotaTotal = serializers.IntegerField()
    quotaUsage = serializers.IntegerField()


class VerificationObject(serializers.Serializer[None]):
    """How far the verification is that goes on after the answer; in bytes."""

    state = serializers.ChoiceField(["joining", "verifying"])
    verifiedBytes = serializers.IntegerField()
    size = serializers.IntegerField()


class CompletionObject(serializers.Serializer[None]):
    """What clients print after a push."""

    quota = QuotaObject()
    containerUrl = serializers.CharField(help_text="Of the page, below the registry's address.")
    verification = VerificationObject(
        required=False,
        help_text="Only where it takes longer than clients are kept waiting: the image's tags move"
        " once it is proven. Clients overlook it.",
    )


class AddressObject(serializers.Serializer[None]):
    """Where the whole image is PUT."""

    uploadURL = serializers.URLField()


class PartAddressObject(serializers.Serializer[None]):
    """Where a part is PUT."""

    presignedURL = serializers.URLField()


class UploadOptionsObject(serializers.Serializer[None]):
    """A map of strings: a JSON boolean fails the client's decoder."""

    s3compliant = serializers.ChoiceField(["true", "false"])


class UploadObject(serializers.Serializer[None]):
    """An upload in parts."""

    uploadID = serializers.CharField()
    totalParts = serializers.IntegerField()
    partSize = serializers.IntegerField(help_text="Bytes, of each part but the last.")
    options = UploadOptionsObject()


class SingleView(LibraryView):
    """`POST v2/imagefile/IMAGE_ID`"""

    @described(
        "Begin to send an image as one body to the store",
        answers={200: enveloped(AddressObject)},
        refusals=[403, 507],
        request=SingleRequest,
    )
    def post(self, request: Request, image_id: str) -> Response:
        """The address for the whole image."""
        by = pusher(request)
        body = self.read(request, SingleRequest)
        upload = multipart.begin(
            image_id=image_id,
            size=body["filesize"],
            kind=Upload.Kind.SINGLE,
            sha256=body["sha256sum"],
            by=by,
        )
        address = multipart.single_address(
            upload, sha256=body["sha256sum"], asked_host=asked_host(request)
        )
        return answer({"uploadURL": address})


class SingleCompletionView(LibraryView):
    """`PUT v2/imagefile/IMAGE_ID/_complete`"""

    @described(
        "Say that the one body was sent",
        answers={200: enveloped(CompletionObject)},
        refusals=[403, 409, 507],
    )
    def put(self, request: Request, image_id: str) -> Response:
        """The bytes are there: verify them."""
        by = pusher(request)
        upload = multipart.complete_single(image_id=image_id, by=by)
        if upload is None:
            container = pushable_image(image_id, by=by).container
            return answer_completed(completion.completed(container, by=by))
        return answer_completion(upload, by=by)


class MultipartView(LibraryView):
    """`v2/imagefile/IMAGE_ID/_multipart`"""

    @described(
        "Begin to send an image in parts to the store",
        answers={200: enveloped(UploadObject)},
        refusals=[403, 404, 507],
        request=MultipartRequest,
    )
    def post(self, request: Request, image_id: str) -> Response:
        """Begin; NotFound where the site wants single uploads: clients then send one body."""
        if not settings.MINIO_MULTIPART_UPLOAD:
            raise NotFound("This registry takes each image as one body.")
        by = pusher(request)
        upload = multipart.begin(
            image_id=image_id,
            size=self.read(request, MultipartRequest)["filesize"],
            kind=Upload.Kind.MULTIPART,
            by=by,
        )
        signs = "true" if settings.MINIO_SIGN_CONTENT_SHA256 else "false"
        return answer(
            {
                "uploadID": upload.public_id,
                "totalParts": upload.total_parts,
                "partSize": upload.part_bytes,
                # A map of strings: a JSON boolean fails the client's decoder.
                "options": {"s3compliant": signs},
            }
        )

    @described(
        "Ask for the address of one part",
        answers={200: enveloped(PartAddressObject)},
        refusals=[403, 409],
        request=PartRequest,
    )
    def put(self, request: Request, image_id: str) -> Response:
        """The address for one part."""
        by = pusher(request)
        body = self.read(request, PartRequest)
        address = multipart.sign_part(
            image_id=image_id,
            upload_id=body["uploadID"],
            number=body["partNumber"],
            size=body["partSize"],
            sha256=body["sha256sum"],
            by=by,
            asked_host=asked_host(request),
        )
        return answer({"presignedURL": address})


class MultipartCompletionView(LibraryView):
    """`PUT v2/imagefile/IMAGE_ID/_multipart_complete`"""

    @described(
        "Say that all parts were sent",
        answers={200: enveloped(CompletionObject)},
        refusals=[403, 409, 507],
        request=MultipartCompletion,
    )
    def put(self, request: Request, image_id: str) -> Response:
        """The parts are there: join and verify them."""
        by = pusher(request)
        body = self.read(request, MultipartCompletion)
        upload = multipart.complete(
            image_id=image_id,
            upload_id=body["uploadID"],
            parts=completed_parts(body["completedParts"]),
            by=by,
        )
        return answer_completion(upload, by=by)


class MultipartAbortionView(LibraryView):
    """`PUT v2/imagefile/IMAGE_ID/_multipart_abort`"""

    @described(
        "Give an upload up",
        answers={200: answering("Nothing", serializers.DictField())},
        refusals=[403, 409],
        request=MultipartAbortion,
    )
    def put(self, request: Request, image_id: str) -> Response:
        """Give the upload up."""
        by = pusher(request)
        body = self.read(request, MultipartAbortion)
        multipart.abort(image_id=image_id, upload_id=body["uploadID"], by=by)
        return answer({})


def completed_parts(listed: Any) -> list[Part]:
    """The parts that the client sent; Invalid at the first that is none.

    Each is `{"partNumber", "token"}`; the token is the store's etag, with its quotes.
    """
    if not isinstance(listed, list) or len(listed) > MOST_PARTS:
        raise Invalid(f"completedParts must be a list of at most {MOST_PARTS} parts.")
    parts = []
    for part in listed:
        number, token = (
            (part.get("partNumber"), part.get("token")) if isinstance(part, dict) else (None, None)
        )
        if type(number) is not int or not isinstance(token, str) or len(token) > MOST_ETAG:
            raise Invalid("Each of completedParts must have a partNumber and a token.")
        parts.append(Part(number, token.strip('"')))
    return parts


def answer_completion(upload: Upload, *, by: Caller) -> Response:
    """What the client prints once its bytes are there, after waiting for the verdict a while."""
    return answer_completed(completion.conclude(upload, by=by))


def answer_completed(done: Completed) -> Response:
    """The container's address and its entity's room; and what still goes on."""
    told: dict[str, Any] = {
        "quota": {"quotaTotal": done.quota_bytes, "quotaUsage": done.stored_bytes},
        "containerUrl": f"library/{done.container}",
    }
    if done.under_way is not None:
        told["verification"] = {
            "state": done.under_way.state,
            "verifiedBytes": done.under_way.verified_bytes,
            "size": done.under_way.size,
        }
    return answer(told)
