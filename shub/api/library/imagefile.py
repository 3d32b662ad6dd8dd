"""`v1/imagefile`: an image's bytes, fetched by reference, or sent as one body by old clients."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from shub.api import ranges, redirection, transfers
from shub.api.authentication import caller
from shub.api.description import ARCH, described, enveloped
from shub.api.errors import envelope
from shub.api.library.bodies import Body
from shub.api.library.door import (
    LibraryView,
    asked_arch,
    asked_host,
    names_arch,
    pusher,
)
from shub.api.library.uploads import CompletionObject, answer_completion
from shub.api.ranges import Range
from shub.containers import pulling, refs
from shub.containers.pulling import Pull
from shub.uploads import body

# As the store would say it: nothing is presented but bytes.
DOWNLOAD = {
    "Content-Type": "application/octet-stream",
    "Content-Disposition": "attachment",
    "Accept-Ranges": "bytes",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class ImageFileView(LibraryView):
    """`v1/imagefile/REF`"""

    carries_bytes = True

    @described(
        "An image's bytes",
        answers={
            200: OpenApiResponse({"type": "string", "format": "binary"}, description="All of it."),
            206: OpenApiResponse({"type": "string", "format": "binary"}, description="A range."),
            303: OpenApiResponse(None, description="The bytes are at the store's address."),
        },
        refusals=[403, 404, 416],
        parameters=[ARCH],
        media_type="application/octet-stream",
        never=[429],
    )
    def get(self, request: Request, ref: str) -> HttpResponseBase:
        """The bytes: from the store, where the client can follow there, else through us."""
        pull = find(request, ref)
        address = pull.address(asked_host=asked_host(request))
        if redirection.follows_to(address, request, names_arch=names_arch(request)):
            pull.record()
            # 303, since clients of Apptainer 1.0 and CE 3.9 follow nothing else.
            return HttpResponse(
                status=303, headers={"Location": address, "Cache-Control": "no-store"}
            )
        try:
            # No entity tag is ever given, so an If-Range matches nothing: then the whole is sent.
            header = "" if "If-Range" in request.headers else request.headers.get("Range", "")
            asked = ranges.parse(header, pull.size)
        except ranges.Unsatisfiable:
            return JsonResponse(
                envelope(416, f"The range begins behind the image's {pull.size} bytes."),
                status=416,
                headers={"Content-Range": f"bytes */{pull.size}"},
            )
        if asked is None or asked.start == 0:
            pull.record()
        return carried_by_nginx(pull) if settings.NGINX_STORE_LOCATION else streamed(pull, asked)

    def head(self, request: Request, ref: str) -> HttpResponseBase:
        """What the whole stream would say; an address of the store takes no HEAD. Not counted."""
        pull = find(request, ref)
        return HttpResponse(headers={**DOWNLOAD, "Content-Length": str(pull.size)})

    @described(
        "Send an image as one body, for the image of this id",
        answers={200: enveloped(CompletionObject)},
        refusals=[403, 404, 409, 411, 507],
        request={"application/octet-stream": {"type": "string", "format": "binary"}},
        never=[429],
    )
    def post(self, request: Request, ref: str) -> Response:
        """The whole image as one body, for the image of this id. Exactly 200."""
        by = pusher(request)
        sent = Body(request)
        with transfers.place():
            upload = body.begin(image_id=ref, size=sent.size, by=by)
            sent.wait_patiently()
            body.receive(upload, sent)
        return answer_completion(upload, by=by)

    def handle_exception(self, exc: Exception) -> Response:
        """Whoever is refused may be sending still, and is cut off before they read the refusal."""
        if self.request.method == "POST":
            Body(self.request).drain()
        return super().handle_exception(exc)


def find(request: Request, ref: str) -> Pull:
    """The image that the request means, to be pulled by whoever asks."""
    return pulling.find(refs.parse(ref), arch=asked_arch(request), by=caller(request))


def carried_by_nginx(pull: Pull) -> HttpResponseBase:
    """The bytes by nginx, which asks the store for them, range and all."""
    parts = urlsplit(pull.inner_address())
    location = f"{settings.NGINX_STORE_LOCATION.rstrip('/')}{parts.path}?{parts.query}"
    return HttpResponse(headers={**DOWNLOAD, "X-Accel-Redirect": location})


def streamed(pull: Pull, asked: Range | None) -> HttpResponseBase:
    """The bytes by a thread of ours: the whole, or the range that is asked for."""
    sent = asked or Range(0, pull.size)
    headers = {**DOWNLOAD, "Content-Length": str(sent.length)}
    if asked:
        headers["Content-Range"] = f"bytes {asked.start}-{asked.end - 1}/{pull.size}"
    return StreamingHttpResponse(
        transfers.Stream(pull.read(start=sent.start, length=sent.length)),
        status=206 if asked else 200,
        headers=headers,
    )
