"""The library as a client of it sees it through a network that fails: each answer, or none."""

import hashlib
import http.client
import http.cookiejar
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from tests.faults.journal import Journal

PATIENCE_SECONDS = 40.0

# Larger ones are sent in parts.
SINGLE_BYTES = 1 << 20


class Cut(Exception):
    """No answer, or one that tells nothing: it may have been done, and may be done yet."""


class Refused(Exception):
    """It was not done, and the registry says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status


@dataclass
class Library:
    """One who speaks the protocol as the Go library does, each request on a connection of its
    own."""

    url: str
    token: str
    journal: Journal

    # ── pushing ──
    def container(self, place: str) -> str:
        """The container's id; it, and what it is in, are made where they are missing."""
        entity, collection, container = place.split("/")
        found = self._find(f"/v1/entities/{entity}")
        found = self._find(f"/v1/collections/{entity}/{collection}") or self.ask(
            "POST", "/v1/collections", {"name": collection, "entity": found["id"]}
        )
        found = self._find(f"/v1/containers/{place}") or self.ask(
            "POST", "/v1/containers", {"name": container, "collection": found["id"]}
        )
        return str(found["id"])

    def push(self, place: str, container_id: str, content: bytes) -> str:
        """Send the image, unless the registry has its bytes; its public id."""
        image = self.announce(place, container_id, hashlib.sha256(content).hexdigest())
        if not image["uploaded"]:
            send = self._send_whole if len(content) <= SINGLE_BYTES else self._send_parts
            send(image["id"], content)
        return str(image["id"])

    def announce(self, place: str, container_id: str, digest: str) -> dict[str, Any]:
        """The image, made if it is missing."""
        return self._find(f"/v1/images/{place}:sha256.{digest}?arch=amd64") or self.ask(
            "POST", "/v1/images", {"hash": f"sha256.{digest}", "container": container_id}
        )

    def begin_parts(self, image_id: str, size: int) -> dict[str, Any]:
        """An upload in parts."""
        return self.ask("POST", f"/v2/imagefile/{image_id}/_multipart", {"filesize": size})

    def abort(self, image_id: str, upload_id: str) -> None:
        """Give it up."""
        self.ask("PUT", f"/v2/imagefile/{image_id}/_multipart_abort", {"uploadID": upload_id})

    def _send_whole(self, image_id: str, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        begun = self.ask(
            "POST",
            f"/v2/imagefile/{image_id}",
            {"filesize": len(content), "sha256sum": digest},
        )
        self._put(begun["uploadURL"], content, digest)
        self.ask("PUT", f"/v2/imagefile/{image_id}/_complete", {})

    def _send_parts(self, image_id: str, content: bytes) -> None:
        begun = self.begin_parts(image_id, len(content))
        step = int(begun["partSize"])
        sent = []
        for number, at in enumerate(range(0, len(content), step), start=1):
            piece = content[at : at + step]
            etag = self.send_part(image_id, begun["uploadID"], number, piece)
            sent.append({"partNumber": number, "token": etag})
        self.ask(
            "PUT",
            f"/v2/imagefile/{image_id}/_multipart_complete",
            {"uploadID": begun["uploadID"], "completedParts": sent},
        )

    def send_part(self, image_id: str, upload_id: str, number: int, piece: bytes) -> str:
        """The store's receipt for one part."""
        digest = hashlib.sha256(piece).hexdigest()
        signed = self.ask(
            "PUT",
            f"/v2/imagefile/{image_id}/_multipart",
            {
                "uploadID": upload_id,
                "partNumber": number,
                "partSize": len(piece),
                "sha256sum": digest,
            },
        )
        return self._put(signed["presignedURL"], piece, digest)

    def _put(self, address: str, content: bytes, digest: str) -> str:
        headers = {"x-amz-content-sha256": digest}
        status, answered, body = exchange("PUT", address, body=content, headers=headers)
        if status != http.client.OK:
            # As with any client: what the store refuses ends the push, and it is begun again.
            raise Cut(f"the store answered a part with {status}: {body[:300]!r}")
        return answered.get("etag", "")

    # ── the rest ──
    def tag(self, container_id: str, image_id: str, name: str) -> None:
        """Set a tag."""
        body = {"Tag": name, "ImageID": image_id, "Arch": "amd64"}
        self.ask("POST", f"/v2/tags/{container_id}", body)

    def tags(self, container_id: str) -> dict[str, str]:
        """Name → image id."""
        found = self.ask("GET", f"/v2/tags/{container_id}")
        return dict(found.get("amd64", {}))

    def image(self, ref: str) -> dict[str, Any]:
        """What a reference means; empty for nothing."""
        return self._find(f"/v1/images/{quote(ref)}?arch=amd64")

    def delete(self, ref: str) -> str:
        """Remove the image; its public id."""
        return str(self.ask("DELETE", f"/v1/images/{quote(ref)}?arch=amd64")["id"])

    def pull(self, ref: str) -> bytes:
        """The bytes that come, whatever they are."""
        status, headers, body = exchange(
            "GET", f"{self.url}/v1/imagefile/{quote(ref)}?arch=amd64", headers=self._account
        )
        if status == http.client.SEE_OTHER:
            # The token is no matter of the store's.
            status, _, body = exchange("GET", headers["location"])
            if status == http.client.NOT_FOUND:
                self.journal.fault(f"{ref}: an address was given, and the store has nothing there")
        if status == http.client.OK:
            return body
        raise self._refusal(status, f"GET of {ref}", body)

    # ── asking ──
    @property
    def _account(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _find(self, path: str) -> dict[str, Any]:
        try:
            return self.ask("GET", path)
        except Refused as refused:
            if refused.status == http.client.NOT_FOUND:
                return {}
            raise

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The answer's data. Refused, or Cut."""
        status, _, content = exchange(
            method,
            f"{self.url}{path}",
            body=None if body is None else json.dumps(body).encode(),
            headers={**self._account, "Content-Type": "application/json"},
        )
        if status != http.client.OK:
            raise self._refusal(status, f"{method} {path}", content)
        found: dict[str, Any] = json.loads(content).get("data") or {} if content else {}
        return found

    def _refusal(self, status: int, what: str, content: bytes) -> Exception:
        try:
            message = str(json.loads(content)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            message = repr(content[:200])
        if status in {500, 502, 504}:
            self.journal.fault(f"{what} was answered with {status}: {message}")
        # Who is told that something changed at the same moment tries again as well.
        if status >= 500 or status == http.client.TOO_MANY_REQUESTS or "same moment" in message:
            return Cut(f"{status} {message}")
        return Refused(status, message)


class Page:
    """The same person, signed in on the pages: what was removed is brought back there."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self._account = {"username": username, "password": password}
        self._cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self._cookies)
        )
        self._is_signed_in = False

    def restore(self, place: str, public_id: str) -> None:
        """Bring it back, if that is possible: the page does not tell machines."""
        if not self._is_signed_in:
            self._open("/account/sign-in")
            self._open("/account/sign-in", self._account)
            self._is_signed_in = any(each.name == "sessionid" for each in self._cookies)
            if not self._is_signed_in:
                raise Cut("not signed in")
        self._open(f"/library/{place}/-/removed/{public_id}/restore", {})

    def _open(self, path: str, form: dict[str, str] | None = None) -> None:
        content = None
        if form is not None:
            token = next((each.value for each in self._cookies if each.name == "csrftoken"), "")
            fields = {**form, "csrfmiddlewaretoken": token or ""}
            content = urllib.parse.urlencode(fields).encode()
        try:
            with self._opener.open(f"{self.url}{path}", content, timeout=PATIENCE_SECONDS) as page:
                page.read()
        except urllib.error.HTTPError as error:
            with error:
                if error.code != http.client.NOT_FOUND:
                    raise Cut(f"{path}: {error.code}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Cut(f"{path}: {error}") from error


def exchange(
    method: str,
    address: str,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body of one request. Cut."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_SECONDS)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Cut(f"{method} {parts.path}: {type(error).__name__} {error}") from error
    finally:
        connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content
