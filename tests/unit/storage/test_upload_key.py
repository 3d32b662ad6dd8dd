"""The store's user who may only upload, made by the store's main one."""

import secrets
from typing import Any

import pytest
import urllib3
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from minio import Minio
from minio.error import S3Error

from shub.errors import Unavailable
from shub.storage import ObjectStore
from shub.storage.keys import blob_key
from shub.storage.presign import presign_v4
from shub.storage.upload_key import make_upload_user
from tests import servers

KEY = blob_key("a" * 64, "1" * 24)


@pytest.fixture
def upload_keys(settings: Any) -> None:
    settings.MINIO_UPLOAD_ACCESS_KEY = f"upload-{secrets.token_hex(4)}"
    settings.MINIO_UPLOAD_SECRET_KEY = "only-for-tests-1"


@pytest.mark.usefixtures("upload_keys")
def test_the_user_may_put_parts_of_blobs_and_nothing_else(
    store: ObjectStore, settings: Any
) -> None:
    kept = store.start_parts(KEY)
    store.finish_parts(KEY, kept, [store.put_part(KEY, kept, 1, b"private")])
    make_upload_user()

    other = blob_key("b" * 64, "2" * 24)
    store_id = store.start_parts(other)
    assert ask("PUT", store.part_address(other, store_id, 1, "", size=1)) == 200
    assert len(store.list_parts(other, store_id)) == 1

    as_uploader = Minio(
        settings.MINIO_SERVER,
        settings.MINIO_UPLOAD_ACCESS_KEY,
        settings.MINIO_UPLOAD_SECRET_KEY,
        secure=False,
        region=settings.MINIO_REGION,
    )
    for refused in (
        lambda: as_uploader.stat_object(settings.MINIO_BUCKET, KEY),
        lambda: as_uploader.remove_object(settings.MINIO_BUCKET, KEY),
        lambda: list(as_uploader.list_objects(settings.MINIO_BUCKET)),
        as_uploader.list_buckets,
        lambda: as_uploader.make_bucket("of-its-own"),
    ):
        with pytest.raises(S3Error) as refusal:
            refused()
        assert refusal.value.response.status == 403
    for path in (f"/{settings.MINIO_BUCKET}/elsewhere", f"/another-bucket/{KEY}"):
        assert ask("PUT", signed_by_the_uploader(settings, path)) == 403


@pytest.mark.usefixtures("upload_keys")
def test_made_again_the_user_has_the_new_secret_and_no_other_policy(
    store: ObjectStore, settings: Any
) -> None:
    assert make_upload_user() == make_upload_user() == settings.MINIO_UPLOAD_ACCESS_KEY
    before = signed_by_the_uploader(settings, f"/{settings.MINIO_BUCKET}/{KEY}")
    settings.MINIO_UPLOAD_SECRET_KEY = "only-for-tests-2"
    make_upload_user()
    after = signed_by_the_uploader(settings, f"/{settings.MINIO_BUCKET}/{KEY}")
    assert (ask("PUT", before), ask("PUT", after)) == (403, 200)


@pytest.mark.parametrize("access_key", ["", servers.ACCESS_KEY])
def test_the_main_user_is_none_that_can_only_upload(
    store: ObjectStore, settings: Any, access_key: str
) -> None:
    settings.MINIO_UPLOAD_ACCESS_KEY = access_key
    settings.MINIO_UPLOAD_SECRET_KEY = servers.SECRET_KEY if access_key else ""
    with pytest.raises(ImproperlyConfigured, match="another user"):
        make_upload_user()


@pytest.mark.usefixtures("upload_keys")
def test_a_store_that_makes_no_user_is_said_with_the_way_out(
    store: ObjectStore, settings: Any
) -> None:
    settings.MINIO_SECRET_KEY = "not-the-main-users"
    with pytest.raises(ImproperlyConfigured, match="by the store's own means") as refusal:
        make_upload_user()
    assert settings.MINIO_UPLOAD_SECRET_KEY not in str(refusal.value)


@pytest.mark.usefixtures("upload_keys")
def test_a_store_that_does_not_answer_is_unavailable(settings: Any) -> None:
    settings.MINIO_SERVER = "127.0.0.1:1"
    settings.MINIO_ACCESS_KEY = settings.MINIO_SECRET_KEY = "only-for-tests"
    with pytest.raises(Unavailable):
        make_upload_user()


def signed_by_the_uploader(settings: Any, path: str) -> str:
    return presign_v4(
        method="PUT",
        endpoint=f"http://{settings.MINIO_SERVER}",
        path=path,
        access_key=settings.MINIO_UPLOAD_ACCESS_KEY,
        secret_key=settings.MINIO_UPLOAD_SECRET_KEY,
        region=settings.MINIO_REGION,
        moment=timezone.now(),
        expires_seconds=60,
    )


def ask(method: str, address: str) -> int:
    return urllib3.request(method, address, body=b"x", retries=False).status
