"""The object store, as this server reaches it."""

import hashlib
import re
import secrets

import certifi
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.asking import Answer, NotReached, Stage, ask
from shub.operations.doctor.finding import Finding, fault, well
from shub.operations.doctor.options import Options
from shub.storage import keys

CONTENT = b"doctor was here"

NO_KEYS = fault(
    "store-no-keys",
    _("Nothing can be pushed or pulled."),
    _(
        "Set MINIO_ACCESS_KEY and MINIO_SECRET_KEY, or MINIO_ACCESS_KEY_FILE and "
        "MINIO_SECRET_KEY_FILE."
    ),
)
NOT_REACHED = fault(
    "store-not-reached",
    _(
        "Every push ends with 503 “The object store cannot be reached at the moment”; "
        "nothing is verified."
    ),
    _(
        "Start the store (its log says why it ended), or correct MINIO_SERVER and MINIO_SSL: "
        "it is the address inside, as this server reaches it."
    ),
)
SILENT = fault(
    "store-silent",
    _("Pushes wait, then end with 503; pulls hang. The store takes connections and says nothing."),
    _("See the store's log and its disk, then restart it. Nothing that was pushed before is lost."),
)
NO_TLS = fault(
    "store-no-tls",
    _(
        "Every push ends with 503: this server does not trust the store's certificate, or "
        "the store speaks no TLS."
    ),
    _("Name the authority's PEM file by MINIO_CA_FILE, or correct MINIO_SSL."),
)
NO_STORE = fault(
    "store-something-else",
    _("Every push ends with 503: what answers at MINIO_SERVER is no S3 store."),
    _("Correct MINIO_SERVER: host and port of the store's S3 interface, not of its console."),
)
WRONG_KEYS = fault(
    "store-wrong-keys",
    _(
        "Every push ends with 503 “The object store did not do what it was asked to”; pulls "
        "end with 403."
    ),
    _(
        "Set MINIO_ACCESS_KEY and MINIO_SECRET_KEY to keys that the store knows; the store's "
        "own are in its MINIO_ROOT_USER and MINIO_ROOT_PASSWORD."
    ),
)
NOT_ALLOWED = fault(
    "store-not-allowed",
    _(
        "Every push ends with 503: the store knows the keys, and they may not do what a "
        "registry does."
    ),
    _("Give the keys a policy that allows s3:* in the bucket {bucket}."),
)
NO_BUCKET = fault(
    "store-no-bucket",
    _("Every push ends with 503, and no image can be pulled."),
    _("Make it: ./manage.py prepare. If the images lie in another bucket, correct MINIO_BUCKET."),
)
WRONG_REGION = fault(
    "store-wrong-region",
    _("Every push ends with 503, every pull with 400: the region is part of each signature."),
    _("Set MINIO_REGION to the one that the store says."),
)
CLOCK = fault(
    "store-refuses-the-clock",
    _(
        "The store refuses all that this server signs: pushes end with 503, pulls write an "
        "error into the image."
    ),
    _("Set the clocks of this machine and of the store's by NTP (chrony, systemd-timesyncd)."),
)
UPLOAD_KEYS = fault(
    "store-upload-keys",
    _("Every push fails when it sends its first bytes: “error uploading image: HTTP status 403”."),
    _(
        "Make the store's user that may only upload: ./manage.py prepare --upload-user. "
        "Elsewhere give MINIO_UPLOAD_ACCESS_KEY the right s3:PutObject on {bucket}/blobs/*."
    ),
)
FULL = fault(
    "store-full",
    _("Every push fails while it sends: the store has no room."),
    _("Give the store more room, or remove images and let the sweep run; see the check disk."),
)
REFUSES = fault(
    "store-refuses",
    _("Every push ends with 503: the store refuses what a registry asks of it."),
    _("See the store's log; `mc admin trace` shows the request."),
)

# By the codes of MinIO, JuiceFS, SeaweedFS, Garage, Ceph and AWS.
BY_CODE = {
    "InvalidAccessKeyId": WRONG_KEYS,
    "SignatureDoesNotMatch": WRONG_KEYS,
    "InvalidRegion": WRONG_REGION,
    "AuthorizationHeaderMalformed": WRONG_REGION,
    "RequestTimeTooSkewed": CLOCK,
    "RequestExpired": CLOCK,
    "NoSuchBucket": NO_BUCKET,
    "XMinioStorageFull": FULL,
    "XStorageFull": FULL,
    "InsufficientStorage": FULL,
}


