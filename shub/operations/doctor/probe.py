"""`/-/doctor`: what this server sees of a request, told to the doctor only.

Whoever knows SECRET_KEY signs a word that is good for a minute and for one request; to all others
there is nothing at this address. So what a proxy makes of a request can be seen at its other end.
"""

import hashlib
import hmac
import json
import resource
import secrets
import time
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from shub.client_address import client_address, is_by_trusted_proxy

PATH = "/-/doctor"
HEADER = "X-Shub-Doctor"
SALT = "shub.operations.doctor"
LIFE_SECONDS = 60

# A thread waits for so long at most; it is what a push may wait for its verdict, and a little more.
MOST_SECONDS = 120.0

# Processes that run with other values of these contradict each other.
COMPARED = (
    "PUBLIC_URL", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "MINIO_SERVER", "MINIO_EXTERNAL_SERVER",
    "MINIO_EXTERNAL_SERVERS", "MINIO_SSL", "MINIO_EXTERNAL_SSL", "MINIO_BUCKET", "MINIO_REGION",
    "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_UPLOAD_ACCESS_KEY", "MINIO_UPLOAD_SECRET_KEY",
    "MINIO_EXTERNAL_STRIPS_AUTHORIZATION", "MINIO_SIGN_CONTENT_SHA256", "STREAM_ALWAYS",
    "NGINX_STORE_LOCATION", "VERIFY_WAIT_SECONDS", "UPLOAD_PART_BYTES",
)  # fmt: skip


def word(seconds: float = 0) -> str:
    """What opens the probe once, and how long it is to think before it answers."""
    return signing.dumps([secrets.token_hex(16), seconds], salt=SALT)


def settings_seen() -> dict[str, str]:
    """A fingerprint of each setting that all processes must agree on: no value is told."""
    key = hashlib.sha256(f"{SALT}:{settings.SECRET_KEY}".encode()).digest()
    return {
        name: hmac.digest(key, f"{name}={getattr(settings, name)!r}".encode(), "sha256").hex()[:16]
        for name in COMPARED
    }


@csrf_exempt
@never_cache
def show(request: HttpRequest) -> JsonResponse:
    """What is seen. Http404 for whoever brings no good word, and for one that was used before."""
    seconds = _opened(request.headers.get(HEADER, ""))
    received = sum(len(piece) for piece in iter(lambda: request.read(64 * 1024), b""))
    time.sleep(seconds)
    return JsonResponse({**_seen(request), "received": received})


def _opened(word: str) -> float:
    """How long to think. Http404."""
    try:
        nonce, seconds = signing.loads(word, salt=SALT, max_age=LIFE_SECONDS)
    except signing.BadSignature:
        raise Http404 from None
    if not cache.add(f"doctor: {nonce}", True, 2 * LIFE_SECONDS):
        raise Http404
    return min(float(seconds), MOST_SECONDS)


def _seen(request: HttpRequest) -> dict[str, Any]:
    meta = request.META
    return {
        "peer": meta.get("REMOTE_ADDR", ""),
        "peer_port": str(meta.get("REMOTE_PORT", "")),
        "client": client_address(request),
        "trusted": is_by_trusted_proxy(request),
        "secure": request.is_secure(),
        "host": request.get_host(),
        "forwarded_for": meta.get("HTTP_X_FORWARDED_FOR", ""),
        "forwarded_proto": meta.get("HTTP_X_FORWARDED_PROTO", ""),
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "now": time.time(),
        "settings": settings_seen(),
    }


def read(body: bytes) -> dict[str, Any] | None:
    """What the probe told; None where it was something else that answered."""
    try:
        told = json.loads(body)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "peer" in told and "settings" in told else None
