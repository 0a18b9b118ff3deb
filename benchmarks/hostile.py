"""A hundred hostile senders at once against each service: peak memory, and how long /healthz took meanwhile.

    .venv/bin/python benchmarks/hostile.py [--port 25000] [--senders 100]

Loopback only, some 20 seconds a service. Linux: the peak is VmHWM of /proc/PID/status.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx

PARTY = "1a" * 32
ENDLESS_BYTES = 32 << 20

#: (method, path, content type, body); what a body is made of is sent as often as it fits.
ROUTES = {
    "facilitator": [
        ("PUT", f"/tasks/{'0' * 32}/result"), ("PUT", f"/models/{'0' * 32}"), ("PUT", f"/data-owners/{PARTY}"),
    ],
    "model-owner": [("POST", "/models"), ("POST", "/prediction"), ("POST", "/datasets")],
    "data-owner": [("POST", "/datasets"), ("POST", "/score"), ("POST", f"/models/{'0' * 32}/deny")],
}  # fmt: skip
CATEGORIES = ",".join(f'"{n}"' for n in range(10_000))
BODIES = {
    "lists": ("application/json", b'{"answer":[' + b"[]," * 330_000 + b"[]]}"),
    "22 MB of JSON": ("application/json", b'{"rows":[' + b"{}," * 7_300_000 + b"{}]}"),
    "numbers": ("application/json", b'{"rows":[' + b"[1.5,2]," * 120_000 + b"[]]}"),
    "just not too many for a spec": ("application/json", b'{"rows":[' + b"[]," * 49_000 + b"[]]}"),
    "just not too many for rows": ("application/json", b'{"rows":[' + b"[]," * 149_000 + b"[]]}"),
    "depth": ("application/json", b"[" * 1_000_000),
    "categories": (
        "application/json",
        f'{{"data_props":{{"features":[{",".join([f"""{{"categories":[{CATEGORIES}]}}"""] * 14)}]}}}}'.encode(),
    ),
    "empty maps": ("application/cbor", b"\x9a" + (8_000_000).to_bytes(4, "big") + b"\xa0" * 8_000_000),
    "endless": ("application/cbor", b""),
}


async def endless() -> AsyncIterator[bytes]:
    for _ in range(ENDLESS_BYTES >> 16):
        yield bytes(1 << 16)


async def send(url: str, method: str, path: str, kind: str) -> str:
    content_type, body = BODIES[kind]
    headers = {"Content-Type": content_type, "Fedtrain-Party": PARTY}
    try:
        async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as http:
            content = body if body else endless()
            return str((await http.request(method, path, headers=headers, content=content)).status_code)
    except httpx.HTTPError as error:
        return type(error).__name__


def health(url: str, stop: Event, took: Queue[float]) -> None:
    """Ask in a process of its own: the senders' is busy with their bodies."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        while not stop.is_set():
            began = time.monotonic()
            assert http.get("/healthz").status_code == 200
            took.put(time.monotonic() - began)
            time.sleep(0.05)


def peak_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1000


async def attack(url: str, service: str, senders: int, pid: int) -> str:
    context = multiprocessing.get_context("spawn")
    before, stop, answered = peak_mb(pid), context.Event(), context.Queue()
    watching = context.Process(target=health, args=(url, stop, answered))
    watching.start()
    await asyncio.to_thread(answered.get)
    kinds = list(BODIES)
    routes = ROUTES[service]
    sent = (send(url, *routes[n % len(routes)], kinds[n // len(routes) % len(kinds)]) for n in range(senders))
    answers = Counter(await asyncio.gather(*sent))
    stop.set()
    took = [await asyncio.to_thread(answered.get)]
    while not answered.empty():
        took.append(answered.get())
    watching.join()
    return (
        f"{service}: {before:.0f} MB before, {peak_mb(pid):.0f} MB at most; /healthz asked {len(took)} times, "
        f"{max(took):.2f} s at most; answers {dict(sorted(answers.items()))}"
    )


async def wait_until_up(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        for _ in range(300):
            try:
                if (await http.get("/healthz")).status_code == 200:
                    return
            except httpx.HTTPError:
                await asyncio.sleep(0.2)
    raise SystemExit(f"{url} did not start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=25000)
    parser.add_argument("--senders", type=int, default=100)
    options = parser.parse_args()
    command = Path(sys.executable).parent / "fedtrain"
    with tempfile.TemporaryDirectory() as folder:
        for number, service in enumerate(ROUTES):
            port = options.port + number
            arguments = [str(command), service, "--port", str(port), "--state-dir", f"{folder}/{service}"]
            if service != "facilitator":  # which is not there: what it is asked by others is measured here
                arguments += ["--facilitator", f"http://127.0.0.1:{options.port + 9}"]
            environment = {**os.environ, "FEDTRAIN_WORKERS": "1"}
            log = Path(folder) / f"{service}.log"
            started = partial(subprocess.Popen, arguments, env=environment)
            with log.open("wb") as out, started(stdout=out, stderr=out) as process:
                try:
                    url = f"http://127.0.0.1:{port}"
                    asyncio.run(wait_until_up(url))
                    print(asyncio.run(attack(url, service, options.senders, process.pid)), flush=True)
                finally:
                    process.terminate()


if __name__ == "__main__":
    main()
