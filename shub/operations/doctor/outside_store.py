"""The object store as users see it: bytes sent and fetched by addresses that clients get."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from shub.errors import Unavailable
from shub.operations.checks import is_loopback
from shub.operations.doctor import store
from shub.operations.doctor.asking import Answer, NotReached, Stage, ask
from shub.operations.doctor.finding import Finding, fault, skipped, warning, well
from shub.operations.doctor.options import Options
from shub.operations.doctor.store import CONTENT, FULL, code_of, new_key
from shub.storage import IncompleteParts, NoSuchObject, ObjectStore, Part, object_store

# Of the object's bytes, the range that is asked for.
RANGE = (3, 9)

# A limit is told within this share.
CLOSE_ENOUGH = 0.1

LOOPBACK = fault(
    "outside-loopback",
    _(
        "Users elsewhere are sent to their own machine for the bytes: “dial tcp 127.0.0.1: "
        "connect: connection refused”. It is the commonest reason why a first push fails."
    ),
    _(
        "Set MINIO_EXTERNAL_SERVER to the HOST:PORT by which users reach the store, and "
        "restart the web server."
    ),
)
NAME_UNKNOWN = warning(
    "outside-name-unknown",
    _(
        "From where doctor runs, the store's outer name cannot be looked up; users may well "
        "know it. What they see was not tried."
    ),
    _(
        "Say where it is by --resolve HOST:ADDRESS. If users cannot look it up either, "
        "correct MINIO_EXTERNAL_SERVER, or enter the name in the DNS."
    ),
)
NOT_REACHED = fault(
    "outside-not-reached",
    _(
        "Pushes and pulls begin, and fail at the first byte: the client prints the store's "
        "address and why it cannot connect."
    ),
    _(
        "Correct MINIO_EXTERNAL_SERVER, have the proxy or the store listen there, and let it "
        "through the firewall."
    ),
)
NO_TLS = fault(
    "outside-no-tls",
    _("Pushes and pulls begin, and fail at the first byte with a TLS error."),
    _(
        "See the findings of the check certificates, and correct MINIO_EXTERNAL_SSL if the "
        "store's outer address speaks no TLS."
    ),
)
NO_ANSWER = fault(
    "outside-no-answer",
    _("Pushes and pulls begin, and hang or break off at the first byte."),
    _(
        "See the log of the proxy before the store, and of the store: do they run, has their "
        "disk room?"
    ),
)
NO_STORE = fault(
    "outside-something-else",
    _(
        "Pushes fail with “error uploading image” and a status; a pull may write a page of "
        "text into the image."
    ),
    _(
        "Have the proxy pass on /{bucket}/ unchanged to the store, or correct "
        "MINIO_EXTERNAL_SERVER (its host and port; the S3 interface, not the console)."
    ),
)
SIGNATURE = fault(
    "outside-signature",
    _(
        "Every push fails with “error uploading image: HTTP status 403”: the host and the "
        "path are part of the signature, and the store sees others than were signed."
    ),
    _(
        "Have the proxy pass on the Host and the path as they came (nginx: proxy_set_header "
        "Host $http_host, and proxy_pass without a path), or set MINIO_EXTERNAL_SERVER to "
        "the name that the store is to see."
    ),
)
REFUSED = fault(
    "outside-refused",
    _("Every push fails with “error uploading image” and this status."),
    _("The store's message says what it minds; see the findings of the check store as well."),
)
HASH_UNCHECKED = warning(
    "outside-hash-unchecked",
    _(
        "Bytes that were changed on their way are found only by the verification afterwards, "
        "when the whole image has been sent."
    ),
    _(
        "Nothing is lost. If this store cannot do it (SeaweedFS), set "
        "MINIO_SIGN_CONTENT_SHA256=false; if a proxy drops the header x-amz-content-sha256, "
        "have it pass that on."
    ),
)
SIZE_UNCHECKED = warning(
    "outside-size-unchecked",
    _(
        "Whoever may push can fill the store with more bytes than were announced, and than a "
        "quota lets in, until the upload is complete or expires."
    ),
    _(
        "Run a store that checks each header which an address signs (JuiceFS and SeaweedFS were "
        "seen to); have no proxy sign for others."
    ),
)
ANYBODY_WRITES = fault(
    "outside-anybody-writes",
    _("Anybody can write into the store without having been let in."),
    _(
        "Take the bucket's public policy away (mc anonymous set none), and let no proxy sign "
        "for others."
    ),
)
ANYBODY_READS = fault(
    "outside-anybody-reads",
    _("Anybody who knows or guesses an object's key can fetch private images."),
    _(
        "Take the bucket's public policy away (mc anonymous set none), and let no proxy sign "
        "for others."
    ),
)
BODY_LIMIT = fault(
    "outside-body-limit",
    _(
        "Pushes of images above this size fail: “error uploading image: HTTP status 413”. "
        "Clients send parts of {part} bytes."
    ),
    _(
        "In nginx: client_max_body_size 0; where it passes on to the store, with "
        "proxy_request_buffering off. Other proxies have a like setting; or lower "
        "UPLOAD_PART_BYTES (5 MiB at least)."
    ),
)
NO_RANGES = fault(
    "outside-no-ranges",
    _(
        "Current clients fetch an image in parts at once, by ranges: a pull ends with a "
        "wrong hash, or takes every byte several times."
    ),
    _(
        "Have the proxy pass on the Range header, and neither cache nor compress what the "
        "store answers."
    ),
)
CHANGED = fault(
    "outside-changed-bytes",
    _("Users get other bytes than were pushed: a pull ends with a wrong hash."),
    _("Have the proxy neither compress, cache nor rewrite what the store answers."),
)
AUTHORIZATION = fault(
    "outside-authorization-kept",
    _(
        "Whoever is logged in cannot pull: the store refuses an address with an "
        "Authorization header beside it, and some clients write its refusal into the image."
    ),
    _(
        'Have the proxy drop it before the store (nginx: proxy_set_header Authorization ""), '
        "or set MINIO_EXTERNAL_STRIPS_AUTHORIZATION=false."
    ),
)
LEFT_OVER = warning(
    "outside-left-over",
    _("Nothing, but that doctor's own test object is still in the store."),
    _("Remove {key} from the bucket, and look why the store does not remove: see the check store."),
)


@dataclass
class _Trial:
    """One object of doctor's own, on its way in and out again by one outer address."""

    options: Options
    asked_host: str
    endpoint: str
    store: ObjectStore = field(default_factory=object_store)
    body: bytes = b""
    key: str = ""
    store_id: str = ""

    def begin(self) -> None:
        """Unavailable where the store inside does not work."""
        # Random, so that what compresses it is found out.
        self.body = os.urandom(max(self.options.body_bytes, len(CONTENT)))
        self.key = new_key(self.body)
        self.store_id = self.store.start_parts(self.key)

    def put(
        self, number: int, body: bytes, *, claimed: bytes | None = None, size: int | None = None
    ) -> Answer:
        """Send a part as a client does; `claimed` are the bytes that it promised, or `size` how
        many."""
        digest = hashlib.sha256(body if claimed is None else claimed).hexdigest()
        address = self.store.part_address(
            *(self.key, self.store_id, number, digest),
            size=len(body) if size is None else size,
            asked_host=self.asked_host,
        )
        return self.send(address, body, digest)

    def send(self, address: str, body: bytes, digest: str) -> Answer:
        """A part to this address."""
        seconds = self.options.answer_seconds + len(body) / (1024 * 1024)
        headers = {"X-Amz-Content-Sha256": digest}
        return ask(self.options, "PUT", address, body=body, headers=headers, seconds=seconds)

    def put_unsigned(self, number: int) -> Answer:
        """The same by whoever was not let in."""
        digest = hashlib.sha256(CONTENT).hexdigest()
        address = self.store.part_address(
            *(self.key, self.store_id, number, digest),
            size=len(CONTENT),
            asked_host=self.asked_host,
        )
        return self.send(unsigned(address), CONTENT, digest)

    def get(self, *, signed: bool = True, **headers: str) -> Answer:
        """Fetch a range of the object."""
        address = self.store.object_address(self.key, asked_host=self.asked_host)
        first, last = RANGE
        asked = {"Range": f"bytes={first}-{last}", **headers}
        return ask(self.options, "GET", address if signed else unsigned(address), headers=asked)

    def end(self) -> Finding | None:
        """Remove all that was stored, and look whether it is gone."""
        try:
            self.store.abort_parts(self.key, self.store_id)
            self.store.remove([self.key])
            self.store.stat(self.key)
        except NoSuchObject:
            return None
        except Unavailable as error:
            return LEFT_OVER.found(error.message, key=self.key)
        return LEFT_OVER.found("the object is still there after its removal", key=self.key)


