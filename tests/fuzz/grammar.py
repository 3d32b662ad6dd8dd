"""Well-formed requests of the whole protocol: every route below shub/api, in its own words."""

import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.fuzz.connection import Request
from tests.fuzz.world import ARCHES, COLLECTIONS, CONTAINERS, TAGS, World, image_bytes, wrong_token

Make = Callable[[random.Random, World], tuple[str, str, Any]]

# What the clients of all years have been seen to send.
ARCH_QUERIES = (
    "",
    "?arch=",
    *(f"?arch={arch}" for arch in ARCHES),
    "?arch=AMD64",
    "?arch=x86_64",
    "?arch=aarch64",
    "?arch%3Damd64",
    "?arch=none",
)

RANGES = (
    b"bytes=0-",
    b"bytes=0-0",
    b"bytes=100-199",
    b"bytes=-500",
    b"bytes=33999-",
    b"bytes=34000-",
    b"bytes=0-99999999999999999999",
    b"bytes=5-1",
    b"bytes=0-1,5-6",
    b"lines=0-1",
)

ZEROES = {
    "deleted": False,
    "createdBy": "",
    "createdAt": "0001-01-01T00:00:00Z",
    "updatedAt": "0001-01-01T00:00:00Z",
    "deletedAt": "0001-01-01T00:00:00Z",
    "id": "",
    "size": 0,
    "customData": "",
}


def well_formed(chance: random.Random, world: World) -> Request:
    """One request as a client would send it, by somebody, about something."""
    method, target, body = chance.choice(ROUTES)(chance, world)
    if isinstance(body, bytes):
        content = body
    else:
        content = b"" if body is None else json.dumps(body).encode()
    headers = [(b"Host", b"127.0.0.1"), *authorization(chance, world)]
    if target.startswith("/v1/imagefile/") and method == "GET" and chance.random() < 0.3:
        headers.append((b"Range", chance.choice(RANGES)))
    return Request(method.encode(), target.encode(), headers, content)


def authorization(chance: random.Random, world: World) -> list[tuple[bytes, bytes]]:
    """A valid token mostly; another's, an invalid one, none."""
    who = chance.random()
    if who < 0.15:
        return []
    token = world.mara.token
    if who < 0.35:
        token = world.otto.token
    elif who < 0.4:
        token = wrong_token(chance)
    scheme = chance.choice(("Bearer", "Bearer", "BEARER", "bearer"))
    return [(b"Authorization", f"{scheme} {token}".encode())]


# ── the site ──
def service_document(chance: random.Random, _: World) -> tuple[str, str, Any]:
    return chance.choice(("GET", "HEAD")), "/assets/config/config.prod.json", None


def version(chance: random.Random, _: World) -> tuple[str, str, Any]:
    return "GET", chance.choice(("/version", "/version/", "//version")), None


def token_status(_: random.Random, __: World) -> tuple[str, str, Any]:
    return "GET", "/v1/token-status", None


def current_user(_: random.Random, __: World) -> tuple[str, str, Any]:
    return "GET", "/v1/rbac/users/current", None


def oci_redirect(chance: random.Random, world: World) -> tuple[str, str, Any]:
    mapped = chance.choice(("", "&mapped=1"))
    query = f"?namespace={world.path(chance)}&accessTypes=pull,push{mapped}"
    return "GET", f"/v1/oci-redirect{query}", None


def remote_file(chance: random.Random, _: World) -> tuple[str, str, Any]:
    method = chance.choice(("GET", "GET", "GET", "HEAD", "POST"))
    return method, "/remote.yaml" + chance.choice(("", "?for=3.6", "?for=", "?for=4.2")), None


def key_lookup(chance: random.Random, _: World) -> tuple[str, str, Any]:
    operation = chance.choice(("get", "index", "vindex"))
    options = chance.choice(("", "&options=mr"))
    search = quote(chance.choice(("0x" + "AB" * 20, "mara@example.org", "")))
    return "GET", f"/pks/lookup?op={operation}{options}&search={search}", None


def key_add(_: random.Random, __: World) -> tuple[str, str, Any]:
    return "POST", "/pks/add", b"keytext=-----BEGIN+PGP+PUBLIC+KEY+BLOCK-----"


