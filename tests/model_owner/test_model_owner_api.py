"""The Model Owner's routes: deploy, watch, cancel; each success with its refusal."""

from __future__ import annotations

import asyncio
import json
import stat
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from fedtrain.model_owner.store import ModelStore
from fedtrain.model_owner.sums.keys import KeyRing
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import JobEnd, Manifest, open_document
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.fake_facilitator import FakeFacilitator
from tests.harness.model_owner.peers import pooled, spec_document
from tests.harness.model_owner.running import Running, deploying, keys_left, running, training

pytestmark = pytest.mark.anyio

ABSENT = "00000000000000000000000000000000"


async def problem_of(party: Running, method: str, path: str, **arguments: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        await party.call(method, path, **arguments)
    return caught.value


# Deploying


async def test_a_model_is_trained_and_shown(tmp_path: Path) -> None:
    facilitator = FakeFacilitator()
    async with running(tmp_path, facilitator) as party:
        response = await party.http.post("/models", json=spec_document())
        assert response.status_code == 202
        posted = response.json()
        assert posted["status"] == "INITIATED"
        assert posted["plan"]["slot_bits"] > 0
        model = await party.ended(posted["id"])
        assert (model["status"], model["converged"]) == ("FINISHED", True)
        X, y = pooled(facilitator.sizes)
        fitted = LinearRegression().fit(X, y)
        expected = [*fitted.coef_, fitted.intercept_]
        assert list(model["coefficients"]) == ["x0", "x1", "x2", "intercept"]
        assert list(model["coefficients"].values()) == pytest.approx(expected, rel=1e-7)
        assert [row["round"] for row in model["history"]] == list(range(1, model["round"] + 1))
        assert model["loss"] == model["history"][-1]["loss"]
        assert model["leak"] == {
            "numbers_decrypted": 14,
            "of": 14,
            "holds": "if the Model Owner follows the protocol",
        }
        assert model["bytes_sent"] > 0 < model["bytes_received"]
        assert [line["id"] for line in await party.call("GET", "/models")] == [model["id"]]
        assert await facilitator.until_ended(model["id"]) == "FINISHED"
        metrics = (await party.http.get("/metrics")).text
        assert f"fedtrain_sent_bytes_total {float(model['bytes_sent'])}" in metrics


async def test_a_test_set_without_the_spec_s_columns_is_told_of_before_the_job_runs(tmp_path: Path) -> None:
    table = tmp_path / "test.csv"
    table.write_text("x0,x1,y\n0.1,0.2,3\n")
    document = spec_document()
    async with running(tmp_path, FakeFacilitator(), test_data=table) as party:
        posted = await party.call("POST", "/models", json=document)
        assert "there is no column 'x2'" in posted["test_set_problem"]
        assert posted["test_set_problem"].count("there is no column") == 1
        shown = await party.call("GET", f"/models/{posted['id']}")
        assert shown["test_set_problem"] is None
        table.write_text("x0,x1,x2,y\n0.1,0.2,0.3,3\n")
        again = await party.call("POST", "/models", json=document)
        assert again["test_set_problem"] is None
    async with running(tmp_path / "none", FakeFacilitator()) as party:
        assert (await party.call("POST", "/models", json=document))["test_set_problem"] is None


async def test_a_wrong_spec_names_every_field(tmp_path: Path) -> None:
    async with running(tmp_path, FakeFacilitator()) as party:
        document = spec_document(rounds=0, colour="red")
        document["data_props"]["features"][1]["range"] = [5, 5]
        problem = await problem_of(party, "POST", "/models", json=document)
        assert problem.code is Code.INVALID_SPEC
        assert sorted(error["field"] for error in problem.extra["errors"]) == [
            "data_props.features.1.range",
            "training.colour",
            "training.rounds",
        ]
        assert await party.call("GET", "/models") == []


@pytest.mark.parametrize(
    ("training", "field"),
    [
        ({"weights": "shared_with_owners", "optimizer": "momentum"}, "training.weights"),
        ({"optimizer": "adam"}, "training.optimizer"),
        ({"l2": "auto"}, "training.l2"),
    ],
)
async def test_what_this_version_cannot_train_is_refused_by_field(tmp_path: Path, training: Any, field: str) -> None:
    async with running(tmp_path, FakeFacilitator()) as party:
        problem = await problem_of(party, "POST", "/models", json=spec_document(**training))
        assert problem.code is Code.INVALID_SPEC
        assert [error["field"] for error in problem.extra["errors"]] == [field]


async def test_a_small_key_is_refused_outside_tests(tmp_path: Path) -> None:
    async with running(tmp_path, FakeFacilitator(), allow_small_keys=False) as party:
        problem = await problem_of(party, "POST", "/models", json=spec_document(key_bits=1024))
        assert problem.code is Code.INVALID_SPEC
        assert problem.extra["errors"][0]["field"] == "training.key_bits"


async def test_a_job_that_does_not_fit_is_refused_with_fixes(tmp_path: Path) -> None:
    async with running(tmp_path, FakeFacilitator()) as party:
        problem = await problem_of(party, "POST", "/models", json=spec_document(weight_bound=1e150))
        assert problem.code is Code.DOES_NOT_FIT
        assert any("key_bits" in fix or "weight_bound" in fix for fix in problem.extra["fixes"])


async def test_a_body_that_is_no_json_object_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, FakeFacilitator()) as party:
        headers = {"Content-Type": "application/json"}
        assert (await problem_of(party, "POST", "/models", content=b"{", headers=headers)).code is Code.MALFORMED_JSON
        assert (await problem_of(party, "POST", "/models", json=[1])).code is Code.INVALID_REQUEST
        large = json.dumps({"x": "y" * (1 << 20)})
        problem = await problem_of(party, "POST", "/models", content=large, headers=headers)
        assert problem.code is Code.BODY_TOO_LARGE


