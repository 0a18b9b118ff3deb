"""TLS and mutual TLS by files, over real sockets on loopback; a proxy in between; and what is refused."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI

from fedtrain.cli.trust.certificates import Pair, make_ca
from fedtrain.client.http import ServiceClient
from fedtrain.client.tls import TlsError, client_context
from fedtrain.service.runtime.tls import server_context
from fedtrain.service.web.exposure import refusal_to_listen
from fedtrain.spec.problems import Code, Problem
from tests.harness.certificates import issue
from tests.harness.free_ports import free_port

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Files:
    """A certificate, its key and the CA that signed it, as files."""

    certificate: Path
    key: Path
    ca: Path


def _write(folder: Path, name: str, ca: Pair, *, hosts: tuple[str, ...], until: datetime | None = None) -> Files:
    now = datetime.now(UTC)
    pair = issue(ca, name, hosts, now - timedelta(days=10), until or now + timedelta(days=1))
    files = Files(folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}.ca")
    files.certificate.write_bytes(pair.certificate)
    files.key.write_bytes(pair.key)
    files.key.chmod(0o600)
    files.ca.write_bytes(ca.certificate)
    return files


def _ca(name: str) -> Pair:
    now = datetime.now(UTC)
    return make_ca(name, now - timedelta(days=10), now + timedelta(days=10))


@pytest.fixture(scope="module")
def own_ca() -> Pair:
    return _ca("own")


@pytest.fixture
def service_files(tmp_path: Path, own_ca: Pair) -> Files:
    return _write(tmp_path, "service", own_ca, hosts=("127.0.0.1", "facilitator.test"))


@pytest.fixture
def app(make_service: Callable[..., FastAPI]) -> FastAPI:
    router = APIRouter()

    @router.get("/hello")
    async def hello() -> dict[str, str]:
        return {"hello": "over TLS"}

    return make_service(router)


@contextmanager
def _served(app: FastAPI, context: ssl.SSLContext) -> Iterator[int]:
    config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=5)
    config.load()
    config.ssl = context
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


async def _hello(url: str, verify: ssl.SSLContext | bool) -> dict[str, object]:
    client = ServiceClient(url, verify=verify)
    try:
        return await client.request_json("GET", "/hello")
    finally:
        await client.aclose()


async def test_a_client_with_the_ca_is_served_and_one_without_it_is_not(app: FastAPI, service_files: Files) -> None:
    with _served(app, server_context(service_files.certificate, service_files.key)) as port:
        url = f"https://127.0.0.1:{port}"
        assert await _hello(url, client_context(service_files.ca)) == {"hello": "over TLS"}
        with pytest.raises(Problem, match=r"(?i)certificate") as caught:
            await _hello(url, client_context())
        assert caught.value.code is Code.SERVICE_UNREACHABLE
        with pytest.raises(Problem):
            await _hello(f"http://127.0.0.1:{port}", True)


async def test_a_certificate_for_another_name_an_ended_one_and_another_cas_are_refused(
    app: FastAPI, tmp_path: Path, own_ca: Pair
) -> None:
    ended = datetime.now(UTC) - timedelta(days=1)
    for files in (
        _write(tmp_path, "elsewhere", own_ca, hosts=("elsewhere.test",)),
        _write(tmp_path, "ended", own_ca, hosts=("127.0.0.1",), until=ended),
        _write(tmp_path, "foreign", _ca("foreign"), hosts=("127.0.0.1",)),
    ):
        believed = tmp_path / "believed.pem"
        believed.write_bytes(own_ca.certificate)
        with (
            _served(app, server_context(files.certificate, files.key)) as port,
            pytest.raises(Problem, match=r"(?i)certificate"),
        ):
            await _hello(f"https://127.0.0.1:{port}", client_context(believed))


async def test_mutual_tls_lets_in_who_has_a_certificate_of_the_ca_and_nobody_else(
    app: FastAPI, tmp_path: Path, own_ca: Pair, service_files: Files
) -> None:
    member = _write(tmp_path, "member", own_ca, hosts=("localhost",))
    stranger = _write(tmp_path, "stranger", _ca("foreign"), hosts=("localhost",))
    context = server_context(service_files.certificate, service_files.key, service_files.ca)
    with _served(app, context) as port:
        url = f"https://127.0.0.1:{port}"
        verify = client_context(service_files.ca, member.certificate, member.key)
        assert await _hello(url, verify) == {"hello": "over TLS"}
        for refused in (
            client_context(service_files.ca),
            client_context(service_files.ca, stranger.certificate, stranger.key),
        ):
            with pytest.raises(Problem):
                await _hello(url, refused)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken_and_nothing_older(
    app: FastAPI, service_files: Files, newest: ssl.TLSVersion
) -> None:
    context = server_context(service_files.certificate, service_files.key)
    client = client_context(service_files.ca)
    assert context.minimum_version == client.minimum_version == ssl.TLSVersion.TLSv1_2
    client.maximum_version = newest
    with _served(app, context) as port:
        assert await _hello(f"https://127.0.0.1:{port}", client) == {"hello": "over TLS"}


def test_files_that_cannot_be_used_are_named(tmp_path: Path, service_files: Files, own_ca: Pair) -> None:
    other = _write(tmp_path, "other", own_ca, hosts=("localhost",))
    with pytest.raises(TlsError, match=r"no file .*none\.pem"):
        server_context(tmp_path / "none.pem", service_files.key)
    with pytest.raises(TlsError, match=r"service\.pem and .*other\.key"):
        server_context(service_files.certificate, other.key)
    with pytest.raises(TlsError, match=r"cannot be used as a CA"):
        client_context(service_files.key)
    with pytest.raises(TlsError, match="both files or neither"):
        client_context(service_files.ca, other.certificate)
    other.key.chmod(0o640)
    with pytest.raises(TlsError, match=r"chmod 600 .*other\.key"):
        client_context(service_files.ca, other.certificate, other.key)


# Proxies


class ConnectProxy:
    """A proxy that knows one name, and writes down what it is asked for."""

    def __init__(self, port_behind: int) -> None:
        self.port_behind = port_behind
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self.port_behind)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pump(reader, behind_writer), _pump(behind_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.mark.slow
async def test_a_proxy_of_the_environment_is_used_and_sees_no_token(
    app: FastAPI, service_files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _served(app, server_context(service_files.certificate, service_files.key)) as port:
        proxy = ConnectProxy(port)
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for name in ("https_proxy", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        client = ServiceClient(
            "https://facilitator.test", token="secret-token", verify=client_context(service_files.ca)
        )
        assert await client.request_json("GET", "/hello") == {"hello": "over TLS"}
        await client.aclose()
        server.close()
        (asked,) = proxy.asked
        assert asked.startswith("CONNECT facilitator.test:443 HTTP/1.1") and "secret-token" not in asked


async def test_a_service_on_this_machine_is_never_sought_behind_the_proxy(
    app: FastAPI, service_files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    for name in ("https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, dead)  # in small letters it comes first
        monkeypatch.setenv(name.upper(), dead)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with _served(app, server_context(service_files.certificate, service_files.key)) as port:
        url = f"https://127.0.0.1:{port}"
        assert await _hello(url, client_context(service_files.ca)) == {"hello": "over TLS"}
    with pytest.raises(Problem):
        await _hello("https://facilitator.test", client_context(service_files.ca))


# Where a service may listen


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_on_loopback_a_service_may_be_open(host: str) -> None:
    assert refusal_to_listen(host, open_to_all=True, tls=False) is None


@pytest.mark.parametrize(("open_to_all", "tls"), [(True, True), (False, False), (True, False)])
def test_elsewhere_it_needs_both_token_and_tls(open_to_all: bool, tls: bool) -> None:
    line = refusal_to_listen("10.1.2.3", open_to_all=open_to_all, tls=tls)
    assert line is not None and "\n" not in line
    assert ("no token" in line) is open_to_all
    assert ("no TLS certificate" in line) is not tls
    assert refusal_to_listen("10.1.2.3", open_to_all=False, tls=True) is None


PROGRAM = """
import sys
from pathlib import Path
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import APIRouter
from prometheus_client import CollectorRegistry

