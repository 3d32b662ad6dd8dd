"""The cache in the registry's own database: no other server is needed.

Each verb is one statement, so what two processes do at the same moment is done one after the other.
"""

import hashlib
import json
import random
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection

from shub.cache import Counted

# Of so many new rows one looks for old ones: looking costs some milliseconds where there are many.
CULL_EVERY = 200

# What one look deletes at most.
CULLED_AT_ONCE = 10_000

# What has no end.
CENTURY = 100 * 365 * 24 * 3600

GET = "SELECT value FROM cache_entry WHERE key = %(key)s AND expires_at > clock_timestamp()"

# xmax is 0 in a row that nobody has changed: it is new.
SET = """
INSERT INTO cache_entry (key, value, expires_at) VALUES (
    %(key)s, %(value)s, clock_timestamp() + %(seconds)s * interval '1 second'
)
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, expires_at = EXCLUDED.expires_at
RETURNING xmax = 0
"""

ADD = """
INSERT INTO cache_entry (key, value, expires_at) VALUES (
    %(key)s, %(value)s, clock_timestamp() + %(seconds)s * interval '1 second'
)
ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, expires_at = EXCLUDED.expires_at
WHERE cache_entry.expires_at <= clock_timestamp()
RETURNING xmax = 0
"""

TOUCH = """
UPDATE cache_entry SET expires_at = clock_timestamp() + %(seconds)s * interval '1 second'
WHERE key = %(key)s AND expires_at > clock_timestamp()
RETURNING 1
"""

DELETE = """
DELETE FROM cache_entry WHERE key = %(key)s RETURNING expires_at > clock_timestamp()
"""

INCREASE = """
UPDATE cache_entry SET value = (value::bigint + %(delta)s)::text
WHERE key = %(key)s AND expires_at > clock_timestamp()
RETURNING value::bigint
"""

COUNT = """
INSERT INTO cache_entry (key, value, expires_at) VALUES (
    %(key)s, '1', clock_timestamp() + %(seconds)s * interval '1 second'
)
ON CONFLICT (key) DO UPDATE SET
    value = CASE WHEN cache_entry.expires_at <= clock_timestamp()
        THEN '1' ELSE (cache_entry.value::bigint + 1)::text END,
    expires_at = CASE WHEN cache_entry.expires_at <= clock_timestamp()
        THEN EXCLUDED.expires_at ELSE cache_entry.expires_at END
RETURNING value::bigint, extract(epoch FROM expires_at - clock_timestamp()), xmax = 0
"""

# Arrays, since a subquery after IN may be asked again for each row, and then has another LIMIT.
CULL_ENDED = """
DELETE FROM cache_entry WHERE key = ANY (ARRAY(
    SELECT key FROM cache_entry WHERE cache_entry.expires_at <= clock_timestamp()
    ORDER BY expires_at LIMIT %(most)s FOR UPDATE SKIP LOCKED
))
"""

# Those that end soonest: what is counted for a short period is worth least.
CULL_SURPLUS = """
DELETE FROM cache_entry WHERE key = ANY (ARRAY(
    SELECT key FROM cache_entry ORDER BY expires_at
    LIMIT least(greatest((SELECT count(*) FROM cache_entry) - %(kept)s, 0), %(most)s)
    FOR UPDATE SKIP LOCKED
))
"""


class DatabaseCache(BaseCache):
    """Django's cache interface on the table of `Entry`, with `count`.

    No more than MAX_ENTRIES rows are kept, give or take CULL_EVERY: a flood of addresses pushes
    others out, and fills no disk.
    """

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """The value, or the default where there is none or it has ended."""
        found = self._one(GET, key, version)
        return default if found is None else json.loads(found[0])

    def set(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """Keep the value for so many seconds."""
        seconds = self._seconds(timeout)
        if seconds <= 0:
            self.delete(key, version)
            return
        found = self._one(SET, key, version, value=json.dumps(value), seconds=seconds)
        self._cull_at_times(is_new=bool(found and found[0]))

    def add(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Keep the value where there is none; whether it is kept."""
        seconds = self._seconds(timeout)
        found = self._one(ADD, key, version, value=json.dumps(value), seconds=seconds)
        self._cull_at_times(is_new=bool(found and found[0]))
        return found is not None

    def touch(self, key: str, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Let the value last for so many seconds from now; whether there is one."""
        return self._one(TOUCH, key, version, seconds=self._seconds(timeout)) is not None

    def delete(self, key: str, version: int | None = None) -> bool:
        """Forget the value; whether there was one."""
        found = self._one(DELETE, key, version)
        return bool(found and found[0])

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Add to a number that is there; ValueError where none is."""
        found = self._one(INCREASE, key, version, delta=delta)
        if found is None:
            raise ValueError(f"Key {key!r} not found.")
        return int(found[0])

    def clear(self) -> None:
        """Forget all."""
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM cache_entry")

    def count(self, key: str, seconds: int) -> Counted:
        """As CountingCache says."""
        found = self._one(COUNT, key, None, seconds=seconds)
        assert found is not None  # noqa: S101  an upsert always returns its row
        count, left, is_new = found
        self._cull_at_times(is_new=is_new)
        return Counted(int(count), max(1, round(left)))

    def cull(self) -> None:
        """Delete what has ended, and what is more than MAX_ENTRIES."""
        asked = {"most": CULLED_AT_ONCE, "kept": self._max_entries}
        with connection.cursor() as cursor:
            cursor.execute(CULL_ENDED, asked)
            cursor.execute(CULL_SURPLUS, asked)

    def _cull_at_times(self, *, is_new: bool) -> None:
        if is_new and random.randrange(CULL_EVERY) == 0:  # noqa: S311  it is no secret
            self.cull()

    def _one(self, sql: str, key: str, version: int | None, **given: Any) -> Any:
        # Hashed, a key is of any length and letters, and no list of visitors.
        made = hashlib.sha256(self.make_key(key, version).encode()).digest()
        with connection.cursor() as cursor:
            cursor.execute(sql, {"key": made, **given})
            return cursor.fetchone()

    def _seconds(self, timeout: Any) -> float:
        chosen = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return CENTURY if chosen is None else float(chosen)
