"""Networks whose rounds go on without an owner: the same updates as in the open, over those that were there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.neural.initial import initial_weights
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.rounds import LogEntry
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.going_on import away, log_of, time_is_over_without
from tests.harness.networks.small_trainer import descended
from tests.jobs.test_network_job import CLIP, RATE, STEPS, running, spec_of, tables, weights_of

BANDS = {"owner-0": 64, "owner-1": 32, "owner-2": 128}  # of 40, 25 and 70 rows
POLICY = OwnerPolicy.for_loopback().model_copy(
    update={"weights": ("encrypted", "shared_with_owners"), "privacy": PrivacyPolicy(colluders=0)}
)


def in_the_open(rounds: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the weights after rounds over these owners, each weighted by its band among those that were there."""
    weights: Any = initial_weights(plan_spec(ModelSpec.model_validate(spec_of())).checked, 0)  # type: ignore[attr-defined]
    for there in rounds:
        mean: Any = {name: np.zeros(values.shape) for name, values in weights.items()}
        for owner in there:
            table = tables()[int(owner[-1])]
            X, Y = (table[:, :3] - 5) / 5, table[:, 3:] / 20
            X, Y = (one.astype(np.float32).astype(np.float64) for one in (X, Y))
            update = descended(weights, X, Y, RATE, STEPS, CLIP).update
            share = BANDS[owner] / sum(BANDS[one] for one in there)
            mean = {name: mean[name] + share * update[name].astype(np.float64) for name in mean}
        weights = {
            name: (values.astype(np.float64) + mean[name]).astype(np.float32) for name, values in weights.items()
        }
    return dict(weights)


@pytest.mark.slow
def test_a_network_is_trained_by_the_owners_that_are_there(tmp_path: Path) -> None:
    """`owner-1` does not answer round 1 at all."""

    async def job() -> tuple[dict[str, Any], dict[str, Any], list[LogEntry], dict[str, Any]]:
        async with running(tmp_path, owner_policy=POLICY) as parties:
            model_id = await parties.deploy(spec_of(on_dropout="continue"))
            await asyncio.wait_for(time_is_over_without(parties, model_id, "owner-1", in_round=1), 300)
            model = await asyncio.wait_for(parties.wait(model_id), 300)
            assert model["status"] == "FINISHED", model["reason"]
            export = await parties.model_owner.get_bytes(f"/models/{model_id}/export", format="json")
            seen = await parties.facilitator.get(f"/models/{model_id}")
            return model, json.loads(export), await log_of(parties, model_id), seen

    with away("owner-1", in_round=1):
        model, export, entries, seen = asyncio.run(job())
    names = {one["party"]: one["name"] for one in seen["owners"]}
    rounds = [[names[record.party] for record in entry.answers] for entry in entries]
    assert [entry.round for entry in entries] == [1, 2, 3, 4]
    assert ["owner-1" in there for there in rounds] == [False, True, True, True]
    expected = in_the_open(rounds)
    found = weights_of(export)
    # Each owner's rounding is divided by the share of the weight that is in the sum, 1/7 at least.
    close = len(rounds) * 3 * 7 * 2.0**-16
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=2 * close, rtol=0)
    assert model["rows_total"] == sum(BANDS.values())
    assert [row["loss"] for row in model["history"]] == [None] * len(rounds)


def test_owners_tell_no_loss_and_evaluate_nothing() -> None:
    spec = ModelSpec.model_validate(spec_of(on_dropout="continue"))
    arrays = plan_spec(spec).round("update").answer.arrays
    assert set(arrays) == {"scores.weight", "scores.bias"}
    told = plan_spec(ModelSpec.model_validate(spec_of())).round("update").answer.arrays
    assert set(told) - set(arrays) == {"loss", "hits"}
    with pytest.raises(Problem) as raised:
        plan_spec(ModelSpec.model_validate(spec_of(on_dropout="continue", evaluate_every=2)))
    assert raised.value.code is Code.INVALID_SPEC
    assert "training.evaluate_every" in raised.value.detail
