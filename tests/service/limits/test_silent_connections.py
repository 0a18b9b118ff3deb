"""Connections that say nothing, or nothing more: closed, fewer than the descriptors, and in nobody's way.

Sockets here wait for their closing for as long as it takes; the timeout alone tells a service that never closes them.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from fedtrain.cli.trust.certificates import make_ca
from fedtrain.service.limits.connection_limits import ConnectionLimits, fitting_connections
from fedtrain.service.limits.guarded_http import GuardedHttp, Standing, Waiting
from tests.harness.certificates import issue

ROOT = Path(__file__).resolve().parents[3]
PARTY = "ab" * 32
NEVER_S = 120
HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POLL = f"GET /tasks?wait=30&after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nFedtrain-Party: {PARTY}\r\n\r\n".encode()
POST = b"POST /models HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"


@contextmanager
def facilitator(folder: Path, descriptors: int = 1024, **settings: str) -> Iterator[tuple[int, Path]]:
    """A Facilitator as a process with so many descriptors; gives its port and its log."""
    log = folder / "log"
    command = [
        sys.executable,
        "-P",
        "-m",
        "fedtrain.cli.main",
        "facilitator",
        "--port",
        "0",
        "--state-dir",
        str(folder / "state"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "FEDTRAIN_WORKERS": "1", **settings},
            stdout=output,
            stderr=output,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)),
        )
    try:
        while "listening" not in log.read_text():
            assert process.poll() is None, log.read_text()
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        line = next(line for line in log.read_text().splitlines() if "listening" in line)
        yield int(line.rsplit(":", 1)[1]), log
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Facilitator that waits a second."""
    folder = tmp_path_factory.mktemp("impatient")
    with facilitator(folder, FEDTRAIN_HEAD_TIMEOUT_S="1", FEDTRAIN_STALL_TIMEOUT_S="1") as (port, _):
        yield port


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), NEVER_S)


def until_closed(connection: socket.socket) -> bytes:
    """Return what came before the other side closed. Raises TimeoutError where it never does."""
    came = b""
    try:
        while more := connection.recv(1 << 16):
            came += more
    except (ConnectionError, ssl.SSLEOFError):  # an end without goodbye
        return came
    return came


@pytest.mark.slow
@pytest.mark.parametrize("said", [b"", b"GE", HEAD[:-2], HEAD, HEAD + b"X-Long: " + b"a" * 5000, POST], ids=len)
def test_a_connection_that_says_nothing_or_nothing_more_is_closed(impatient: int, said: bytes) -> None:
    with connected(impatient) as connection:
        connection.sendall(said)
        until_closed(connection)


@pytest.mark.parametrize("said", [b"GET /", HEAD, POST], ids=len)
def test_a_connection_that_drips_a_byte_at_a_time_is_closed(impatient: int, said: bytes) -> None:
    with connected(impatient) as connection:
        connection.sendall(said)
        stop = threading.Event()

        def drip() -> None:
            with suppress(OSError):
                while not stop.wait(0.2):
                    connection.send(b"a")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            until_closed(connection)
        finally:
            stop.set()
            dripping.join()


def test_a_connection_that_was_answered_and_then_begins_a_request_is_closed(impatient: int) -> None:
    with connected(impatient) as connection:
        connection.sendall(HEAD + b"\r\n" + b"GET /hea")
        assert until_closed(connection).startswith(b"HTTP/1.1 200")


def test_a_connection_whose_answers_nobody_reads_is_closed(impatient: int) -> None:
    with connected(impatient) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with pytest.raises(ConnectionError):  # no timeout, which says that the service waits for ever
            while True:
                connection.sendall(asked * 100)


