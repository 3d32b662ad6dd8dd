"""Pushes, step after step, with steps left out, doubled, and out of their order."""

import hashlib
import http.client
import json
import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.fuzz.connection import Answer, Request
from tests.fuzz.grammar import ZEROES
from tests.fuzz.world import ARCHES, COLLECTIONS, CONTAINERS, TAGS, Person, World, image_bytes

Steps = Generator[Request, Answer | None, None]

STORE_SECONDS = 20


@dataclass
class Push:
    """One image on its way; what its answers have brought so far."""

    chance: random.Random
    world: World
    person: Person
    content: bytes
    path: tuple[str, str, str]
    container_id: str = ""
    image_id: str = ""
    upload_id: str = ""
    address: str = ""
    part_address: str = ""
    etag: str = '"none"'
    tag: str = "latest"
    arch: str = "amd64"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def request(self, method: str, target: str, body: Any = None) -> Request:
        content = body if isinstance(body, bytes) else b""
        if isinstance(body, dict):
            content = json.dumps(body).encode()
        return Request(
            method.encode(),
            target.encode(),
            [(b"Host", b"127.0.0.1"), (b"Authorization", f"Bearer {self.person.token}".encode())],
            content,
        )


def push(chance: random.Random, world: World) -> Steps:
    """One push, or what is left of one: yields requests and is sent their answers."""
    person = chance.choice((world.mara, world.mara, world.otto))
    names = (person.name, chance.choice(COLLECTIONS), chance.choice(CONTAINERS))
    arch = chance.choice(ARCHES)
    each = Push(chance, world, person, image_bytes(chance, arch), names, arch=arch)
    yield from announce(each)
    for step in disordered(chance, chance.choice(PLANS)):
        yield from step(each)


def disordered(chance: random.Random, plan: tuple["Step", ...]) -> list["Step"]:
    """The plan, half of the time as it is."""
    steps = list(plan)
    while chance.random() < 0.5:
        at = chance.randrange(len(steps)) if steps else 0
        change = chance.randrange(4)
        if change == 0 and steps:
            steps.insert(at, steps[at])
        elif change == 1 and steps:
            del steps[at]
        elif change == 2 and steps:
            other = chance.randrange(len(steps))
            steps[at], steps[other] = steps[other], steps[at]
        else:
            steps.insert(at, chance.choice(ALL_STEPS))
    return steps


# ── the steps ──
def announce(each: Push) -> Steps:
    entity, collection, container = each.path
    answer = yield each.request("GET", f"/v1/entities/{entity}")
    entity_id = _value(answer, "id")
    each.world.entities.add(entity_id)
    answer = yield each.request(
        "POST", "/v1/collections", {**ZEROES, "name": collection, "entity": entity_id}
    )
    collection_id = _value(answer, "id")
    each.world.collections.add(collection_id)
    answer = yield each.request(
        "POST", "/v1/containers", {**ZEROES, "name": container, "collection": collection_id}
    )
    each.container_id = _value(answer, "id")
    each.world.containers.add(each.container_id)
    yield from post_image(each)


def post_image(each: Push) -> Steps:
    body = {**ZEROES, "hash": f"sha256.{each.digest}", "container": each.container_id}
    answer = yield each.request("POST", "/v1/images", body)
    each.image_id = _value(answer, "id") or each.image_id
    each.world.images.add(each.image_id)
    each.world.digests.add(each.digest)


def get_image(each: Push) -> Steps:
    ref = "/".join(each.path)
    yield each.request("GET", f"/v1/images/{ref}:sha256.{each.digest}?arch=amd64")


def begin_single(each: Push) -> Steps:
    size = len(each.content) + each.chance.choice((0, 0, 0, 0, 1))
    body = {"filesize": size, "sha256sum": each.digest, "md5sum": "0" * 32}
    answer = yield each.request("POST", f"/v2/imagefile/{each.image_id}", body)
    each.address = _value(answer, "uploadURL") or each.address


def send_single(each: Push) -> Steps:
    send(each.address, each.content, each.digest)
    yield from ()


def complete_single(each: Push) -> Steps:
    yield each.request("PUT", f"/v2/imagefile/{each.image_id}/_complete", {})


