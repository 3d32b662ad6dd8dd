"""Downloads: counted by appending, summed later, so that a popular image is no hot row."""

from contextlib import suppress

from django.db import IntegrityError, connection, transaction

from shub.containers.models import Download, Image

# How many appended rows one transaction sums up: bounded, so that it stays short.
BATCH = 10_000

# One statement: a row is either still appended, or summed; never both, and never neither.
SUM_UP = """
WITH taken AS (
    DELETE FROM containers_download
    WHERE id = ANY (ARRAY(
        SELECT id FROM containers_download ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
    ))
    RETURNING image_id, (at AT TIME ZONE 'UTC')::date AS day
), by_day AS (
    SELECT image_id, day, count(*) AS count FROM taken GROUP BY image_id, day
), counted AS (
    INSERT INTO containers_downloadcount (image_id, day, count)
    SELECT image_id, day, count FROM by_day
    ON CONFLICT (image_id, day)
    DO UPDATE SET count = containers_downloadcount.count + EXCLUDED.count
), by_image AS (
    SELECT image_id, sum(count) AS count FROM by_day GROUP BY image_id
), images AS (
    UPDATE containers_image SET download_count = download_count + by_image.count
    FROM by_image WHERE containers_image.id = by_image.image_id
), containers AS (
    UPDATE containers_container SET download_count = download_count + sums.count
    FROM (
        SELECT containers_image.container_id AS id, sum(by_image.count) AS count
        FROM by_image JOIN containers_image ON containers_image.id = by_image.image_id
        GROUP BY containers_image.container_id
    ) AS sums WHERE containers_container.id = sums.id
)
SELECT count(*) FROM taken
"""


# The images first, as whoever removes one locks it before its downloads.
LOCK_IMAGES = """
SELECT id FROM containers_image
WHERE id IN (SELECT image_id FROM containers_download ORDER BY id LIMIT %s)
ORDER BY id FOR NO KEY UPDATE
"""


def record(image: Image) -> None:
    """Append one pull of the image; of one that is deleted at this moment, none."""
    with suppress(IntegrityError):
        Download.objects.create(image=image)


def sum_up() -> int:
    """Add the appended pulls to the counts of their day, image and container; how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_IMAGES, [BATCH])
        cursor.execute(SUM_UP, [BATCH])
        (count,) = cursor.fetchone()
    return int(count)
