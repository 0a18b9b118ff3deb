"""The cost of a job, counted against layouts and against the arithmetic itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fedtrain.crypto.paillier.keys import ciphertext_width_bytes, generate_keypair
from fedtrain.methods import schedule_of
from fedtrain.planning.costs import cost_of
from fedtrain.planning.plans import plan_spec
from fedtrain.planning.unit_costs import UnitCosts
from fedtrain.protocol.messages.forecast import forecast
from fedtrain.protocol.messages.sizes import job_bytes
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Problem


def spec(columns: int = 4, targets: int = 1, **training: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "model_type": "LINEAR_REGRESSION",
            "data_props": {
                "features": [{"col_idx": i, "type": "continuous", "range": [0.0, 1.0]} for i in range(columns)],
                "targets": [{"col_idx": columns + i, "range": [0.0, 1.0]} for i in range(targets)],
            },
            "training": {"rounds": 12, **training},
        }
    )


def test_a_ciphertext_is_as_wide_as_real_ones() -> None:
    for bits in (256, 320):
        public, _ = generate_keypair(bits, allow_small=True)
        small = spec(key_bits=bits, max_rows=100, max_data_owners=3)
        assert cost_of(small).ciphertext_bytes == ciphertext_width_bytes(int(public.n))


def test_bytes_of_plain_rounds_follow_the_layouts() -> None:
    job = spec(targets=2)
    budget, cost = plan_spec(job), cost_of(job, owners=5)
    down = budget.weights_layout.ciphertexts * cost.ciphertext_bytes
    up = budget.answer_layout.ciphertexts * cost.ciphertext_bytes
    assert (cost.data_owner.received_bytes, cost.data_owner.sent_bytes) == (down, up)
    assert (cost.facilitator.received_bytes, cost.facilitator.sent_bytes) == (5 * up, 5 * down)
    assert cost.model_owner.sent_bytes == down
    assert cost.model_owner.received_bytes == down + 5 * up + up
    assert (cost.turns, cost.rounds_a_turn) == (12, 1)


@pytest.mark.parametrize(("optimizer", "vectors"), [("gradient_descent", 1), ("momentum", 2)])
def test_windows_send_weights_each_round_and_reach_the_model_owner_only_at_their_end(
    optimizer: str, vectors: int
) -> None:
    job = spec(optimizer=optimizer, reencrypt_every=5)
    cost = cost_of(job, owners=3)
    rows = plan_spec(job).weights_layout.ciphertexts * cost.ciphertext_bytes
    assert (cost.data_owner.received_bytes, cost.data_owner.sent_bytes) == (vectors * rows, rows)
    # The last request, its answers and the weights; then request, answers and sum of each of the five rounds.
    assert cost.model_owner.received_bytes == (2 * vectors + 3 + 5 * (vectors + 3 + 1)) * rows
    assert (cost.turns, cost.rounds_a_turn) == (3, 5)
    assert cost.decrypted_sums == 3 * vectors * 5


def test_windows_save_the_model_owners_decryptions() -> None:
    plain = cost_of(spec(optimizer="gradient_descent", rounds=100))
    window = cost_of(spec(optimizer="gradient_descent", rounds=100, reencrypt_every=12))
    assert window.turns * window.model_owner.sent_bytes < plain.turns * plain.model_owner.sent_bytes
    assert window.decrypted_sums < plain.decrypted_sums
    assert window.distinct_sums == plain.distinct_sums == 5 * 6 // 2 + 5


def test_newton_decrypts_every_sum_there_is() -> None:
    cost = cost_of(spec(optimizer="newton", targets=2))
    assert cost.decrypted_sums == cost.distinct_sums
    assert cost.data_owner.received_bytes == 0
    assert cost.turns == 1


def test_multiplications_are_counted_by_the_given_function() -> None:
    asked = []

    def count(bases: int, rows: int, exponent_bits: int) -> float:
        asked.append((bases, rows, exponent_bits))
        return 1e9

    job = spec(columns=6)
    assert cost_of(job, multi_exponentiation_cost=count).data_owner.multiplications > 1e9
    assert asked == [(7, 7, plan_spec(job).moment_bound.bit_length())]
    assert cost_of(job).data_owner.multiplications < 1e9


def test_an_owners_multiplications_follow_from_the_rows_where_they_are_known() -> None:
    job = spec(columns=6)
    few, many, most = (cost_of(job, rows_total=rows) for rows in (1000, 100_000, None))
    assert few.data_owner.multiplications < many.data_owner.multiplications < most.data_owner.multiplications
    assert (few.facilitator, few.model_owner) == (most.facilitator, most.model_owner)


def test_evaluations_come_on_top_of_rounds_after_every_nth_but_the_last() -> None:
    for every, evaluations in ((0, 0), (1, 11), (3, 3), (5, 2), (11, 1), (12, 0), (13, 0)):
        assert cost_of(spec(evaluate_every=every)).evaluations == evaluations
    assert cost_of(spec(rounds="auto", evaluate_every=1)).evaluations == 4 * (5 + 1) - 1


def test_an_evaluation_sends_products_and_weights_and_brings_a_loss_an_output() -> None:
    job = spec(targets=2, evaluate_every=3)
    cost, without = cost_of(job, owners=5), cost_of(spec(targets=2), owners=5)
    down, up = 2 * (5 * 6 // 2 + 5) * cost.ciphertext_bytes, cost.ciphertext_bytes
    owner, facilitator, model_owner = (
        cost.evaluation_data_owner,
        cost.evaluation_facilitator,
        cost.evaluation_model_owner,
    )
    assert (owner.received_bytes, owner.sent_bytes) == (down, up)
    assert (facilitator.received_bytes, facilitator.sent_bytes) == (5 * up, 5 * down)
    assert (model_owner.received_bytes, model_owner.sent_bytes) == (down + 5 * up + up, down)
    # Ten times the ciphertexts of w go out, and come from the Model Owner's encryption.
    assert model_owner.half_multiplications > cost.model_owner.half_multiplications
    assert (cost.data_owner, cost.turns) == (without.data_owner, without.turns)
    for nothing in (without.evaluation_data_owner, without.evaluation_facilitator, without.evaluation_model_owner):
        assert (nothing.received_bytes, nothing.sent_bytes, nothing.multiplications) == (0, 0, 0)


def test_an_evaluation_is_a_matrix_of_a_row_an_output_under_encryption() -> None:
    asked = []

    def count(bases: int, rows: int, exponent_bits: int) -> float:
        asked.append((bases, rows, exponent_bits))
        return 1e9 if rows == 2 else 0.0

    job = spec(targets=2, evaluate_every=3)
    cost, plan = cost_of(job, multi_exponentiation_cost=count), plan_spec(job).validation
    assert plan is not None
    assert (2 * (15 + 5), 2, plan.entry_bound.bit_length()) in asked
    assert cost.evaluation_data_owner.multiplications > 1e9 > cost.data_owner.multiplications


def test_sums_that_evaluations_tell_are_counted_among_those_of_both_parts() -> None:
    both = 2 * (5 * 6 // 2 + 5)
    few, many = cost_of(spec(rounds=4, evaluate_every=1)), cost_of(spec(evaluate_every=1))
    assert (few.decrypted_sums, few.distinct_sums) == (4 * 5 + 3, both)
    assert (many.decrypted_sums, many.distinct_sums) == (12 * 5 + 11, both)
    assert cost_of(spec(rounds=4)).distinct_sums == both // 2


def test_a_forecast_has_the_seconds_of_evaluations() -> None:
    unit = UnitCosts(3072, 1e-5, 3e-6, 1e-5)
    plain, evaluated = (forecast(spec(evaluate_every=every), unit=unit) for every in (0, 4))
    assert (plain["evaluations"], evaluated["evaluations"]) == (0, 2)
    seconds = evaluated["seconds"]
    parts = [seconds[f"{party}_an_evaluation"] for party in ("data_owner", "facilitator", "model_owner")]
    assert min(parts) > 0
    assert seconds["an_evaluation"] == pytest.approx(sum(parts))
    assert seconds["job"] == pytest.approx(12 * seconds["a_round"] + 2 * seconds["an_evaluation"])
    assert plain["seconds"]["an_evaluation"] == 0
    assert plain["seconds"]["job"] == pytest.approx(12 * plain["seconds"]["a_round"])
    assert seconds["a_round"] == pytest.approx(plain["seconds"]["a_round"])


def test_evaluations_cost_bytes_on_top() -> None:
    plain, evaluated = spec(), spec(evaluate_every=4)
    sizes = [job_bytes(plan_spec(one), schedule_of(one), 3, 900) for one in (plain, evaluated)]
    assert sizes[1].data_owner_received > sizes[0].data_owner_received


def test_costs_can_be_shown_as_json() -> None:
    assert json.loads(json.dumps(cost_of(spec()).to_dict()))["rounds"] == 12


def test_more_owners_than_planned_and_jobs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="owners must be 1 to max_data_owners, 64; received 65"):
        cost_of(spec(), owners=65)
    with pytest.raises(ValueError, match="received 0"):
        cost_of(spec(), owners=0)
    with pytest.raises(Problem):
        cost_of(spec(optimizer="gradient_descent", reencrypt_every=100))
