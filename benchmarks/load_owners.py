"""Many Data Owners in one process, each the service's own application, for `benchmarks.load`.

python -m benchmarks.load_owners FACILITATOR_URL FOLDER FIRST COUNT COLUMNS SMALL_KEYS

Starts owners number FIRST to FIRST + COUNT − 1, each with a table, a store and a state folder of its own, and
connections of its own to the Facilitator; works until standard input ends, then prints what it saw as JSON.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx
import numpy as np

from fedtrain.crypto import LocalEngine
from fedtrain.data_owner.app import create_app
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.protocol.messages.tasks import CBOR_TYPE, TaskList
from fedtrain.service.runtime.logging import configure_logging
from fedtrain.service.runtime.system_clock import SystemClock

ROWS = 50


@dataclass
class Tally:
    """Observations of the Facilitator by its owners. Times in seconds, over all owners of the process.

    `requests`: how many of each "METHOD route status". `failed`: those that got no answer. `accepted`: SHA-256 of
    every round's answer that was confirmed. `wakes`: from a task's creation to its arrival by a poll that waited.
    """

    requests: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)
    puts: list[float] = field(default_factory=list)


class Watched(httpx.AsyncBaseTransport):
    """The network, with a tally."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._network = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        began = time.perf_counter()
        try:
            answered = await self._network.handle_async_request(request)
            content = await answered.aread()
            await answered.aclose()
        except httpx.TransportError as error:
            self._tally.failed.append(f"{request.method} /{request.url.path.split('/')[1]}: {error!r}")
            raise
        taken_s = time.perf_counter() - began
        self._note(request, body, answered.status_code, content, taken_s)
        return httpx.Response(answered.status_code, headers=answered.headers, content=content)

    async def aclose(self) -> None:
        await self._network.aclose()

    def _note(self, request: httpx.Request, body: bytes, status: int, content: bytes, taken_s: float) -> None:
        route = request.url.path.split("/")[1]
        self._tally.requests[f"{request.method} /{route} {status}"] += 1
        if request.method == "PUT" and route == "tasks" and status < 300:
            self._tally.puts.append(taken_s)
            if request.headers["Content-Type"] == CBOR_TYPE:
                self._tally.accepted.append(hashlib.sha256(body).hexdigest())
        waited = request.url.path == "/tasks" and float(request.url.params.get("wait", "0")) > 0
        if waited and status == 200:
            now = time.time()
            for header in TaskList.model_validate_json(content).tasks:
                self._tally.wakes.append(now - datetime.fromisoformat(header.created_at).timestamp())


def write_table(path: Path, columns: int, number: int) -> Path:
    """Features x0… in [0, 1] and y in [−1, 1], as `benchmarks.jobs.spec_of` declares them."""
    source = np.random.default_rng(number)
    X, y = source.uniform(0, 1, (ROWS, columns)), source.uniform(-1, 1, ROWS)
    header = ",".join([*(f"x{j}" for j in range(columns)), "y"])
    np.savetxt(path, np.column_stack([X, y]), delimiter=",", header=header, comments="", fmt="%.6f")
    return path


async def work(facilitator: str, folder: Path, numbers: range, columns: int, *, allow_small_keys: bool) -> Tally:
    """Run the owners until standard input ends."""
    tally, engine, clock = Tally(), LocalEngine(), SystemClock()
    async with AsyncExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(2, thread_name_prefix="engine"))
        for number in numbers:
            state_dir = folder / f"owner-{number}"
            state_dir.mkdir(parents=True)
            settings = DataOwnerSettings(
                name=f"owner-{number}",
                state_dir=state_dir,
                facilitator=facilitator,
                data=write_table(state_dir / "table.csv", columns, number),
                workers=1,
                allow_small_keys=allow_small_keys,
            )
            app = create_app(settings, clock=clock, executor=executor, transport=Watched(tally), engine=engine)
            await stack.enter_async_context(app.router.lifespan_context(app))
        await asyncio.to_thread(sys.stdin.read)
    return tally


def main(arguments: list[str]) -> None:
    facilitator, folder, first, count, columns, small = arguments
    configure_logging("console", "error")
    numbers = range(int(first), int(first) + int(count))
    tally = asyncio.run(work(facilitator, Path(folder), numbers, int(columns), allow_small_keys=small == "small"))
    json.dump(vars(tally), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
