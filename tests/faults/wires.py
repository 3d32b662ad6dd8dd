"""Wires: TCP connections that pass through the test, which can cut them, refuse them or slow them.

The processes of a registry, its clients, its database and its store each reach each other by an
address of a wire; between any two bytes the connection may end.
"""

import asyncio
import contextlib
import itertools
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any

PIECE_BYTES = 256 * 1024

# With it a socket that is closed sends a reset, as one does whose process was killed.
RESET = struct.pack("ii", 1, 0)

Address = str
"""HOST:PORT, or the path of a Unix socket."""


class Exchange:
    """One thread in which the bytes of all wires are passed on."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._wires: list[Wire] = []

    def __enter__(self) -> "Exchange":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        for wire in self._wires:
            wire.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def do(self, act: Coroutine[Any, Any, Any]) -> Any:
        """Do it in that thread, and wait for what comes of it."""
        return asyncio.run_coroutine_threadsafe(act, self._loop).result(30)

    def wire(self, name: str, upstreams: Callable[[], list[Address]], *, port: int = 0) -> "Wire":
        """A new one, on a port of this machine. `upstreams` is asked at each connection."""
        made = Wire(name, self, upstreams)
        self.do(made.open(port))
        self._wires.append(made)
        return made


class Wire:
    """An address that passes on to one of several others: in turn, the next where one refuses."""

    def __init__(
        self, name: str, exchange: Exchange, upstreams: Callable[[], list[Address]]
    ) -> None:
        self.name = name
        self.host = ""
        self._exchange = exchange
        self._upstreams = upstreams
        self._turn = itertools.count()
        self._links: set[Link] = set()
        self._refusing = False
        self._delay_seconds = 0.0
        self._budget: Callable[[], int] | None = None

    async def open(self, port: int) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, backlog=256)
        self.host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        """Listen no more, and end what is there; in the exchange's thread."""
        self._server.close()
        for link in list(self._links):
            link.cut()

    # ── what is done to it, from any thread ──
    def cut(self) -> int:
        """End every connection now; how many there were."""

        async def act() -> int:
            links = list(self._links)
            for link in links:
                link.cut()
            return len(links)

        found: int = self._exchange.do(act())
        return found

    def refuse(self, is_so: bool) -> None:
        """Reset every connection that is made, from now on or no longer."""
        self._refusing = is_so

    def delay(self, seconds: float) -> None:
        """Keep each piece back for so long."""
        self._delay_seconds = seconds

    def cut_after(self, most_bytes: int, chance: random.Random) -> None:
        """Cut each connection, old or new, after a number of further bytes; 0: no longer."""
        self._budget = (lambda: chance.randint(1, most_bytes)) if most_bytes else None
        for link in list(self._links):
            link.left = self._budget() if self._budget else None

    # ── passing on ──
    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(writer)
        if self._refusing:
            link.cut()
            return
        far = await self._connect()
        if far is None:
            link.cut()
            return
        link.writers.append(far[1])
        link.left = self._budget() if self._budget else None
        self._links.add(link)
        try:
            await asyncio.gather(self._pass(link, reader, far[1]), self._pass(link, far[0], writer))
        except asyncio.CancelledError:
            pass  # the end: asyncio's own server would report it as a fault
        finally:
            self._links.discard(link)
            link.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        upstreams = self._upstreams()
        first = next(self._turn)
        for number in range(len(upstreams)):
            address = upstreams[(first + number) % len(upstreams)]
            with contextlib.suppress(OSError):
                if address.startswith("/"):
                    return await asyncio.open_unix_connection(address)
                host, _, port = address.rpartition(":")
                return await asyncio.open_connection(host, int(port))
        return None

    async def _pass(
        self, link: "Link", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            while piece := await reader.read(PIECE_BYTES):
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                if link.left is not None:
                    piece = piece[: link.left]
                    link.left -= len(piece)
                writer.write(piece)
                await writer.drain()
                if link.left == 0:
                    link.cut()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            link.cut()


class Link:
    """One connection through a wire, and its far half."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writers = [writer]
        self.left: int | None = None
        """Bytes until it is cut; None: it is not."""

    def cut(self) -> None:
        """End both halves at once, with what is on its way in them."""
        for writer in self.writers:
            found = writer.get_extra_info("socket")
            if found is not None and found.family != socket.AF_UNIX:
                with contextlib.suppress(OSError):
                    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()

    def close(self) -> None:
        """End both halves when all is sent."""
        for writer in self.writers:
            writer.close()
