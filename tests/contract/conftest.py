"""The object stores that the contract suite is run against, each started once."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3

from shub.storage import ObjectStore, Promise
from shub.storage.memory import Answer, MemoryStore
from shub.storage.s3 import S3Store
from shub.storage.upload_key import make_upload_user
from tests import servers

Start = Callable[[], AbstractContextManager[servers.Server]]

SIGNED, COPY, BEARER = Promise.SIGNED_PAYLOAD, Promise.COPY_REFUSED, Promise.BEARER_IGNORED


@dataclass(frozen=True)
class Kind:
    """A store as a site may run it, and the promises that it was seen to keep."""

    start: Start | None
    promises: frozenset[Promise]
    signs_content: bool = True
    # Whether parts' addresses are signed with a key that can only upload.
    has_upload_key: bool = False


JUICEFS, SEAWEEDFS = servers.juicefs_gateway, servers.seaweedfs
STORES = {
    "memory": Kind(None, frozenset({SIGNED, COPY})),
    "memory, unsigned": Kind(None, frozenset({COPY}), signs_content=False),
    "juicefs": Kind(JUICEFS, frozenset({SIGNED, COPY}), has_upload_key=True),
    "juicefs, unsigned": Kind(JUICEFS, frozenset({COPY}), signs_content=False, has_upload_key=True),
    # It obeys headers that no signature covers.
    "juicefs, one key": Kind(JUICEFS, frozenset({SIGNED})),
    # It refuses every address that signs a payload, whatever is sent to it; and, as AWS, every
    # x-amz-* header that the address does not sign.
    "seaweedfs, unsigned": Kind(SEAWEEDFS, frozenset({COPY, BEARER}), signs_content=False),
}


@dataclass
class Wire:
    """How a client sends to an address, and fetches from one."""

    memory: MemoryStore | None = None
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))

    def put(self, address: str, content: bytes, *, claimed: str = "", **headers: str) -> Answer:
        """A PUT; with the digest `claimed` in the header where the address asks for one."""
        if "x-amz-content-sha256" in address:
            headers["x-amz-content-sha256"] = claimed
        return self.ask("PUT", address, content, headers)

    def get(self, address: str, **headers: str) -> Answer:
        return self.ask("GET", address, b"", headers)

    def ask(self, method: str, address: str, content: bytes, headers: dict[str, str]) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.memory is not None:
            return self.memory.answer(method, address, content=content, headers=headers)
        body = content if method == "PUT" else None
        answer = self.pool.request(method, address, body=body, headers=headers)
        named = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, named, answer.data)


@dataclass
class Case:
    """A store, what it promises, and the way in by its addresses."""

    name: str
    store: ObjectStore
    promises: frozenset[Promise]
    wire: Wire


class StartedServers:
    """Servers by the function that starts them; each is started when it is first asked for."""

    def __init__(self, until_the_end: ExitStack) -> None:
        self.until_the_end = until_the_end
        self.started: dict[Start, servers.Server] = {}

    def get(self, start: Start) -> servers.Server:
        if start not in self.started:
            self.started[start] = self.until_the_end.enter_context(start())
        return self.started[start]


@pytest.fixture(scope="session")
def started_servers() -> Iterator[StartedServers]:
    with ExitStack() as until_the_end:
        yield StartedServers(until_the_end)


@pytest.fixture(params=STORES)
def case(request: pytest.FixtureRequest, started_servers: StartedServers, settings: Any) -> Case:
    kind = STORES[request.param]
    settings.MINIO_SIGN_CONTENT_SHA256 = kind.signs_content
    settings.MINIO_BUCKET = "images"
    if kind.start is None:
        memory = MemoryStore()
        memory.make_bucket()
        return Case(request.param, memory, kind.promises, Wire(memory))
    try:
        server = started_servers.get(kind.start)
    except servers.ServerMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    settings.MINIO_SERVER = settings.MINIO_EXTERNAL_SERVER = server.host
    settings.MINIO_EXTERNAL_SERVERS = {}
    settings.MINIO_SSL = settings.MINIO_EXTERNAL_SSL = False
    settings.MINIO_ACCESS_KEY = servers.ACCESS_KEY
    settings.MINIO_SECRET_KEY = servers.SECRET_KEY
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_UPLOAD_SECRET_KEY = ""
    store = S3Store()
    store.make_bucket()
    if kind.has_upload_key:
        settings.MINIO_UPLOAD_ACCESS_KEY = servers.UPLOAD_ACCESS_KEY
        settings.MINIO_UPLOAD_SECRET_KEY = servers.UPLOAD_SECRET_KEY
        make_upload_user()
    return Case(request.param, store, kind.promises, Wire())


@pytest.fixture
def store(case: Case) -> ObjectStore:
    return case.store


@pytest.fixture
def wire(case: Case) -> Wire:
    return case.wire
