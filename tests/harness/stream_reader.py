"""A reader of an event stream over ASGI: what has come so far is there while the stream goes on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import FastAPI


class Reader:
    """A client at an address that reads a stream until it is closed."""

    def __init__(
        self, app: FastAPI, address: str, query: bytes = b"", cookie: str = "", *, path: str = "/events"
    ) -> None:
        self.status = 0
        self.body = b""
        self.began, self.gone = asyncio.Event(), asyncio.Event()
        self._came = asyncio.Condition()
        self._asked = False
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query,
            "headers": [(b"host", b"127.0.0.1"), (b"cookie", cookie.encode())],
            "client": (address, 1), "server": ("127.0.0.1", 80), "scheme": "http", "root_path": "",
            "asgi": {"spec_version": "2.3"},
        }  # fmt: skip
        self.running = asyncio.create_task(app(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        async with self._came:
            self.status = message.get("status", self.status)
            self.body += message.get("body", b"")
            if self.body:
                self.began.set()
            self._came.notify_all()

    @property
    def told(self) -> list[dict[str, Any]]:
        """The data of each event so far."""
        return [json.loads(line[6:]) for line in self.body.decode().splitlines() if line.startswith("data: ")]

    async def until(self, wanted: dict[str, Any]) -> None:
        """Wait for an event that says all of this."""
        async with self._came:
            await self._came.wait_for(lambda: any(wanted.items() <= one.items() for one in self.told))

    async def close(self) -> None:
        self.gone.set()
        await self.running
