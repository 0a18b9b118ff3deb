"""Windows of encrypted updates at the Model Owner: the schedule in float64, and a Facilitator that cheats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from gmpy2 import mpz

from fedtrain.crypto import LocalEngine, generate_keypair
from fedtrain.crypto.paillier.vector import ciphertexts_from_bytes, ciphertexts_to_bytes
from fedtrain.facilitator.methods.adding import add_answers
from fedtrain.model_owner.sums import opening
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    RoundAnswer,
    SignedBytes,
    Step,
    VectorMessage,
    from_cbor,
    to_cbor,
)
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code
from tests.harness.model_owner.peers import pooled, spec_document
from tests.harness.model_owner.window_play import Update, WindowDriver, WindowPeers, play

SIZES = (30, 5, 12)


@cache
def keypair() -> Any:
    return generate_keypair(1024, allow_small=True)


def document(**training: Any) -> dict[str, Any]:
    fields = {"key_bits": 1024, "optimizer": "gradient_descent", "rounds": 10, "reencrypt_every": 4, "tolerance": 0.0}
    return spec_document(**{**fields, **training})


def scheduled(rounds: int, rate: float, momentum: float = 0.0, l2: float = 0.0) -> np.ndarray:
    """(d,) weights of the schedule in float64, in scaled units."""
    X, y = pooled(SIZES)
    A = np.column_stack([X / 2, np.ones(len(X))])
    target = y / 100
    w, before = np.zeros(4), np.zeros(4)
    for _ in range(rounds):
        gradient = (A.T @ (A @ w - target) + l2 * np.array([1, 1, 1, 0]) * w) / len(X)
        w, before = w - rate * gradient + momentum * (w - before), w
    return w


@pytest.mark.slow
@pytest.mark.parametrize(
    ("training", "schedule"),
    [
        ({}, {"rate": 0.25}),
        ({"l2": 3.5}, {"rate": 1 / (4 + 3.5 / 47), "l2": 3.5}),
        ({"optimizer": "momentum", "momentum": 0.75}, {"rate": 0.25, "momentum": 0.75}),
        ({"optimizer": "momentum", "momentum": 0.75, "learning_rate": 0.125}, {"rate": 0.125, "momentum": 0.75}),
        ({"rounds": 4}, {"rate": 0.25}),
        ({"reencrypt_every": 3}, {"rate": 0.25}),
    ],
    ids=["descent", "ridge", "heavy ball", "heavy ball at a rate", "one window", "last window of one round"],
)
def test_weights_follow_the_schedule_to_its_last_round(training: dict[str, Any], schedule: dict[str, float]) -> None:
    driver, others, result = play(document(**training), keypair())
    assert result.finished == "FINISHED", driver.state.ending
    assert driver.model is not None
    np.testing.assert_allclose(
        driver.model.arrays["weights"].values[:, 0],
        scheduled(training.get("rounds", 10), **schedule),
        rtol=0,
        atol=1e-9,
    )
    assert driver.state.round == training.get("rounds", 10)
    assert set(others.scales) == {40}  # every window begins at the base scale


def test_a_job_shows_the_window_s_numbers_and_counts_what_was_decrypted() -> None:
    driver, _, _ = play(document(optimizer="momentum", momentum=0.5), keypair())
    assert [row.round for row in driver.history] == [4, 8, 10]
    assert [row.loss for row in driver.history] == [None, None, None]
    assert driver.history[0].gradient == 1.0
    assert driver.state.numbers_decrypted == 3 * 2 * 4  # w and the weights before it, three times


@pytest.mark.slow
def test_plain_descent_stops_within_the_tolerance_and_not_before() -> None:
    driver, _, result = play(document(rounds=400, tolerance=1e-2), keypair())
    assert result.finished == "FINISHED"
    assert driver.state.ending is not None
    # No window shows a gradient, and without a ridge a short one proves nothing.
    assert driver.state.ending.converged is False
    assert "no proof" in (driver.state.ending.reason or "")
    assert driver.state.round < 400 and driver.state.round % 4 == 0
    X, y = pooled(SIZES)
    A = np.column_stack([X / 2, np.ones(len(X))])
    assert driver.model is not None
    w = driver.model.arrays["weights"].values[:, 0]
    assert np.linalg.norm(A.T @ (A @ w - y / 100)) <= 1e-2 * np.linalg.norm(A.T @ (y / 100))


@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum"])
def test_weights_beyond_their_bound_end_the_job_as_diverged(optimizer: str) -> None:
    driver, _, result = play(
        document(optimizer=optimizer, learning_rate=8.0, rounds=40, weight_bound=4.0, momentum=0.5), keypair()
    )
    assert (result.finished, result.code) == ("FAILED", Code.SUMS_UNUSABLE.slug)
    assert driver.state.ending is not None and driver.state.ending.code == Code.DIVERGED.slug
    assert driver.state.ending.reason is not None
    assert "weight_bound 4" in driver.state.ending.reason
    assert result.reason is not None and "weight_bound" not in result.reason  # others are told no number of ours


# A Facilitator that cheats


def _times_n_plus_1(vector: VectorMessage, modulus: int) -> VectorMessage:
    """One more in the plaintext of the first ciphertext: a valid encryption of something else."""
    n = mpz(modulus)
    count = len(ciphertexts_to_bytes([mpz(1)], modulus))
    first, *rest = ciphertexts_from_bytes(vector.ciphertexts, modulus, len(vector.ciphertexts) // count)
    return vector.model_copy(update={"ciphertexts": ciphertexts_to_bytes([first * (1 + n) % (n * n), *rest], modulus)})


def in_round(number: int, change: Callable[[Update], Update]) -> Callable[[Update], Update]:
    return lambda update: change(update) if update.request.round == number else update


def skip_the_update(update: Update) -> Update:
    """Pass the old ciphertexts on, under the names of the next scale."""
    assert update.request.weights is not None
    old = update.weights.model_copy(update={"ciphertexts": update.request.weights.ciphertexts})
    return replace_weights(update, old)


def replace_weights(update: Update, weights: VectorMessage) -> Update:
    changed = replace(update, weights=weights)
    changed.recorded = update.recorded
    return changed


def alter_weights(update: Update) -> Update:
    return replace_weights(update, _times_n_plus_1(update.weights, update.modulus))


def alter_previous(update: Update) -> Update:
    assert update.previous is not None
    return replace(update, previous=_times_n_plus_1(update.previous, update.modulus))


def drop_an_owner_from_the_sum(update: Update) -> Update:
    budget = plan_spec(ModelSpec.model_validate(document()))
    total, weights, _ = add_answers(update.modulus, budget, update.signed.body, update.answers[1:], LocalEngine())
    assert weights is not None
    return replace(update, total=total, weights=weights)


def drop_an_owner_from_the_log(update: Update) -> Update:
    changed = drop_an_owner_from_the_sum(update)
    changed.answers = changed.recorded = update.answers[1:]
    return changed


def put_words_in_an_owner_s_mouth(update: Update) -> Update:
    first = from_cbor(update.answers[0], RoundAnswer)
    vector = _times_n_plus_1(first.vector, update.modulus)
    return replace(update, answers=(to_cbor(first.model_copy(update={"vector": vector})), *update.answers[1:]))


def alter_the_product(update: Update) -> Update:
    return replace(update, total=_times_n_plus_1(update.total, update.modulus))


DESCENT_CHEATS = {
    "skips an update": (in_round(2, skip_the_update), Code.ADDITION_NOT_PROVEN),
    "skips the last update": (in_round(4, skip_the_update), Code.ADDITION_NOT_PROVEN),
    "alters weights inside": (in_round(2, alter_weights), Code.ADDITION_NOT_PROVEN),
    "alters weights at the end": (in_round(4, alter_weights), Code.ADDITION_NOT_PROVEN),
    "drops an owner's part": (in_round(3, drop_an_owner_from_the_sum), Code.ADDITION_NOT_PROVEN),
    "drops an owner altogether": (in_round(3, drop_an_owner_from_the_log), Code.ADDITION_NOT_PROVEN),
    "alters an answer": (in_round(1, put_words_in_an_owner_s_mouth), Code.BAD_SIGNATURE),
    "alters a product": (in_round(2, alter_the_product), Code.ADDITION_NOT_PROVEN),
}


@pytest.fixture
def no_decryption(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every decryption after the counts is a failure; returns the list that counts them."""
    seen: list[int] = []
    real = opening.decrypt_array

    def watched(vector: Any, *rest: Any) -> Any:
        seen.append(vector.layout.rows)
        return real(vector, *rest)

    monkeypatch.setattr(opening, "decrypt_array", watched)
    return seen


