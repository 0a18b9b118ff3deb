"""A service that is killed and started again under an open page: the page says so, and goes on by itself."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.pages.conftest import ROOT, SPEC, Watched, until

pytestmark = pytest.mark.slow


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False, timeout=10).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def model_owner(folder: Path, port: int) -> Iterator[str]:
    """A Model Owner in a process of its own, which is killed at the end. Its Facilitator is never there."""
    command = [sys.executable, "-m", "fedtrain.cli.main", "model-owner", "--port", str(port), "--name", "model-owner"]
    command += ["--state-dir", str(folder), "--facilitator", "http://127.0.0.1:1"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "FEDTRAIN_ALLOW_SMALL_KEYS": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: process.poll() is not None or answers(url))
            assert process.poll() is None
            yield url
        finally:
            process.send_signal(signal.SIGKILL)


def test_a_page_outlives_its_services_being_killed(watched: Watched, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    with model_owner(tmp_path / "state", port) as url:
        job = httpx.post(f"{url}/models", json=SPEC, trust_env=False, timeout=300).json()["id"]
        page = watched.page(url)
        page.goto(f"{url}/#/model-owner/job/{job}")
        page.get_by_role("heading", name=SPEC["name"]).wait_for()
        stale = page.get_by_text("Nothing is heard from the service")
        assert stale.count() == 0
        listing = watched.page(url)
        listing.goto(f"{url}/#/model-owner/jobs")
        listing.get_by_role("link", name=SPEC["name"]).wait_for()
        missed = listing.get_by_text("Nothing is heard from the service")
        assert missed.count() == 0
    stale.wait_for()
    missed.wait_for()
    for name, shown in (("heading", page), ("link", listing)):
        shown.get_by_role(name, name=SPEC["name"]).wait_for()  # what was known stays
    with model_owner(tmp_path / "state", port):
        # Nobody loads the page again.
        stale.wait_for(state="detached")
        page.get_by_role("alert").wait_for(state="detached")
        missed.wait_for(state="detached")
        httpx.request("DELETE", f"{url}/models/{job}", trust_env=False, timeout=300)
        for shown in (page, listing):
            shown.get_by_text("cancelled", exact=True).first.wait_for()
