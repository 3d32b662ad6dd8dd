"""`v1/imagefile`: an image's bytes, fetched by reference, or sent as one body by old clients."""

import logging
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiResponse
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from shub.api import transfers
from shub.api.authentication import bearer
from shub.api.description import ARCH, described, enveloped
from shub.api.library.door import LibraryView, asked_arch, asked_host, pusher, used_token
from shub.api.library.uploads import CompletionObject, answer_completion
from shub.containers import pulling, refs
from shub.containers.pulling import Pull
from shub.errors import Invalid
from shub.uploads import body

log = logging.getLogger(__name__)

# How much of a refused body is read, so that the client gets to reading the refusal.
DRAINED_BYTES = 8 * 1024**2

DEFAULT_PORTS = {"http": 80, "https": 443}

# As the store would say it: nothing is presented but bytes.
DOWNLOAD = {
    "Content-Type": "application/octet-stream",
    "Content-Disposition": "attachment",
    "Accept-Ranges": "bytes",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class LengthRequired(APIException):
    """A body whose length nobody has said."""

    status_code = 411
    default_detail = "An image is sent with a Content-Length, not in chunks."


class ImageFileView(LibraryView):
    """`v1/imagefile/REF`"""

    @described(
        "An image's bytes",
        answers={
            200: OpenApiResponse({"type": "string", "format": "binary"}, description="All of it."),
            206: OpenApiResponse({"type": "string", "format": "binary"}, description="A range."),
            416: OpenApiResponse(None, description="The range begins behind the end."),
            303: OpenApiResponse(None, description="The bytes are at the store's address."),
        },
        refusals=[404],
        parameters=[ARCH],
        media_type="application/octet-stream",
    )
    def get(self, request: Request, ref: str) -> HttpResponseBase:
        """The bytes: from the store, where the client can follow there, else through us."""
        pull = find(request, ref)
        address = pull.address(asked_host=asked_host(request))
        if follows_to(address, request):
            pull.record()
            # 303, since clients of Apptainer 1.0 and CE 3.9 follow nothing else.
            return HttpResponse(
                status=303, headers={"Location": address, "Cache-Control": "no-store"}
            )
        return streamed(pull, request)

    def head(self, request: Request, ref: str) -> HttpResponseBase:
        """What the whole stream would say; an address of the store takes no HEAD. Not counted."""
        pull = find(request, ref)
        return HttpResponse(headers={**DOWNLOAD, "Content-Length": str(pull.size)})

    @described(
        "Send an image as one body, for the image of this id",
        answers={200: enveloped(CompletionObject)},
        refusals=[403, 404, 409, 411, 507],
        request={"application/octet-stream": {"type": "string", "format": "binary"}},
    )
    def post(self, request: Request, ref: str) -> Response:
        """The whole image as one body, for the image of this id. Exactly 200."""
        by = pusher(request)
        with transfers.place():
            upload = body.receive(
                image_id=ref,
                size=content_length(request),
                content=raw(request),
                by=by,
                token=used_token(request),
            )
        return answer_completion(upload, image_id=ref, request=request)

    def handle_exception(self, exc: Exception) -> Response:
        """Whoever is refused may be sending still, and is cut off before they read the refusal."""
        if self.request.method == "POST":
            drain(self.request)
        return super().handle_exception(exc)


def find(request: Request, ref: str) -> Pull:
    """The image that the request means, to be pulled by whoever asks."""
    return pulling.find(refs.parse(ref), arch=asked_arch(request) or "", by=request.user)


def follows_to(address: str, request: Request) -> bool:
    """Whether this client gets the bytes from an address of the store.

    An address carries its own authorization, and S3 refuses a request that carries another one.
    Who has no token sends none. Current clients (`Bearer`, and an arch) send it along only to our
    very own scheme, host and port. Older ones (`BEARER`) may send it to another port of our host,
    and some to any host; and the built-in client of 3.1 (`Bearer`, no arch) does as Go does.
    """
    if settings.STREAM_ALWAYS:
        return False
    if not bearer(request) or settings.MINIO_EXTERNAL_STRIPS_AUTHORIZATION:
        return True
    is_current = (
        request.META["HTTP_AUTHORIZATION"].startswith("Bearer ") and asked_arch(request) is not None
    )
    ours = {origin(settings.PUBLIC_URL), origin(f"{request.scheme}://{asked_host(request)}")}
    return is_current and origin(address) not in ours


def origin(address: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address, as clients compare them.

    >>> origin("HTTPS://Registry.lab/x") == origin("https://registry.lab:443")
    True
    """
    try:
        parts = urlsplit(address)
        scheme = parts.scheme.lower()
        return scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(scheme)
    except ValueError:
        return "", address, None


def streamed(pull: Pull, request: Request) -> HttpResponseBase:
    """The bytes through us: by nginx where it is in front, else by a thread of ours."""
    if settings.NGINX_STORE_LOCATION:
        pull.record()
        parts = urlsplit(pull.inner_address())
        location = f"{settings.NGINX_STORE_LOCATION.rstrip('/')}{parts.path}?{parts.query}"
        return HttpResponse(headers={**DOWNLOAD, "X-Accel-Redirect": location})
    try:
        asked = transfers.parse_range(request.headers.get("Range", ""), pull.size)
    except transfers.Unsatisfiable:
        return HttpResponse(
            status=416, headers={**DOWNLOAD, "Content-Range": f"bytes */{pull.size}"}
        )
    wanted = asked or transfers.Range(0, pull.size)
    headers = {**DOWNLOAD, "Content-Length": str(wanted.length)}
    if asked:
        headers["Content-Range"] = f"bytes {asked.start}-{asked.end - 1}/{pull.size}"
    answer = transfers.streamed(
        pull.read(start=wanted.start, length=wanted.length),
        status=206 if asked else 200,
        headers=headers,
    )
    if wanted.start == 0:
        pull.record()
    return answer


# ── a body ──
def content_length(request: Request) -> int:
    """How many bytes are going to come; LengthRequired where the client does not say."""
    written = str(request.META.get("CONTENT_LENGTH") or "")
    if not written:
        raise LengthRequired
    if not (written.isascii() and written.isdigit()):
        raise Invalid(f"A Content-Length is a number, not {written[:20]!r}.")
    return int(written)


def raw(request: Request) -> Any:
    """The body as it arrives: no parser of DRF's, and no bound of Django's, has to do with it."""
    return request._request  # noqa: SLF001  DRF has no public way to the stream


def drain(request: Request) -> None:
    """Read a part of what the client still sends, and throw it away."""
    left = DRAINED_BYTES
    try:
        while left > 0 and (piece := raw(request).read(min(left, 1024**2))):
            left -= len(piece)
    except OSError:
        log.debug("The client has hung up.")
