"""Proxies of the environment: the one that is asked, or the setting that is wrong, by name."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.proxies import ProxyError, proxy_for
from fedtrain.spec.problems import Problem

ROOT = Path(__file__).resolve().parents[2]
FAR = "http://facilitator.example:8443"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("settings", "url", "asked"),
    [
        ({}, FAR, None),
        ({"HTTP_PROXY": "http://p.example:3128"}, FAR, "the proxy http://p.example:3128 (HTTP_PROXY)"),
        ({"http_proxy": "p.example:3128"}, FAR, "the proxy http://p.example:3128 (http_proxy)"),
        ({"HTTPS_PROXY": "http://p.example:3128"}, FAR, None),
        ({"ALL_PROXY": "http://p.example"}, "https://f.example", "the proxy http://p.example (ALL_PROXY)"),
        ({"ALL_PROXY": "http://a.example", "HTTPS_PROXY": "http://u:secret@p.example:1"}, "https://f.example",
         "the proxy http://p.example:1 (HTTPS_PROXY)"),
        ({"ALL_PROXY": "http://p.example", "NO_PROXY": "facilitator.example"}, FAR, None),
        ({"ALL_PROXY": "http://p.example", "NO_PROXY": "[::1]:80, .example"}, FAR, None),
        ({"ALL_PROXY": "http://p.example", "NO_PROXY": "*"}, FAR, None),
        ({"ALL_PROXY": "http://p.example", "NO_PROXY": "[::1]:80"}, FAR, "the proxy http://p.example (ALL_PROXY)"),
        ({"ALL_PROXY": "socks5://p.example", "NO_PROXY": "facilitator.example"}, FAR, None),
        ({"ALL_PROXY": "socks5://p.example"}, "http://127.0.0.1:8080", None),
    ],
)  # fmt: skip
def test_the_proxy_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], url: str, asked: str | None
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    found = proxy_for(url)
    assert (None if found is None else str(found)) == asked
    assert "secret" not in repr(found)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "value",
    ["socks5://127.0.0.1:1080", "SOCKS5H://u:secret@h", "http://h:port", "http://h:99999", "http://", "ftp://h:21",
     "http://[::1", "http://u:secret@h:x", "http://\x01h"],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ProxyError, match=rf"^{name} ") as refused:
        proxy_for(FAR)
    assert "secret" not in str(refused.value)
    with pytest.raises(ProxyError):
        FacilitatorClient(FAR, party_id="ab" * 32)


@pytest.mark.anyio
async def test_a_proxy_that_does_not_answer_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    client = FacilitatorClient(FAR, party_id="ab" * 32)
    with pytest.raises(Problem, match=f"asked through the proxy http://127.0.0.1:{port} \\(HTTP_PROXY\\)"):
        await client.identity()
    await client.aclose()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"), [("ALL_PROXY", "socks5://127.0.0.1:1"), ("HTTP_PROXY", "http://127.0.0.1:port")]
)
@pytest.mark.parametrize(
    "command", [["status", "--model-owner", FAR], ["data-owner", "--port", "0", "--facilitator", FAR]]
)
def test_a_command_and_a_service_say_it_in_one_line(tmp_path: Path, command: list[str], name: str, value: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "fedtrain.cli.main", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FEDTRAIN_WORKERS": "1", name: value},
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr and "internal error" not in ended.stderr
    assert ended.stderr.count(f"{name} ") == 1


def test_the_command_names_the_proxy_that_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "fedtrain.cli.main", "status", "--model-owner", FAR],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "http_proxy": f"http://127.0.0.1:{port}"},
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert f"the proxy http://127.0.0.1:{port} (http_proxy)" in ended.stderr