def look(options: Options) -> list[Finding]:
    """Each of the store's outer addresses."""
    from shub.storage.clients import external_endpoint

    findings: list[Finding] = []
    tried: set[str] = set()
    for asked_host in ("", *settings.MINIO_EXTERNAL_SERVERS):
        endpoint = external_endpoint(asked_host)
        if endpoint not in tried:
            tried.add(endpoint)
            findings += _look_at(options, asked_host, endpoint)
    return findings


def _look_at(options: Options, asked_host: str, endpoint: str) -> list[Finding]:
    users_host = asked_host or urlsplit(settings.PUBLIC_URL).hostname or ""
    if is_loopback(urlsplit(endpoint).hostname or "") and not is_loopback(users_host):
        words = (
            f"users reach the registry at {users_host}, and are sent to {endpoint} for the bytes"
        )
        return [LOOPBACK.found(words)]
    trial = _Trial(options, asked_host, endpoint)
    try:
        trial.begin()
    except (Unavailable, ImproperlyConfigured) as error:
        return [skipped(f"The store does not work inside ({error}): see store.")]
    found: list[Finding] = []
    try:
        found = list(_findings(trial))
    except NotReached as fault:
        found = [_unreached(fault, endpoint)]
    finally:
        left = trial.end()
    if left:
        found.append(left)
    size = len(trial.body)
    return found or [
        well(
            f"Bytes go in and come out at {endpoint}, by signature only, up to {size} bytes of the "
            f"{settings.UPLOAD_PART_BYTES} in a part; nothing of it is left."
        )
    ]


