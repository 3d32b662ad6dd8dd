"""The door out: public addresses only, looked at once, and again at each redirect.

The servers are real ones on loopback: 127.0.0.1 is allowed by the setting, 127.0.0.2 is not.
"""

import contextlib
import http.server
import ipaddress
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shub import outgoing
from shub.errors import Invalid, Unavailable
from shub.outgoing import ask, check, is_public

ROOT = Path(__file__).parents[2]


class Server(http.server.ThreadingHTTPServer):
    """Answers by its `answers`, path → (status, headers, body); notes what it was asked."""

    daemon_threads = True

    def __init__(self, host: str) -> None:
        super().__init__((host, 0), Handler)
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        if self.path.startswith("/slow"):
            return self.trickle()
        status, headers, body = self.server.answers.get(self.path, (200, {}, b"here"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)
        return None

    def trickle(self) -> None:
        """A byte now and then, of the head or of the body, with no end."""
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.0 200 OK\r\n")
            if self.path == "/slow-body":
                self.wfile.write(b"\r\n")
            while True:
                self.wfile.write(b"X")
                time.sleep(0.05)

    do_GET = do_POST = do_HEAD = answer

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def serving(host: str) -> Iterator[Server]:
    server = Server(host)
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving("127.0.0.1") as found:
        yield found


@pytest.fixture(autouse=True)
def _one_address_allowed(settings: Any) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = ["127.0.0.1/32"]


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let every name have these addresses, other ones at each look; the names asked."""
    looked: list[str] = []
    real = socket.getaddrinfo

    def found(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            given = answers[min(len(looked), len(answers) - 1)]
            looked.append(host)
            return [info for each in given for info in real(each, port, type=socket.SOCK_STREAM)]
        return real(host, port, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    return looked


PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.100.100.200", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255"),
    *("255.255.255.255", "240.0.0.1", "192.0.2.1", "198.18.0.1", "192.0.0.1", "203.0.113.9"),
    *("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::", "100::1"),
    *("2002:a9fe:a9fe::1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "5f00::1"),
]
PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "2606:4700::1111", "2002:808:808::1", "64:ff9b::8.8.8.8"),
    "::ffff:8.8.8.8",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_no_public_address_is_refused(address: str, settings: Any) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = []
    assert not is_public(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(Invalid):
        check(f"http://{host}/")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_asked(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("ftp://8.8.8.8/", "file:///etc/passwd", "gopher://8.8.8.8/", "//8.8.8.8/", "8.8.8.8", ""),
        *("http://", "http:///x", "http://u:p@8.8.8.8/", "http://u@8.8.8.8/", "http://8.8.8.8:x/"),
        *("http://8.8.8.8:22/", "http://8.8.8.8:8080/", "https://8.8.8.8:99999/"),
        *(
            "http://8.8.8.8/a b",
            "http://8.8.8.8/\r\nX: y",
            "http://8.8.8.8/\0",
            "http://é.example/",
        ),
        *("http://8.8.8.8\\@10.0.0.1/", "http://[::1", f"http://8.8.8.8/{'a' * 2000}"),
        *("http://127.0.0.2/", "http://127.2/", "http://0x7f000002/", "http://2130706434/"),
        *("http://017700000002/", "http://[::ffff:127.0.0.2]/"),
    ],
)
def test_an_address_of_another_form_or_port_is_refused(address: str) -> None:
    with pytest.raises(Invalid):
        check(address)


def test_an_allowed_network_is_asked_at_any_port(server: Server) -> None:
    answer = ask("POST", f"{server.url}/hook?a=b", body=b"{}", headers={"X-Ours": "1"})
    assert (answer.status, answer.body) == (200, b"here")
    method, path, headers = server.asked[0]
    assert (method, path, headers["X-Ours"]) == ("POST", "/hook?a=b", "1")
    assert headers["Host"] == server.url.removeprefix("http://")


def test_a_name_is_resolved_once_and_what_was_looked_at_is_what_is_asked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look would lead elsewhere: 127.0.0.2 is where it must not go."""
    port = server.server_address[1]
    looked = names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    assert ask("GET", f"http://hook.example:{port}/").status == 200
    assert looked == ["hook.example"]
    assert server.asked[0][2]["Host"] == f"hook.example:{port}"


def test_a_name_with_one_private_address_among_others_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for several in (["127.0.0.1", "127.0.0.2"], ["8.8.8.8", "10.0.0.1"], ["8.8.8.8", "::1"]):
        names(monkeypatch, several)
        with pytest.raises(Invalid) as refused:
            ask("GET", f"http://hook.example:{server.server_address[1]}/")
        assert not any(each in refused.value.message for each in several)
    assert server.asked == []


def test_of_several_allowed_addresses_the_first_that_answers_counts(
    server: Server, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.OUTGOING_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    names(monkeypatch, ["127.0.0.3", "127.0.0.1"])
    assert ask("GET", f"http://hook.example:{server.server_address[1]}/").status == 200


def test_a_redirect_to_a_private_address_is_refused_before_it_is_asked(server: Server) -> None:
    with serving("127.0.0.2") as inside:
        for location in (
            f"{inside.url}/secret",
            f"//{inside.url.removeprefix('http://')}/secret",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "http://user:word@127.0.0.1/",
        ):
            for status in (301, 302, 303, 307, 308):
                server.answers["/"] = (status, {"Location": location}, b"")
                with pytest.raises(Invalid):
                    ask("GET", f"{server.url}/")
        assert inside.asked == []


def test_redirects_are_followed_to_a_bound_and_of_reading_requests_only(server: Server) -> None:
    server.answers["/a"] = (302, {"Location": "/b?c=d"}, b"")
    answer = ask("GET", f"{server.url}/a")
    assert (answer.body, answer.address) == (b"here", f"{server.url}/b?c=d")
    assert ask("POST", f"{server.url}/a", body=b"x").status == 302
    server.answers["/loop"] = (302, {"Location": "/loop"}, b"")
    server.asked.clear()
    with pytest.raises(Unavailable, match="leads on"):
        ask("GET", f"{server.url}/loop")
    assert len(server.asked) == outgoing.MOST_REDIRECTS + 1


def test_another_host_gets_no_secret_of_the_first(server: Server) -> None:
    with serving("127.0.0.1") as other:
        server.answers["/here"] = (302, {"Location": "/there"}, b"")
        server.answers["/there"] = (302, {"Location": f"{other.url}/"}, b"")
        ask("GET", f"{server.url}/here", headers={"Authorization": "Bearer x", "X-Ours": "1"})
        assert [headers.get("Authorization") for _, _, headers in server.asked] == ["Bearer x"] * 2
        assert "Authorization" not in other.asked[0][2]
        assert other.asked[0][2]["X-Ours"] == "1"


def test_an_answer_without_end_is_cut_off(server: Server) -> None:
    server.answers["/large"] = (200, {}, bytes(2_000_000))
    with pytest.raises(Unavailable, match="more than 1048576 bytes"):
        ask("GET", f"{server.url}/large")
    assert len(ask("GET", f"{server.url}/large", most_bytes=2_000_000).body) == 2_000_000


@pytest.mark.parametrize("path", ["/slow-head", "/slow-body"])
def test_a_byte_now_and_then_takes_no_longer_than_all_may(server: Server, path: str) -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable):
        ask("GET", f"{server.url}{path}", seconds=0.5)
    assert time.monotonic() - began < 2


def test_who_takes_a_connection_and_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        for scheme in ("http", "https"):
            began = time.monotonic()
            with pytest.raises(Unavailable):
                ask("GET", f"{scheme}://127.0.0.1:{port}/", seconds=0.5)
            assert time.monotonic() - began < 2


def test_a_certificate_that_nobody_vouches_for_is_refused(server: Server, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving("127.0.0.1") as secure:
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        with pytest.raises(Unavailable):
            ask("GET", secure.url.replace("http:", "https:"))
        assert secure.asked == []


def test_a_name_that_is_not_there_and_a_port_that_is_closed_are_told_in_words() -> None:
    with pytest.raises(Unavailable, match="is not known"):
        ask("GET", "http://no-such-host.invalid/")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unavailable, match="did not answer"):
        ask("GET", f"http://127.0.0.1:{port}/")


def test_nothing_else_in_the_product_may_speak_http(tmp_path: Path) -> None:
    """ruff's rule is on: a module that imports a client of HTTP is a finding."""
    for line in ("import http.client", "from urllib.request import urlopen", "import requests"):
        found = subprocess.run(
            [sys.executable, "-m", "ruff", "check", "--stdin-filename", "shub/web/x.py", "-"],
            input=f'"""x"""\n{line}\n',
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "TID251" in found.stdout, found