async def test_unknown_models_are_404(tmp_path: Path) -> None:
    async with running(tmp_path, FakeFacilitator()) as party:
        for method, path in (
            ("GET", f"/models/{ABSENT}"),
            ("DELETE", f"/models/{ABSENT}"),
            ("GET", f"/models/{ABSENT}/events"),
            ("GET", f"/prediction?model_id={ABSENT}"),
        ):
            problem = await problem_of(party, method, path)
            assert problem.code is Code.MODEL_NOT_FOUND


# Reaching the Facilitator


async def test_a_job_waits_for_a_facilitator_that_is_down(tmp_path: Path) -> None:
    async with deploying(tmp_path) as (facilitator, party, model_id):
        assert (await problem_of(party, "GET", "/readyz")).code is Code.NOT_READY
        facilitator.down = False
        assert (await party.ended(model_id))["status"] == "FINISHED"


async def test_a_manifest_that_is_refused_fails_the_job_with_that_code(tmp_path: Path) -> None:
    facilitator = FakeFacilitator()
    facilitator.refuse_manifest = Problem(Code.MALFORMED_KEY, "The key is refused.")
    async with running(tmp_path, facilitator) as party:
        model = await party.ended(await party.deploy(spec_document()))
        assert (model["status"], model["code"]) == ("FAILED", "malformed-key")
        assert model["reason"] == "The key is refused."
        assert await keys_left(tmp_path / "keys") == []


async def test_only_the_pinned_facilitator_is_used(tmp_path: Path) -> None:
    facilitator = FakeFacilitator()
    async with running(tmp_path / "a", facilitator, facilitator_id=facilitator.identity.party_id) as party:
        assert (await party.ended(await party.deploy(spec_document())))["status"] == "FINISHED"
    async with running(tmp_path / "b", facilitator, facilitator_id=Identity.generate().party_id) as party:
        model = await party.ended(await party.deploy(spec_document()))
        assert (model["status"], model["code"]) == ("FAILED", "forbidden")
    facilitator.role = "data-owner"
    async with running(tmp_path / "c", facilitator) as party:
        model = await party.ended(await party.deploy(spec_document()))
        assert "not a Facilitator" in model["reason"]


async def test_a_job_that_cannot_be_looked_up_now_is_not_taken_for_a_lost_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with training(tmp_path, hold_after=1) as (facilitator, party, model_id):

        def away(_store: ModelStore, _job_id: str) -> None:
            raise Problem(Code.STORE_UNAVAILABLE, "The store cannot be used now.")

        with monkeypatch.context() as patched:
            patched.setattr(ModelStore, "job", away)
            refused = await problem_of(party, "POST", f"/models/{model_id}/resume")
        assert (refused.code, facilitator.cancelled) == (Code.STORE_UNAVAILABLE, {})
        with monkeypatch.context() as patched:
            patched.setattr(ModelStore, "job", lambda _store, _job_id: None)
            refused = await problem_of(party, "POST", f"/models/{model_id}/resume")
        assert (refused.code, set(facilitator.cancelled)) == (Code.RESTORED_TOO_OLD, {model_id})


