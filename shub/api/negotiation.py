"""What the library's doors read and write: JSON, whatever the headers say.

Clients from Singularity 3.3 on send JSON without a media type, and ask for none.
"""

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import IO, Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from shub.errors import Invalid

# The largest body that a client has reason to send: 10,000 parts named in one request.
MOST_BODY_BYTES = 4 * 1024**2


class AlwaysJSON(BaseContentNegotiation):
    """The first parser and the first renderer, always."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type or "application/json"


class JSONWhateverTheType(JSONParser):
    """A JSON object of bounded size; an empty body is an empty object."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MOST_BODY_BYTES + 1)
        if len(body) > MOST_BODY_BYTES:
            raise Invalid(f"The request's body is larger than {MOST_BODY_BYTES} bytes.")
        if not body.strip():
            return {}
        try:
            value = super().parse(BytesIO(body), media_type, dict(parser_context or {}))
        except RecursionError:
            raise Invalid("The request's body is nested too deeply.") from None
        if not isinstance(value, dict):
            raise Invalid("The request's body must be a JSON object.")
        return value
