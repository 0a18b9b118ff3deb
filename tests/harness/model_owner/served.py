"""Whole services on a thread of their own, for blocking clients: what they call goes through ASGI, without a port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from fedtrain.simulation.federation import Federation, federation


@dataclass
class Bridge(httpx.BaseTransport):
    """Hands a blocking client's requests to an application in another thread's event loop."""

    federation: Federation
    loop: asyncio.AbstractEventLoop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self._handle(request), self.loop).result()

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        answer = await self.federation.model_owner.http.request(
            request.method, request.url.raw_path.decode(), content=request.read(), headers=request.headers
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


@contextmanager
def served(folder: Path, tables: Mapping[str, Path], test_data: Path | None = None) -> Iterator[Bridge]:
    """Start a federation with small keys; the transport leads to its Model Owner."""
    ready: list[Bridge] = []
    started, stop = threading.Event(), threading.Event()

    async def run() -> None:
        async with federation(
            folder, tables, test_data=test_data, allow_small_keys=True, owner_settings={"least_roster": 1}
        ) as parties:
            ready.append(Bridge(parties, asyncio.get_running_loop()))
            started.set()
            await asyncio.to_thread(stop.wait)

    def body() -> None:
        try:
            asyncio.run(run())
        finally:
            started.set()

    thread = threading.Thread(target=body)
    thread.start()
    started.wait()
    try:
        yield ready[0]
    finally:
        stop.set()
        thread.join()