# ── namespaces ──
def get_entity(chance: random.Random, world: World) -> tuple[str, str, Any]:
    return "GET", f"/v1/entities/{world.entity(chance)}", None


def post_entity(chance: random.Random, world: World) -> tuple[str, str, Any]:
    name = world.entity(chance)
    return "POST", "/v1/entities", {**ZEROES, "name": name, "description": "No description"}


def get_collection(chance: random.Random, world: World) -> tuple[str, str, Any]:
    target = f"/v1/collections/{world.entity(chance)}/{chance.choice(COLLECTIONS)}"
    return "GET", target, None


def post_collection(chance: random.Random, world: World) -> tuple[str, str, Any]:
    body = {
        **ZEROES,
        "name": chance.choice(COLLECTIONS),
        "entity": world.entities.pick(chance),
        "description": "No description",
        "private": chance.random() < 0.5,
    }
    return "POST", "/v1/collections", body


def get_container(chance: random.Random, world: World) -> tuple[str, str, Any]:
    names = f"{world.entity(chance)}/{chance.choice(COLLECTIONS)}/{chance.choice(CONTAINERS)}"
    return "GET", f"/v1/containers/{names}", None


def post_container(chance: random.Random, world: World) -> tuple[str, str, Any]:
    body = {
        **ZEROES,
        "name": chance.choice(CONTAINERS),
        "collection": world.collections.pick(chance),
        "description": chance.choice(("No description", "", "words " * 50)),
    }
    return "POST", "/v1/containers", body


# ── images ──
def asked_ref(chance: random.Random, world: World) -> str:
    """One that was seen to work, or any; with an arch, or with another."""
    if world.refs.values and chance.random() < 0.5:
        ref = world.refs.pick(chance)
        if chance.random() < 0.6:
            return ref
    else:
        ref = world.ref(chance)
    return ref.partition("?")[0] + chance.choice(ARCH_QUERIES)


def get_image(chance: random.Random, world: World) -> tuple[str, str, Any]:
    slashes = chance.choice(("", "", "", "//"))
    target = f"/v1/images/{slashes}{asked_ref(chance, world)}"
    return chance.choice(("GET", "GET", "GET", "HEAD")), target, None


def post_image(chance: random.Random, world: World) -> tuple[str, str, Any]:
    digest = chance.choice((world.digests.pick(chance), world.hidden.digest))
    body = {
        **ZEROES,
        "hash": f"sha256.{digest:0>64}",
        "container": world.containers.pick(chance),
        "description": "No Description",
    }
    return "POST", "/v1/images", body


def delete_image(chance: random.Random, world: World) -> tuple[str, str, Any]:
    return "DELETE", f"/v1/images/{asked_ref(chance, world)}", None


def pull(chance: random.Random, world: World) -> tuple[str, str, Any]:
    slashes = chance.choice(("", "", "/"))
    target = f"/v1/imagefile/{slashes}{asked_ref(chance, world)}"
    return chance.choice(("GET", "GET", "GET", "HEAD")), target, None


def send_body(chance: random.Random, world: World) -> tuple[str, str, Any]:
    return "POST", f"/v1/imagefile/{world.images.pick(chance)}", image_bytes(chance)


def search(chance: random.Random, _: World) -> tuple[str, str, Any]:
    text = chance.choice(
        ("gcc", "app", "mar", "private", "ab", "", "%20%20a", "watched", "%25%25%25")
    )
    more = chance.choice(("", "&arch=amd64", "&arch=amd64,arm64", "&signed=true", "&arch=&signed="))
    return "GET", f"/v1/search?value={text}{more}", None


# ── tags ──
def get_tags(chance: random.Random, world: World) -> tuple[str, str, Any]:
    return "GET", f"/v{chance.choice('12')}/tags/{world.containers.pick(chance)}", None


def post_tag(chance: random.Random, world: World) -> tuple[str, str, Any]:
    body = {
        "Arch": chance.choice((*ARCHES, "")),
        "Tag": chance.choice(TAGS),
        "ImageID": world.images.pick(chance),
    }
    return "POST", f"/v2/tags/{world.containers.pick(chance)}", body


def post_old_tag(chance: random.Random, world: World) -> tuple[str, str, Any]:
    tag, image = chance.choice(TAGS), world.images.pick(chance)
    body = chance.choice(({"Tag": tag, "ImageID": image}, {tag: image, "v9": image}))
    return "POST", f"/v1/tags/{world.containers.pick(chance)}", body