@pytest.mark.parametrize("cheat", DESCENT_CHEATS)
def test_a_facilitator_that_cheats_inside_a_window_is_found_before_decryption(
    cheat: str, no_decryption: list[int]
) -> None:
    change, code = DESCENT_CHEATS[cheat]
    driver, _, result = play(document(), keypair(), cheat=change)
    assert (result.finished, result.code) == ("FAILED", code.slug), driver.state.ending
    assert no_decryption == [1]  # the counts, and nothing else
    assert driver.state.phase is Phase.FAILED


def test_altered_weights_before_the_last_update_are_found_with_momentum_too(no_decryption: list[int]) -> None:
    cheat = in_round(4, alter_previous)
    _, _, result = play(document(optimizer="momentum"), keypair(), cheat=cheat)
    assert (result.finished, result.code) == ("FAILED", Code.ADDITION_NOT_PROVEN.slug)
    assert no_decryption == [1]


def test_another_row_count_inside_a_window_is_another_step_size_and_refused(no_decryption: list[int]) -> None:
    class OtherRows(WindowPeers):
        def _update(self, request: Any, signed: SignedBytes) -> Update:
            if request.window_step == 1:
                request = request.model_copy(update={"rows_total": 94})
                signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, self.facilitator)
            return super()._update(request, signed)

    others = OtherRows(ModelSpec.model_validate(document()))
    driver = WindowDriver(document(), others, keypair())
    result = driver.train(others)
    assert (result.finished, result.code) == ("FAILED", Code.LOG_INCONSISTENT.slug)
    assert driver.state.ending is not None and "94 rows, not 47" in str(driver.state.ending.reason)
    assert no_decryption == [1]


