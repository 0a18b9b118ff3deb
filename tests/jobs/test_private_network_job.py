"""Whole jobs of networks that claim privacy, all parties in one process, with a small trainer in PyTorch's place."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.methods.network.private import PrivateNetworkPlan
from fedtrain.neural.initial import initial_weights
from fedtrain.planning.plans import plan_spec
from fedtrain.privacy.cost import Cost
from fedtrain.privacy.filter import RenyiFilter
from fedtrain.simulation.federation import Federation
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.going_on import away, time_is_over_without
from tests.jobs.test_network_job import ROWS, running, spec_of, tables, weights_of

CLAIM: dict[str, Any] = {"epsilon": 60.0, "delta": 1e-5, "sampling_rate": 0.5}
N = sum(ROWS)


def private(privacy: dict[str, Any] | None = None, **training: Any) -> dict[str, Any]:
    of_steps = {"optimizer": "fedsgd", "batch_size": N // 2, "clip": 1.0, "rounds": 3, "update_bits": 20}
    spec = spec_of(**{**of_steps, **training})
    del spec["training"]["local_steps"]
    return {**spec, "privacy": CLAIM if privacy is None else privacy}


def plan_of(spec: dict[str, Any]) -> PrivateNetworkPlan:
    plan = plan_spec(ModelSpec.model_validate(spec))
    assert isinstance(plan, PrivateNetworkPlan)
    return plan


def policy(**changes: Any) -> OwnerPolicy:
    loopback = OwnerPolicy.for_loopback(1)
    changes = {"weights": ("encrypted", "shared_with_owners"), "continue_without_noise": False, **changes}
    return loopback.model_copy(update=changes)


def loss(weights: dict[str, Any]) -> float:
    """Mean squared error over all owners' rows, as the network sees them."""
    rows = np.concatenate(tables())
    X, y = (rows[:, :3] - 5) / 5, rows[:, 3] / 20
    weight, bias = (np.asarray(one, dtype=np.float64) for one in weights.values())
    return float(np.square((X @ weight.T + bias)[:, 0] - y).mean())