async def test_the_manifest_is_signed_and_the_key_is_kept_private(tmp_path: Path) -> None:
    async with training(tmp_path, hold_after=1) as (facilitator, party, model_id):
        me = await party.call("GET", "/identity")
        manifest = open_document(facilitator.jobs[model_id].manifest, Manifest, signer=me["party_id"])
        assert manifest.job_id == model_id
        (key,) = (tmp_path / "keys").iterdir()
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        secret = json.loads(key.read_text())
        assert int(secret["p"], 16) * int(secret["q"], 16) == int(manifest.modulus, 16)
        sent = b"".join(facilitator.bodies)
        assert secret["p"].encode() not in sent
        assert secret["q"].encode() not in sent
        assert int(secret["p"], 16).to_bytes(32, "big") not in sent


async def test_whom_a_job_waits_for_is_the_facilitators_word(tmp_path: Path) -> None:
    facilitator = FakeFacilitator()
    facilitator.hold_after = 1
    async with running(tmp_path, facilitator) as party:
        model_id = await party.deploy(spec_document())
        model = await party.until(model_id, lambda model: model["round"] == 1)
        assert [owner["name"] for owner in model["waiting_for"]] == ["owner-1"]
        assert model["seconds_left"] == 12.5
        assert model["pace"] == [{"name": "owner-1", "last_answer_after_s": 31.0}]
        facilitator.down = True
        model = await party.call("GET", f"/models/{model_id}")
        assert model["waiting_for"] is model["pace"] is None


# Ends


async def test_a_diverging_rate_fails_with_the_numbers_for_ones_own_people_alone(tmp_path: Path) -> None:
    facilitator = FakeFacilitator()
    async with running(tmp_path, facilitator) as party:
        document = spec_document(optimizer="gradient_descent", learning_rate=40.0, rounds=60)
        model = await party.ended(await party.deploy(document))
        assert (model["status"], model["code"]) == ("FAILED", "diverged")
        assert "learning_rate 40" in model["reason"]
        assert await facilitator.until_ended(model["id"]) == "FAILED"
        assert b"sums-unusable" in b"".join(facilitator.bodies) and b"diverged" not in b"".join(facilitator.bodies)
        assert model["reason"].encode() not in b"".join(facilitator.bodies)
        assert model["coefficients"] is None


async def test_the_facilitator_ends_a_job_with_its_reason(tmp_path: Path) -> None:
    async with training(tmp_path) as (facilitator, party, model_id):
        reason = "owner-1 did not answer round 0 within 600 s."
        facilitator.end(JobEnd(job_id=model_id, status="FAILED", code="owner-timed-out", reason=reason))
        model = await party.ended(model_id)
        assert (model["status"], model["code"], model["reason"]) == ("FAILED", "owner-timed-out", reason)


async def test_cancelling_reaches_the_facilitator_even_when_it_was_down(tmp_path: Path) -> None:
    async with training(tmp_path) as (facilitator, party, model_id):
        facilitator.down = True
        model = await party.call("DELETE", f"/models/{model_id}", params={"reason": "wrong spec"})
        assert (model["status"], model["reason"]) == ("CANCELLED", "wrong spec")
        assert not list((tmp_path / "keys").iterdir())
    facilitator.down = False
    async with running(tmp_path, facilitator):
        while model_id not in facilitator.cancelled:
            await asyncio.sleep(0.01)
    assert facilitator.cancelled == {model_id: "wrong spec"}


async def test_cancelling_while_the_key_is_made_leaves_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled, made, make = threading.Event(), [], KeyRing.make

    def make_until_cancelled(ring: KeyRing, *asked: Any) -> Any:
        made.append(make(ring, *asked))
        cancelled.wait()
        return made[-1]

    monkeypatch.setattr(KeyRing, "make", make_until_cancelled)
    facilitator = FakeFacilitator()
    async with running(tmp_path, facilitator) as party:
        try:
            model_id = await party.deploy(spec_document(key_bits=2048))
            model = await party.call("DELETE", f"/models/{model_id}")
        finally:
            cancelled.set()
        assert model["status"] == "CANCELLED"
        while party.app.state.desk.preparation.busy:
            await asyncio.sleep(0.01)
        assert len(made) == 1
        assert not list((tmp_path / "keys").glob("*"))
    assert not facilitator.jobs