@pytest.mark.parametrize(("left_out", "code"), [(1, Code.LOG_INCONSISTENT), (2, Code.LOG_INCONSISTENT)])
def test_a_window_that_ends_early_is_refused(left_out: int, code: Code, no_decryption: list[int]) -> None:
    driver, _, result = play(document(), keypair(), updates_left_out=left_out)
    assert (result.finished, result.code) == ("FAILED", code.slug)
    assert driver.state.ending is not None and "an update was left out" in str(driver.state.ending.reason)
    assert no_decryption == [1]


def test_a_step_without_weights_or_evidence_is_refused(no_decryption: list[int]) -> None:
    def without(step: Step) -> Step:
        return step.model_copy(update={"weights": None})

    _, _, result = play(document(), keypair(), final=without)
    assert (result.finished, result.code) == ("FAILED", Code.ADDITION_NOT_PROVEN.slug)

    class Forgetful(WindowPeers):
        def next_step(self, result: Any) -> Any:
            step = super().next_step(result)
            self.items = self.items[1:]
            return step

    others = Forgetful(ModelSpec.model_validate(document()))
    result = WindowDriver(document(), others, keypair()).train(others)
    assert (result.finished, result.code) == ("FAILED", Code.LOG_INCONSISTENT.slug)
    assert no_decryption == [1, 1]
