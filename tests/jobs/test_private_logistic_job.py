"""A whole job of exact logistic regression that claims privacy, without PyTorch at any party."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.methods.network.private import PrivateNetworkPlan
from fedtrain.neural import GradientTask
from fedtrain.planning.plans import plan_spec
from fedtrain.simulation.federation import federation
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.model_types.row_loss import LogLoss
from tests.harness.networks.small_trainer import LinearTrainer
from tests.harness.one_process import write_table
from tests.jobs.test_private_network_job import policy

ROWS, ROUNDS, CLIP = 900, 20, 1.0
SPEC: dict[str, Any] = {
    "model_type": "LOGISTIC_REGRESSION",
    "data_props": {
        "features": [
            {"name": "dose", "type": "continuous", "range": [0, 10]},
            {"name": "ward", "type": "nominal", "categories": ["a", "b"]},
        ],
        "target": {"name": "ill", "categories": ["no", "yes"]},
    },
    "training": {
        "optimizer": "momentum",
        "momentum": 0.5,
        "weights": "shared_with_owners",
        "rounds": ROUNDS,
        "batch_size": ROWS,
        "clip": CLIP,
        "key_bits": 512,
        "max_rows": 1000,
        "min_data_owners": 3,
        "max_data_owners": 3,
    },
    # Every record in every step, so that what is trained is known but for the noise.
    "privacy": {"epsilon": 60.0, "delta": 1e-5, "sampling_rate": 1.0},
}


def rows() -> list[list[object]]:
    draw = np.random.default_rng(5)
    dose, ward = draw.uniform(0, 10, ROWS), draw.integers(0, 2, ROWS)
    ill = draw.uniform(size=ROWS) < 1 / (1 + np.exp(3 - 0.8 * dose + ward))
    return [[float(x), "ab"[w], "yes" if y else "no"] for x, w, y in zip(dose, ward, ill, strict=True)]


class Idle(LinearTrainer):
    """A trainer with nothing to do: a regression has none."""

    def gradients(self, task: GradientTask) -> Any:
        raise AssertionError("a regression needs no trainer")


def descended(table: list[list[Any]], columns: list[dict[str, Any]]) -> Any:
    """Heavy ball on the mean of all rows' clipped gradients, in the open: (3,) weights of the scaled columns."""
    raw = np.array([[dose, float(ward == "b"), 1.0] for dose, ward, _ in table])
    X = (raw - [one["centre"] for one in columns]) / [one["half_width"] for one in columns]
    y = np.array([[float(ill == "yes")] for *_, ill in table])
    w = before = np.zeros((3, 1))
    for _ in range(ROUNDS):
        _, residuals = LogLoss().at(X @ w, y)
        each = X * residuals
        each *= np.minimum(1, CLIP / np.linalg.norm(each, axis=1, keepdims=True))
        rate = 4 / 3
        w, before = w - rate * each.mean(axis=0)[:, None] + 0.5 * (w - before), w
    return w[:, 0]


@pytest.mark.slow
def test_it_ends_where_clipped_steps_in_one_place_do_but_for_the_noise(tmp_path: Path) -> None:
    table = rows()
    header = ["dose", "ward", "ill"]
    tables = {f"owner-{n}": write_table(tmp_path / f"owner-{n}.csv", table[n::3], header) for n in range(3)}
    test = write_table(tmp_path / "test.csv", table, header)

    async def run() -> tuple[dict[str, Any], ...]:
        async with federation(
            tmp_path, tables, test_data=test, allow_small_keys=True, owner_policy=policy(), trainer=Idle()
        ) as parties:
            model_id = await parties.deploy(SPEC)
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            assert model["status"] == "FINISHED", model["reason"]
            export = json.loads(await parties.model_owner.get_bytes(f"/models/{model_id}/export", format="json"))
            prediction = await parties.model_owner.get("/prediction", model_id=model_id)
            audit = await parties.data_owners[0].get("/audit")
            budget = await parties.data_owners[0].get("/budget")
            return model, export, prediction, audit, budget

    model, export, prediction, audit, budget = asyncio.run(run())
    plan = plan_spec(ModelSpec.model_validate(SPEC))
    assert isinstance(plan, PrivateNetworkPlan) and plan.noise is not None
    found = np.array([column["weights"][0] for column in export["columns"]])
    # Each step moves a weight by the noise of three owners, of whom two are counted, times the rate over the rows;
    # momentum doubles it. Steps are steeper towards the minimum, so that less is left of it: six deviations.
    step = 4 / 3 / ROWS * plan.noise.multiplier * np.sqrt(3 / 2)
    assert np.abs(found - descended(table, export["columns"])).max() < 6 * 2 * step * np.sqrt(ROUNDS) < 0.2
    assert set(model["coefficients"]) == {"dose", "ward=b", "intercept"}
    assert model["coefficients"]["dose"] == pytest.approx(found[0] / 5)
    assert "noise" in model["no_coefficient_table"]
    assert model["privacy"]["noise_multiplier"] == plan.noise.multiplier
    assert [one["code"] for one in model["remarks"]] == ["noised-steps"]
    assert prediction["metrics"]["accuracy"] > 0.8 and prediction["class_names"] == ["no", "yes"]
    # Nothing but the steps is told, booked once and before the first of them.
    assert [one["kind"] for one in audit["records"] if "round" in one] == ["update"] * ROUNDS
    assert [one["kind"] for one in audit["records"] if "rho" in one] == ["reserved", "booked"]
    (account,) = budget["datasets"]
    assert account["epsilon_spent"] == pytest.approx(plan.noise.cost.epsilon(1e-5))
