"""Postgres and the store stand still, as on a disk that hangs: words in bounded time for everybody.

A process that is killed closes its connections; one that is stopped keeps them, and says nothing.
"""

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.clients import live as registry
from tests.clients.live import Live
from tests.quickstart.running import eventually
from tests.sif_files import sif_bytes
from tests.wire import digest, send

pytestmark = pytest.mark.timeout(300)

PATIENCE = {
    "DATABASE_PATIENCE_SECONDS": "1",
    "MINIO_CONNECT_TIMEOUT_SECONDS": "1",
    "MINIO_ANSWER_TIMEOUT_SECONDS": "1",
    "MINIO_READ_TIMEOUT_SECONDS": "2",
}

# A connection that died is noticed, and then a new one is tried: twice the patience, and room for a
# machine that is busy. Without bounds it would be minutes.
ANSWER_SECONDS = 15

CONTENT = sif_bytes()


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with registry.started(**PATIENCE) as running:
        yield running


def ask(
    live: Live, method: str, path: str, body: Any = None, *, scheme: str = "Bearer"
) -> tuple[int, Any]:
    """The status and the JSON of one request, on a connection of its own."""
    connection = http.client.HTTPConnection(live.url.removeprefix("http://"), timeout=60)
    headers = {"Authorization": f"{scheme} {live.token}"} if scheme else {}
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None
    finally:
        connection.close()


def with_children(pid: int) -> list[int]:
    """The process and its children: Postgres has one for each connection."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """The processes stand still for the time of the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def assert_told_in_time(
    live: Live, method: str, path: str, body: Any = None, *, scheme: str = "Bearer"
) -> None:
    began = time.monotonic()
    status, said = ask(live, method, path, body, scheme=scheme)
    assert time.monotonic() - began < ANSWER_SECONDS, path
    assert status == 503, said
    assert said["error"]["code"] == 503
    assert "<" not in said["error"]["message"]
    assert "again" in said["error"]["message"]


def test_a_postgres_that_stands_still_is_told_to_all_who_ask_and_forgotten_afterwards(
    live: Live,
) -> None:
    image = f"/v1/images/{live.entity}/none/none:latest"
    assert ask(live, "GET", image)[0] == 404
    with frozen(with_children(live.pids["postgres"])):
        assert ask(live, "GET", "/version", scheme="")[0] == 200
        assert ask_healthz(live) == 200
        began = time.monotonic()
        status, said = ask(live, "GET", "/readyz", scheme="")
        assert time.monotonic() - began < 5
        assert (status, said["parts"]["process"]) == (503, "ok")
        assert said["parts"]["database"] != "ok"
        # More than there are threads: none of them is lost.
        with ThreadPoolExecutor(20) as many:
            asked = [many.submit(assert_told_in_time, live, "GET", image) for _ in range(20)]
            for each in asked:
                each.result()
        assert_told_in_time(live, "POST", "/v1/entities", {"name": live.entity})
    eventually(lambda: ask(live, "GET", image)[0] == 404, "an answer of the database", 30)
    eventually(lambda: ask(live, "GET", "/readyz", scheme="")[0] == 200, "readiness", 30)


def ask_healthz(live: Live) -> int:
    """The status; what is said is no JSON."""
    with closing(http.client.HTTPConnection(live.url.removeprefix("http://"), timeout=60)) as one:
        one.request("GET", "/healthz")
        return one.getresponse().status


def test_what_waits_for_a_lock_is_given_up_on_both_sides(live: Live) -> None:
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with closing(psycopg2.connect(live.database)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE accounts_token IN ACCESS EXCLUSIVE MODE")
        for _ in range(3):
            assert_told_in_time(live, "GET", f"/v1/images/{live.entity}/none/none:latest")
        eventually(lambda: not live.rows(waiting), "no session that waits for the lock", 10)


def test_a_store_that_stands_still_is_told_to_pushers_and_disturbs_nobody_else(live: Live) -> None:
    first = push_until_sent(live, "first")
    assert ask(live, "PUT", f"/v2/imagefile/{first['id']}/_complete", {})[0] == 200
    pushed = f"/v1/imagefile/{live.entity}/frozen/first:{first['hash']}"
    eventually(lambda: ask(live, "HEAD", pushed)[0] == 200, "a proven image", 30)
    image = push_until_sent(live, "second")
    address = f"/v2/imagefile/{image['id']}"
    with frozen([live.pids["store"]]):
        assert_told_in_time(live, "POST", address, {"filesize": len(CONTENT)})
        assert_told_in_time(live, "POST", f"{address}/_multipart", {"filesize": len(CONTENT)})
        assert_told_in_time(live, "PUT", f"{address}/_complete", {})
        assert_told_in_time(live, "GET", pushed, scheme="BEARER")
        status, found = ask(live, "GET", f"/v1/entities/{live.entity}")
        assert (status, found["data"]["name"]) == (200, live.entity)
    eventually(lambda: ask(live, "PUT", f"{address}/_complete", {})[0] == 200, "the push's end", 60)
    eventually(lambda: not open_uploads(live), "no upload that is joined or verified", 60)


def push_until_sent(live: Live, name: str) -> dict[str, Any]:
    """An image whose bytes are in the store, and not yet completed."""
    content = sif_bytes(seed=len(name))
    made: dict[str, str] = {}
    entity = ask(live, "GET", f"/v1/entities/{live.entity}")[1]["data"]["id"]
    made["entity"] = entity
    for kind, parent in (("collection", "entity"), ("container", "collection")):
        body = {"name": name if kind == "container" else "frozen", parent: made[parent]}
        made[kind] = ask(live, "POST", f"/v1/{kind}s", body)[1]["data"]["id"]
    body = {"hash": f"sha256.{digest(content)}", "container": made["container"]}
    image: dict[str, Any] = ask(live, "POST", "/v1/images", body)[1]["data"]
    start = {"filesize": len(content), "sha256sum": digest(content)}
    upload = ask(live, "POST", f"/v2/imagefile/{image['id']}", start)[1]["data"]["uploadURL"]
    assert send(upload, content).status == 200
    return image


def open_uploads(live: Live) -> list[Any]:
    """What the sweep has to do yet."""
    return live.rows("SELECT id FROM uploads_upload WHERE state IN ('joining', 'verifying')")
