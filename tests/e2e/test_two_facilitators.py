"""Two Facilitator processes on one PostgreSQL: parties spread over both, and either may be killed."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.harness.postgresql import PostgreSql

pytestmark = pytest.mark.slow
OWNERS = ("hospital-a", "hospital-b", "hospital-c")


class Switch:
    """A port of loopback whose connections go on to `target`, another port: what stands before a service."""

    def __init__(self) -> None:
        self.target = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()  # nobody is there
                continue
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # one side broke it off: so does the other
            while piece := source.recv(1 << 16):
                sink.sendall(piece)
        for end in (source, sink):
            with suppress(OSError):  # the other direction was first
                end.shutdown(socket.SHUT_RDWR)  # before the close, which wakes nobody who reads
            end.close()


@pytest.fixture
def switch() -> Iterator[Switch]:
    made = Switch()
    yield made
    made.close()


def start_all(services: Any, switch: Switch, data: Path, url: str) -> None:
    """Facilitators a and b with one identity; the Model Owner and two owners come to a by way of the switch."""
    services.start("a", "run_facilitator.sh", "--database-url", url)
    services.start("b", "run_facilitator.sh", "--database-url", url, "--state-dir", str(services.folder / "a"))
    switch.target = port_of(services, "a")
    for name, facilitator in zip(OWNERS, (switch.url, services.url("b"), switch.url), strict=True):
        services.start(name, "run_data_owner.sh", "--data", str(data / f"{name}.csv"), "--facilitator", facilitator)
    services.start("model-owner", "run_model_owner.sh", "--facilitator", switch.url)
    while len(get(services, "b", "/data-owners")) < len(OWNERS):
        time.sleep(0.1)


def port_of(services: Any, name: str) -> int:
    return int(services.url(name).rsplit(":", 1)[1])


def get(services: Any, name: str, path: str) -> Any:
    return httpx.get(services.url(name, path), trust_env=False, timeout=300).raise_for_status().json()


def deploy(services: Any, spec: dict[str, Any]) -> str:
    answer = httpx.post(services.url("model-owner", "/models"), json=spec, trust_env=False, timeout=300)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def wait_round(services: Any, model_id: str, number: int) -> None:
    while (state := get(services, "model-owner", f"/models/{model_id}"))["round"] is None or state["round"] < number:
        assert state["status"] in ("INITIATED", "IN_PROGRESS"), state
        time.sleep(0.02)


def wait_ended(services: Any, model_id: str) -> dict[str, Any]:
    while (state := get(services, "model-owner", f"/models/{model_id}"))["status"] in ("INITIATED", "IN_PROGRESS"):
        time.sleep(0.1)
    return dict(state)


def sums_of(services: Any, name: str) -> int:
    text = httpx.get(services.url(name, "/metrics"), trust_env=False, timeout=300).text
    return int(sum(float(value) for value in re.findall(r"^fedtrain_rounds_total\{.*\} (\S+)$", text, re.MULTILINE)))


def test_either_of_two_facilitators_is_killed_and_the_job_ends_with_the_same_coefficients(
    services: Any, switch: Switch, diabetes_data: Path, diabetes_spec: dict[str, Any], postgresql: PostgreSql
) -> None:
    diabetes_spec["training"] |= {"optimizer": "gradient_descent", "rounds": 40, "tolerance": 0.0}
    start_all(services, switch, diabetes_data, postgresql.new_database())
    first = deploy(services, diabetes_spec)
    undisturbed = wait_ended(services, first)
    assert undisturbed["status"] == "FINISHED", undisturbed
    entries = get(services, "b", f"/models/{first}/log")
    # The first entry is the roster's: each of the others is a sum, computed once, by the one or the other.
    assert sums_of(services, "a") + sums_of(services, "b") == len(entries) - 1

    model_id = deploy(services, diabetes_spec)
    wait_round(services, model_id, 8)
    services.stop("a", signal.SIGKILL)
    switch.target = port_of(services, "b")
    wait_round(services, model_id, 16)
    services.start_again("a")
    switch.target = port_of(services, "a")
    wait_round(services, model_id, 24)
    services.stop("b", signal.SIGKILL)
    services.start_again("b")
    disturbed = wait_ended(services, model_id)
    assert disturbed["status"] == "FINISHED", disturbed
    assert disturbed["coefficients"] == undisturbed["coefficients"]
