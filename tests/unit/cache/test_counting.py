"""The shared cache, on the database and on Redis: the same promises."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shub.cache import database
from shub.cache.models import Entry

THREADS = 20


@pytest.fixture(scope="module")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server of our own, with a password."""
    binary = shutil.which("redis-server")
    if binary is None:
        assert not os.environ.get("CI"), "redis-server is missing"
        pytest.skip("no redis-server on this machine")
    folder = tmp_path_factory.mktemp("redis")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            *(binary, "--port", str(port), "--bind", "127.0.0.1", "--requirepass", "word"),
            *("--save", "", "--appendonly", "no", "--dir", str(folder)),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        give_up_at = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < give_up_at
                time.sleep(0.05)
        yield f"redis://:word@127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


def on_redis(settings: Any, address: str) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "shub.cache.redis.RedisCache",
            "LOCATION": address,
            "OPTIONS": {
                "serializer": "shub.cache.redis.JSONSerializer",
                "socket_connect_timeout": 1,
            },
        }
    }


@pytest.fixture(params=["database", "redis"])
def cache(request: pytest.FixtureRequest, settings: Any, transactional_db: None) -> Iterator[Any]:
    """Each kind of cache in turn, empty."""
    if request.param == "redis":
        on_redis(settings, request.getfixturevalue("redis_address"))
    caches["default"].clear()
    yield caches["default"]
    caches["default"].clear()


def test_what_is_kept_is_had_back_until_it_ends(cache: Any) -> None:
    for value in (None, 0, 5, True, "words", [1.5, 2.5], {"a": {"b": []}}, "7", "null"):
        cache.set("key", value, 100)
        assert cache.get("key", "nothing") == value
    cache.set("key", "short", 1)
    assert cache.touch("key", 1)
    time.sleep(1.2)
    assert cache.get("key", "nothing") == "nothing"
    assert "key" not in cache
    assert not cache.touch("key", 100)
    assert not cache.delete("key")
    cache.set("key", "for ever", None)
    assert cache.get("key") == "for ever"
    cache.set("key", "gone", 0)
    assert cache.get("key") is None


def test_a_key_may_have_any_length_and_letters_in_the_database(db: None) -> None:
    cache: Any = caches["default"]
    for key in ("a b", "x" * 5000, "é\x00", ""):
        cache.set(key, key)
        assert cache.get(key) == key


def test_only_what_is_missing_or_has_ended_is_added(cache: Any) -> None:
    assert cache.add("key", 1, 1)
    assert not cache.add("key", 2, 1)
    assert cache.get("key") == 1
    time.sleep(1.2)
    assert cache.add("key", 3, 100)
    assert cache.get("key") == 3
    assert cache.delete("key")
    assert cache.add("key", 4)


def test_a_number_is_changed_in_place_and_a_missing_one_is_an_error(cache: Any) -> None:
    cache.set("key", 5)
    assert (cache.incr("key"), cache.incr("key", 10), cache.decr("key", 6)) == (6, 16, 10)
    with pytest.raises(ValueError, match="not found"):
        cache.incr("missing")


def test_what_is_no_json_is_not_kept(cache: Any) -> None:
    with pytest.raises(TypeError):
        cache.set("key", object())


def test_a_count_begins_anew_after_its_period(cache: Any) -> None:
    assert [cache.count("key", 1).times for _ in range(3)] == [1, 2, 3]
    assert cache.count("other", 100) == (1, 100)
    assert cache.count("key", 1).seconds_left == 1
    time.sleep(1.2)
    assert cache.count("key", 1).times == 1
    assert 98 <= cache.count("other", 5).seconds_left <= 100


def in_threads(act: Any) -> list[Any]:
    """What the act gives in each of many threads, which begin together."""

    def one(_: int) -> Any:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def test_threads_that_count_at_once_get_each_number_once(cache: Any) -> None:
    for _ in range(5):
        cache.clear()
        counts = [counted.times for counted in in_threads(lambda: cache.count("key", 100))]
        assert sorted(counts) == list(range(1, THREADS + 1))


def test_of_threads_that_add_at_once_one_succeeds(cache: Any) -> None:
    for _ in range(5):
        cache.clear()
        assert sum(in_threads(lambda: cache.add("key", "value"))) == 1


def test_numbers_that_are_changed_at_once_lose_nothing(cache: Any) -> None:
    cache.set("key", 0)
    in_threads(lambda: cache.incr("key"))
    assert cache.get("key") == THREADS


def test_a_count_is_one_query(transactional_db: None) -> None:
    cache: Any = caches["default"]
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            cache.count("key", 100)
        assert len(asked) == 1


@pytest.fixture
def _culled_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CULL_EVERY", 1)


@pytest.mark.usefixtures("db", "_culled_often")
def test_what_has_ended_is_deleted_when_something_new_comes() -> None:
    cache: Any = caches["default"]
    cache.set("long", "kept", 10_000)
    cache.set_many({f"ended {number}": "gone" for number in range(10)}, 0.3)
    assert Entry.objects.count() == 11
    time.sleep(0.4)
    cache.count("new", 60)
    assert Entry.objects.count() == 2
    assert cache.get("long") == "kept"


@pytest.mark.usefixtures("db", "_culled_often")
def test_a_flood_of_addresses_pushes_out_what_ends_soonest_and_is_bounded(settings: Any) -> None:
    settings.CACHES = {
        "default": {
            "BACKEND": "shub.cache.database.DatabaseCache",
            "OPTIONS": {"MAX_ENTRIES": 50},
        }
    }
    cache: Any = caches["default"]
    cache.set("long", "kept", 10_000)
    for number in range(200):
        cache.count(f"address {number}", 60)
        assert Entry.objects.count() <= 50
    assert cache.get("long") == "kept"
    assert cache.count("address 199", 60).times == 2
    assert cache.count("address 0", 60).times == 1


def test_the_table_is_not_journaled(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relpersistence FROM pg_class WHERE relname = 'cache_entry'")
        assert cursor.fetchone()[0] == "u"


def test_redis_that_is_away_stops_nobody_and_its_password_is_not_told(
    settings: Any, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    on_redis(settings, "redis://:secretword@127.0.0.1:1/0")
    cache: Any = caches["default"]
    assert [cache.count("key", 60).times for _ in range(3)] == [0, 0, 0]
    assert "Redis is away" in caplog.text
    assert "secretword" not in caplog.text
