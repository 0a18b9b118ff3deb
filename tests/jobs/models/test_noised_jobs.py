"""Whole jobs that claim privacy: what comes out, what is told, and what is told again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.release.audit import AuditRecord, verify_records
from fedtrain.planning.noise_cost import noise_cost
from fedtrain.simulation.federation import Federation, Party, federation
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Problem
from tests.harness.one_process import write_table

ROWS = 6000
TRUE = np.array([3.0, -2.0, 5.0])


def spec(privacy: Mapping[str, Any], *, classes: bool = False, features: int = 2, **training: Any) -> dict[str, Any]:
    target: dict[str, Any] = {"col_idx": 3, "categories": [0, 1]} if classes else {"col_idx": 2, "range": [-20, 40]}
    return {
        "model_type": "LOGISTIC_REGRESSION" if classes else "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": at, "type": "continuous", "range": [0, 10]} for at in range(features)],
            "target": target,
        },
        "training": {"optimizer": "newton", "key_bits": 512, "max_rows": 4000, "max_data_owners": 3, **training},
        "privacy": {"epsilon": 4.0, "delta": 1e-6, "row_bound": 1.75, **privacy},
    }


def tables(folder: Path) -> dict[str, Path]:
    draw = np.random.default_rng(1)
    X = draw.uniform(0, 10, (ROWS, 2))
    y = X @ TRUE[:2] + TRUE[2] + draw.normal(0, 1, ROWS)
    rows = [[*map(float, x), float(value), int(value > 10)] for x, value in zip(X, y.clip(-20, 40), strict=True)]
    # What no exact job is answered over: a target far beyond its range, and one that is missing.
    rows[:2] = [[*rows[0][:2], 1e6, 1], [*rows[1][:2], "", 0]]
    return {f"owner-{n}": write_table(folder / f"owner-{n}.csv", rows[n::3]) for n in range(3)}


def jobs(folder: Path, specs: list[dict[str, Any]], policy: OwnerPolicy | None = None) -> list[dict[str, Any]]:
    """Each job's end, one after the other in one federation."""

    async def ends() -> list[dict[str, Any]]:
        async with federation(folder, tables(folder), allow_small_keys=True, owner_policy=policy) as parties:
            return [await end_of(parties, each) for each in specs]

    return asyncio.run(ends())


def test_before_a_job_trains_it_is_said_how_many_rows_its_noise_takes(tmp_path: Path) -> None:
    """Diabetes at ε = 1 has 442 rows: the answer to the request says that it takes thousands."""
    diabetes = json.loads(Path("examples/diabetes/model.json").read_text())
    claim = {"epsilon": 1.0, "delta": 1e-6, "row_bound": 2.0}
    document = {**diabetes, "training": {"optimizer": "newton", "key_bits": 512}, "privacy": claim}

    async def answers() -> tuple[dict[str, Any], dict[str, Any]]:
        async with federation(tmp_path, tables(tmp_path), allow_small_keys=True) as parties:
            return await parties.model_owner.post("/models", document), await parties.model_owner.post(
                "/models", spec({})
            )

    found, small = asyncio.run(answers())
    (said,) = found["remarks"]
    assert said["code"] == "noise-takes-rows"
    cost = noise_cost(ModelSpec.model_validate(document), 3, 442)
    assert cost is not None and cost.dominates and cost.least_rows > 442
    assert f"at least {cost.least_rows:,} rows" in said["text"]
    assert "noise-takes-rows" in {each["code"] for each in small["remarks"]}


async def end_of(parties: Federation, document: dict[str, Any]) -> dict[str, Any]:
    return await parties.wait(await parties.deploy(document))


def found(model: dict[str, Any]) -> list[float]:
    assert model["status"] == "FINISHED", model
    return list(model["coefficients"].values())