from fedtrain.protocol.documents.identity import Identity
from fedtrain.service.web.app import create_service
from fedtrain.service.limits.body_limits import BodyLimits
from fedtrain.service.web.caller import TokenGate
from fedtrain.service.runtime.logging import configure_logging
from fedtrain.service.runtime.serve import run_service
from fedtrain.service.runtime.tls import server_context
from fedtrain.service.vault.tokens import Scope, new_token, watched_tokens, write_tokens
from fedtrain.protocol.states import Role

state_dir, host, port, certificate, key = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
token, record = new_token("operator", Scope.ADMIN, datetime.now(UTC))
write_tokens(state_dir, [record])
configure_logging("console", "info")


@asynccontextmanager
async def lifespan(app):
    yield


app = create_service(
    title="Test", description="", role=Role.FACILITATOR, identity=Identity.generate(), name="tested",
    routers=[APIRouter()], lifespan=lifespan, gate=TokenGate(watched_tokens(state_dir)), body_limits=BodyLimits(),
    readiness=dict, registry=CollectorRegistry(),
)
print(token, flush=True)
sys.exit(run_service(app, host, port, tls=server_context(Path(certificate), Path(key))))
"""


@contextmanager
def _process(tmp_path: Path, files: Files, host: str) -> Iterator[subprocess.Popen[str]]:
    arguments = [str(tmp_path / "state"), host, "0", str(files.certificate), str(files.key)]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_with_token_and_tls_a_service_listens_on_every_address(tmp_path: Path, service_files: Files) -> None:
    with _process(tmp_path, service_files, "0.0.0.0") as process:  # noqa: S104
        assert process.stdout is not None and process.stderr is not None
        token = process.stdout.readline().strip()
        line = next(line for line in process.stderr if "listening" in line)
        port = int(line.rsplit(":", 1)[1])
        assert "https://0.0.0.0" in line
        with httpx.Client(verify=client_context(service_files.ca), trust_env=False, timeout=3600) as http:
            url = f"https://127.0.0.1:{port}"
            assert http.get(f"{url}/readyz").json()["access"] == "token"
            assert http.get(f"{url}/metrics").status_code == 401
            assert http.get(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_with_token_and_tls_an_address_of_another_machine_gives_one_line_and_code_1(
    tmp_path: Path, service_files: Files
) -> None:
    with _process(tmp_path, service_files, "192.0.2.1") as process:
        _, err = process.communicate()
    assert process.returncode == 1
    assert err.count("\n") == 1 and err.startswith("Cannot listen on 192.0.2.1:0: ")
