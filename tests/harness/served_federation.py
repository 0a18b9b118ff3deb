"""A federation with a finished job, each service on a port of its own: what an HTTP client finds."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from fedtrain.protocol.documents.identity import Identity
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.simulation.federation import federation

ROWS = "x,y\n" + "".join(f"{j / 10},{j / 5 + 1}\n" for j in range(10))
SPEC: dict[str, Any] = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "header": True,
        "features": [{"col_idx": 0, "type": "continuous", "range": [0, 1]}],
        "target": {"col_idx": 1, "range": [0, 4]},
    },
    # A key that protects nothing, for speed.
    "training": {"key_bits": 512, "max_rows": 100, "min_data_owners": 2, "max_data_owners": 2},
}


@dataclass(frozen=True)
class Served:
    """Addresses of the services, their data, and the parties."""

    urls: dict[str, str]
    model_id: str
    parties: dict[str, Identity]


@contextmanager
def served_federation(folder: Path) -> Iterator[Served]:
    """Serve a Facilitator, a Model Owner and two Data Owners that have finished a job; all are stopped at the end."""
    started: Future[Served] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(folder, started, stop)))
    thread.start()
    try:
        yield started.result()
    finally:
        stop.set()
        thread.join()


async def _serve(folder: Path, started: Future[Served], stop: threading.Event) -> None:
    try:
        tables = {name: folder / f"{name}.csv" for name in ("owner-a", "owner-b")}
        for path in (*tables.values(), folder / "test.csv"):
            path.write_text(ROWS)
        async with federation(
            folder,
            tables,
            test_data=folder / "test.csv",
            allow_small_keys=True,
            owner_settings={"least_roster": 1, "score_timeout_s": 1},
        ) as running:
            model_id = await running.deploy(SPEC)
            assert (await running.wait(model_id))["status"] == "FINISHED"
            parties = {
                "facilitator": running.facilitator,
                "model-owner": running.model_owner,
                "data-owner": running.data_owners[0],
            }
            listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in parties}
            for name, party in parties.items():
                # As whoever starts a service does: its own people pick the token up.
                party.app.state.gate.decisions.publish("127.0.0.1", listeners[name].getsockname()[1])
            servers = [_server(party.app) for party in parties.values()]
            serving = [
                asyncio.create_task(server.serve(sockets=[listener]))
                for server, listener in zip(servers, listeners.values(), strict=True)
            ]
            started.set_result(
                Served(
                    {name: f"http://127.0.0.1:{one.getsockname()[1]}" for name, one in listeners.items()},
                    model_id,
                    {name: load_or_create_identity(party.state_dir) for name, party in parties.items()},
                )
            )
            await asyncio.to_thread(stop.wait)
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*serving)
    except BaseException as error:
        if not started.done():
            started.set_exception(error)
        raise


def _server(app: FastAPI) -> uvicorn.Server:
    # The applications run already; only their ports are new.
    return uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=2))