def jobs(folder: Path, specs: list[dict[str, Any]], **more: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each job's end, and the first owner's budget after it, one after the other in one federation."""

    async def run() -> list[tuple[dict[str, Any], dict[str, Any]]]:
        async with running(folder, **more) as parties:
            return [(await ended(parties, spec), await parties.data_owners[0].get("/budget")) for spec in specs]

    return asyncio.run(run())


async def ended(parties: Federation, spec: dict[str, Any]) -> dict[str, Any]:
    return await asyncio.wait_for(parties.wait(await parties.deploy(spec)), 300)


@pytest.mark.slow
def test_a_network_learns_from_noised_gradients_and_nobody_is_asked_for_anything_else(tmp_path: Path) -> None:
    async def run() -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
        async with running(tmp_path, owner_policy=policy()) as parties:
            model_id = await parties.deploy(private(rounds=25, learning_rate=0.4))
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            export = await parties.model_owner.get_bytes(f"/models/{model_id}/export", format="json")
            audit = await parties.data_owners[0].get("/audit")
            return model, json.loads(export), audit["records"]

    model, export, records = asyncio.run(run())
    assert model["status"] == "FINISHED", model["reason"]
    plan = plan_of(private(rounds=25))
    # 25 steps at ε = 60 leave it near where exact gradients would, by far better than where it began.
    begun = {name: np.asarray(one) for name, one in initial_weights(plan.checked, 0).items()}
    assert loss(weights_of(export)) < 0.2 * loss(begun)
    assert [row["loss"] for row in model["history"]] == [None] * 25
    assert (model["rows_total"], model["privacy"]["noise_multiplier"]) == (plan.rows_supposed, plan.noise.multiplier)  # type: ignore[union-attr]
    assert [one["code"] for one in model["remarks"]] == ["noised-steps"]
    released = [one["kind"] for one in records if "round" in one]
    assert released == ["update"] * 25
    # All rounds are booked before the first of them leaves, once.
    assert [one["kind"] for one in records if "rho" in one] == ["reserved", "booked"]
    first = next(place for place, one in enumerate(records) if "round" in one)
    assert [one.get("kind") for one in records[:first]][-1] == "booked"


@pytest.mark.slow
def test_of_twenty_jobs_a_budget_for_seven_opens_seven(tmp_path: Path) -> None:
    spec = private({**CLAIM, "epsilon": 4.0}, rounds=2)
    noise = plan_of(spec).noise
    assert noise is not None
    # A budget's order is fixed before it is known what will be asked: it takes more than ε of the seven at their best.
    seven = next(epsilon for epsilon in np.arange(8.0, 40.0, 0.1).tolist() if has_room(epsilon, noise.cost.times(7)))
    assert not has_room(seven, noise.cost.times(8))
    budget = PrivacyPolicy(epsilon=seven, delta=1e-5)
    found = jobs(tmp_path, [spec] * 20, owner_policy=policy(privacy=budget))
    statuses = [model["status"] for model, _ in found]
    assert statuses == ["FINISHED"] * 7 + ["FAILED"] * 13
    assert all("budget-spent" in model["reason"] for model, _ in found[7:])
    shares = [shown["datasets"][0] for _, shown in found]
    spent = [one["epsilon_spent"] for one in shares]
    assert spent == sorted(spent) and 3.5 < spent[0] <= 4.0 and spent[6] == spent[-1] <= budget.epsilon  # type: ignore[operator]
    assert [len(one["releases"]) for one in shares] == [*range(1, 8), *[7] * 13]
    assert shares[-1]["reserved"] == 0


def has_room(epsilon: float, cost: Cost) -> bool:
    return RenyiFilter(epsilon, 1e-5).allows([], cost)


@pytest.mark.slow
def test_rounds_that_come_to_nothing_are_paid_for_with_the_others_and_never_told_twice(tmp_path: Path) -> None:
    """In round 2 there is no quorum, in round 3 one owner is not there: the next rounds come in their place."""
    claim = {**CLAIM, "honest_owners": 2}
    spec = private(claim, rounds=4, on_dropout="continue")

    async def run() -> tuple[dict[str, Any], list[list[dict[str, Any]]], dict[str, Any]]:
        async with running(tmp_path, owner_policy=policy(privacy=PrivacyPolicy(colluders=0))) as parties:
            model_id = await parties.deploy(spec)
            await asyncio.wait_for(time_is_over_without(parties, model_id, "owner-1", "owner-2", in_round=2), 300)
            await asyncio.wait_for(time_is_over_without(parties, model_id, "owner-1", in_round=3), 300)
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            audits = [(await owner.get("/audit"))["records"] for owner in parties.data_owners]
            return model, audits, await parties.data_owners[0].get("/budget")

    with away("owner-1", "owner-2", in_round=2), away("owner-1", in_round=3):
        model, audits, shown = asyncio.run(run())
    assert model["status"] == "FINISHED", model["reason"]
    for records in audits:
        answered = [one["round"] for one in records if "round" in one]
        assert len(answered) == len(set(answered)) and max(answered) <= 4
        assert [one["kind"] for one in records if "rho" in one] == ["reserved", "booked"]
    noise = plan_of(spec).noise
    assert noise is not None and noise.rounds == 4
    (account,) = shown["datasets"]
    assert account["epsilon_spent"] == pytest.approx(noise.cost.epsilon(1e-5))
    assert len(model["history"]) == 3  # round 2 told nothing


def test_owners_decline_what_counts_on_more_noise_than_a_sum_may_have(tmp_path: Path) -> None:
    goes_on = private({**CLAIM, "honest_owners": 2}, on_dropout="continue")
    # One of three may collude, so that a quorum of two would have one honest owner's noise.
    refused = jobs(tmp_path, [private({**CLAIM, "honest_owners": 3}), goes_on], owner_policy=policy())
    for model, _ in refused:
        assert (model["status"], "policy-refuses" in model["reason"]) == ("FAILED", True)


def test_exact_jobs_of_networks_are_declined_under_a_budget(tmp_path: Path) -> None:
    budget = PrivacyPolicy(epsilon=100.0, delta=1e-5)
    (exact, _), (noised, _) = jobs(tmp_path, [spec_of(), private()], owner_policy=policy(privacy=budget))
    assert (exact["status"], "policy-refuses" in exact["reason"]) == ("FAILED", True)
    assert noised["status"] == "FINISHED", noised["reason"]
