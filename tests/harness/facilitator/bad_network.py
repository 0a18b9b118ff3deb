"""A TCP proxy on loopback with the habits of networks: it drops idle connections, cuts answers off, and goes silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_PIECE_BYTES = 1 << 16


class Proxy:
    """Forwards to a port, as long as it behaves. `connections` counts those that it took."""

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self.port = 0
        self.connections = 0
        #: Seconds without a byte in either direction after which a connection is dropped; None for never.
        self.drops_idle_after_s: float | None = None
        #: New connections are taken, and nothing that comes over them is ever answered.
        self.stalls = False
        #: How many of the next answers to a PUT are cut off: it arrives, and nobody hears so.
        self.answers_to_cut = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: set[int] = set()
        self._open: dict[int, tuple[asyncio.StreamWriter, ...]] = {}

    def go_silent(self) -> None:
        """From now on nothing passes over the connections that there are, and neither side is told."""
        self._silent |= set(self._open)

    def cut(self) -> None:
        """Break all connections."""
        for writers in list(self._open.values()):
            for writer in writers:
                writer.transport.abort()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.connections
        self.connections += 1
        if self.stalls:
            self._open[number] = (writer,)
            await asyncio.Event().wait()
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        self._open[number] = (writer, there_writer)
        puts = [False]
        loop = asyncio.get_running_loop()
        last = [loop.time()]

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool) -> None:
            while data := await source.read(_PIECE_BYTES):
                last[0] = loop.time()
                if number in self._silent:
                    continue
                if not is_answer and data.startswith((b"PUT", b"GET")):
                    puts[0] = data.startswith(b"PUT")
                if is_answer and puts[0] and self.answers_to_cut:
                    self.answers_to_cut -= 1
                    return
                sink.write(data)
                await sink.drain()

        async def watch() -> None:
            while self.drops_idle_after_s is None or loop.time() - last[0] < self.drops_idle_after_s:
                await asyncio.sleep(0.02)

        parts = [
            asyncio.create_task(pump(reader, there_writer, is_answer=False)),
            asyncio.create_task(pump(there_reader, writer, is_answer=True)),
            asyncio.create_task(watch()),
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            for one in self._open.pop(number, ()):
                one.transport.abort()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    proxy, taking = Proxy(port), set[asyncio.Task[None]]()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        taking.add(task)
        with suppress(ConnectionError, asyncio.CancelledError):
            await proxy.take(reader, writer)
        taking.discard(task)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(taking):
            task.cancel()
        await asyncio.gather(*taking, return_exceptions=True)
