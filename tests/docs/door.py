"""A proxy that gives the pages' host names to one registry on loopback, by https and by http.

Clients are told of it by `https_proxy` and `http_proxy`: no name has to be known to the machine,
and nothing that a page names is ever asked outside.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Door:
    """Where the proxy is, and the file of the authority that it is certified by."""

    url: str
    authority: Path


@contextlib.contextmanager
def opened(hosts: list[str], port: int, folder: Path) -> Iterator[Door]:
    """The proxy: whatever is asked of one of the hosts, at any port, is asked of 127.0.0.1:port."""
    authority, chain = certificate(hosts, folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)

    class Handler(StreamRequestHandler):
        rbufsize = 0

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self._handle()

        def _handle(self) -> None:
            method, target, _ = self.rfile.readline(65536).decode("latin-1").split(" ", 2)
            head = []
            while (line := self.rfile.readline(65536)).strip():
                head.append(line)
            address = urlsplit(f"//{target}" if method == "CONNECT" else target)
            if address.hostname not in hosts:
                self.wfile.write(b"HTTP/1.1 502 Nobody here\r\nContent-Length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", port)) as registry:
                if method == "CONNECT":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    with context.wrap_socket(self.connection, server_side=True) as client:
                        pump(client, registry)
                else:
                    kept = [each for each in head if not each.lower().startswith(b"connection")]
                    path = address.path + (f"?{address.query}" if address.query else "")
                    first = f"{method} {path} HTTP/1.1\r\n".encode()
                    registry.sendall(first + b"".join(kept) + b"Connection: close\r\n\r\n")
                    pump(self.connection, registry)

    class Server(ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Door(f"http://127.0.0.1:{server.server_address[1]}", authority)
        finally:
            server.shutdown()
            thread.join()


def pump(one: socket.socket, other: socket.socket) -> None:
    """Both ways, until either is at its end."""

    def carry() -> None:
        with contextlib.suppress(OSError):
            while piece := one.recv(65536):
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)

    there = threading.Thread(target=carry, daemon=True)
    there.start()
    with contextlib.suppress(OSError):
        while piece := other.recv(65536):
            one.sendall(piece)
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def certificate(hosts: list[str], folder: Path) -> tuple[Path, Path]:
    """An authority of our own, and a certificate of it for the hosts with its key behind it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Only for tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    authority, chain = folder / "authority.pem", folder / "chain.pem"
    authority.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    chain.write_bytes(
        authority.read_bytes()
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return authority, chain
