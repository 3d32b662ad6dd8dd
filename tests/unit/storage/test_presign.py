"""presign_v4 against AWS's published example, and against an independent signer."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from minio.credentials import Credentials
from minio.signer import presign_v4 as minio_presign_v4

from shub.storage.presign import presign_v4

MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
DIGEST = "ab" * 32


def signed(**changes: Any) -> str:
    arguments = {
        "method": "GET",
        "endpoint": "http://store.lab:9000",
        "path": "/images/blobs/ab/abab.0123",
        "access_key": "someone",
        "secret_key": "only for tests",
        "region": "us-east-1",
        "moment": MOMENT,
        "expires_seconds": 3600,
        **changes,
    }
    return presign_v4(**arguments)


def signature(address: str) -> str:
    return parse_qs(urlsplit(address).query)["X-Amz-Signature"][0]


def test_it_signs_as_the_example_that_aws_publishes() -> None:
    # "Authenticating Requests: Using Query Parameters", the example of a presigned GET.
    assert presign_v4(
        method="GET",
        endpoint="https://examplebucket.s3.amazonaws.com",
        path="/test.txt",
        access_key="AKIAIOSFODNN7EXAMPLE",
        secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        region="us-east-1",
        moment=datetime(2013, 5, 24, tzinfo=UTC),
        expires_seconds=86400,
    ) == (
        "https://examplebucket.s3.amazonaws.com/test.txt"
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("GET", {}),
        ("PUT", {"uploadId": "a b/c=d&e~f+g", "partNumber": "7"}),
        ("GET", {"response-content-type": "application/octet-stream", "a": "", "Z": "é"}),
    ],
)
def test_it_signs_as_minio_does(method: str, query: dict[str, str]) -> None:
    ours = signed(method=method, query=query)
    unsigned = ours.partition("X-Amz-")[0].rstrip("?&")
    own_query = "&".join(
        pair for pair in urlsplit(ours).query.split("&") if not pair.startswith("X-Amz-")
    )
    theirs = minio_presign_v4(
        method=method,
        url=urlsplit(unsigned.partition("?")[0] + (f"?{own_query}" if own_query else "")),
        region="us-east-1",
        credentials=Credentials("someone", "only for tests"),
        date=MOMENT,
        expires=3600,
    )
    assert signature(ours) == signature(theirs.geturl())


def test_a_digest_is_signed_as_a_header_that_must_be_sent() -> None:
    address = signed(method="PUT", payload_sha256=DIGEST)
    query = parse_qs(urlsplit(address).query)
    assert query["X-Amz-SignedHeaders"] == ["host;x-amz-content-sha256"]
    assert DIGEST not in address
    assert signature(address) != signature(signed(method="PUT"))
    assert signature(address) != signature(signed(method="PUT", payload_sha256="cd" * 32))


def test_a_length_is_signed_as_a_header_that_must_be_sent() -> None:
    address = signed(method="PUT", payload_sha256=DIGEST, payload_bytes=5)
    query = parse_qs(urlsplit(address).query)
    assert query["X-Amz-SignedHeaders"] == ["content-length;host;x-amz-content-sha256"]
    others = [signed(method="PUT", payload_sha256=DIGEST, payload_bytes=size) for size in (0, 6)]
    others.append(signed(method="PUT", payload_sha256=DIGEST))
    assert len({signature(each) for each in (address, *others)}) == 4


def test_a_length_is_signed_as_botocore_signs_it() -> None:
    ours = signed(method="PUT", payload_bytes=5, query={"partNumber": "1", "uploadId": "u"})
    request = AWSRequest(
        "PUT",
        "http://store.lab:9000/images/blobs/ab/abab.0123?partNumber=1&uploadId=u",
        headers={"Content-Length": "5"},
    )
    signer = S3SigV4QueryAuth(
        BotoCredentials("someone", "only for tests"), "s3", "us-east-1", expires=3600
    )
    with mock.patch("botocore.auth.get_current_datetime", return_value=MOMENT):
        signer.add_auth(request)
    assert signature(ours) == signature(request.url)


def test_a_path_is_encoded_once_and_its_slashes_stay() -> None:
    address = signed(path="/images/a b/c+d~e%f/é")
    assert urlsplit(address).path == "/images/a%20b/c%2Bd~e%25f/%C3%A9"


@pytest.mark.parametrize(
    ("endpoint", "written"),
    [
        ("http://store.lab:80", "http://store.lab"),
        ("https://store.lab:443", "https://store.lab"),
        ("https://store.lab:80", "https://store.lab:80"),
        ("http://store.lab:443", "http://store.lab:443"),
        ("http://store.lab:8080", "http://store.lab:8080"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://store.lab/", "http://store.lab"),
    ],
)
def test_a_scheme_s_own_port_is_left_out(endpoint: str, written: str) -> None:
    assert signed(endpoint=endpoint) == signed(endpoint=written)
    assert signed(endpoint=endpoint).startswith(f"{written}/images/")


def test_a_moment_counts_in_any_time_zone() -> None:
    east = MOMENT.astimezone(timezone(timedelta(hours=9)))
    assert signed(moment=east) == signed()


def test_the_key_of_a_day_is_not_used_on_another() -> None:
    late = datetime(2026, 2, 3, 23, 59, 59, tzinfo=UTC)
    signed(moment=late)
    next_day = signed(moment=late + timedelta(seconds=1))
    assert "20260204%2Fus-east-1" in next_day
    theirs = minio_presign_v4(
        method="GET",
        url=urlsplit("http://store.lab:9000/images/blobs/ab/abab.0123"),
        region="us-east-1",
        credentials=Credentials("someone", "only for tests"),
        date=late + timedelta(seconds=1),
        expires=3600,
    )
    assert signature(next_day) == signature(theirs.geturl())


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "store.lab:9000"},
        {"endpoint": "ftp://store.lab"},
        {"endpoint": "https://"},
        {"endpoint": "https://site.lab/store"},
        {"path": "images/x"},
        {"expires_seconds": 0},
        {"expires_seconds": 604801},
        {"moment": datetime(2026, 2, 3)},  # noqa: DTZ001  that it has no zone is the point
        {"payload_sha256": "AB" * 32},
        {"payload_sha256": "ab"},
        {"payload_bytes": -1},
    ],
)
def test_what_cannot_be_signed_is_refused_here(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        signed(**changes)


def test_a_week_is_the_longest_life() -> None:
    assert "X-Amz-Expires=604800&" in signed(expires_seconds=604800)
