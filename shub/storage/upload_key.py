"""The user of the store that part addresses are signed for: it may put objects, and nothing else.

MinIO's front end, which JuiceFS' gateway has too, obeys an `x-amz-copy-source` that comes with a
presigned PUT although no signature covers it: the store then copies what the *signing* key may
read. So the key that signs such addresses must not be able to read anything.
"""

import logging
import time

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin
from urllib3.exceptions import HTTPError

from shub.errors import Unavailable
from shub.storage.clients import Credentials, credentials, new_connections, upload_credentials
from shub.storage.keys import PREFIX
from shub.storage.s3 import UNREACHABLE

logger = logging.getLogger(__name__)

# A gateway that has just been started says that it is ready some moments before it knows its users.
STARTING_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)


def make_upload_user() -> str:
    """Make MINIO_UPLOAD_ACCESS_KEY a user that may only upload; its name. Again is no error.

    As the store's main user, on MinIO and JuiceFS' gateway. A user of that name that is there gets
    this secret key, and this policy in place of those that it had.

    ImproperlyConfigured when the settings name no second user, or the store makes none;
    Unavailable when it cannot be reached.
    """
    main, upload = credentials(), upload_credentials()
    if upload.access_key == main.access_key:
        raise ImproperlyConfigured(
            "MINIO_UPLOAD_ACCESS_KEY and MINIO_UPLOAD_SECRET_KEY must name another user of the "
            "store than MINIO_ACCESS_KEY."
        )
    for pause in (*STARTING_PAUSES, None):
        try:
            _make(main, upload)
            break
        except HTTPError as error:
            logger.warning("The object store cannot be reached: %s", error)
            raise Unavailable(UNREACHABLE) from error
        except MinioAdminException as error:
            if pause is None or not _is_fault(error):
                raise _explained(error, upload) from error
            time.sleep(pause)
    return upload.access_key


def upload_policy(bucket: str) -> dict[str, object]:
    """What the user may do, as a store's policy says it.

    >>> upload_policy("images")["Statement"][0]["Resource"]
    ['arn:aws:s3:::images/blobs/*']
    """
    statement = {
        "Effect": "Allow",
        "Action": ["s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/{PREFIX}*"],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _is_fault(error: MinioAdminException) -> bool:
    """Whether the store itself is not able to, whoever asks."""
    return str(error.args[0]).startswith("admin request failed; Status: 5")


def _explained(error: MinioAdminException, upload: Credentials) -> Exception:
    logger.warning("The object store made no upload user: %s", error)
    if _is_fault(error):
        return Unavailable(UNREACHABLE)
    return ImproperlyConfigured(
        f"The object store at {settings.MINIO_SERVER} made no user {upload.access_key!r}; the log "
        "says why. Only MinIO and JuiceFS know this way, and only with their main user's keys: "
        "elsewhere make a user by the store's own means, or set no MINIO_UPLOAD_* keys."
    )


def _make(main: Credentials, upload: Credentials) -> None:
    admin = MinioAdmin(
        endpoint=settings.MINIO_SERVER,
        credentials=StaticProvider(main.access_key, main.secret_key),
        region=settings.MINIO_REGION,
        secure=settings.MINIO_SSL,
        http_client=new_connections(),
    )
    policy = f"shub-upload-{settings.MINIO_BUCKET}"
    admin.policy_add(policy, policy=upload_policy(settings.MINIO_BUCKET))
    admin.user_add(upload.access_key, upload.secret_key)
    admin.policy_set(policy, user=upload.access_key)
