"""Real processes on free ports, spoken to with curl."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.free_ports import free_port

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "diabetes"


class Curl:
    """curl, as a person at a terminal uses it: returns status and body."""

    def __call__(self, *arguments: str) -> tuple[int, Any]:
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--noproxy", "*", "--write-out", "\n%{http_code}", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ConnectionError(done.stderr.strip())
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), json.loads(body) if body else None


class Services:
    """The launchers' services as processes that can be stopped, killed and started again under one name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.curl = Curl()
        self._commands: dict[str, list[str]] = {}
        self._ports: dict[str, int] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, launcher: str, *options: str) -> None:
        """Start a launcher in the repository's root on a free port of its own."""
        self._ports[name] = free_port()
        self._commands[name] = [
            str(ROOT / launcher),
            "--port",
            str(self._ports[name]),
            "--name",
            name,
            "--state-dir",
            str(self.folder / name),
            *options,
        ]
        self.start_again(name)

    def start_again(self, name: str) -> None:
        environment = {**os.environ, "FEDTRAIN_ALLOW_SMALL_KEYS": "1"}
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._commands[name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self._wait_ready(name)

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        process = self._processes.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, number)
        return process.wait()

    def hold(self, name: str, *, on: bool) -> None:
        """Freeze a service where it is, with all that it started, or let it go on."""
        os.killpg(self._processes[name].pid, signal.SIGSTOP if on else signal.SIGCONT)

    def url(self, name: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self._ports[name]}{path}"

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def _wait_ready(self, name: str) -> None:
        while True:
            assert self._processes[name].poll() is None, self.log(name)
            try:
                if self.curl(self.url(name, "/readyz"))[0] == 200:
                    return
            except ConnectionError:
                pass  # not listening yet
            time.sleep(0.1)

    def stop_all(self) -> None:
        for name in list(self._processes):
            self.stop(name, signal.SIGKILL)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    running = Services(tmp_path)
    yield running
    running.stop_all()


@pytest.fixture(scope="session")
def diabetes_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that examples/diabetes/make_data.py writes."""
    folder = tmp_path_factory.mktemp("diabetes")
    subprocess.run([sys.executable, str(EXAMPLE / "make_data.py"), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def diabetes_spec() -> dict[str, Any]:
    """The example's spec with keys so small that they protect nothing, for speed."""
    spec: dict[str, Any] = json.loads((EXAMPLE / "model.json").read_text())
    spec["training"] |= {"key_bits": 1024, "max_rows": 1000, "max_data_owners": 3}
    return spec
