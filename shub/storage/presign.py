"""presign_v4: a query-signed URL that can also sign the payload's SHA-256 and its length.

Written from AWS's specification, "Authenticating Requests: Using Query Parameters (AWS Signature
Version 4)". Client libraries sign the host only, which lets any bytes pass; and an address is made
for each part of each image, for which they take three to ten times as long.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

LONGEST_LIFE_SECONDS = 7 * 24 * 3600

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PORTS_LEFT_OUT = {"http": ":80", "https": ":443"}


def presign_v4(
    *,
    method: str,
    endpoint: str,
    path: str,
    access_key: str,
    secret_key: str,
    region: str,
    moment: datetime,
    expires_seconds: int,
    query: Mapping[str, str] | None = None,
    payload_sha256: str = "",
    payload_bytes: int | None = None,
) -> str:
    """A URL that may be asked by this method from the moment on, for so many seconds.

    `endpoint` is scheme and host, with a port where it is not the scheme's own (clients leave that
    out of the Host header, so it is left out here too). `path` is `/bucket/key`, not yet encoded.

    With `payload_sha256` the request must carry it as the header `x-amz-content-sha256`, and a
    store that checks it takes no body but the one with this digest; without, it takes any body.
    With `payload_bytes` the request must carry that as its Content-Length: a store refuses a
    shorter or longer body by the head alone.

    ValueError for what cannot be signed: it would only show as a refusal at the client's.
    """
    scheme, _, host = endpoint.rstrip("/").partition("://")
    if scheme not in _PORTS_LEFT_OUT or not host or "/" in host:
        raise ValueError("An endpoint is http:// or https:// and a host.")
    if not path.startswith("/"):
        raise ValueError("A path starts with a slash.")
    if not 1 <= expires_seconds <= LONGEST_LIFE_SECONDS:
        raise ValueError(f"A life is 1 to {LONGEST_LIFE_SECONDS} seconds.")
    if moment.tzinfo is None:
        raise ValueError("A moment names its time zone.")
    if payload_sha256 and not _DIGEST.fullmatch(payload_sha256):
        raise ValueError("A SHA-256 is written as 64 lower-case hex digits.")
    if payload_bytes is not None and payload_bytes < 0:
        raise ValueError("A body has no less than 0 bytes.")

    host = host.removesuffix(_PORTS_LEFT_OUT[scheme])
    stamp = moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    day = stamp[:8]
    scope = f"{day}/{region}/s3/aws4_request"
    # In the order of their names, as the algorithm asks.
    headers, names = f"host:{host}\n", "host"
    if payload_bytes is not None:
        headers = f"content-length:{payload_bytes}\n{headers}"
        names = f"content-length;{names}"
    if payload_sha256:
        headers += f"x-amz-content-sha256:{payload_sha256}\n"
        names += ";x-amz-content-sha256"

    asked = {
        **(query or {}),
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(expires_seconds),
        "X-Amz-SignedHeaders": names,
    }
    # Sorted as encoded, name before value; this very text is signed, and sent.
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in asked.items())
    canonical_query = "&".join(f"{name}={value}" for name, value in pairs)
    canonical_path = quote(path, safe="/")

    payload = payload_sha256 or "UNSIGNED-PAYLOAD"
    request = f"{method}\n{canonical_path}\n{canonical_query}\n{headers}\n{names}\n{payload}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    signature = _sign(_key_of_day(secret_key, day, region), to_sign).hex()
    return f"{scheme}://{host}{canonical_path}?{canonical_query}&X-Amz-Signature={signature}"


@lru_cache(maxsize=4)
def _key_of_day(secret_key: str, day: str, region: str) -> bytes:
    """The signing key, which changes at midnight UTC: four of the five HMACs of a signature."""
    key = f"AWS4{secret_key}".encode()
    for word in (day, region, "s3", "aws4_request"):
        key = _sign(key, word)
    return key


def _sign(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