def begin_parts(each: Push) -> Steps:
    body = {"filesize": len(each.content)}
    answer = yield each.request("POST", f"/v2/imagefile/{each.image_id}/_multipart", body)
    each.upload_id = _value(answer, "uploadID") or each.upload_id
    each.world.uploads.add(each.upload_id)


def sign_part(each: Push) -> Steps:
    body = {
        "partSize": len(each.content),
        "uploadID": each.upload_id,
        "partNumber": 1,
        "sha256sum": each.digest,
    }
    answer = yield each.request("PUT", f"/v2/imagefile/{each.image_id}/_multipart", body)
    each.part_address = _value(answer, "presignedURL") or each.part_address


def send_part(each: Push) -> Steps:
    each.etag = send(each.part_address, each.content, each.digest) or each.etag
    yield from ()


def complete_parts(each: Push) -> Steps:
    parts = [{"partNumber": 1, "token": each.etag}]
    body = {"uploadID": each.upload_id, "completedParts": parts}
    yield each.request("PUT", f"/v2/imagefile/{each.image_id}/_multipart_complete", body)


def abort_parts(each: Push) -> Steps:
    body = {"uploadID": each.upload_id}
    yield each.request("PUT", f"/v2/imagefile/{each.image_id}/_multipart_abort", body)


def send_body(each: Push) -> Steps:
    content = each.content
    if each.chance.random() < 0.2:
        content += b"more"
    yield each.request("POST", f"/v1/imagefile/{each.image_id}", content)


def tag(each: Push) -> Steps:
    each.tag = each.chance.choice(TAGS)
    arch = each.arch if each.chance.random() < 0.9 else each.chance.choice(ARCHES)
    body = {"Arch": arch, "Tag": each.tag, "ImageID": each.image_id}
    answer = yield each.request("POST", f"/v2/tags/{each.container_id}", body)
    if answer is not None and answer.status == 200:
        path = "/".join(each.path)
        each.world.refs.add(f"{path}:{each.tag}?arch={arch}")
        each.world.refs.add(f"{path}:sha256.{each.digest}?arch={arch}")


def old_tag(each: Push) -> Steps:
    each.tag = each.chance.choice(TAGS)
    body = {"Tag": each.tag, "ImageID": each.image_id}
    yield each.request("POST", f"/v1/tags/{each.container_id}", body)


def pull(each: Push) -> Steps:
    ref = "/".join(each.path)
    yield each.request("GET", f"/v1/imagefile/{ref}:{each.tag}?arch={each.arch}")


def delete(each: Push) -> Steps:
    ref = "/".join(each.path)
    which = each.chance.choice((f"sha256.{each.digest}", each.chance.choice(TAGS)))
    yield each.request("DELETE", f"/v1/images/{ref}:{which}?arch=amd64")


Step = Callable[[Push], Steps]

SINGLE: tuple[Step, ...] = (begin_single, send_single, complete_single, tag, pull)
PARTS: tuple[Step, ...] = (begin_parts, sign_part, send_part, complete_parts, tag, get_image, pull)
ABORTED: tuple[Step, ...] = (begin_parts, sign_part, send_part, abort_parts)
BODY: tuple[Step, ...] = (send_body, old_tag, pull)
DELETED: tuple[Step, ...] = (*SINGLE, delete, get_image)
PLANS = (SINGLE, PARTS, PARTS, ABORTED, BODY, DELETED)
ALL_STEPS = tuple({step: None for plan in PLANS for step in plan})


def send(address: str, content: bytes, digest: str) -> str:
    """PUT to the store, as clients do; the etag, empty where the store refused."""
    if not address:
        return ""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=STORE_SECONDS)
    try:
        connection.request(
            "PUT",
            f"{parts.path}?{parts.query}",
            body=content,
            headers={"x-amz-content-sha256": digest},
        )
        answer = connection.getresponse()
        answer.read()
        return answer.headers.get("ETag", "") if answer.status == 200 else ""
    except (ConnectionError, http.client.HTTPException):
        # The store said no and hung up before it had read the body.
        return ""
    finally:
        connection.close()


def _value(answer: Answer | None, name: str) -> str:
    """A text that a successful answer carries; empty where it is none."""
    if answer is None or answer.status != 200:
        return ""
    body = json.loads(answer.body)
    value = body.get("data", {}).get(name, "") if isinstance(body, dict) else ""
    return value if isinstance(value, str) else ""
