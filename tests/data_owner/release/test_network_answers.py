"""Updates as they leave: three owners' answers decrypt to the weighted mean, and nothing unsound leaves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedtrain.crypto import DecodedOutOfBound, EncodingOverflow, RerandomiserPool, decrypt_array, sum_vectors
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import PreparedData
from fedtrain.data_owner.release.answer import AnsweringJob, compute_answer
from fedtrain.data_owner.release.fixed_point import check_fits, stochastically_rounded
from fedtrain.methods.network.plan import NetworkPlan, network_plan_of
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.rounds import RoundAnswer, RoundRequest, from_cbor
from fedtrain.protocol.messages.shared_weights import SealingContext, seal_weights_once
from fedtrain.spec.model_spec import ModelSpec, ModelType
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import ENGINE, OWNERS, identity_of, modulus, private_key
from tests.harness.networks.small_trainer import ArrayExamples, DrawnTrainer, flat

ROWS = dict(zip(OWNERS, (5, 200, 37), strict=True))
HITS = dict(zip(OWNERS, (1, 150, 37), strict=True))
N = sum(ROWS.values())
MANIFEST_HASH, ROSTER_HASH = "a1" * 32, "b2" * 32
METHOD = method_of(ModelType.NEURAL_NETWORK, shares_weights=True)
KEYS = {name: (X25519PrivateKey.generate(), X25519PrivateKey.generate()) for name in OWNERS}
PARTIES = {name: identity_of(name).party_id for name in OWNERS}


def plan_of(**training: Any) -> NetworkPlan:
    document = {
        "model_type": "NEURAL_NETWORK",
        "data_props": {
            "features": [{"name": "x", "type": "continuous", "range": [0, 1]}],
            "target": {"name": "y", "categories": ["no", "yes"]},
        },
        "network": {
            "layers": [{"name": "scores", "type": "Linear", "inputs": ["x"], "in_features": 1, "out_features": 1}],
            "output": "scores",
        },
        "training": {"max_rows": 1000, "max_data_owners": 8, "key_bits": 512, **training},
    }
    return network_plan_of(plan_spec(ModelSpec.model_validate(document)))


def job_of(name: str, plan: NetworkPlan, trainer: DrawnTrainer | None = None, **changes: Any) -> AnsweringJob:
    held = 7 if plan.holds_out else 0
    data = PreparedData(
        plan,
        training=None,
        examples=ArrayExamples(Path("/examples"), ROWS[name], held),
        trainer=trainer or DrawnTrainer(ROWS[name], HITS[name]),
    )
    others = {PARTIES[other]: KEYS[other][0].public_key().public_bytes_raw() for other in OWNERS if other != name}
    fields: dict[str, Any] = {
        "manifest_hash": MANIFEST_HASH,
        "roster_hash": ROSTER_HASH,
        "modulus": modulus(),
        "identity": identity_of(name),
        "mask_key": KEYS[name][0],
        "peers": {bytes.fromhex(party): key for party, key in others.items()},
        "plan": plan,
        "method": METHOD,
        "data": data,
        "pool": RerandomiserPool(modulus(), ENGINE, 4),
        "engine": ENGINE,
        "self_masked": False,
        "sealing_key": KEYS[name][1],
    }
    return AnsweringJob(**{**fields, **changes})


def request_of(plan: NetworkPlan, kind: str = "update", weight: float = 0.5, **changes: Any) -> RoundRequest:
    recipients = {PARTIES[name]: KEYS[name][1].public_key().public_bytes_raw().hex() for name in OWNERS}
    arrays = {name: np.full(shape, weight, np.float32) for name, shape in plan.checked.parameters.items()}
    sealed = seal_weights_once(arrays, recipients, SealingContext(MANIFEST_HASH, ROSTER_HASH, 3))
    fields: dict[str, Any] = {
        "manifest_hash": MANIFEST_HASH,
        "roster_hash": ROSTER_HASH,
        "round": 3,
        "kind": kind,
        "log_head": "c3" * 32,
        "rows_total": N,
        "sealed_weights": sealed.boxes,
        "weights_blob": sealed.blob,
    }
    return RoundRequest(**{**fields, **changes})


def summed(plan: NetworkPlan, bodies: list[bytes], kind: str = "update") -> NDArray[np.object_]:
    vectors = [from_cbor(body, RoundAnswer).vector.open(modulus()) for body in bodies]
    bound = plan.round(kind).answer.sum_bound
    return decrypt_array(sum_vectors(vectors, modulus(), ENGINE, bound), private_key(), ENGINE)


def answers(
    plan: NetworkPlan, request: RoundRequest, trainers: Mapping[str, DrawnTrainer] | None = None
) -> list[bytes]:
    jobs = [job_of(name, plan, (trainers or {}).get(name)) for name in OWNERS]
    return [compute_answer(job, request, "d4" * 32).body for job in jobs]


@settings(max_examples=20, deadline=None)
@given(clip=st.floats(1e-3, 100), bits=st.integers(8, 24), length=st.floats(1e-3, 1e3))
def test_the_sum_is_the_mean_of_clipped_updates_to_the_rounding_of_each_owner(
    clip: float, bits: int, length: float
) -> None:
    plan = plan_of(clip=clip, update_bits=bits)
    trainers = {name: DrawnTrainer(ROWS[name], HITS[name], length) for name in OWNERS}
    total = summed(plan, answers(plan, request_of(plan), trainers)).astype(np.float64).ravel()
    mean = np.zeros(plan.checked.parameter_count)
    for name, trainer in trainers.items():
        (task,) = trainer.tasks
        update = flat(DrawnTrainer(ROWS[name], length=length).train(task).update)  # type: ignore[arg-type]
        mean += update * (ROWS[name] / N)
    assert np.linalg.norm(mean) <= clip * (1 + 1e-5)
    assert np.abs(np.ldexp(total[:-2], -bits) - mean).max() < len(OWNERS) * 2.0**-bits
    # Loss and hits are the federation's, to the same rounding at their own scales.
    loss, hits = np.ldexp(total[-2:], [plan.loss_shift_bits - bits, plan.hits_shift_bits - bits])
    assert abs(loss - 0.5) < len(OWNERS) * 2.0 ** (plan.loss_shift_bits - bits)
    assert abs(hits - sum(HITS.values()) / N) < len(OWNERS) * 2.0 ** (plan.hits_shift_bits - bits)


def test_the_same_request_gives_the_same_numbers_and_another_one_others() -> None:
    plan = plan_of()
    request = request_of(plan)

    boxes = tuple(box for box in request.sealed_weights or () if box.party == PARTIES["clinic-a"])
    request = request.model_copy(update={"sealed_weights": boxes})

    def alone(request_hash: str) -> list[int]:
        """The numbers of an owner without others, whose masks are zero."""
        job = job_of("clinic-a", plan, peers={})
        return list(summed(plan, [compute_answer(job, request, request_hash).body]).ravel())

    first = alone("d4" * 32)
    assert alone("d4" * 32) == first, "a killed owner computes the same answer again"
    assert alone("d5" * 32) != first


def test_counts_and_validation_add_up_exactly() -> None:
    plan = plan_of(evaluate_every=1)
    for name in OWNERS:
        check_fits(METHOD, job_of(name, plan).data, plan)
    counting = {"rows_total": None, "sealed_weights": None, "weights_blob": None}
    rows = summed(plan, answers(plan, request_of(plan, "counts", **counting)), "counts")
    assert rows.ravel().tolist() == [N, 21]
    trainers = {name: DrawnTrainer(7, hits) for name, hits in zip(OWNERS, (0, 7, 5), strict=True)}
    total = summed(plan, answers(plan, request_of(plan, "validation"), trainers), "validation")
    loss, hits = np.ldexp(total.astype(np.float64).ravel(), -20)
    assert (loss, hits) == (0.25 * 21, 12)


def test_owners_that_opened_other_weights_under_one_request_do_not_cancel() -> None:
    """A Model Owner can make one blob that opens under two keys: what was opened is in the masks."""
    plan = plan_of()
    bodies = answers(plan, request_of(plan))
    singled_out = job_of(OWNERS[2], plan)
    bodies[2] = compute_answer(singled_out, request_of(plan, weight=0.75), "d4" * 32).body
    with pytest.raises(DecodedOutOfBound):
        summed(plan, bodies)


@pytest.mark.parametrize(
    ("spoilt", "code", "told"),
    [
        ({"spoil": np.nan}, Code.DIVERGED, "not finite"),
        ({"spoil": np.inf}, Code.DIVERGED, "not finite"),
        ({"spoil": 6.0}, Code.INTERNAL, "longer than clip, 5"),
        ({"rows": 0}, Code.INTERNAL, "no rows"),
        ({"hits": 6}, Code.INTERNAL, "more hits than rows"),
    ],
)
def test_an_unsound_update_never_leaves(spoilt: dict[str, Any], code: Code, told: str) -> None:
    plan = plan_of()
    trainer = DrawnTrainer(**{"rows": 5, "hits": 0, **spoilt})
    with pytest.raises(Problem, match=told) as refused:
        compute_answer(job_of("clinic-a", plan, trainer), request_of(plan), "d4" * 32)
    assert refused.value.code is code
    assert trainer.tasks, "it was trained, and then refused"


def test_a_total_below_an_owners_own_rows_is_refused_before_it_trains() -> None:
    plan, trainer = plan_of(), DrawnTrainer(200)
    with pytest.raises(Problem) as refused:
        compute_answer(job_of("clinic-b", plan, trainer), request_of(plan, rows_total=199), "d4" * 32)
    assert refused.value.code is Code.ROWS_TOTAL_REFUSED
    assert "200" not in refused.value.detail
    assert not trainer.tasks


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"weights_blob": None}, Code.MALFORMED_MESSAGE),
        ({"weights_blob": bytes(24)}, Code.SEALED_WEIGHTS_REFUSED),
        ({"weights_blob": bytes(25)}, Code.MALFORMED_MESSAGE),
        ({"round": 4}, Code.SEALED_WEIGHTS_REFUSED),
    ],
)
def test_weights_that_do_not_open_are_refused_by_name(changes: dict[str, Any], code: Code) -> None:
    plan = plan_of()
    with pytest.raises(Problem) as refused:
        compute_answer(job_of("clinic-a", plan), request_of(plan, **changes), "d4" * 32)
    assert refused.value.code is code


def test_a_box_of_another_blob_is_refused() -> None:
    plan = plan_of()
    mixed = request_of(plan).model_copy(update={"weights_blob": request_of(plan).weights_blob})
    with pytest.raises(Problem) as refused:
        compute_answer(job_of("clinic-a", plan), mixed, "d4" * 32)
    assert refused.value.code is Code.SEALED_WEIGHTS_REFUSED


@pytest.mark.parametrize("weight", [np.nan, np.inf, 2.0**21])
def test_weights_that_are_no_numbers_within_the_bound_are_refused(weight: float) -> None:
    plan = plan_of()
    with pytest.raises(Problem, match="no numbers within the plan's weight_bound"):
        compute_answer(job_of("clinic-a", plan), request_of(plan, weight=weight), "d4" * 32)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.binary(max_size=40))
def test_stochastic_rounding_is_to_a_neighbour_and_the_same_for_the_same_seed(values: list[float], seed: bytes) -> None:
    given_values = np.array(values).reshape(-1, 1)
    rounded = stochastically_rounded(given_values, 8, seed)
    exact = np.ldexp(given_values, 8)
    assert (np.abs(rounded.astype(np.float64) - exact) < 1).all()
    assert (rounded == stochastically_rounded(given_values, 8, seed)).all()
    assert all(type(one) is int for one in rounded.ravel())


def test_stochastic_rounding_is_right_on_average() -> None:
    values = np.full((200_000, 1), 0.3)
    rounded = stochastically_rounded(values, 0, b"a fixed seed")
    # A fixed draw: five standard deviations of the mean of so many, √(0.3·0.7/200,000).
    assert abs(rounded.astype(np.float64).mean() - 0.3) < 5 * np.sqrt(0.21 / 200_000)
    assert stochastically_rounded(np.array([[2.0], [-3.0]]), 4, b"").ravel().tolist() == [32, -48]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2.0**50])
def test_what_cannot_be_rounded_is_refused_with_its_place(value: float) -> None:
    with pytest.raises(EncodingOverflow, match="entry 1 is not finite"):
        stochastically_rounded(np.array([[1.0], [value]]), 4, b"")