@pytest.mark.slow
def test_a_connection_that_begins_no_tls_or_says_nothing_after_it_is_closed(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ca = make_ca("tested", now, now + timedelta(days=1))
    pair = issue(ca, "service", ["127.0.0.1"], now, now + timedelta(days=1))
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(pair.certificate)
    key.touch(0o600)
    key.write_bytes(pair.key)
    settings = {"FEDTRAIN_TLS_CERT": str(certificate), "FEDTRAIN_TLS_KEY": str(key), "FEDTRAIN_HEAD_TIMEOUT_S": "1"}
    with facilitator(tmp_path, **settings) as (port, log):
        with connected(port) as silent:
            until_closed(silent)
        with connected(port) as other:
            other.sendall(b"GET / HTTP/1.1\r\n\r\n")
            until_closed(other)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=ca.certificate.decode())
        with context.wrap_socket(connected(port), server_hostname="127.0.0.1") as shaken_hands:
            until_closed(shaken_hands)
        assert (
            httpx.get(f"https://127.0.0.1:{port}/healthz", verify=context, trust_env=False, timeout=300).status_code
            == 200
        )
        assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_requests_of_strangers_that_come_to_nothing_are_told_a_few_times_and_then_counted(tmp_path: Path) -> None:
    with facilitator(tmp_path) as (port, log):
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=300) as http:
            for _ in range(200):
                assert http.delete("/nothing/" + "a" * 5000).status_code == 404
            # A party's are told one by one; the line comes after the answer, so the last one may be missing.
            for _ in range(101):
                assert http.delete("/nothing", headers={"Fedtrain-Party": PARTY}).status_code == 404
        lines = [line for line in log.read_text().splitlines() if "path=/nothing" in line]
    assert len([line for line in lines if "aaa" not in line]) >= 100
    assert 20 <= len([line for line in lines if "aaa" in line]) < 150
    assert max(len(line) for line in lines) < 500


@pytest.mark.slow
def test_silent_half_sent_and_aborted_connections_beyond_the_descriptors_leave_a_service_awake(tmp_path: Path) -> None:
    with facilitator(tmp_path, descriptors=300) as (port, log), ExitStack() as stack:
        poll = stack.enter_context(connected(port))
        poll.sendall(POLL.replace(b"wait=30", b"wait=5"))
        url = f"http://127.0.0.1:{port}/healthz"
        for begin in (b"", HEAD, POST):
            for _ in range(350):
                connection = stack.enter_context(connected(port))
                connection.sendall(begin)
            assert httpx.get(url, trust_env=False, timeout=NEVER_S).status_code == 200
        for _ in range(350):
            connection = connected(port)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closed by a reset
            connection.sendall(POST)
            connection.close()
        assert httpx.get(url, trust_env=False, timeout=NEVER_S).status_code == 200
        # Who waits as a party was never closed: its poll ends as it should.
        assert poll.recv(1 << 16).startswith(b"HTTP/1.1 200")
        written = log.read_text()
    assert "Traceback" not in written
    assert len(written) < 10_000
    assert written.count("connections closed") <= 3


@pytest.mark.slow
def test_when_all_connections_are_at_work_one_more_is_told_so_and_the_probe_is_answered(tmp_path: Path) -> None:
    with facilitator(tmp_path, FEDTRAIN_MAX_CONNECTIONS="64") as (port, _), ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(connected(port)).sendall(POLL)
        # A poll that has not got that far would make room: the last ones of them are asked until all have.
        while (
            answer := httpx.get(f"http://127.0.0.1:{port}/data-owners", trust_env=False, timeout=300)
        ).status_code != 503:
            stack.enter_context(connected(port)).sendall(POLL)
        assert answer.json()["type"] == "/problems/too-many-connections"
        assert answer.headers["Retry-After"] == "5"
        assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=300).status_code == 200


# The account of one connection, second by second.


