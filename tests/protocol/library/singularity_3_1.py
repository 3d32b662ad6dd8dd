"""The client that is built into Singularity 3.1, as far as a server sees it.

No library stands behind it: addresses are put together as text, ids are decoded as object ids of
24 hexadecimal digits, no arch is ever named, and an image goes as one body through the registry.
It knows no delete. Requests are kept as they were sent, to be compared with what is written of
them; every answer is decoded as strictly as that client does.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.protocol.library.exchange import Reply, exchange
from tests.protocol.library.strict import (
    COLLECTION,
    CONTAINER,
    ENTITY,
    ERROR,
    ID_MAP,
    IMAGE,
    SEARCH,
    Shape,
    Undecodable,
    decode,
    faults,
    read,
)
from tests.wire import digest, fetch

AGENT = "Singularity/3.1.1 (Linux amd64) Go/1.11.5"
YEAR_1 = "0001-01-01T00:00:00Z"
COMMON = {
    "deleted": False,
    "createdBy": "",
    "createdAt": YEAR_1,
    "updatedAt": YEAR_1,
    "deletedAt": YEAR_1,
}
NEW_ENTITY = {
    **COMMON,
    "id": "",
    "name": "",
    "description": "No description",
    "collections": None,
    "size": 0,
    "quota": 0,
    "defaultPrivate": False,
    "customData": "",
}
NEW_COLLECTION = {
    **COMMON,
    "id": "",
    "name": "",
    "description": "No description",
    "entity": "",
    "containers": None,
    "size": 0,
    "private": False,
    "customData": "",
}
NEW_CONTAINER = {
    **COMMON,
    "id": "",
    "name": "",
    "description": "No description",
    "fullDescription": "",
    "collection": "",
    "images": None,
    "imageTags": None,
    "size": 0,
    "downloadCount": 0,
    "stars": 0,
    "private": False,
    "readOnly": False,
    "customData": "",
}
NEW_IMAGE = {
    **COMMON,
    "id": "",
    "hash": "",
    "description": "No Description",
    "container": "",
    "blob": "",
    "size": 0,
    "uploaded": False,
    "customData": "",
}


class Stopped(Exception):
    """What the client prints, before it ends with an error."""


@dataclass(frozen=True)
class Sent:
    """A request as it was sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def json(self) -> Any:
        """The body, as JSON."""
        return json.loads(self.body or b"")


