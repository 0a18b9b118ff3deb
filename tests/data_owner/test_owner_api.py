"""The Data Owner's own routes, over the whole application, its lifespan and a real Facilitator in the same process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import structlog
from fastapi import FastAPI

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.data_owner.app import create_app
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.app import create_app as create_facilitator
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.spec.problems import Problem
from tests.harness.data_owner.owner_bench import JOB_ID, MODEL_OWNER, manifest_of, spec_of
from tests.harness.own_people import own_people

FACILITATOR = "http://facilitator.invalid"
TABLE = "age,dose,days\n" + "".join(f"{20 + row},{row / 30},{row % 50}\n" for row in range(40))
SCHEMA = spec_of().data_props.model_dump(mode="json", exclude_none=True)
# A job that stays joined: one of three owners would be told of its end as soon as the only one had accepted.
ALONE, ALONE_ALLOWED = spec_of(min_data_owners=1), OwnerPolicy.for_loopback(least_roster=1)


def _schema(target: str, bounds: list[int]) -> dict[str, Any]:
    return {**SCHEMA, "target": {"name": target, "range": bounds}}


@dataclass
class Started:
    owner: httpx.AsyncClient
    model_owner: FacilitatorClient
    data: Path

    async def listed(self) -> list[dict[str, Any]]:
        answer = await self.owner.get("/models")
        assert answer.status_code == 200
        models: list[dict[str, Any]] = answer.json()
        return models

    async def until(self, phase: str) -> dict[str, Any]:
        """The one job, as soon as it is in that phase."""
        while True:
            for model in await self.listed():
                if model["phase"] == phase:
                    return model
            await asyncio.sleep(0.02)

    async def offers(self, *names: str) -> None:
        """Return once the Facilitator knows that the owner offers exactly these datasets."""
        while True:
            owners = await self.model_owner.data_owners()
            if owners and owners[0]["datasets"] == list(names):
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(folder: Path, policy: OwnerPolicy | None = None, **settings: object) -> AsyncIterator[Started]:
    clock = SystemClock()
    with ThreadPoolExecutor(4) as executor:
        facilitator = create_facilitator(
            FacilitatorSettings(name="facilitator", state_dir=folder / "facilitator", allow_small_keys=True),
            clock=clock,
            executor=executor,
        )
        line = httpx.ASGITransport(facilitator)
        own: dict[str, Any] = {
            "name": "clinic-a",
            "state_dir": folder / "owner",
            "facilitator": FACILITATOR,
            "data_dir": folder / "data",
            "allow_small_keys": True,
            **settings,
        }
        app: FastAPI = create_app(
            DataOwnerSettings(**own), clock=clock, executor=executor, transport=line, policy=policy
        )
        async with (
            facilitator.router.lifespan_context(facilitator),
            app.router.lifespan_context(app),
            own_people(app, "http://owner.invalid") as http,
        ):
            client = FacilitatorClient(FACILITATOR, party_id=MODEL_OWNER.party_id, transport=line)
            yield Started(http, client, folder / "data")
            await client.aclose()


def play(
    folder: Path, scene: Callable[[Started], Awaitable[None]], policy: OwnerPolicy | None = None, **settings: object
) -> None:
    async def run() -> None:
        async with running(folder, policy, **settings) as started:
            await scene(started)

    asyncio.run(run())


def _problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"].endswith("/" + slug)
    return document


def test_the_table_in_the_settings_is_registered_as_default_here_and_at_the_facilitator(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))

    async def scene(started: Started) -> None:
        (dataset,) = (await started.owner.get("/datasets")).json()
        assert (dataset["name"], dataset["columns"]) == ("default", ["age", "dose", "days"])
        assert (dataset["encoding"], dataset["schema"]["target"]["range"]) == ("declared", [0.0, 50.0])
        await started.offers("default")
        while (ready := await started.owner.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.02)
        assert ready.json()["checks"]["facilitator"] == "ok"

    play(tmp_path, scene, data=tmp_path / "t.csv", schema=tmp_path / "schema.json")


def test_a_table_that_does_not_fit_its_schema_is_told_at_the_start_and_when_it_is_registered(tmp_path: Path) -> None:
    data, secret = tmp_path / "t.csv", "4711.25"
    data.write_text(TABLE + f"30,-999,{secret}\n" * 3)
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))

    async def scene(started: Started) -> None:
        while "remarks" not in (ready := await started.owner.get("/readyz")).json():
            await asyncio.sleep(0.02)
        told = ["dataset default does not fit its schema: `fedtrain check` says where"]
        assert ready.json()["remarks"] == told
        assert "days" not in ready.text
        (dataset,) = (await started.owner.get("/datasets")).json()
        assert dataset["fits"] is False
        days, dose = dataset["findings"]
        assert days.startswith("days: record 41 has '4711.25'")
        assert dose.startswith("dose: 3 records have -999, the only value below the range")
        events = [entry for entry in logged if "dataset" in entry and "found" in entry]
        assert {(entry["log_level"], *entry["found"]) for entry in events} == {
            ("warning", "days: target-out-of-range"),
            ("warning", "dose: may-mean-missing"),
        }
        assert secret not in str(logged)
        (told,) = [one for one in (await started.owner.get("/health")).json() if one["check"] == "dataset default"]
        assert (told["level"], told["found"]) == ("fail", "it does not fit its declaration: days")
        assert secret not in str(told)
        answer = await started.owner.post("/datasets", content=TABLE, headers={"content-type": "text/csv"})
        assert (answer.json()["fits"], answer.json()["findings"]) == (None, [])
        assert "remarks" not in (await started.owner.get("/readyz")).json()

    with structlog.testing.capture_logs() as logged:
        play(tmp_path, scene, data=data, schema=tmp_path / "schema.json")


def test_a_table_that_cannot_be_used_stops_the_start_and_says_why(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        raise AssertionError("the service started")

    with pytest.raises(Problem, match=r"none\.csv"):
        play(tmp_path, scene, data=tmp_path / "none.csv")
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "schema.json").write_text('{"features": []}')
    with pytest.raises(Problem, match=r"schema\.json.*features"):
        play(tmp_path, scene, data=tmp_path / "t.csv", schema=tmp_path / "schema.json")


def test_a_file_under_the_data_folder_is_registered_and_offered_at_once(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        (started.data / "ward.csv").write_text(TABLE)
        body = {"name": "ward", "path": "ward.csv", "schema": SCHEMA}
        answer = await started.owner.post("/datasets", json=body)
        assert answer.status_code == 201, answer.text
        assert (answer.json()["name"], answer.json()["encoding"]) == ("ward", "declared")
        await started.offers("ward")

    play(tmp_path, scene)


def test_a_table_is_registered_by_its_owners_mapping_whose_hash_is_shown(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        (started.data / "ward.csv").write_text(TABLE.replace("age,", "Alter (Monate),", 1))
        (started.data / "m.toml").write_text("[columns.age]\nfrom = 'Alter (Monate)'\nfactor = 0.5\n")
        answer = await started.owner.post(
            "/datasets", json={"name": "ward", "path": "ward.csv", "schema": SCHEMA, "mapping": "m.toml"}
        )
        assert answer.status_code == 201, answer.text
        shown = answer.json()
        assert shown["columns"] == ["age", "dose", "days"] and len(shown["mapping"]) == 64
        assert shown["version"] != sha256_hex((started.data / "ward.csv").read_bytes())
        assert "Alter" not in json.dumps(shown)
        await started.offers("ward")

    play(tmp_path, scene)


def test_the_mapping_in_the_settings_is_taken_at_the_start(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        (dataset,) = (await started.owner.get("/datasets")).json()
        assert dataset["columns"] == ["age", "dose", "days"]

    (tmp_path / "t.csv").write_text(TABLE.replace("age", "Alter", 1))
    (tmp_path / "m.toml").write_text("[columns.age]\nfrom = 'Alter'\n")
    play(tmp_path, scene, data=tmp_path / "t.csv", mapping=tmp_path / "m.toml")
    with pytest.raises(Problem, match=r"none\.toml cannot be read"):
        play(tmp_path, scene, data=tmp_path / "t.csv", mapping=tmp_path / "none.toml")


def _save_pair(folder: Path) -> dict[str, Any]:
    """Write 400 records of 2 × 3 numbers and their targets, and return their schema."""
    np.save(folder / "x.npy", np.arange(2400).reshape(400, 2, 3) % 256)
    np.save(folder / "y.npy", np.arange(400) % 2)
    vector = {"name": "x", "type": "vector", "shape": [2, 3], "range": [0, 255]}
    return {"features": [vector], "target": {"name": "y", "categories": [0, 1]}}


def test_a_pair_of_numpy_arrays_is_registered_as_one_table(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        schema = _save_pair(started.data)
        pair = {"name": "ward", "path": "x.npy", "target": "y.npy"}
        answer = await started.owner.post("/datasets", json={**pair, "schema": schema})
        assert answer.status_code == 201, answer.text
        assert answer.json()["columns"] == ["x", "y"]
        assert answer.json()["findings"] == []
        (file,) = (started.data / "uploads").iterdir()
        assert file.stem == answer.json()["version"]
        assert file.stat().st_mode & 0o777 == 0o600
        again = await started.owner.post("/datasets", json={**pair, "schema": schema})
        assert again.json()["version"] == answer.json()["version"]
        await started.offers("ward")

    play(tmp_path, scene)


def test_a_pair_in_the_settings_is_taken_at_the_start(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        (dataset,) = (await started.owner.get("/datasets")).json()
        assert dataset["columns"] == ["x", "y"]

    _save_pair(tmp_path)
    play(tmp_path, scene, data=tmp_path / "x.npy", target=tmp_path / "y.npy")
    with pytest.raises(Problem, match="there is no such file"):
        play(tmp_path, scene, data=tmp_path / "x.npy", target=tmp_path / "z.npy")
    with pytest.raises(Problem, match="give the array of its targets"):
        play(tmp_path, scene, data=tmp_path / "x.npy")


def test_an_upload_is_kept_under_the_data_folder_and_registered(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        answer = await started.owner.post(
            "/datasets?name=ward", content=TABLE.encode(), headers={"Content-Type": "text/csv"}
        )
        assert answer.status_code == 201, answer.text
        (file,) = (started.data / "uploads").iterdir()
        assert file.read_text() == TABLE and file.stem == answer.json()["version"]
        assert file.stat().st_mode & 0o777 == 0o600
        assert [dataset["name"] for dataset in (await started.owner.get("/datasets")).json()] == ["ward"]

    play(tmp_path, scene)


def test_an_upload_over_its_own_limit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"1,2,3\n" * 100

    async def scene(started: Started) -> None:
        answer = await started.owner.post("/datasets", content=chunks(), headers={"Content-Type": "text/csv"})
        _problem(answer, 413, "body-too-large")
        uploads = started.data / "uploads"
        assert not uploads.exists() or list(uploads.iterdir()) == []
        assert (await started.owner.get("/datasets")).json() == []

    play(tmp_path, scene, upload_limit_bytes=2048)


@pytest.mark.parametrize(
    ("body", "status", "slug", "what"),
    [
        ({"path": "../owner/identity.key"}, 422, "invalid-request", "path"),
        ({"path": "none.csv"}, 422, "invalid-request", "none.csv"),
        ({"path": "t.csv", "columns": []}, 422, "invalid-request", "columns"),
        ({"name": "a b", "path": "t.csv"}, 422, "invalid-request", "name"),
        ({"path": "t.csv", "schema": _schema("d", [5, 5])}, 422, "invalid-request", "low end"),
        ({"path": "t.csv", "schema": _schema("cost", [0, 5])}, 422, "invalid-data", "cost"),
        ({"path": "empty.csv"}, 422, "invalid-data", "empty"),
        ({"path": "t.csv", "mapping": "../policy.toml"}, 422, "invalid-request", "mapping"),
        ({"path": "t.csv", "mapping": "bad.toml"}, 422, "invalid-request", "columns.age.form: Extra inputs"),
        ({"path": "t.csv", "mapping": "other.toml"}, 422, "invalid-data", "no column 'Alter'"),
        ({"path": "x.npy"}, 422, "invalid-data", "give the array of its targets"),
        ({"path": "x.npy", "target": "../y.npy"}, 422, "invalid-request", "target"),
        ({"path": "x.npy", "target": "t.csv"}, 422, "invalid-data", "t.csv: cannot be read as a NumPy array"),
        ({"path": "t.csv", "target": "y.npy"}, 422, "invalid-data", "t.csv: cannot be read as a NumPy array"),
    ],
)
def test_a_registration_with_a_mistake_is_refused(
    tmp_path: Path, body: dict[str, Any], status: int, slug: str, what: str
) -> None:
    async def scene(started: Started) -> None:
        (started.data / "t.csv").write_text(TABLE)
        (started.data / "empty.csv").write_text("")
        _save_pair(started.data)
        (started.data / "bad.toml").write_text("[columns.age]\nform = 'x'\n")
        (started.data / "other.toml").write_text("[columns.age]\nfrom = 'Alter'\n")
        assert what in json.dumps(_problem(await started.owner.post("/datasets", json=body), status, slug))
        assert (await started.owner.get("/datasets")).json() == []

    play(tmp_path, scene)


def test_a_body_that_is_no_json_or_of_another_type_is_refused(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        json_type = {"Content-Type": "application/json"}
        _problem(await started.owner.post("/datasets", content=b"{", headers=json_type), 400, "malformed-json")
        xml = {"Content-Type": "application/xml"}
        document = _problem(
            await started.owner.post("/datasets", content=b"<a/>", headers=xml), 415, "unsupported-media-type"
        )
        assert "text/csv" in document["detail"]

    play(tmp_path, scene)


def test_a_deployed_job_is_joined_and_shown_with_what_it_may_reveal(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)

    async def scene(started: Started) -> None:
        await started.offers("default")
        await started.model_owner.post_manifest(JOB_ID, manifest_of(ALONE))
        model = await started.until("JOINED")
        assert (model["id"], model["status"], model["dataset"]) == (JOB_ID, "IN_PROGRESS", "default")
        assert model["released"] == {"answers": 0, "numbers": 0}
        leak = model["leak"]
        assert (leak["numbers_per_round"], leak["rounds_at_most"], leak["numbers_in_all_moments"]) == (3, 5, 9)
        detail = (await started.owner.get(f"/models/{JOB_ID}")).json()
        assert (detail["training"]["rounds"], detail["plan"]["modulus_bits"], detail["releases"]) == (5, 512, [])
        (dataset,) = (await started.owner.get("/datasets")).json()
        assert (dataset["encoding"], dataset["adopted_from"]) == ("adopted", JOB_ID)

    play(tmp_path, scene, ALONE_ALLOWED, data=tmp_path / "t.csv")


def test_a_declined_job_shows_its_reason_here_and_its_code_alone_at_the_facilitator(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE + "forty,0,1\n")

    async def scene(started: Started) -> None:
        await started.offers("default")
        await started.model_owner.post_manifest(JOB_ID, manifest_of(spec_of()))
        model = await started.until("DECLINED")
        assert (model["status"], model["code"]) == ("CANCELLED", "invalid-data") and "forty" in model["reason"]
        while (elsewhere := await started.model_owner.model(JOB_ID))["status"] != "FAILED":
            await asyncio.sleep(0.02)
        assert "data-refused" in json.dumps(elsewhere["declined"]) and "forty" not in json.dumps(elsewhere)

    play(tmp_path, scene, data=tmp_path / "t.csv")


BY_HAND = ALONE_ALLOWED.model_copy(update={"approval": "by_hand"})


def test_a_waiting_job_is_approved_over_http_and_then_joined(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)

    async def scene(started: Started) -> None:
        await started.offers("default")
        await started.model_owner.post_manifest(JOB_ID, manifest_of(ALONE))
        model = await started.until("AWAITING_APPROVAL")
        assert model["status"] == "INITIATED" and "by hand" in model["waits_because"]
        answer = await started.owner.post(f"/models/{JOB_ID}/approve")
        assert answer.status_code == 200, answer.text
        await started.until("JOINED")
        _problem(await started.owner.post(f"/models/{JOB_ID}/approve"), 409, "wrong-state")

    play(tmp_path, scene, BY_HAND, data=tmp_path / "t.csv")


def test_a_waiting_job_is_denied_over_http_and_the_reason_stays_here(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)

    async def scene(started: Started) -> None:
        await started.offers("default")
        await started.model_owner.post_manifest(JOB_ID, manifest_of(spec_of()))
        await started.until("AWAITING_APPROVAL")
        _problem(await started.owner.post(f"/models/{JOB_ID}/deny", json={}), 422, "invalid-request")
        answer = await started.owner.post(f"/models/{JOB_ID}/deny", json={"reason": "not this quarter"})
        assert (answer.json()["code"], answer.json()["reason"]) == ("denied", "not this quarter")
        while (elsewhere := await started.model_owner.model(JOB_ID))["status"] != "FAILED":
            await asyncio.sleep(0.02)
        assert "denied" in json.dumps(elsewhere["declined"]) and "quarter" not in json.dumps(elsewhere)

    play(tmp_path, scene, BY_HAND, data=tmp_path / "t.csv")


def test_an_unknown_job_is_not_found(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        _problem(await started.owner.get(f"/models/{JOB_ID}"), 404, "model-not-found")
        _problem(await started.owner.post(f"/models/{JOB_ID}/approve"), 404, "model-not-found")
        _problem(await started.owner.get("/models/short"), 422, "invalid-request")

    play(tmp_path, scene)


def test_identity_metrics_and_examples_are_there(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        who = (await started.owner.get("/identity")).json()
        assert (who["role"], who["name"]) == ("data-owner", "clinic-a")
        metrics = (await started.owner.get("/metrics")).text
        for name in ("fedtrain_rerandomisers_ready", "fedtrain_sent_bytes_total", "process_cpu_seconds_total"):
            assert f"\n{name} " in metrics
        paths = (await started.owner.get("/openapi.json")).json()["paths"]
        for path, method, status in (
            ("/datasets", "post", "201"),
            ("/datasets", "get", "200"),
            ("/models", "get", "200"),
            ("/models/{job_id}", "get", "200"),
            ("/models/{job_id}/approve", "post", "200"),
            ("/models/{job_id}/deny", "post", "200"),
        ):
            answer = paths[path][method]["responses"][status]
            assert answer["content"]["application/json"]["example"], path

    play(tmp_path, scene)


def test_a_facilitator_that_is_away_leaves_the_owner_up_and_not_ready(tmp_path: Path) -> None:
    async def run() -> None:
        def refuse(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused", request=request)

        settings = DataOwnerSettings(name="clinic-a", state_dir=tmp_path, facilitator=FACILITATOR)
        with ThreadPoolExecutor(2) as executor:
            app = create_app(settings, clock=SystemClock(), executor=executor, transport=httpx.MockTransport(refuse))
            async with (
                app.router.lifespan_context(app),
                own_people(app, "http://owner.invalid") as http,
            ):
                assert (await http.get("/datasets")).status_code == 200
                assert "not reached" in _problem(await http.get("/readyz"), 503, "not-ready")["detail"]

    asyncio.run(run())