class FakeTransport(asyncio.Transport):
    """A transport that keeps what is written, as if nobody read it."""

    def __init__(self) -> None:
        super().__init__()
        self.unsent = 0
        self.closed = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.unsent += len(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Connection:
    """A connection to an application that answers when it is let."""

    def __init__(self, state: dict[str, object] | None = None) -> None:
        self.let = asyncio.Event()
        self.read_body = asyncio.Event()
        config = Config(self._app, interface="asgi3", log_config=None, lifespan="off")
        config.load()
        self.transport = FakeTransport()
        self.protocol = GuardedHttp(config, ServerState(), {}, ConnectionLimits(10, 30), lambda _: None)
        self.protocol.connection_made(self.transport)
        self._state = state or {}

    async def _app(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        scope["state"] |= self._state
        while self.read_body.is_set() and (await receive())["more_body"]:
            pass
        await self.let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def seconds_until_closed(self, most: int = 1000) -> int | None:
        """Return how many seconds go by before the connection is overdue, None where it is not after `most`."""
        return next((second for second in range(most) if self.protocol.overdue(1.0) is not None), None)


@pytest.mark.anyio
async def test_a_head_has_ten_seconds_and_its_bytes_win_it_none() -> None:
    connection = Connection()
    for second in range(11):
        assert connection.protocol.overdue(1.0) is None, second
        connection.protocol.data_received(b"GET / HTTP/1.1\r\n" if second == 0 else b"a: b\r\n" * 100)
    assert connection.protocol.overdue(1.0) is Waiting.HEAD


@pytest.mark.anyio
async def test_a_body_at_a_kilobyte_a_second_may_take_for_ever_and_half_of_that_may_not() -> None:
    for size, patience in ((1024, None), (512, 60)):
        connection = Connection()
        connection.read_body.set()
        connection.protocol.data_received(POST[:-1].replace(b"1000", b"100000000"))
        closed_after = None
        for second in range(600):
            await asyncio.sleep(0)
            connection.protocol.data_received(b"a" * size)
            await asyncio.sleep(0)
            if connection.protocol.overdue(1.0) is not None:
                closed_after = second
                break
        assert (closed_after is None) == (patience is None)
        assert closed_after is None or abs(closed_after - patience) <= 3


@pytest.mark.anyio
async def test_a_body_that_stops_after_a_fast_start_has_thirty_seconds() -> None:
    connection = Connection()
    connection.read_body.set()
    connection.protocol.data_received(POST[:-1].replace(b"1000", b"100000000") + b"a" * 60_000)
    await asyncio.sleep(0)
    assert connection.seconds_until_closed() == 31


@pytest.mark.anyio
async def test_a_request_that_is_being_answered_may_take_for_ever() -> None:
    connection = Connection()
    connection.protocol.data_received(HEAD + b"\r\n")
    await asyncio.sleep(0)
    assert connection.seconds_until_closed() is None


@pytest.mark.anyio
async def test_a_body_that_the_service_does_not_take_is_not_the_senders_fault() -> None:
    connection = Connection()
    connection.protocol.data_received(POST[:-1].replace(b"1000", b"100000000") + b"a" * 100_000)
    await asyncio.sleep(0)
    assert connection.protocol.flow.read_paused
    assert connection.seconds_until_closed() is None


@pytest.mark.anyio
async def test_an_answer_that_nobody_reads_has_thirty_seconds_and_one_that_is_read_slowly_has_all_it_needs() -> None:
    for read, closed_after in ((0, 31), (2048, None)):
        connection = Connection()
        connection.protocol.data_received(HEAD + b"\r\n")
        await asyncio.sleep(0)
        connection.transport.write(b"a" * 10_000_000)
        connection.protocol.pause_writing()
        seconds = None
        for second in range(1000):
            if connection.protocol.overdue(1.0) is not None:
                seconds = second
                break
            connection.transport.unsent -= read
        assert seconds == closed_after
        connection.protocol.resume_writing()
        connection.let.set()


@pytest.mark.anyio
async def test_strangers_make_room_before_parties_and_nobody_at_work_does() -> None:
    from fedtrain.service.web.caller import Caller

    party = {"caller": Caller(PARTY, None, authenticated=False)}
    stranger, idle, at_work = Connection(), Connection(party), Connection(party)
    for known in (idle, at_work):
        known.protocol.data_received(HEAD + b"\r\n")
    await asyncio.sleep(0)
    idle.let.set()
    for _ in range(5):
        await asyncio.sleep(0)
    found = [connection.protocol.standing for connection in (stranger, idle, at_work)]
    assert found == [Standing.STRANGER_IDLE, Standing.KNOWN_IDLE, Standing.AT_WORK]


def test_there_are_fewer_connections_than_descriptors() -> None:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert fitting_connections(2, 10**9) <= max(descriptors // 2, descriptors - 200)
    assert fitting_connections(2, 64) == 64
