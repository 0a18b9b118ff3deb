"""Word to people of parties in a whole job, and a job whose parties' servers for that are away."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.service.notify import requests
from fedtrain.service.vault.secret_files import write_secret
from fedtrain.simulation.federation import federation
from tests.harness.free_ports import free_port

SPEC = {
    "model_type": "LINEAR_REGRESSION",
    "name": "Losses by income",
    "release": "sign_off",
    "data_props": {
        "features": [{"name": "income", "type": "continuous", "range": [-1, 1]}],
        "target": {"name": "loss", "range": [-4, 4]},
    },
    "training": {"optimizer": "newton", "key_bits": 512, "max_rows": 1000, "min_data_owners": 2, "max_data_owners": 2},
}


class _Taking(BaseHTTPRequestHandler):
    taken: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base names it
        return


@contextmanager
def hooked() -> Iterator[tuple[type[_Taking], str]]:
    """A server that takes what webhooks bring, and its address."""
    handler = type("Handler", (_Taking,), {"taken": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield handler, f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


async def told(handler: type[_Taking], kind: str, times: int) -> None:
    async with asyncio.timeout(60):
        while sum(one["kind"] == kind for one in handler.taken) < times:
            await asyncio.sleep(0.02)


def test_people_hear_of_requests_that_wait_and_of_decisions_about_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "INTERVAL_S", 0.1)
    tables = {name: tmp_path / f"{name}.csv" for name in ("bank-a", "bank-b")}
    for path in tables.values():
        path.write_text("income,loss\n0.5,1\n-0.5,0\n")
    secret, state = tmp_path / "hook.secret", tmp_path / "state" / "model-owner"
    write_secret(secret, b"0123456789abcdef")
    card = {"title": "Losses", "tags": ["losses"], "columns": "none"}

    async def play(handler: type[_Taking]) -> str:
        async with federation(
            tmp_path / "state", tables, allow_small_keys=True, owner_settings={"notify": notify}
        ) as parties:
            for owner in parties.data_owners:
                assert (await owner.http.put("/datasets/default/card", json=card)).status_code == 200
            async with asyncio.timeout(60):
                while not (state / "notices.json").exists():  # from now on, a decision is news
                    await asyncio.sleep(0.02)
            cards = (await parties.model_owner.get("/catalogue", tag="losses"))["cards"]
            body = {"title": "Losses by income", "purpose": "premiums", "spec": {**SPEC, "name": None}}
            made = await parties.model_owner.post("/requests", body | {"datasets": [one["id"] for one in cards]})
            await told(handler, "request-waits", len(tables))
            for times, owner in enumerate(parties.data_owners, start=1):
                await owner.post(f"/requests/{made['id']}/approve", {})
                await told(handler, "request-decided", times)
            return str(made["id"])

    with hooked() as (handler, url):
        notify = {"webhook": {"url": url, "secret_file": str(secret)}}
        settings = f'[notify.webhook]\nurl = "{url}"\nsecret_file = "{secret}"\n'
        write_secret(state / "party.toml", settings.encode())
        request = asyncio.run(play(handler))
    heard = sorted((one["party"], one["kind"], one["title"], one["request_id"]) for one in handler.taken)
    kinds = [*((bank, "request-waits") for bank in tables), *[("model-owner", "request-decided")] * len(tables)]
    assert heard == sorted((party, kind, "Losses by income", request) for party, kind in kinds)


def test_people_hear_of_what_waits_for_them_and_of_a_jobs_end_and_no_server_that_is_away_stops_it(
    tmp_path: Path,
) -> None:
    rows = "".join(f"{x!r},{2 * x + 0.5!r}\n" for x in np.linspace(-1, 1, 60).tolist())
    tables = {name: tmp_path / f"{name}.csv" for name in ("bank-a", "bank-b")}
    for path in tables.values():
        path.write_text("income,loss\n" + rows)
    secret = tmp_path / "hook.secret"
    write_secret(secret, b"0123456789abcdef")
    notify: dict[str, Any] = {
        "email": {
            **{"server": "127.0.0.1", "port": free_port(), "security": "none"},  # nobody listens there
            **{"sender": "a@x.example", "recipients": ["b@x.example"]},
        },
    }
    policy = OwnerPolicy(
        any_model_owner=True, adopt_first_encoding=True, approval="by_hand", least_roster=2, differencing="unchecked"
    )

    async def job(handler: type[_Taking]) -> str:
        async with federation(
            tmp_path / "state", tables, allow_small_keys=True, owner_settings={"notify": notify}, owner_policy=policy
        ) as parties:
            model_id = await parties.deploy(SPEC)
            await told(handler, "job-waits", len(tables))
            for owner in parties.data_owners:
                await owner.post(f"/models/{model_id}/approve", {})
            await told(handler, "sign-off-waits", len(tables))
            for owner in parties.data_owners:
                await owner.post(f"/models/{model_id}/sign-off", {"decision": "sign_off", "by": "ana"})
            model = await parties.wait(model_id)
            assert model["status"] == "FINISHED", model
            await told(handler, "job-finished", len(tables) + 1)
            return model_id

    with hooked() as (handler, url):
        notify["webhook"] = {"url": url, "secret_file": str(secret)}
        settings = f'[notify.webhook]\nurl = "{url}"\nsecret_file = "{secret}"\n'
        write_secret(tmp_path / "state" / "model-owner" / "party.toml", settings.encode())
        model_id = asyncio.run(job(handler))
    heard = sorted((one["party"], one["kind"], one["title"], one["job_id"]) for one in handler.taken)
    title = "Losses by income"
    assert heard == sorted(
        (party, kind, title, model_id)
        for party, kind in [
            *((bank, kind) for bank in tables for kind in ("job-waits", "sign-off-waits", "job-finished")),
            ("model-owner", "job-finished"),
        ]
    )
