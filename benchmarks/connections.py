"""Connections that say nothing, hardly anything, or break off, while a job runs: who is answered, and what is logged.

python -m benchmarks.connections [--json] [--quick] (on loopback alone; holds 10,000 sockets itself: ulimit -n 12000)

A Facilitator, a Model Owner and three Data Owners, each a process with 1,024 descriptors, train twice: once
undisturbed, and again while at every service 1,000 connections stay silent, 1,000 send a byte a second, and 1,000 are
broken off in the middle of a body. It fails where the coefficients differ, where `/healthz` is not answered, or where
a log has more than 100 kB beside the lines of jobs. A row is the longest wait for `/healthz` of a service meanwhile.
"""

from __future__ import annotations

import resource
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from rich.console import Console

from benchmarks.fixtures.jobs import spec_of
from benchmarks.round import ENDED, POLL_S, environment_of, start_services
from benchmarks.rows.measure import Row, main
from fedtrain.cli.services.processes import Children

OWNERS, D, KEY_BITS, ROUNDS = 3, 11, 2048, 60
DESCRIPTORS = 1024
MOST_LOG_BYTES = 100_000
FIRST_PORT = 24_180
AT_LEAST_S = 25.0  # longer than a silent connection may last
_RESET = struct.pack("ii", 1, 0)
_HALF = b"POST /models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"


def measure(quick: bool, notes: Console) -> Iterable[Row]:
    count = 200 if quick else 1000
    rounds = 8 if quick else ROUNDS
    with tempfile.TemporaryDirectory(prefix="fedtrain-bench-") as name, _services(Path(name)) as urls:
        spec = spec_of(
            D,
            KEY_BITS,
            optimizer="gradient_descent",
            rounds=rounds,
            tolerance=1e-300,
            min_data_owners=OWNERS,
            max_data_owners=OWNERS,
        ).model_dump(mode="json", exclude_unset=True)
        everywhere = {address: role for role, addresses in urls.items() for address in addresses}
        notes.print("a job that nobody disturbs")
        undisturbed = _trained(urls, spec, None)
        notes.print(f"the same with 3 x {count:,} connections at each of {len(everywhere)} services")
        probes = {address: _Probe(address) for address in everywhere}
        for probe in probes.values():
            probe.start()
        with _crowd(list(everywhere), count) as began:
            disturbed = _trained(urls, spec, began)
            waits = {address: probe.stop() for address, probe in probes.items()}
        if disturbed != undisturbed:
            raise RuntimeError("the coefficients are others than without the connections")
        logs = {log.stem: _bytes_of_no_job(log) for log in Path(name).glob("*.log")}
        notes.print(f"the same coefficients; bytes of log, without the lines of a job: {logs}")
        if max(logs.values()) > MOST_LOG_BYTES:
            raise RuntimeError(f"a log has more than {MOST_LOG_BYTES:,} bytes: {logs}")
        for address, role in everywhere.items():
            sizes: dict[str, float | int | str] = {
                "service": role,
                "connections": 3 * count,
                "requests": len(waits[address]),
                "clock": "wall",
                "which": "longest",
            }
            yield Row("/healthz among silent connections", sizes, KEY_BITS, max(waits[address]))


def _bytes_of_no_job(log: Path) -> int:
    return sum(len(line) for line in log.read_bytes().splitlines(keepends=True) if b" job=" not in line)


class _Probe(threading.Thread):
    """Asks a service for /healthz, each time over a connection of its own, and notes how long each answer takes."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self._address = address
        self._stopping = threading.Event()
        self._waits: list[float] = []
        self._failed: Exception | None = None

    def run(self) -> None:
        while not self._stopping.wait(0.2):
            began = time.perf_counter()
            try:
                httpx.get(self._address + "/healthz", trust_env=False, timeout=60).raise_for_status()
            except httpx.HTTPError as error:
                self._failed = error
                return
            self._waits.append(time.perf_counter() - began)

    def stop(self) -> list[float]:
        """Return the seconds of each answer. Raises RuntimeError where one did not come."""
        self._stopping.set()
        self.join()
        if self._failed is not None:
            raise RuntimeError(f"{self._address}/healthz was not answered: {self._failed!r}")
        return self._waits


@contextmanager
def _services(folder: Path) -> Iterator[dict[str, list[str]]]:
    own = resource.getrlimit(resource.RLIMIT_NOFILE)
    children = Children()
    with environment_of({"FEDTRAIN_WORKERS": "1", "FEDTRAIN_LEAST_ROSTER": "1"}):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, own[1]))  # what they are started with
            try:
                urls = start_services(children, folder, OWNERS, D, FIRST_PORT)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, own)
            yield urls
        finally:
            children.stop()


def _trained(urls: dict[str, list[str]], spec: dict[str, Any], began: float | None) -> list[Any]:
    """The coefficients. With `began`, the time since then is at least AT_LEAST_S, one job after the other."""
    model_owner = urls["model owner"][0]
    while True:
        with httpx.Client(base_url=model_owner, trust_env=False, timeout=60) as http:
            model_id = http.post("/models", json=spec).raise_for_status().json()["id"]
            while (state := http.get(f"/models/{model_id}").raise_for_status().json())["status"] not in ENDED:
                time.sleep(POLL_S)
        if state["status"] != "FINISHED":
            raise RuntimeError(f"the job is {state['status']}: {state['reason']}")
        if began is None or time.monotonic() - began > AT_LEAST_S:
            coefficients: list[Any] = state["coefficients"]
            return coefficients


@contextmanager
def _crowd(addresses: list[str], count: int) -> Iterator[float]:
    """Within the block the connections come, and stay as long as they are let; gives when they had come."""
    stop = threading.Event()
    held: list[socket.socket] = []
    slow: list[socket.socket] = []

    def drip() -> None:
        while not stop.wait(1.0):
            for one in slow:
                with suppress(OSError):
                    one.send(b"a")

    dripping = threading.Thread(target=drip, daemon=True)
    dripping.start()
    try:
        for address in addresses:
            where = (str(urlsplit(address).hostname), int(urlsplit(address).port or 80))
            for number in range(3 * count):
                with suppress(OSError):  # refused: it is not let in, which is an answer too
                    one = socket.create_connection(where, 60)
                    one.settimeout(1.0)
                    if number < count:
                        held.append(one)
                    elif number < 2 * count:
                        one.send(b"GET /models HTTP/1.1\r\nHost: ")
                        held.append(one)
                        slow.append(one)
                    else:
                        one.send(_HALF)
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        one.close()
        yield time.monotonic()
    finally:
        stop.set()
        dripping.join()
        for one in held:
            one.close()


if __name__ == "__main__":
    main(__doc__, measure)
