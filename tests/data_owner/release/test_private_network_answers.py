"""Noised gradients as they leave: three owners' answers decrypt to the sum with the noise that was planned."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrain.crypto import RerandomiserPool, decrypt_array, sum_vectors
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import PreparedData
from fedtrain.data_owner.release.answer import AnsweringJob, compute_answer, numbers_of, open_weights
from fedtrain.data_owner.release.noised_release import NoisedRelease
from fedtrain.methods.network.private import GradientNoise, PrivateNetworkPlan
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.rounds import RoundAnswer, RoundRequest, from_cbor
from fedtrain.protocol.messages.shared_weights import SealingContext, SharedWeights, seal_weights_once
from fedtrain.spec.model_spec import ModelSpec, ModelType
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import ENGINE, OWNERS, identity_of, modulus, private_key
from tests.harness.networks.small_trainer import ArrayExamples, DrawnTrainer

MANIFEST_HASH, ROSTER_HASH = "a1" * 32, "b2" * 32
METHOD = method_of(ModelType.NEURAL_NETWORK, shares_weights=True, noised=True)
#: Mask and sealing keys. Fixed ones: noise follows from a mask key, and a test of it has one outcome.
KEYS = {
    name: tuple(X25519PrivateKey.from_private_bytes((use + name).encode().ljust(32, b".")) for use in ("m ", "s "))
    for name in OWNERS
}
PARTIES = {name: identity_of(name).party_id for name in OWNERS}
WIDTH = 60


def plan_of(**training: Any) -> PrivateNetworkPlan:
    document = {
        "model_type": "NEURAL_NETWORK",
        "data_props": {
            "features": [{"name": "x", "type": "vector", "shape": [WIDTH], "range": [0, 1]}],
            "target": {"name": "y", "categories": ["no", "yes"]},
        },
        "network": {
            "layers": [{"name": "scores", "type": "Linear", "inputs": ["x"], "in_features": WIDTH, "out_features": 1}],
            "output": "scores",
        },
        "training": {
            "optimizer": "fedsgd",
            "batch_size": 10,
            "rounds": 20,
            "clip": 1.0,
            "max_rows": 1000,
            "max_data_owners": 8,
            "key_bits": 512,
            **training,
        },
        "privacy": {"epsilon": 1.0, "delta": 1e-5, "sampling_rate": 0.05, "honest_owners": 2},
    }
    plan = plan_spec(ModelSpec.model_validate(document))
    assert isinstance(plan, PrivateNetworkPlan)
    return plan


PLAN = plan_of()


def noise() -> GradientNoise:
    assert PLAN.noise is not None
    return PLAN.noise


def job_of(name: str, trainer: DrawnTrainer | None = None, **changes: Any) -> AnsweringJob:
    data = PreparedData(
        PLAN, training=None, examples=ArrayExamples(Path("/examples"), 50), trainer=trainer or DrawnTrainer(50)
    )
    others = {PARTIES[other]: KEYS[other][0].public_key().public_bytes_raw() for other in OWNERS if other != name}
    fields: dict[str, Any] = {
        "manifest_hash": MANIFEST_HASH,
        "roster_hash": ROSTER_HASH,
        "modulus": modulus(),
        "identity": identity_of(name),
        "mask_key": KEYS[name][0],
        "peers": {bytes.fromhex(party): key for party, key in others.items()},
        "plan": PLAN,
        "method": METHOD,
        "data": data,
        "pool": RerandomiserPool(modulus(), ENGINE, 4),
        "engine": ENGINE,
        "self_masked": False,
        "sealing_key": KEYS[name][1],
        "release": NoisedRelease("", "", noise(), b"r" * 32),
    }
    return AnsweringJob(**{**fields, **changes})


def request_of(number: int = 3, weight: float = 0.5, **changes: Any) -> RoundRequest:
    recipients = {PARTIES[name]: KEYS[name][1].public_key().public_bytes_raw().hex() for name in OWNERS}
    arrays = {name: np.full(shape, weight, np.float32) for name, shape in PLAN.checked.parameters.items()}
    sealed = seal_weights_once(arrays, recipients, SealingContext(MANIFEST_HASH, ROSTER_HASH, number))
    fields: dict[str, Any] = {
        "manifest_hash": MANIFEST_HASH,
        "roster_hash": ROSTER_HASH,
        "round": number,
        "kind": "update",
        "log_head": "c3" * 32,
        "rows_total": 200,
        "sealed_weights": sealed.boxes,
        "weights_blob": sealed.blob,
    }
    return RoundRequest(**{**fields, **changes})


def told(job: AnsweringJob, request: RoundRequest, request_hash: str = "d4" * 32) -> Any:
    """An owner's integers with their noise, before they are encrypted."""
    weights = open_weights(job, request)
    assert isinstance(weights, SharedWeights)
    numbers, _ = numbers_of(job, request, request_hash, weights)
    return np.asarray(numbers, dtype=np.float64).ravel()


