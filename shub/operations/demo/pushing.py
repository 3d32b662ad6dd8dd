"""Pushing and pulling as clients do: the Library API of this very site, at its PUBLIC_URL.

The requests are those of the clients (scs-library-client): each place is asked for and made where
it is missing, the image is announced by its hash, its bytes go to the store's address, the end is
said, and tags are set.
"""

import hashlib
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

# A push is answered when the image is proven, or after VERIFY_WAIT_SECONDS.
PATIENCE_SECONDS = 120.0

# What is larger goes in parts, so that both ways are walked.
SINGLE_BYTES = 1_000_000

NOT_FOUND = 404


class NotDone(Exception):
    """The registry, or its store, did not do what was asked; the message says what it answered."""


@dataclass(frozen=True)
class Place:
    """ENTITY/COLLECTION/CONTAINER."""

    entity: str
    collection: str
    container: str

    def __str__(self) -> str:
        return f"{self.entity}/{self.collection}/{self.container}"


@dataclass(frozen=True)
class Announced:
    """An image that the registry expects, or has already."""

    image_id: str
    container_id: str
    uploaded: bool


class Client:
    """One who pushes and pulls with a token; without one, anybody."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    # ── as clients do ──
    def push(self, place: Place, content: bytes, *, tags: tuple[str, ...] = ()) -> str:
        """Push the image and set its tags; its public id."""
        announced = self.announce(place, hashlib.sha256(content).hexdigest())
        self.deliver(announced, content)
        for tag in tags:
            self._ask(
                "POST",
                f"/v2/tags/{announced.container_id}",
                {"Tag": tag, "ImageID": announced.image_id, "Arch": ""},
            )
        return announced.image_id

    def announce(self, place: Place, digest: str) -> Announced:
        """Find the way to the image, making what is missing on it, and say its hash."""
        entity = self._find_or_make(f"entities/{place.entity}", "entities", {"name": place.entity})
        collection = self._find_or_make(
            f"collections/{place.entity}/{place.collection}",
            "collections",
            {"name": place.collection, "entity": entity["id"]},
        )
        container = self._find_or_make(
            f"containers/{place}",
            "containers",
            {"name": place.container, "collection": collection["id"]},
        )
        image = self._find_or_make(
            f"images/{place}:sha256.{digest}",
            "images",
            {"hash": f"sha256.{digest}", "container": container["id"]},
        )
        return Announced(image["id"], container["id"], uploaded=bool(image["uploaded"]))

    def deliver(self, announced: Announced, content: bytes) -> None:
        """Send the bytes, unless the registry has them."""
        if not announced.uploaded:
            send = self._send_whole if len(content) <= SINGLE_BYTES else self._send_parts
            send(announced.image_id, content)

    def begin_parts(self, image_id: str, size: int) -> dict[str, Any]:
        """Begin an upload in parts; its id and the size of a part."""
        return self._ask("POST", f"/v2/imagefile/{image_id}/_multipart", {"filesize": size})

    def push_other_bytes(self, place: Place, claimed: bytes, sent: bytes) -> str:
        """Announce an image and send other bytes of the same size; the refusal's words."""
        announced = self.announce(place, hashlib.sha256(claimed).hexdigest())
        try:
            self._send_parts(announced.image_id, sent, bound=False)
        except NotDone as refused:
            return str(refused)
        raise NotDone("The registry took bytes that are not what was announced.")

    def pull(self, reference: str, *, arch: str = "") -> bytes:
        """The image's bytes, by way of the store where the registry sends us there."""
        query = f"?arch={arch}" if arch else ""
        status, headers, body = self._exchange(
            "GET", f"{self.url}/v1/imagefile/{quote(reference)}{query}", headers=self._headers
        )
        if status == http.client.SEE_OTHER:
            # The token is no matter of the store's.
            status, _, body = self._exchange("GET", headers["location"])
        if status != http.client.OK:
            raise NotDone(f"The pull of {reference} was answered with {status}.")
        return body

    # ── the bytes ──
    def _send_whole(self, image_id: str, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        begun = self._ask(
            "POST",
            f"/v2/imagefile/{image_id}",
            {"filesize": len(content), "sha256sum": digest},
        )
        self._put(begun["uploadURL"], content, digest)
        self._ask("PUT", f"/v2/imagefile/{image_id}/_complete", {})

    def _send_parts(self, image_id: str, content: bytes, *, bound: bool = True) -> None:
        """Send it in parts; those whose address is not `bound` to a hash can be anything."""
        begun = self.begin_parts(image_id, len(content))
        step = int(begun["partSize"])
        sent = []
        for number, at in enumerate(range(0, len(content), step), start=1):
            piece = content[at : at + step]
            digest = hashlib.sha256(piece).hexdigest() if bound else ""
            signed = self._ask(
                "PUT",
                f"/v2/imagefile/{image_id}/_multipart",
                {
                    "uploadID": begun["uploadID"],
                    "partNumber": number,
                    "partSize": len(piece),
                    "sha256sum": digest,
                },
            )
            etag = self._put(signed["presignedURL"], piece, digest)
            sent.append({"partNumber": number, "token": etag})
        self._ask(
            "PUT",
            f"/v2/imagefile/{image_id}/_multipart_complete",
            {"uploadID": begun["uploadID"], "completedParts": sent},
        )

    def _put(self, address: str, content: bytes, digest: str) -> str:
        """Send bytes to the store; its etag for them."""
        headers = {"x-amz-content-sha256": digest} if digest else {}
        status, answered, _ = self._exchange("PUT", address, body=content, headers=headers)
        if status != http.client.OK:
            raise NotDone(f"The store answered an upload with {status}.")
        return answered.get("etag", "")

    # ── asking ──
    def _find_or_make(self, path: str, kind: str, wanted: dict[str, Any]) -> dict[str, Any]:
        found = self._ask("GET", f"/v1/{path}", missing=True)
        return found or self._ask("POST", f"/v1/{kind}", wanted)

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        missing: bool = False,
    ) -> dict[str, Any]:
        """The answer's data; empty where it is `missing` and may be."""
        status, _, answer = self._exchange(
            method,
            f"{self.url}{path}",
            body=None if body is None else json.dumps(body).encode(),
            headers={**self._headers, "Content-Type": "application/json"},
        )
        if status == NOT_FOUND and missing:
            return {}
        try:
            found: dict[str, Any] = json.loads(answer) if answer else {}
        except ValueError:
            raise NotDone(f"{method} {path} was answered with {status}, and no JSON.") from None
        if status != http.client.OK:
            said = found.get("error", {}).get("message", "")
            raise NotDone(f"{method} {path} was answered with {status}: {said}")
        data: dict[str, Any] = found.get("data") or {}
        return data

    @staticmethod
    def _exchange(
        method: str,
        address: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in lower case) and body of one request."""
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(
                host, port, timeout=PATIENCE_SECONDS, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as fault:
            raise NotDone(f"{parts.scheme}://{parts.netloc} does not answer: {fault}.") from None
        finally:
            connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


def answers(url: str) -> bool:
    """Whether a registry is there that says its version."""
    try:
        Client(url)._ask("GET", "/version")  # noqa: SLF001  of this very module
    except NotDone:
        return False
    return True
