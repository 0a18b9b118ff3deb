"""A service as a process of its own: signals, stuck threads, and a port that is taken."""

from __future__ import annotations

import errno
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from fedtrain.service.runtime.serve import port_line

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import gc, os, sys, threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry

from fedtrain.protocol.documents.identity import Identity
from fedtrain.service.web.app import create_service
from fedtrain.service.limits.body_limits import BodyLimits
from fedtrain.service.web.caller import OpenGate
from fedtrain.service.web.decision_token import DecisionToken
from fedtrain.service.runtime import serve
from fedtrain.service.runtime.doorbell import Doorbell
from fedtrain.service.runtime.logging import configure_logging
from fedtrain.protocol.states import Role

configure_logging("console", "info")
router, doorbell, executor = APIRouter(), Doorbell(), ThreadPoolExecutor()


@router.get("/wait")
async def wait(request: Request) -> dict[str, bool]:
    with doorbell.listen("key") as bell:
        print("waiting", flush=True)
        return {"rung": await bell.wait(3600, request.app.state.stop)}


@router.get("/kept")
async def kept() -> dict[str, int]:
    return {"objects": gc.get_freeze_count()}


@router.get("/stuck")
async def stuck() -> dict[str, bool]:
    executor.submit(threading.Event().wait)
    return {}


@asynccontextmanager
async def lifespan(app):
    if "broken" in sys.argv:
        raise RuntimeError("no store")
    yield
    print("lifespan ended", flush=True)


app = create_service(
    title="Test", description="", role=Role.FACILITATOR, identity=Identity.generate(), name="tested", routers=[router],
    lifespan=lifespan, gate=OpenGate(DecisionToken(Path(os.environ["STATE"]))), body_limits=BodyLimits(),
    readiness=dict, registry=CollectorRegistry(),
)
serve.STOP_WITHIN_S = 20 if "stuck" in sys.argv else 3600  # a busy machine must not cut off what is looked for
code = serve.run_service(app, sys.argv[1], int(sys.argv[2]))
print("returned", flush=True)
sys.exit(code)
"""


@contextmanager
def service(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with TemporaryDirectory() as state:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "STATE": state},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=3600, trust_env=False)


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"listening .*url=(\S+)", line):
            return found[1]
    raise AssertionError("it never listened")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_long_polls_with_an_answer_and_the_process_with_code_0(number: signal.Signals) -> None:
    answers = []
    with service("127.0.0.1", "0") as process:
        url = address_of(process)
        poll = threading.Thread(target=lambda: answers.append(get(f"{url}/wait").json()))
        poll.start()
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        out, _ = process.communicate()
        poll.join()
    assert answers == [{"rung": False}]
    assert out == "lifespan ended\nreturned\n"
    assert process.returncode == 0


def test_what_a_service_consists_of_is_not_walked_whenever_the_collector_runs() -> None:
    """A full round over a service's own objects took 0.2 s with the lock held, and large JSON sets some off."""
    with service("127.0.0.1", "0") as process:
        assert get(f"{address_of(process)}/kept").json()["objects"] > 50_000


@pytest.mark.slow
def test_a_thread_that_never_ends_does_not_keep_the_process() -> None:
    with service("127.0.0.1", "0", "stuck") as process:
        assert get(f"{address_of(process)}/stuck").status_code == 200
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate()  # would wait for ever
    assert out == "lifespan ended\nreturned\n"
    assert process.returncode == 0


@pytest.mark.slow
def test_a_connection_that_idles_longer_than_clients_keep_theirs_is_still_answered() -> None:
    with service("127.0.0.1", "0") as process:
        host, port = address_of(process).removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port))
        connection.connect()
        first = connection.sock
        for _ in range(2):
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b'{"status":"ok"}'
            assert connection.sock is first  # http.client would open another one where this one is to be closed
            time.sleep(httpx.Limits(max_connections=1).keepalive_expiry + 2)  # type: ignore[operator]
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("taken_at", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_gives_one_line_and_code_1(taken_at: str) -> None:
    family = socket.AF_INET6 if ":" in taken_at else socket.AF_INET
    try:
        listener = socket.create_server((taken_at, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {taken_at}")
    with listener:
        port = str(listener.getsockname()[1])
        with service("127.0.0.1", port) as process:
            out, err = process.communicate()
    assert process.returncode == 1
    assert err == f"Cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}. Choose another with --port.\n"
    assert out == "returned\n"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "owner.example"])  # noqa: S104
def test_an_open_service_refuses_to_listen_where_others_reach_it_with_one_line_and_code_1(host: str) -> None:
    with service(host, "8080") as process:
        _, err = process.communicate()
    assert process.returncode == 1
    assert err.count("\n") == 1
    assert err.startswith(f"Refusing to listen on {host}, ") and "no token" in err and "no TLS certificate" in err


def test_a_lifespan_that_cannot_start_is_code_1() -> None:
    with service("127.0.0.1", "0", "broken") as process:
        _, err = process.communicate()
    assert process.returncode == 1
    assert "no store" in err
    assert "listening" not in err


@pytest.mark.parametrize(("port", "told"), [(5000, True), (8080, False)])
def test_the_line_for_port_5000_tells_of_airplay(port: int, told: bool) -> None:
    line = port_line("127.0.0.1", port, OSError(errno.EADDRINUSE, "Address already in use"))
    assert ("AirPlay Receiver" in line) is told
    assert line.startswith(f"Cannot listen on 127.0.0.1:{port}: Address already in use.")
    assert line.endswith("--port.")
    assert port_line("::1", port, OSError(errno.EADDRINUSE, "x")).startswith(f"Cannot listen on [::1]:{port}")