def code_of(answer: Answer) -> tuple[str, str]:
    """What an S3 store says of a refusal: code and message; empty where it is no store's."""
    text = answer.body.decode(errors="replace")
    found = [re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL) for name in ("Code", "Message")]
    code, message = (each[1].strip() if each else "" for each in found)
    return code, " ".join(message.split())


def look(options: Options) -> list[Finding]:
    """Reach it, list the bucket, and take a part in."""
    from shub.storage import clients

    try:
        clients.credentials()
        clients.upload_credentials()
    except ImproperlyConfigured as error:
        return [NO_KEYS.found(str(error))]
    try:
        found = _bucket(options) or part(options)
    except NotReached as fault:
        return [unreached(fault)]
    return [found or well(f"Keys, bucket and region are taken at {clients.internal_endpoint()}.")]


def unreached(fault: NotReached) -> Finding:
    """What it means that the store gives no answer inside."""
    found = {Stage.TLS: NO_TLS, Stage.ANSWER: SILENT}.get(fault.stage, NOT_REACHED)
    return found.found(fault.words)


def ask_inside(
    options: Options, method: str, path: str, keys: tuple[str, str], **request: object
) -> Answer:
    """A signed request to the store at its inner address. NotReached."""
    from shub.storage.clients import internal_endpoint
    from shub.storage.presign import presign_v4

    query = request.pop("query", {})
    signed = presign_v4(
        method=method,
        endpoint=internal_endpoint(),
        path=path,
        query=query,  # type: ignore[arg-type]
        access_key=keys[0],
        secret_key=keys[1],
        region=settings.MINIO_REGION,
        moment=timezone.now(),
        expires_seconds=300,
    )
    return ask(options, method, signed, context=_trust(options), **request)  # type: ignore[arg-type]


def _trust(options: Options):  # type: ignore[no-untyped-def]
    """Whom this server itself trusts (shub.storage.clients); None where no TLS is spoken."""
    if not settings.MINIO_SSL:
        return None
    import ssl

    try:
        return ssl.create_default_context(cafile=settings.MINIO_CA_FILE or certifi.where())
    except OSError as error:
        reason = error.strerror or error
        raise NotReached(Stage.TLS, f"MINIO_CA_FILE {settings.MINIO_CA_FILE}: {reason}") from None


def refusal(answer: Answer) -> Finding:
    """What the store's refusal means."""
    code, message = code_of(answer)
    seen = f"the store answers {answer.status} {code or answer.server}: {message or answer.text}"
    if not code:
        return (SILENT if answer.status >= 500 else NO_STORE).found(seen)
    if "region" in message.lower():
        return WRONG_REGION.found(seen)
    if "not valid yet" in message or "has expired" in message:
        # What was signed this very moment.
        return CLOCK.found(seen)
    found = BY_CODE.get(code) or (NOT_ALLOWED if answer.status == 403 else REFUSES)
    return found.found(seen, bucket=settings.MINIO_BUCKET)


def _bucket(options: Options) -> Finding | None:
    from shub.storage.clients import credentials

    query = {"list-type": "2", "max-keys": "1", "prefix": keys.PREFIX}
    answer = ask_inside(options, "GET", f"/{settings.MINIO_BUCKET}/", credentials(), query=query)
    if answer.status != 200:
        return refusal(answer)
    if b"ListBucketResult" not in answer.body:
        return NO_STORE.found(f"the answer is no list of a bucket: {answer.text}")
    return None


def part(options: Options) -> Finding | None:
    """Have the store take a part by the keys that parts are signed with, and drop it again."""
    from shub.errors import Unavailable
    from shub.storage import object_store
    from shub.storage.clients import upload_credentials

    store = object_store()
    key = new_key(CONTENT)
    try:
        store_id = store.start_parts(key)
    except Unavailable as error:
        return REFUSES.found(f"an upload in parts was not begun: {error.message}")
    try:
        query = {"partNumber": "1", "uploadId": store_id}
        answer = ask_inside(
            options,
            "PUT",
            f"/{settings.MINIO_BUCKET}/{key}",
            upload_credentials(),
            query=query,
            body=CONTENT,
        )
    finally:
        store.abort_parts(key, store_id)
    if answer.status == 200:
        return None
    code, message = code_of(answer)
    if answer.status == 403 and upload_credentials() != _main_keys():
        seen = f"a part is refused: {answer.status} {code}: {message}"
        return UPLOAD_KEYS.found(seen, bucket=settings.MINIO_BUCKET)
    return refusal(answer)


def _main_keys() -> tuple[str, str]:
    from shub.storage.clients import credentials

    return credentials()


def new_key(content: bytes) -> str:
    """A key of the registry's own form that no upload has."""
    return keys.blob_key(hashlib.sha256(content).hexdigest(), secrets.token_hex(12))
