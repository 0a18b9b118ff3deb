"""Forecast of a job's cost to each party, from its plan and this machine's speed; one document for everyone who asks.

Shown by `fedtrain plan`, in the answer to POST /models and at GET /models/{id}. Bytes are exact (see
`protocol.messages.sizes`); seconds are multiplications, counted by `planning.costs`, times what one takes here, and so
hold for parties whose machines are like this one.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache
from typing import Any

from fedtrain.methods import schedule_of
from fedtrain.planning.costs import JobCost, PartyCost, cost_of
from fedtrain.planning.noise_cost import noise_forecast
from fedtrain.planning.plans import plan_spec
from fedtrain.planning.unit_costs import UnitCosts
from fedtrain.protocol.messages.sizes import JobBytes, job_bytes
from fedtrain.spec.model_spec import ModelSpec

# Signing, checking, encoding and keeping one message, in gmpy2's products modulo n² of a 3,072-bit key (12 ms): what is
# left of a small round's processor time once its arithmetic is taken off (benchmarks.plan).
_MESSAGE_MULTIPLICATIONS = 1400.0


def forecast(
    spec: ModelSpec, owners: int | None = None, rows_total: int | None = None, unit: UnitCosts | None = None
) -> dict[str, Any]:
    """Return the forecast, of JSON types only. Treat it as read-only: the same arguments give the same object.

    `owners`: that take part, by default the fewest that the spec allows. `rows_total`: theirs together, by default the
    most that the spec allows (it changes some bytes, for it is written in each request); without those that they keep
    for validation, where they do. Without `unit` there are no seconds.
    Raises Problem(DOES_NOT_FIT) as `plan_spec`, ValueError for owners or rows_total beyond the spec's.
    """
    owners = spec.training.min_data_owners if owners is None else owners
    return _forecast(spec, owners, rows_total, unit)


@lru_cache(maxsize=64)
def _forecast(spec: ModelSpec, owners: int, rows_total: int | None, unit: UnitCosts | None) -> dict[str, Any]:
    plan = plan_spec(spec)
    most = plan.max_rows_total
    if rows_total is not None and not 1 <= rows_total <= most:
        raise ValueError(f"rows must be 1 to {most}, max_rows for each of max_data_owners; received {rows_total}")
    cost = cost_of(spec, owners, None if unit is None else unit.multi_exponentiation_cost, rows_total)
    rows_total = spec.training.max_rows * owners if rows_total is None else rows_total
    sizes = job_bytes(plan, schedule_of(spec), owners, rows_total)
    noise = noise_forecast(spec, owners, rows_total)
    return {
        **({} if noise is None else {"privacy": noise}),
        "owners": owners,
        "rows": rows_total,
        "rounds": cost.rounds,
        "rounds_a_turn": cost.rounds_a_turn,
        "turns": cost.turns,
        "evaluations": cost.evaluations,
        "ciphertext_bytes": cost.ciphertext_bytes,
        "bytes": _bytes(cost, sizes),
        "seconds": None if unit is None else _seconds(cost, unit),
        "unit_costs": None if unit is None else asdict(unit),
        "sums_decrypted": min(cost.decrypted_sums, cost.distinct_sums),
        "sums_in_all": cost.distinct_sums,
    }


def _bytes(cost: JobCost, sizes: JobBytes) -> dict[str, dict[str, int]]:
    """Of each Data Owner, the Facilitator and the Model Owner: ciphertexts a round or turn, those an evaluation on top,
    and the job's messages."""
    return {
        "data_owner": {
            "ciphertexts_received_a_round": cost.data_owner.received_bytes,
            "ciphertexts_sent_a_round": cost.data_owner.sent_bytes,
            **_of_an_evaluation(cost.evaluation_data_owner),
            "received": sizes.data_owner_received,
            "sent": sizes.data_owner_sent,
        },
        "facilitator": {
            "ciphertexts_received_a_round": cost.facilitator.received_bytes,
            "ciphertexts_sent_a_round": cost.facilitator.sent_bytes,
            **_of_an_evaluation(cost.evaluation_facilitator),
            "received": sizes.facilitator_received,
            "sent": sizes.facilitator_sent,
        },
        "model_owner": {
            "ciphertexts_received_a_turn": cost.model_owner.received_bytes,
            "ciphertexts_sent_a_turn": cost.model_owner.sent_bytes,
            **_of_an_evaluation(cost.evaluation_model_owner),
            "received": sizes.model_owner_received,
            "sent": sizes.model_owner_sent,
        },
    }


def _of_an_evaluation(cost: PartyCost) -> dict[str, int]:
    return {
        "ciphertexts_received_an_evaluation": cost.received_bytes,
        "ciphertexts_sent_an_evaluation": cost.sent_bytes,
    }


def _seconds(cost: JobCost, unit: UnitCosts) -> dict[str, float]:
    """Processor seconds of each party a round, and an evaluation on top of it (0 where the job has none); and the whole
    job where every party has a processor of its own.

    A Data Owner's re-randomisers are made between answers; rounds that follow each other at once wait for them.
    """
    data_owner = _party_s(cost.data_owner, unit, messages=2)
    facilitator = _party_s(cost.facilitator, unit, messages=2 * cost.owners)
    model_owner = _party_s(cost.model_owner, unit, messages=cost.owners * cost.rounds_a_turn)
    a_round = data_owner + facilitator + model_owner / cost.rounds_a_turn
    evaluation = _evaluation_s(cost, unit)
    return {
        "data_owner_a_round": data_owner,
        "facilitator_a_round": facilitator,
        "model_owner_a_round": model_owner / cost.rounds_a_turn,
        "a_round": a_round,
        **{f"{party}_an_evaluation": seconds for party, seconds in evaluation.items()},
        "an_evaluation": sum(evaluation.values()),
        "job": a_round * cost.rounds + sum(evaluation.values()) * cost.evaluations,
    }


def _evaluation_s(cost: JobCost, unit: UnitCosts) -> dict[str, float]:
    if not cost.evaluations:
        return {"data_owner": 0.0, "facilitator": 0.0, "model_owner": 0.0}
    return {
        "data_owner": _party_s(cost.evaluation_data_owner, unit, messages=2),
        "facilitator": _party_s(cost.evaluation_facilitator, unit, messages=2 * cost.owners),
        "model_owner": _party_s(cost.evaluation_model_owner, unit, messages=cost.owners),
    }


def _party_s(cost: PartyCost, unit: UnitCosts, messages: int) -> float:
    full = cost.multiplications + cost.idle_multiplications
    arithmetic = full * unit.multiplication_s + cost.half_multiplications * unit.half_multiplication_s
    return arithmetic + messages * _MESSAGE_MULTIPLICATIONS * unit.gmpy2_multiplication_s