def _unreached(fault: NotReached, endpoint: str) -> Finding:
    found = {
        Stage.NAME: NAME_UNKNOWN,
        Stage.CONNECTION: NOT_REACHED,
        Stage.TLS: NO_TLS,
        Stage.ANSWER: NO_ANSWER,
    }
    return found[fault.stage].found(f"{endpoint}: {fault.words}")


def _findings(trial: _Trial) -> Iterator[Finding]:
    first = trial.put(2, CONTENT)
    if not _is_taken(first):
        if first.status == 403 and store.part(trial.options):
            yield skipped("The store refuses the same inside: see store.")
        else:
            yield _refusal(first, trial.endpoint)
        return
    yield from _doors(trial)
    sent, limit = _largest(trial)
    if limit:
        yield limit
    if sent is None:
        sent = Part(2, _etag(first))
        trial.body = CONTENT
    try:
        trial.store.finish_parts(trial.key, trial.store_id, [sent])
    except IncompleteParts as error:
        yield CHANGED.found(f"{trial.endpoint} took a part that the store has not got: {error}")
        return
    yield from _fetched(trial)


def _is_taken(answer: Answer) -> bool:
    """Whether a store took it: a page that says “welcome” to everything has no receipt."""
    return answer.status == 200 and bool(_etag(answer))


def _etag(answer: Answer) -> str:
    return answer.headers.get("etag", "").strip('"')


