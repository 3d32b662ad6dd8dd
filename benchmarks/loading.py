"""Many requests at once, on connections that are kept open: by wrk, or by a program of our own.

Both wait for one answer before they send the next request on a connection, so the rate is what the
server gives to so many patient clients. Run as a program, this file is our own: it reads its task
as JSON from standard input and writes what it found as JSON.
"""

import dataclasses
import json
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

# wrk's own loop: which path comes next, and what is reported. Microseconds.
LUA = """
local paths = {{ {paths} }}
local at = 0
local offset = 0
local threads = 0
function setup(thread) thread:set("offset", threads * 37) threads = threads + 1 end
function init(arguments) at = offset end
function request()
  at = at % #paths + 1
  return wrk.format("GET", paths[at], {{ {headers} }})
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FOUND %d %d %f %f %f %f %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True)
class Task:
    """What to ask for, by how many connections, for how long."""

    url: str
    paths: list[str]
    token: str
    connections: int
    seconds: float
    status: int


@dataclass(frozen=True)
class Found:
    """What came of it; latencies in milliseconds. `errors` counts answers of another status too."""

    per_second: float
    p50: float
    p90: float
    p99: float
    longest: float
    requests: int
    errors: int


def generator() -> str:
    """Which program makes the load."""
    return "wrk" if shutil.which("wrk") else "our own load generator, in Python"


def load(task: Task) -> Found:
    """Put the load on, in a process of its own."""
    if shutil.which("wrk"):
        return _by_wrk(task)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.loading"],
        input=json.dumps(dataclasses.asdict(task)),
        capture_output=True,
        text=True,
        timeout=task.seconds + 60,
        check=True,
    )
    return Found(**json.loads(done.stdout))


def _by_wrk(task: Task) -> Found:
    headers = f'["Authorization"] = "Bearer {task.token}"' if task.token else ""
    script = LUA.format(paths=", ".join(json.dumps(path) for path in task.paths), headers=headers)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [
                *("wrk", "--threads", "1", "--connections", str(task.connections)),
                *("--duration", f"{max(1, round(task.seconds))}s", "--script", file.name),
                *("--timeout", "10s", task.url),
            ],
            capture_output=True,
            text=True,
            timeout=task.seconds + 60,
            check=True,
        )
    words = next(text for text in done.stdout.splitlines() if text.startswith("FOUND")).split()
    requests, duration, p50, p90, p99, longest, errors = map(float, words[1:])
    return Found(
        per_second=requests / (duration / 1e6),
        p50=p50 / 1e3,
        p90=p90 / 1e3,
        p99=p99 / 1e3,
        longest=longest / 1e3,
        requests=int(requests),
        errors=int(errors),
    )


# ── our own ──
class _Connection:
    """One connection: a request is on its way, and the answer comes in pieces."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.socket = self._connect()
        self.received = b""
        self.sent_at = 0.0

    def _connect(self) -> socket.socket:
        made = socket.create_connection(self.address, timeout=10)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def send(self, request: bytes) -> None:
        """Ask."""
        self.received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """The status once the answer is whole, 0 when the server hung up, None before."""
        piece = self.socket.recv(65536)
        if not piece:
            return 0
        self.received += piece
        head, blank, body = self.received.partition(b"\r\n\r\n")
        if not blank:
            return None
        length = next(
            (
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ),
            0,
        )
        return int(head[9:12]) if len(body) >= length else None


def _by_us(task: Task) -> Found:
    parts = urlsplit(task.url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    bearer = f"Authorization: Bearer {task.token}\r\n" if task.token else ""
    requests = [
        f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{bearer}\r\n".encode()
        for path in task.paths
    ]
    selector = selectors.DefaultSelector()
    latencies: list[float] = []
    errors = sent = 0
    begun = time.perf_counter()
    for _ in range(task.connections):
        connection = _Connection(address)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(requests[sent % len(requests)])
        sent += 1
    while time.perf_counter() - begun < task.seconds:
        for key, _ in selector.select(timeout=1):
            connection = key.data
            status = connection.receive()
            if status is None:
                continue
            latencies.append(time.perf_counter() - connection.sent_at)
            errors += status != task.status
            if status == 0:
                selector.unregister(connection.socket)
                connection.socket.close()
                connection = _Connection(address)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(requests[sent % len(requests)])
            sent += 1
    lasted = time.perf_counter() - begun
    latencies.sort()
    return Found(
        per_second=len(latencies) / lasted,
        p50=_percentile(latencies, 50),
        p90=_percentile(latencies, 90),
        p99=_percentile(latencies, 99),
        longest=_percentile(latencies, 100),
        requests=len(latencies),
        errors=errors,
    )


def _percentile(ordered: Sequence[float], percent: float) -> float:
    """In milliseconds, of seconds in order; 0 where there are none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1e3


if __name__ == "__main__":
    found = _by_us(Task(**json.load(sys.stdin)))
    print(json.dumps(dataclasses.asdict(found)))
