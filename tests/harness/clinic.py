"""A provisioned consortium with its Facilitator up over TLS, and a doctor for its parties."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from fedtrain.cli.doctor.command import examine
from fedtrain.cli.services.parties import settings_of
from fedtrain.cli.trust.consortium import ConsortiumFile
from fedtrain.cli.trust.provisioning import provision
from fedtrain.facilitator.app import create_app
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.protocol.states import Role
from fedtrain.service.health.finding import Finding, Level
from fedtrain.service.runtime.connection import listening_tls
from fedtrain.service.runtime.system_clock import SystemClock


@contextmanager
def served(
    app: FastAPI, listener: socket.socket, tls: ssl.SSLContext | None = None, *, dated: bool = True
) -> Iterator[None]:
    """Serve `app` on a bound socket, in a thread; `dated`: its answers have the server's Date."""
    config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=2, date_header=dated)
    config.load()
    config.ssl = tls
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@dataclass(frozen=True)
class Clinic:
    """Folders of the parties, and the Facilitator's address."""

    folder: Path
    url: str

    def copy_of(self, name: str, to: Path) -> Path:
        """A party's folder that a test may spoil."""
        return Path(shutil.copytree(self.folder / name, to / name))


@contextmanager
def open_clinic(folder: Path) -> Iterator[Clinic]:
    """Provision a consortium and start its Facilitator on a free port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    consortium = {
        "name": "lenders",
        "facilitator": {"url": url},
        "model_owner": [{"name": "acme"}],
        "data_owner": [{"name": "bank-a"}, {"name": "bank-b"}],
    }
    provision(ConsortiumFile.model_validate(consortium), folder)
    settings = FacilitatorSettings(state_dir=folder / "facilitator", workers=1)
    with ThreadPoolExecutor() as executor:
        app = create_app(settings, clock=SystemClock(), executor=executor)
        with served(app, listener, listening_tls(settings)):
            yield Clinic(folder, url)


def diagnose(
    state_dir: Path, role: Role = Role.DATA_OWNER, now: datetime | None = None, **options: object
) -> dict[str, Finding]:
    """The worst finding of each check."""
    order = list(Level)
    found: dict[str, Finding] = {}
    settings = settings_of(role, {"state_dir": state_dir, **options})
    for finding in examine(settings, role, lambda: now or datetime.now(UTC)):
        worst = found.get(finding.check)
        if worst is None or order.index(finding.level) > order.index(worst.level):
            found[finding.check] = finding
    return found


def levels(found: dict[str, Finding], level: Level) -> dict[str, str]:
    """Return what was found at that level."""
    return {check: finding.found for check, finding in found.items() if finding.level is level}