def _refusal(answer: Answer, endpoint: str) -> Finding:
    code, message = code_of(answer)
    seen = f"{endpoint} answers {answer.status} {code or answer.server}: {message or answer.text}"
    if not code:
        return NO_STORE.found(seen, bucket=settings.MINIO_BUCKET)
    if code == "SignatureDoesNotMatch":
        return SIGNATURE.found(seen)
    if "StorageFull" in code:
        return FULL.found(seen)
    return REFUSED.found(seen)


def _doors(trial: _Trial) -> Iterator[Finding]:
    """Who may not write does not."""
    if settings.MINIO_SIGN_CONTENT_SHA256:
        wrong = trial.put(3, CONTENT[::-1], claimed=CONTENT)
        if wrong.status == 200:
            yield HASH_UNCHECKED.found("bytes that differ from the signed hash were taken")
    if trial.put(5, CONTENT, size=1).status == 200:
        yield SIZE_UNCHECKED.found(f"{len(CONTENT)} bytes were taken where 1 was signed")
    if trial.put_unsigned(4).status < 300:
        yield ANYBODY_WRITES.found(f"{trial.endpoint} took a part without a signature")


def _largest(trial: _Trial) -> tuple[Part | None, Finding | None]:
    """Send one body of the whole size; where that does not pass, find how much does."""
    answer, words = _sent(trial, len(trial.body))
    if answer is not None and _is_taken(answer):
        return Part(1, _etag(answer)), None
    if answer is not None and code_of(answer)[0]:
        return None, _refusal(answer, trial.endpoint)
    passes, fails = len(CONTENT), len(trial.body)
    while fails - passes > CLOSE_ENOUGH * fails:
        middle = (passes + fails) // 2
        tried, _ = _sent(trial, middle)
        if tried is not None and tried.status == 200:
            passes = middle
        else:
            fails = middle
    seen = f"{trial.endpoint}: {words}; {passes} bytes pass, {fails} do not"
    return None, BODY_LIMIT.found(seen, part=settings.UPLOAD_PART_BYTES)


def _sent(trial: _Trial, size: int) -> tuple[Answer | None, str]:
    """What a body of this size is answered with, and what there is to say of it."""
    try:
        answer = trial.put(1, trial.body[:size])
    except NotReached as fault:
        return None, f"a body of {size} bytes: {fault.words}"
    return answer, f"a body of {size} bytes is answered {answer.status} ({answer.server})"


def _fetched(trial: _Trial) -> Iterator[Finding]:
    """Ranges come, the bytes are those that were sent, and nobody fetches without a signature."""
    first, last = RANGE
    answer = trial.get()
    if answer.status == 200 or (answer.status == 206 and len(answer.body) != last - first + 1):
        yield NO_RANGES.found(f"a range of {last - first + 1} bytes is answered {answer.status}")
    elif answer.status != 206:
        yield _refusal(answer, trial.endpoint)
        return
    elif answer.body != trial.body[first : last + 1]:
        yield CHANGED.found(f"{trial.endpoint} gives other bytes than were sent")
    if trial.get(signed=False).status < 300:
        yield ANYBODY_READS.found(f"{trial.endpoint} gives an object without a signature")
    if settings.MINIO_EXTERNAL_STRIPS_AUTHORIZATION:
        beside = trial.get(Authorization="Bearer of-doctor")
        if beside.status not in {200, 206}:
            code, message = code_of(beside)
            yield AUTHORIZATION.found(f"{trial.endpoint} answers {beside.status} {code}: {message}")


def unsigned(address: str) -> str:
    """The same address without what opens it.

    >>> unsigned("http://s/b/k?partNumber=1&X-Amz-Date=now&X-Amz-Signature=5f")
    'http://s/b/k?partNumber=1'
    """
    parts = urlsplit(address)
    query = [
        (name, value)
        for name, value in parse_qsl(parts.query)
        if not name.startswith("X-Amz-") and not name.startswith("response-")
    ]
    return urlunsplit(parts._replace(query=urlencode(query)))
