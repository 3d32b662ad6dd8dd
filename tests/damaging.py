"""Damaging what lies in the store, behind the registry's back."""

from django.conf import settings

from shub.containers.models import Blob
from shub.storage.clients import boto3_client, minio_client
from tests.wire import digest


def blob_of(content: bytes) -> Blob:
    """The newest blob of these bytes."""
    return Blob.objects.filter(digest=digest(content)).latest("id")


def flipped(content: bytes) -> bytes:
    """The same number of bytes, one bit of the last of them another."""
    return content[:-1] + bytes([content[-1] ^ 1])


def overwrite(key: str, content: bytes) -> None:
    """Put other bytes there."""
    boto3_client().put_object(Bucket=settings.MINIO_BUCKET, Key=key, Body=content)


def remove(key: str) -> None:
    """Take the object away."""
    minio_client().remove_object(settings.MINIO_BUCKET, key)
