"""A wire carries bytes both ways, and ends connections as it is told."""

import random
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faults.wires import Exchange, Wire
from tests.servers import free_hosts


@pytest.fixture
def far() -> Iterator[str]:
    """A server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)

        def answer(one: socket.socket) -> None:
            with one:
                try:
                    while piece := one.recv(65536):
                        one.sendall(piece)
                except OSError:
                    pass

        def serve() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(one,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture
def wire(far: str) -> Iterator[Wire]:
    (dead,) = free_hosts(1)
    with Exchange() as exchange:
        # One of them refuses: the other is asked then.
        yield exchange.wire("test", lambda: [dead, far])


def connected(wire: Wire) -> socket.socket:
    host, _, port = wire.host.partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def greeted(wire: Wire) -> bytes:
    """What the other side says first, if it lets anybody in."""
    with connected(wire) as one:
        return one.recv(1)


def echoed(one: socket.socket, content: bytes) -> bytes:
    threading.Thread(target=lambda: one.sendall(content), daemon=True).start()
    return received(one, len(content))


def received(one: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size and (piece := one.recv(65536)):
        got += piece
    return bytes(got)


def test_bytes_come_through_whichever_of_the_others_is_there(wire: Wire) -> None:
    content = random.Random(1).randbytes(3 << 20)
    for _ in range(2):
        with connected(wire) as one:
            assert echoed(one, content) == content


def test_a_cut_ends_what_is_there_and_the_next_connection_works(wire: Wire) -> None:
    with connected(wire) as one:
        assert echoed(one, b"first") == b"first"
        assert wire.cut() == 1
        with pytest.raises(ConnectionResetError):
            one.recv(1)
    with connected(wire) as one:
        assert echoed(one, b"second") == b"second"


def test_what_is_to_be_cut_soon_is_cut_in_the_middle(wire: Wire) -> None:
    wire.cut_after(1000, random.Random(1))
    with connected(wire) as one:
        one.sendall(bytes(5000))
        with pytest.raises(ConnectionResetError):
            received(one, 5000)
    wire.cut_after(0, random.Random(1))
    with connected(wire) as one:
        assert echoed(one, bytes(5000)) == bytes(5000)


def test_while_it_refuses_nobody_gets_through(wire: Wire) -> None:
    wire.refuse(True)
    with pytest.raises(ConnectionResetError):
        greeted(wire)
    wire.refuse(False)
    with connected(wire) as one:
        assert echoed(one, b"again") == b"again"