@dataclass
class Singularity31:
    """One command of that release after the other, with a token or without."""

    token: str = ""
    base: str = ""
    """What stands in its setting after the host: a base that ends with a slash gives `//v1`."""
    sent: list[Sent] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The first lines of all requests so far."""
        return [f"{each.method} {each.target}" for each in self.sent]

    # ── commands ──
    def push(self, ref: str, content: bytes) -> None:
        """`singularity push`: tags come after the last colon, separated by commas."""
        path, _, tags = ref.partition(":")
        entity, collection, container = path.split("/")
        entity_id = self._ensure("entities", entity, ENTITY, NEW_ENTITY | {"name": entity})
        collection_id = self._ensure(
            "collections",
            f"{entity}/{collection}",
            COLLECTION,
            NEW_COLLECTION | {"name": collection, "entity": entity_id},
        )
        container_id = self._ensure(
            "containers",
            path,
            CONTAINER,
            NEW_CONTAINER | {"name": container, "collection": collection_id},
        )
        hash_ref = f"sha256.{digest(content)}"
        image = self.get_object(f"/v1/images/{path}:{hash_ref}", IMAGE)
        if image is None:
            body = NEW_IMAGE | {"hash": hash_ref, "container": container_id}
            image = self.post_object("/v1/images", body, IMAGE)
        if not image.get("uploaded"):
            self._post_file(str(image["id"]), content)
        self._set_tags(container_id, str(image["id"]), (tags or "latest").split(","))

    def pull(self, ref: str) -> bytes:
        """`singularity pull`: a short reference keeps its empty parts at the first request."""
        path, _, tag = ref.partition(":")
        tag = tag or "latest"
        full = f"{'/' * (2 - path.count('/'))}{path}"
        image = self.get_object(f"/v1/images/{full}:{tag}", IMAGE)
        if image is None:
            raise Stopped("image does not exist in the library")
        reply = self._exchange("GET", f"/v1/imagefile/{path}:{tag}")
        content = reply.content
        if reply.status in {301, 302, 303, 307, 308}:
            # Go takes the header off for another host name only; what the store then says of two
            # authorizations is no answer of ours, and is not tried here.
            if self.token:
                raise Stopped("sent on, with the token, to the store")
            stored = fetch(reply.headers["location"])
            if stored.status != 200:
                raise Stopped(f"{stored.status}")
            content = stored.body
        elif reply.status != 200:
            raise self._stopped(reply)
        if f"sha256.{digest(content)}" != image["hash"]:
            raise Stopped("the file is not the image")
        return content

    def search(self, value: str) -> dict[str, list[dict[str, Any]]]:
        """`singularity search`: users, collections and containers."""
        reply = self._exchange("GET", f"/v1/search?value={value}")
        found = self._data(reply) or {}
        return {
            kind: [decode(each, shape, object_ids=True) for each in found.get(kind) or []]
            for kind, shape in SEARCH.items()
        }

    # ── what they are made of ──
    def get_object(self, path: str, shape: Shape) -> dict[str, Any] | None:
        """The object at the address, or None where the server says 404."""
        reply = self._exchange("GET", path)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise self._stopped(reply)
        return decode(self._data(reply), shape, object_ids=True)

    def post_object(self, path: str, body: Any, shape: Shape) -> dict[str, Any]:
        """The object that the server has made."""
        reply = self._post_json(path, body)
        if reply.status not in {200, 201}:
            raise self._stopped(reply)
        return decode(self._data(reply), shape, object_ids=True)

    def _ensure(self, kind: str, path: str, shape: Shape, body: dict[str, Any]) -> str:
        found = self.get_object(f"/v1/{kind}/{path}", shape)
        if found is None:
            found = self.post_object(f"/v1/{kind}", body, shape)
        return str(found["id"])

    def _post_file(self, image_id: str, content: bytes) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        reply = self._exchange("POST", f"/v1/imagefile/{image_id}", headers, content)
        if reply.status != 200:
            raise Stopped(f"sending file did not succeed: {self._stopped(reply)}")

    def _set_tags(self, container_id: str, image_id: str, tags: list[str]) -> None:
        reply = self._exchange("GET", f"/v1/tags/{container_id}")
        self._tag_map(reply)
        for tag in tags:
            reply = self._post_json(f"/v1/tags/{container_id}", {"Tag": tag, "ImageID": image_id})
            self._tag_map(reply)

    def _tag_map(self, reply: Reply) -> None:
        if reply.status != 200:
            raise Stopped(f"creation did not succeed: {self._stopped(reply)}")
        wrong = list(faults({"tags": self._data(reply)}, {"tags": ID_MAP}, object_ids=True))
        if wrong:
            raise Undecodable("; ".join(wrong))

    def _post_json(self, path: str, body: Any) -> Reply:
        headers = {"Content-Type": "application/json"}
        return self._exchange("POST", path, headers, json.dumps(body).encode())

    def _exchange(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        given = {"User-Agent": AGENT, **(headers or {})}
        if self.token:
            given["Authorization"] = f"Bearer {self.token}"
        target = f"{self.base}{path}"
        self.sent.append(Sent(method, target, given, body))
        return exchange(method, target, headers=given | {"Accept-Encoding": "gzip"}, body=body)

    def _data(self, reply: Reply) -> Any:
        envelope = read(reply.content)
        if not isinstance(envelope, dict):
            raise Undecodable(f"{envelope!r} is no envelope")
        if envelope.get("error") is not None:
            raise self._stopped(reply)
        return envelope.get("data")

    def _stopped(self, reply: Reply) -> Stopped:
        error = decode(read(reply.content).get("error"), ERROR)
        return Stopped(f"{error.get('code', 0)} {error.get('status', '')}\n{error['message']}")
