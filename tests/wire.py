"""The library's wire, as clients speak it: what they send, what they accept, nothing more.

Every answer is held against the API's description.
"""

import hashlib
import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.test import Client

from shub.uploads.sweeper import Sweeper
from tests.described import assert_described
from tests.factories import Person


@dataclass
class Answer:
    """A status, and what stands in the envelope."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def data(self) -> Any:
        """What a success carries."""
        return self.body["data"]

    @property
    def message(self) -> str:
        """What the client's terminal shows of an error."""
        assert set(self.body) == {"error"}
        assert self.body["error"]["code"] == self.status
        return str(self.body["error"]["message"])


@dataclass
class Wire:
    """A client library with a token, or with none."""

    token: str = ""
    scheme: str = "Bearer"
    http: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """One request, as the libraries send it: JSON without a media type, no Accept."""
        content = b"" if body is None else json.dumps(body).encode()
        return self._answer(method, path, content, self._account)

    @property
    def _account(self) -> dict[str, str]:
        return {"authorization": f"{self.scheme} {self.token}"} if self.token else {}

    def _answer(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        answer = self.http.generic(method, path, body, content_type="", headers=headers)
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        content = answer.getvalue()
        parsed = json.loads(content) if is_json and content else content
        assert_described(
            method, path, answer.status_code, answer.headers.get("Content-Type", ""), parsed
        )
        return Answer(answer.status_code, parsed, dict(answer.headers))

    def get(self, path: str) -> Answer:
        """GET"""
        return self.call("GET", path)

    def post(self, path: str, body: Any) -> Answer:
        """POST"""
        return self.call("POST", path, body)

    def put(self, path: str, body: Any) -> Answer:
        """PUT"""
        return self.call("PUT", path, body)

    def send_body(self, image_id: str, content: bytes, **headers: str) -> Answer:
        """The whole image to the registry itself, as clients of 2019 send it."""
        return self._answer(
            "POST", f"/v1/imagefile/{image_id}", content, {**self._account, **headers}
        )

    # ── what a push does, in its order ──
    def container(self, path: str) -> str:
        """Walk or make entity, collection and container; the container's id."""
        entity, collection, container = path.split("/")
        entity_id = self._ensure("v1/entities", entity, {"name": entity})
        collection_id = self._ensure(
            "v1/collections",
            f"{entity}/{collection}",
            {"name": collection, "entity": entity_id, "description": "No description"},
        )
        return self._ensure(
            "v1/containers",
            path,
            {"name": container, "collection": collection_id, "description": "No description"},
        )

    def _ensure(self, kind: str, path: str, body: dict[str, Any]) -> str:
        found = self.get(f"/{kind}/{path}")
        if found.status == 404:
            found = self.post(f"/{kind}", body)
        assert found.status == 200, found
        return str(found.data["id"])

    def announce(self, path: str, content: bytes) -> dict[str, Any]:
        """The image of these bytes, made if it is missing."""
        hash_ref = f"sha256.{digest(content)}"
        found = self.get(f"/v1/images/{path}:{hash_ref}?arch=amd64")
        if found.status == 404:
            found = self.post(
                "/v1/images",
                {"hash": hash_ref, "container": self.container(path), "description": ""},
            )
        assert found.status == 200, found
        return dict(found.data)

    def begin_single(self, image_id: str, content: bytes) -> str:
        """The address for one body."""
        answer = self.post(
            f"/v2/imagefile/{image_id}",
            {"filesize": len(content), "sha256sum": digest(content), "md5sum": "0" * 32},
        )
        assert answer.status == 200, answer
        return str(answer.data["uploadURL"])

    def complete_single(self, image_id: str) -> Answer:
        """Say that the body was sent."""
        return self.put(f"/v2/imagefile/{image_id}/_complete", {})

    def begin_parts(self, image_id: str, size: int) -> dict[str, Any]:
        """An upload in parts."""
        answer = self.post(f"/v2/imagefile/{image_id}/_multipart", {"filesize": size})
        assert answer.status == 200, answer
        return dict(answer.data)

    def part_address(self, image_id: str, upload_id: str, number: int, content: bytes) -> str:
        """The address for one part."""
        answer = self.sign_part(image_id, upload_id, number, content)
        assert answer.status == 200, answer
        return str(answer.data["presignedURL"])

    def sign_part(self, image_id: str, upload_id: str, number: int, content: bytes) -> Answer:
        """Ask for the address for one part."""
        return self.put(
            f"/v2/imagefile/{image_id}/_multipart",
            {
                "partSize": len(content),
                "uploadID": upload_id,
                "partNumber": number,
                "sha256sum": digest(content),
            },
        )

    def complete_parts(self, image_id: str, upload_id: str, etags: list[str]) -> Answer:
        """Say that all parts were sent."""
        parts = [{"partNumber": number, "token": etag} for number, etag in enumerate(etags, 1)]
        return self.put(
            f"/v2/imagefile/{image_id}/_multipart_complete",
            {"uploadID": upload_id, "completedParts": parts},
        )

    def tag(self, container_id: str, image_id: str, tag: str, arch: str = "amd64") -> Answer:
        """Set one tag."""
        return self.post(
            f"/v2/tags/{container_id}", {"Arch": arch, "Tag": tag, "ImageID": image_id}
        )

    def push(self, path: str, content: bytes, *tags: str) -> dict[str, Any]:
        """A whole push of a small image, to its end: the image, proven and tagged."""
        image = self.announce(path, content)
        if not image["uploaded"]:
            address = self.begin_single(image["id"], content)
            assert send(address, content).status == 200
            sweep_after(lambda: self.complete_single(image["id"]))
        for tag in tags:
            answer = self.tag(image["container"], image["id"], tag)
            assert answer.status == 200, answer
        return self.announce(path, content)


def wire(person: Person | None = None, **options: Any) -> Wire:
    """A client library with this person's token."""
    return Wire(token=person.token_text if person else "", **options)


def sweep_after(complete: Any) -> Answer:
    """Complete, let the sweep verify, and ask again, as a client that retries does."""
    answer = complete()
    assert answer.status in {200, 400}, answer
    sweep()
    return complete()  # type: ignore[no-any-return]


def sweep() -> None:
    """What the sweep process does, once."""
    Sweeper().once()


def digest(content: bytes) -> str:
    """Hex of SHA-256."""
    return hashlib.sha256(content).hexdigest()


# What a client reports where others have a status: sending was cut off by the store.
CUT_OFF = 499


@dataclass
class Sent:
    """What the store said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def etag(self) -> str:
        """The part's receipt, verbatim, as clients hand it on."""
        return self.headers.get("etag", "")


def send(address: str, content: bytes, *, headers: dict[str, str] | None = None) -> Sent:
    """PUT to a presigned address, as the libraries do: the hash header only where it is signed."""
    given = dict(headers or {})
    if "x-amz-content-sha256" in address:
        given.setdefault("x-amz-content-sha256", digest(content))
    return request("PUT", address, content, given)


def fetch(address: str, **headers: str) -> Sent:
    """GET from a presigned address."""
    return request("GET", address, None, headers)


def request(method: str, address: str, body: bytes | None, headers: dict[str, str]) -> Sent:
    """One request to the store, outside of Django."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        try:
            connection.request(method, f"{parts.path}?{parts.query}", body=body, headers=headers)
        except ConnectionError:
            # The store said no and hung up before it had read the body.
            return Sent(CUT_OFF, {}, b"")
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Sent(answer.status, found, answer.read())
    finally:
        connection.close()