def test_the_sum_over_owners_has_the_planned_variance_around_the_sum_of_their_gradients() -> None:
    gradients = dict(zip(OWNERS, (1 << 16, 1 << 18, -(1 << 15)), strict=True))
    jobs = {name: job_of(name, DrawnTrainer(50, gradient=gradient)) for name, gradient in gradients.items()}
    rounds = range(1, 21)
    sums = np.array([sum(told(jobs[name], request_of(number)) for name in OWNERS) for number in rounds])
    deviations = (sums - sum(gradients.values())) / math.sqrt(noise().variance * len(OWNERS))
    # 1,220 draws at fixed seeds: a variance within 20%, a mean within four of its deviations, none beyond six.
    assert deviations.size == 20 * (WIDTH + 1)
    assert abs(float(np.square(deviations).mean()) - 1) < 0.2
    assert abs(float(deviations.mean())) < 4 / math.sqrt(deviations.size)
    assert float(np.abs(deviations).max()) < 6
    # What two honest owners add is what the claim needs.
    needed = (noise().multiplier * 2**16) ** 2
    assert needed <= 2 * noise().variance <= needed + 2


def test_what_is_decrypted_is_that_sum() -> None:
    request = request_of()
    jobs = [job_of(name, DrawnTrainer(50, gradient=1 << 16)) for name in OWNERS]
    bodies = [compute_answer(job, request, "d4" * 32).body for job in jobs]
    vectors = [from_cbor(body, RoundAnswer).vector.open(modulus()) for body in bodies]
    bound = PLAN.round("update").answer.sum_bound
    opened = decrypt_array(sum_vectors(vectors, modulus(), ENGINE, bound), private_key(), ENGINE)
    expected = sum(told(job, request) for job in jobs)
    assert opened.astype(np.float64).ravel().tolist() == expected.tolist()


def test_noise_and_sample_are_the_same_for_the_same_request_and_new_for_every_other() -> None:
    trainer = DrawnTrainer(50)
    job = job_of(OWNERS[0], trainer)
    first = told(job, request_of())
    assert told(job, request_of()).tolist() == first.tolist()  # as after a restart: nothing is kept in between
    assert trainer.tasks[0].seed == trainer.tasks[1].seed  # type: ignore[union-attr]
    others = [
        told(job, request_of(4)),
        told(job, request_of(weight=0.25)),
        told(job, request_of(), "e5" * 32),
        told(job_of(OWNERS[0], trainer, mask_key=X25519PrivateKey.generate()), request_of()),
    ]
    for other in others:
        assert (other != first).sum() > WIDTH - 5  # of so many numbers one or two may meet by chance
    assert len({task.seed for task in trainer.tasks}) == 5  # type: ignore[union-attr]


def test_nothing_leaves_that_is_not_booked() -> None:
    job = job_of(OWNERS[0], release=None)
    with pytest.raises(Problem) as raised:
        told(job, request_of())
    assert raised.value.code is Code.INTERNAL
    assert "cannot be drawn" in raised.value.detail


@pytest.mark.parametrize("kind", ["counts", "validation"])
def test_an_owner_tells_neither_counts_nor_losses(kind: str) -> None:
    asked = {"rows_total": None, "sealed_weights": None, "weights_blob": None} if kind == "counts" else {}
    request = request_of(0 if kind == "counts" else 3, kind=kind, **asked)
    with pytest.raises(Problem) as raised:
        compute_answer(job_of(OWNERS[0]), request, "d4" * 32)
    assert raised.value.code in (Code.WRONG_STATE, Code.MALFORMED_MESSAGE, Code.PLAN_DIFFERS)


def test_an_n_below_its_own_rows_is_not_refused() -> None:
    """A refusal would tell whether there are fewer."""
    assert told(job_of(OWNERS[0]), request_of(rows_total=8)).size == WIDTH + 1


def test_a_sum_beyond_the_room_for_rows_ends_there_with_its_noise_whole() -> None:
    room = PLAN.round("update").answer.owner_bound
    answer = PLAN.round("update").answer
    assert answer.noise is not None
    job = job_of(OWNERS[0], DrawnTrainer(50, gradient=room * 4))
    within = job_of(OWNERS[0], DrawnTrainer(50, gradient=room - answer.noise.tail))
    assert told(job, request_of()).tolist() == told(within, request_of()).tolist()


def test_a_trainer_that_gives_something_else_is_refused() -> None:
    class Other(DrawnTrainer):
        def gradients(self, task: Any) -> Any:
            return np.zeros(3, dtype=np.int64)

    with pytest.raises(Problem) as raised:
        told(job_of(OWNERS[0], Other(50)), request_of())
    assert raised.value.code is Code.INTERNAL
