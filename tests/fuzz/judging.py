"""What every answer has to be, whatever was asked."""

import hashlib
import json
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from tests.fuzz.connection import Answer, Request
from tests.fuzz.world import World

# Machines ask here: they get JSON. (/remote.yaml is a page that happens to be a file.)
MACHINES = re.compile(
    rb"/(v[12]/.*|version/?|assets/config/config\.prod\.json/?|pks/(lookup|add)/?"
    rb"|(api|container)/.*)",
    re.DOTALL,
)

# Words of a program's inside.
TRACES = (
    b"Traceback",
    b"site-packages",
    b'File "',
    b"psycopg",
    b"DETAIL:",
    b"CONTEXT:",
    b"django.",
    b"NoneType",
    b"Exception",
    b" object at 0x",
)

# The reasons for which an answer may be of the 500s, by what its words have in them.
TRANSFERS_TAKEN = "carries as many images at this moment as it can"
VERIFYING = "is being verified"
NO_ROOM = "has room for"
OVER_QUOTA = "quota"
ALLOWED = {503: (TRANSFERS_TAKEN, VERIFYING), 507: (NO_ROOM, OVER_QUOTA)}

# What answers without an envelope: the site's own documents, a key list, an image's bytes, and the
# bare object that the clients read.
BARE = re.compile(
    rb"/(assets/config/config\.prod\.json/?|pks/lookup/?|v1/imagefile/.*"
    rb"|v1/rbac/users/current/?|(api/)?container/.*)",
    re.DOTALL,
)

IMAGE_FILE = re.compile(rb"/v1/imagefile/.+", re.DOTALL)

HASH = re.compile(rb":sha256\.([0-9a-f]{64})/?$")

RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")

# A token of ours, or the beginning of one.
TOKEN = re.compile(rb"shub_[0-9A-Za-z]{20}")


def path_of(target: bytes) -> bytes:
    """The path as the registry reads it: decoded, each row of slashes as one."""
    path = re.sub(rb"^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*", b"", target)
    path = unquote_to_bytes(re.split(rb"[?#]", path, maxsplit=1)[0])
    return re.sub(rb"/+", b"/", path)


def find_fault(world: World, request: Request, answer: Answer) -> str:
    """What is wrong with the answer; empty where nothing is."""
    return (
        _bad_status(request, answer)
        or _leak(world, request, answer)
        or _wrong_form(request, answer)
        or ""
    )


def _bad_status(request: Request, answer: Answer) -> str:
    if not 200 <= answer.status < 600:
        return f"a status of {answer.status}"
    if answer.status >= 500:
        words = message_of(answer) or ""
        allowed = ALLOWED.get(answer.status, ())
        if request.method == b"HEAD" and answer.status in ALLOWED:
            return ""
        if not any(reason in words for reason in allowed):
            return f"a status of {answer.status}: {words or answer.body[:200]!r}"
    is_page = not MACHINES.fullmatch(path_of(request.target))
    if 300 <= answer.status < 400 and not is_page:
        is_download = IMAGE_FILE.fullmatch(path_of(request.target)) and answer.status == 303
        if not is_download and answer.status != 304:
            return f"a redirect ({answer.status}) to {answer.header('Location')!r}"
    return ""


def _leak(world: World, request: Request, answer: Answer) -> str:
    whole = answer.head + answer.body
    # What a page makes of a token is shown once, to its owner, by a form: no form is sent here.
    if TOKEN.search(whole) and b"shub_" not in request.target + request.body:
        return "it repeats a token"
    for trace in TRACES:
        if trace in answer.body and trace not in unquote_to_bytes(request.target) + request.body:
            return f"words of the inside: {trace!r}"
    if answer.status < 400:
        for public_id in world.hidden.ids:
            asked = public_id.encode() in request.target + request.body
            if public_id.encode() in answer.body and not asked:
                return f"it names what is hidden: {public_id}"
        if world.hidden.key.encode() in whole:
            return "it gives an address of hidden bytes"
        if IMAGE_FILE.fullmatch(path_of(request.target)):
            return _wrong_bytes(world, request, answer)
    return ""


def _wrong_bytes(world: World, request: Request, answer: Answer) -> str:
    """What is wrong with an image that came in the answer itself."""
    if request.method != b"GET" or answer.status != 200:
        return ""
    came = hashlib.sha256(answer.body).hexdigest()
    if came == world.hidden.digest:
        return "it gives hidden bytes"
    asked = HASH.search(path_of(request.target))
    if asked and asked[1].decode() != came:
        return f"other bytes than were asked for: {came}"
    return ""


def _wrong_form(request: Request, answer: Answer) -> str:
    if request.method == b"HEAD":
        return "a body for HEAD" if answer.body else ""
    path = path_of(request.target)
    if request.raw or not MACHINES.fullmatch(path):
        return ""
    if answer.body and "html" in answer.header("Content-Type") + answer.body[:15].decode("latin-1"):
        return "HTML"
    if answer.status in {206, 416}:
        return _wrong_range(answer)
    if answer.status >= 400:
        if message_of(answer) is None:
            return f"an error without its envelope: {answer.body[:200]!r}"
        return ""
    if answer.status in {204, 304} or BARE.fullmatch(path) or request.method == b"OPTIONS":
        return ""
    body = _json(answer)
    if not isinstance(body, dict) or set(body) != {"data"}:
        return f"a success without its envelope: {answer.body[:200]!r}"
    return ""


def _wrong_range(answer: Answer) -> str:
    """What is wrong with a part of an image, or with saying that there is no such part."""
    said = answer.header("Content-Range")
    found = RANGE.fullmatch(said)
    if found is None or (found[1] is None) == (answer.status == 206):
        return f"a Content-Range of {said!r}"
    if found[1] is None:
        return "" if message_of(answer) else "a 416 without its words"
    start, end, total = int(found[1]), int(found[2]), int(found[3])
    if not start <= end < total or len(answer.body) != end - start + 1:
        return f"{len(answer.body)} bytes for {said!r}"
    return ""


def message_of(answer: Answer) -> str | None:
    """The sentence of a refusal; None where it is not in exactly the documented form."""
    body = _json(answer)
    if not isinstance(body, dict) or set(body) != {"error"}:
        return None
    error = body["error"]
    if not isinstance(error, dict) or set(error) != {"code", "message"}:
        return None
    code, message = error["code"], error["message"]
    if type(code) is not int or code != answer.status or not isinstance(message, str):
        return None
    return message if message.strip() else None


def _json(answer: Answer) -> Any:
    """What the body says; None where it is no JSON, or is not called so."""
    if not answer.header("Content-Type").startswith("application/json"):
        return None
    try:
        return json.loads(answer.body.decode(), parse_constant=_no_such_constant)
    except (ValueError, RecursionError):
        return None


def _no_such_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON.")