@pytest.mark.slow
def test_noised_sums_lead_near_the_truth_and_are_the_same_for_every_job_of_one_release(tmp_path: Path) -> None:
    linear, fewer = spec({}), spec({}, features=1)
    first, again, block, other, wider = jobs(
        tmp_path, [linear, linear, fewer, spec({"epsilon": 3.9}), spec({"row_bound": 1.8})]
    )
    assert np.allclose(found(first), TRUE, atol=0.5)
    assert found(first) != list(TRUE)
    assert first["no_coefficient_table"].startswith("the moments carry noise")
    assert first["privacy"]["noise_standard_deviation"] > 1
    assert [remark["code"] for remark in first["remarks"]] == ["noised"]
    assert abs(first["rows_total"] - ROWS) < 100

    # Nothing new is told under another key, nor of a part of the columns: the same noise, number by number.
    assert found(again) == found(first)
    assert (again["rows_total"], block["rows_total"]) == (first["rows_total"],) * 2
    # Another claim is another release, and has noise of its own.
    for model in (other, wider):
        assert not set(found(model)) & set(found(first))


@pytest.mark.slow
def test_classes_by_the_surrogate(tmp_path: Path) -> None:
    (model,) = jobs(tmp_path, [spec({}, classes=True)])
    assert np.sign(found(model)).tolist() == [1, -1, -1]
    assert {remark["code"] for remark in model["remarks"]} == {"surrogate-coefficients", "noised"}


@pytest.mark.slow
def test_owners_decline_a_claim_that_counts_on_more_than_they_do_and_too_much_noise_is_said_so(tmp_path: Path) -> None:
    policy = OwnerPolicy.for_loopback().model_copy(update={"privacy": PrivacyPolicy(colluders=2)})
    refused, model = jobs(tmp_path, [spec({}), spec({"honest_owners": 1, "epsilon": 0.01})], policy)
    assert refused["status"] == "FAILED"
    assert "policy-refuses" in refused["reason"]
    assert [remark["code"] for remark in model["remarks"]] == ["noised", "noise-dominates"]
    assert model["plan"]["forecast"]["privacy"]["dominates"]
    assert model["privacy"]["ridge"] > 0


@pytest.mark.slow
def test_a_budget_is_spent_once_a_release_and_ends_with_a_decline_or_a_person(tmp_path: Path) -> None:
    budget = PrivacyPolicy(epsilon=4.5, delta=1e-6, per_job=4.0, at_end="ask")
    policy = OwnerPolicy.for_loopback().model_copy(update={"privacy": budget})

    async def ends() -> None:
        async with federation(tmp_path, tables(tmp_path), allow_small_keys=True, owner_policy=policy) as parties:
            owner = parties.data_owners[0]
            first, again = [await end_of(parties, spec({"epsilon": 4.0})) for _ in range(2)]
            assert found(first) == found(again)
            exact = {name: value for name, value in spec({}).items() if name != "privacy"}
            for refused in (exact, spec({"epsilon": 4.1})):
                model = await end_of(parties, refused)
                assert (model["status"], "policy-refuses" in model["reason"]) == ("FAILED", True)
            shown = await owner.get("/budget")
            (account,) = shown["datasets"]
            assert (shown["epsilon"], shown["forgotten"], account["exact"]) == (4.5, 0, False)
            assert (len(account["releases"]), account["reserved"]) == (1, 0)
            assert abs(account["epsilon_spent"] - 4) < 1e-6 and 0 < account["epsilon_left"] < 2

            over = await parties.deploy(spec({"epsilon": 3.0}))
            for party in parties.data_owners:
                await waits(party, over)
                await party.post(f"/models/{over}/approve", {})
            assert (await parties.wait(over))["status"] == "FINISHED"
            (account,) = (await owner.get("/budget"))["datasets"]
            assert len(account["releases"]) == 2
            assert account["epsilon_left"] == 0

            audit = await owner.get("/audit")
            records = TypeAdapter(list[AuditRecord]).validate_python(audit["records"])
            assert verify_records(records) == audit["head"]
            kinds = [record["kind"] for record in audit["records"] if "rho" in record]
            assert kinds == ["reserved", "booked", "reserved", "free", "reserved", "booked"]

    asyncio.run(ends())


async def waits(party: Party, job_id: str) -> None:
    """Return when the job waits for a person of this party, for the budget."""
    while True:
        with suppress(Problem):
            state = await party.get(f"/models/{job_id}")
            if state["waits_because"] is not None:
                assert "costs more than the budget has left" in state["waits_because"]
                return
        await asyncio.sleep(0.05)
