"""The cache on Redis, for sites that have one: CACHE_URL."""

import json
import logging
from typing import Any

from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from redis.exceptions import RedisError

from shub.cache import Counted

log = logging.getLogger(__name__)


class JSONSerializer:
    """Values as JSON; a number is as Redis itself counts."""

    def dumps(self, value: Any) -> str:
        return json.dumps(value)

    def loads(self, text: bytes) -> Any:
        return json.loads(text)


class RedisCache(DjangoRedisCache):
    """Django's, with `count`."""

    def count(self, key: str, seconds: int) -> Counted:
        """As CountingCache says. Where Redis is away nothing is counted: a limit stops nobody then.

        The three commands are one transaction of Redis.
        """
        made = self.make_and_validate_key(key)
        try:
            with self._cache.get_client(made, write=True).pipeline(transaction=True) as commands:
                commands.set(made, 0, ex=seconds, nx=True)
                commands.incr(made)
                commands.ttl(made)
                _, count, left = commands.execute()
        except RedisError as error:
            # Its words may hold what CACHE_URL says.
            log.warning("Redis is away, and nothing is limited: %s", type(error).__name__)
            return Counted(0, seconds)
        return Counted(int(count), max(1, int(left)))
