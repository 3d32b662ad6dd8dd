"""One request as it lies on the wire: the headers that are given here, and no others.

`tests.wire` speaks as the client libraries do; here a test decides itself what stands in each
header, in the path (slashes and all) and in the body. Every answer of a machines' door is held
against the API's description.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from django.test import Client

from tests.described import assert_described

MACHINES = re.compile(r"/+(v1|v2|version|assets|pks|api)\b")


@dataclass(frozen=True)
class Reply:
    """A status, headers by their names in lower case, and the bytes of the body."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_json(self) -> bool:
        """Whether it says that it is JSON."""
        return self.headers.get("content-type", "").split(";")[0] == "application/json"

    @property
    def json(self) -> Any:
        """The body, which must say that it is JSON."""
        assert self.is_json, self
        return json.loads(self.content)

    @property
    def data(self) -> Any:
        """What stands in the envelope of a success."""
        assert set(self.json) == {"data"}, self
        return self.json["data"]


def exchange(
    method: str,
    target: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Reply:
    """The answer to one request. Nothing is followed, and cross-site checks are on.

    `target` is a path with its query, as it stands in the first line of a request. A body has a
    Content-Length, and a Content-Type only if `headers` has one.
    """
    parts = urlsplit(f"http://registry.test{target}")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query,
        "wsgi.input": BytesIO(body or b""),
    }
    if body is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in {"Host": "registry.test", **(headers or {})}.items():
        key = name.upper().replace("-", "_")
        environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    answer = client.request(**environ)
    found = {name.lower(): value for name, value in answer.headers.items()}
    content = b"".join(answer) if answer.streaming else answer.content
    reply = Reply(answer.status_code, found, content)
    if MACHINES.match(target):
        told = reply.json if reply.is_json and content else content
        assert_described(method, target, reply.status, found.get("content-type", ""), told)
    return reply


def send_json(method: str, target: str, body: Any, headers: Mapping[str, str]) -> Reply:
    """The same, with a JSON body."""
    return exchange(method, target, headers=headers, body=json.dumps(body).encode())


def bearer(token: str, scheme: str = "Bearer") -> dict[str, str]:
    """The header by which a client says who it is."""
    return {"Authorization": f"{scheme} {token}"}