# ── uploads ──
def begin_single(chance: random.Random, world: World) -> tuple[str, str, Any]:
    body = {
        "filesize": chance.choice((1, 34_000, 1 << 20, (5 << 30) + 1)),
        "sha256sum": chance.choice(("", "ab" * 32)),
        "md5sum": "0" * 32,
    }
    return "POST", f"/v2/imagefile/{world.images.pick(chance)}", body


def complete_single(chance: random.Random, world: World) -> tuple[str, str, Any]:
    return "PUT", f"/v2/imagefile/{world.images.pick(chance)}/_complete", {}


def begin_parts(chance: random.Random, world: World) -> tuple[str, str, Any]:
    size = chance.choice((1, 34_000, 65 << 20, 200 << 20, 1 << 42, 0, -1))
    return "POST", f"/v2/imagefile/{world.images.pick(chance)}/_multipart", {"filesize": size}


def sign_part(chance: random.Random, world: World) -> tuple[str, str, Any]:
    body = {
        "partSize": chance.choice((1, 34_000, 64 << 20)),
        "uploadID": world.uploads.pick(chance),
        "partNumber": chance.choice((1, 2, 4, 10_000, 10_001, 0)),
        "sha256sum": chance.choice(("", "cd" * 32)),
    }
    return "PUT", f"/v2/imagefile/{world.images.pick(chance)}/_multipart", body


def complete_parts(chance: random.Random, world: World) -> tuple[str, str, Any]:
    count = chance.choice((0, 1, 2, 4))
    parts = [{"partNumber": number, "token": f'"{"0" * 32}"'} for number in range(1, count + 1)]
    body = {"uploadID": world.uploads.pick(chance), "completedParts": parts}
    return "PUT", f"/v2/imagefile/{world.images.pick(chance)}/_multipart_complete", body


def abort_parts(chance: random.Random, world: World) -> tuple[str, str, Any]:
    body = {"uploadID": world.uploads.pick(chance)}
    return "PUT", f"/v2/imagefile/{world.images.pick(chance)}/_multipart_abort", body


# ── what is not there ──
def nothing(chance: random.Random, _: World) -> tuple[str, str, Any]:
    paths = ("/v1/", "/v2/", "/v1/nothing", "/v2/name/manifests/latest", "/v1/build", "/v3/images")
    return chance.choice(("GET", "POST", "PUT", "DELETE")), chance.choice(paths), None


def old_container(chance: random.Random, world: World) -> tuple[str, str, Any]:
    prefix = chance.choice(("/api/container", "/container"))
    names = f"{chance.choice(('tools', 'c1', 'secret'))}/{chance.choice(CONTAINERS[:3])}"
    rest = chance.choice(("", ":v1", ":latest", ":v1@0123abcd", f":sha256.{world.hidden.digest}"))
    query = chance.choice(("", "", "?arch=amd64", "?arch=arm64"))
    return "GET", f"{prefix}/{names}{rest}{query}", None


def old_addresses(chance: random.Random, _: World) -> tuple[str, str, Any]:
    paths = (
        "/api/collections/",
        "/api/upload/chunked_upload",
        "/container/search/name/gcc",
        "/api/",
    )
    return chance.choice(("GET", "POST")), chance.choice(paths), None


# ── pages, asked by a machine ──
def page(chance: random.Random, world: World) -> tuple[str, str, Any]:
    paths = ("/", "/account/sign-in", "/auth/tokens", f"/library/{world.path(chance)}", "/static/x")
    return chance.choice(("GET", "HEAD", "POST")), chance.choice(paths), None


ROUTES: tuple[Make, ...] = (
    service_document,
    version,
    token_status,
    current_user,
    oci_redirect,
    remote_file,
    key_lookup,
    key_add,
    get_entity,
    post_entity,
    get_collection,
    post_collection,
    get_container,
    post_container,
    get_image,
    get_image,
    post_image,
    delete_image,
    pull,
    pull,
    send_body,
    search,
    search,
    get_tags,
    post_tag,
    post_old_tag,
    begin_single,
    complete_single,
    begin_parts,
    sign_part,
    complete_parts,
    abort_parts,
    nothing,
    old_container,
    old_addresses,
    page,
)
