"""What lies in the bucket, asked past the product."""

from datetime import UTC, datetime, timedelta

from django.conf import settings

from shub.storage import ObjectStore, OpenParts, object_store
from shub.storage.clients import minio_client
from shub.uploads.models import Upload


def stored_sizes() -> dict[str, int]:
    """Key → bytes of all objects, in the order of keys."""
    found = minio_client().list_objects(bucket_name=settings.MINIO_BUCKET, recursive=True)
    # JuiceFS also lists the folder that a removed object lay in.
    sizes = {str(each.object_name): each.size or 0 for each in found if not each.is_dir}
    return dict(sorted(sizes.items()))


def stored_keys(store: ObjectStore) -> list[str]:
    """The keys of all objects, in order."""
    return list(stored_sizes())


def open_parts(store: ObjectStore) -> list[OpenParts]:
    """The uploads in parts that the store has open."""
    return list(store.open_parts(datetime.now(UTC) + timedelta(minutes=1)))


def put_part(public_id: str, number: int, content: bytes) -> str:
    """Put bytes there as a part of the upload, however many; its etag. As by a store that checks no
    lengths: no address of ours takes other than were announced."""
    upload = Upload.objects.get(public_id=public_id)
    return object_store().put_part(upload.key, upload.store_id, number, content).etag