async def test_a_key_whose_job_has_ended_is_destroyed_at_the_next_start(tmp_path: Path) -> None:
    async with training(tmp_path) as (facilitator, _, _):
        (key,) = (tmp_path / "keys").iterdir()
    (tmp_path / "keys" / f"{ABSENT}.json").write_bytes(key.read_bytes())
    async with running(tmp_path, facilitator):
        assert list((tmp_path / "keys").iterdir()) == [key]


@pytest.mark.slow
async def test_a_finished_model_cannot_be_cancelled(tmp_path: Path) -> None:
    async with running(tmp_path, FakeFacilitator()) as party:
        model = await party.ended(await party.deploy(spec_document()))
        problem = await problem_of(party, "DELETE", f"/models/{model['id']}")
        assert problem.code is Code.JOB_OVER


# Restarts


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["conjugate_gradient", "momentum"])
async def test_a_restart_after_every_step_gives_the_same_bits(tmp_path: Path, optimizer: str) -> None:
    document = spec_document(optimizer=optimizer, rounds=6, tolerance=0.0)

    facilitator = FakeFacilitator()
    async with running(tmp_path / "straight", facilitator) as party:
        straight = await party.ended(await party.deploy(document))
    facilitator = FakeFacilitator()
    facilitator.hold_after = 0
    async with running(tmp_path / "stopped", facilitator) as party:
        model_id = await party.deploy(document)
        await party.until(model_id, lambda _: bool(facilitator.jobs.get(model_id, None)))
        while not facilitator.jobs[model_id].results:
            await asyncio.sleep(0.01)
    restarts = 0
    while facilitator.jobs[model_id].status == "IN_PROGRESS":
        done = len(facilitator.jobs[model_id].results)
        facilitator.go_on(model_id)
        facilitator.hold_after = done
        async with running(tmp_path / "stopped", facilitator) as party:
            while len(facilitator.jobs[model_id].results) == done:
                await asyncio.sleep(0.01)
            stopped = await party.call("GET", f"/models/{model_id}")
        restarts += 1
    assert restarts >= 4
    assert stopped["status"] == "FINISHED"
    assert stopped["coefficients"] == straight["coefficients"]
    assert [row["loss"] for row in stopped["history"]] == [row["loss"] for row in straight["history"]]


async def test_a_step_that_is_asked_again_after_a_restart_gets_the_same_bytes(tmp_path: Path) -> None:
    facilitator = FakeFacilitator()
    facilitator.hold_after = 2
    async with running(tmp_path, facilitator) as party:
        model_id = await party.deploy(spec_document())
        while model_id not in facilitator.jobs or len(facilitator.jobs[model_id].results) < 3:
            await asyncio.sleep(0.01)
    first = facilitator.jobs[model_id].results[-1]
    facilitator.ask_again(model_id)
    async with running(tmp_path, facilitator):
        while len(facilitator.jobs[model_id].results) < 3:
            await asyncio.sleep(0.01)
    assert facilitator.jobs[model_id].results[-1] == first


async def test_a_job_whose_key_was_made_before_a_crash_goes_on_with_that_key(tmp_path: Path) -> None:
    async with deploying(tmp_path) as (facilitator, party, model_id):
        (key,) = (tmp_path / "keys").iterdir()
        modulus = np.prod([int(value, 16) for value in json.loads(key.read_text()).values()], dtype=object)
    facilitator.down = False
    async with running(tmp_path, facilitator) as party:
        assert (await party.ended(model_id))["status"] == "FINISHED"
    assert int(open_document(facilitator.jobs[model_id].manifest, Manifest).modulus, 16) == modulus


# Documentation


async def test_every_route_has_an_example(tmp_path: Path) -> None:
    async with running(tmp_path, FakeFacilitator()) as party:
        document = await party.call("GET", "/openapi.json")
    schemas = document["components"]["schemas"]
    for path in ("/models", "/prediction", "/datasets"):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        schema = body["schema"]
        named = schemas.get(schema.get("$ref", "").rsplit("/", 1)[-1], {})
        assert "example" in body or "examples" in schema or "example" in named, path
    for name in ("ModelView", "PredictionView", "DatasetView", "Scores"):
        assert "example" in schemas[name]
