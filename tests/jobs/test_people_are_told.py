"""Word to people of parties in a whole job, and a job whose parties' servers for that are away."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from fedtrain.data_owner.policy.rules import OwnerPolicy
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


def test_people_hear_of_what_waits_for_them_and_of_a_jobs_end_and_no_server_that_is_away_stops_it(
    tmp_path: Path,
) -> None:
    rows = "".join(f"{x!r},{2 * x + 0.5!r}\n" for x in np.linspace(-1, 1, 60).tolist())
    tables = {name: tmp_path / f"{name}.csv" for name in ("bank-a", "bank-b")}
    for path in tables.values():
        path.write_text("income,loss\n" + rows)
    secret = tmp_path / "hook.secret"
    write_secret(secret, b"0123456789abcdef")
    handler = type("Handler", (_Taking,), {"taken": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    notify = {
        "webhook": {"url": f"http://127.0.0.1:{server.server_port}/", "secret_file": str(secret)},
        "email": {
            **{"server": "127.0.0.1", "port": free_port(), "security": "none"},  # nobody listens there
            **{"sender": "a@x.example", "recipients": ["b@x.example"]},
        },
    }
    state = tmp_path / "state" / "model-owner"
    write_secret(
        state / "party.toml",
        f'[notify.webhook]\nurl = "{notify["webhook"]["url"]}"\nsecret_file = "{secret}"\n'.encode(),
    )
    policy = OwnerPolicy(
        any_model_owner=True, adopt_first_encoding=True, approval="by_hand", least_roster=2, differencing="unchecked"
    )

    async def told(kind: str, times: int) -> None:
        async with asyncio.timeout(60):
            while sum(one["kind"] == kind for one in handler.taken) < times:
                await asyncio.sleep(0.02)

    async def job() -> str:
        async with federation(
            tmp_path / "state", tables, allow_small_keys=True, owner_settings={"notify": notify}, owner_policy=policy
        ) as parties:
            model_id = await parties.deploy(SPEC)
            await told("job-waits", len(tables))
            for owner in parties.data_owners:
                await owner.post(f"/models/{model_id}/approve", {})
            await told("sign-off-waits", len(tables))
            for owner in parties.data_owners:
                await owner.post(f"/models/{model_id}/sign-off", {"decision": "sign_off", "by": "ana"})
            model = await parties.wait(model_id)
            assert model["status"] == "FINISHED", model
            await told("job-finished", len(tables) + 1)
            return model_id

    model_id = asyncio.run(job())
    server.shutdown()
    server.server_close()
    heard = sorted((one["party"], one["kind"], one["title"], one["job_id"]) for one in handler.taken)
    title = "Losses by income"
    assert heard == sorted(
        (party, kind, title, model_id)
        for party, kind in [
            *((bank, kind) for bank in tables for kind in ("job-waits", "sign-off-waits", "job-finished")),
            ("model-owner", "job-finished"),
        ]
    )
