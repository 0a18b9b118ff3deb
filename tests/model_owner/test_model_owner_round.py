"""The Model Owner's side of a round, without I/O: what it accepts, and what is refused or ends the job, by name."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from fedtrain.crypto import EncryptedVector
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner import job as j
from fedtrain.model_owner import round as rounds
from fedtrain.model_owner.ending import TOLD, code_told
from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.methods.learning import Learning
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.signed import JobEnd, Roster, sign_document
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    LogEntry,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    Step,
    StepResult,
    VectorMessage,
    from_cbor,
    to_cbor,
)
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.model_owner.driver import JOB_ID, NOW, Driver
from tests.harness.model_owner.peers import Peers, pooled, spec_document


@pytest.fixture
def driver(small_keypair: Any) -> Driver:
    return Driver(spec_document(), small_keypair)


def peers_of(driver: Driver, **more: Any) -> Peers:
    return Peers(driver.spec, **more)


def coefficients(driver: Driver) -> np.ndarray:
    assert driver.model is not None
    return driver.model.arrays["coefficients"].values[:, 0]


# The whole job


def test_a_job_ends_with_the_coefficients_of_the_pooled_rows(driver: Driver) -> None:
    peers = peers_of(driver)
    result = driver.train(peers)
    assert result.finished == "FINISHED"
    assert driver.state.phase is Phase.FINISHED
    X, y = pooled(peers.sizes)
    fitted = LinearRegression().fit(X, y)
    assert coefficients(driver) == pytest.approx([*fitted.coef_, fitted.intercept_], rel=1e-7)
    assert driver.state.rows_total == len(X)
    assert driver.history[-1].loss == pytest.approx(np.mean((fitted.predict(X) - y) ** 2), rel=1e-7)
    assert [row.round for row in driver.history] == list(range(1, len(driver.history) + 1))
    assert j.DestroyKey() in driver.kept


def test_each_phase_is_kept_with_the_moment_at_which_it_began(driver: Driver) -> None:
    began = NOW
    told: list[tuple[Phase, datetime]] = []

    def apply(message: j.Message) -> None:
        nonlocal began
        began += timedelta(seconds=1)
        before = driver.state
        driver.state = rounds.step(driver.context, before, message, began).state
        if driver.state.phase is not before.phase:
            told.append((driver.state.phase, began))
        assert driver.state.changed_at == began

    apply(j.KeyMade(int(driver.private_key.public_key.n), (1,), "ab" * 32))
    apply(j.ManifestPosted(Identity.generate().party_id))
    apply(j.CancelAsked("wrong spec"))
    apply(j.CancelTold())
    assert [phase for phase, _ in told] == [Phase.DEPLOYING, Phase.JOINING, Phase.CANCELLED]
    assert [(one.phase, one.at) for one in driver.state.phases] == told
    # What an earlier version kept of a job has none.
    earlier = json.loads(driver.state.model_dump_json())
    del earlier["phases"]
    assert JobState.model_validate_json(json.dumps(earlier)).phases == ()


def test_each_optimiser_asks_as_many_rounds_as_planned(small_keypair: Any) -> None:
    driver = Driver(spec_document(optimizer="gradient_descent", rounds=5, tolerance=0.0), small_keypair)
    result = driver.train(peers_of(driver))
    assert result.finished == "FINISHED"
    assert len(driver.history) == 5
    assert driver.state.ending is not None
    assert driver.state.ending.converged is False


def test_no_message_but_the_encrypted_weights_depends_on_what_was_decrypted(driver: Driver) -> None:
    """Show what leaves: hashes, N, ciphertexts. Never a loss, a gradient or a weight."""
    driver.train(peers_of(driver))
    for body in driver.results.values():
        result = from_cbor(body, StepResult)
        assert result.reason is None
        if result.request is not None:
            request = from_cbor(result.request.body, RoundRequest)
            assert set(request.model_dump(exclude_none=True)) <= {
                "protocol",
                "manifest_hash",
                "roster_hash",
                "round",
                "kind",
                "log_head",
                "rows_total",
                "window_step",
                "weights",
            }


def test_a_request_signs_the_log_head_that_was_checked(driver: Driver) -> None:
    peers = peers_of(driver)
    step = peers.open_job(driver.deploy(peers.facilitator.party_id))
    result = driver.step(step)
    assert result.request is not None
    request = from_cbor(result.request.open(REQUEST_TAG, driver.identity.party_id), RoundRequest)
    assert (request.kind, request.round, request.log_head) == (RoundKind.COUNTS, 0, sha256_hex(step.log_entry))
    second = peers.next_step(result)
    result = driver.step(second)
    assert result.request is not None
    request = from_cbor(result.request.body, RoundRequest)
    assert (request.kind, request.round, request.log_head) == (RoundKind.GRADIENT, 1, sha256_hex(second.log_entry))
    assert request.rows_total == 47


def test_a_step_that_comes_again_gets_the_same_bytes(driver: Driver) -> None:
    peers = peers_of(driver)
    step = peers.open_job(driver.deploy(peers.facilitator.party_id))
    result = driver.step(step)
    state = driver.state
    assert driver.step(step) == result
    assert driver.state is state


def test_a_step_that_is_over_gets_its_answer_again_and_one_ahead_is_refused(driver: Driver) -> None:
    peers = peers_of(driver)
    first = peers.open_job(driver.deploy(peers.facilitator.party_id))
    result = driver.step(first)
    second = peers.next_step(result)
    driver.step(second)
    state = driver.state
    assert driver.step(first) == result  # as a Facilitator asks that was restored from a backup
    assert driver.state is state
    with pytest.raises(Problem) as caught:
        driver.step(second.model_copy(update={"step": 7}))
    assert caught.value.code is Code.WRONG_STATE
    assert driver.state is state


def test_a_step_before_the_manifest_is_posted_is_refused(driver: Driver) -> None:
    other = Driver(spec_document())
    step = peers_of(other).open_job(other.deploy("00" * 32))
    with pytest.raises(Problem) as caught:
        driver.step(step)
    assert caught.value.code is Code.WRONG_STATE


# The roster


def failed_roster(driver: Driver, change: Any, facilitator: Identity | None = None) -> Code:
    """The code with which a job ends for a roster that `change` made of the honest acceptances."""
    peers = peers_of(driver)
    manifest = driver.deploy(peers.facilitator.party_id)
    peers.manifest = manifest
    entries = change(peers, [peers.acceptance(index) for index in range(len(peers.owners))])
    roster = sign_document(
        Roster(manifest_hash=manifest.hash, entries=tuple(entries)), facilitator or peers.facilitator
    )
    result = driver.step(peers.open_job(manifest, roster))
    assert result.finished == "FAILED"
    assert driver.state.phase is Phase.FAILED
    return Code.from_slug(result.code or "")


def test_a_roster_that_another_signed_ends_the_job(driver: Driver) -> None:
    assert failed_roster(driver, lambda _, entries: entries, Identity.generate()) is Code.BAD_SIGNATURE


@pytest.mark.parametrize(
    "change",
    [
        lambda _, entries: [entries[0], entries[0], entries[2]],
        lambda _, entries: entries[::-1],
        lambda _, entries: entries[:2],
        lambda peers, entries: [peers.acceptance(0, mask_key=f"{2:064x}"), *entries[1:]],
        lambda peers, entries: [peers.acceptance(0, manifest_hash="11" * 32), *entries[1:]],
        lambda peers, entries: [peers.acceptance(0, party=peers.facilitator.party_id), *entries[1:]],
    ],
    ids=["twice", "out of order", "too few", "mask key twice", "another manifest", "signed for another"],
)
def test_a_roster_against_the_rules_ends_the_job(driver: Driver, change: Any) -> None:
    assert failed_roster(driver, change) is Code.ROSTER_INVALID


def test_a_forged_acceptance_ends_the_job(driver: Driver) -> None:
    def forge(_: Peers, entries: list[Any]) -> list[Any]:
        other = entries[0].document.replace("owner-0", "owner-9")
        return [entries[0].model_copy(update={"document": other}), *entries[1:]]

    assert failed_roster(driver, forge) is Code.BAD_SIGNATURE


def test_a_log_that_begins_with_another_roster_ends_the_job(driver: Driver) -> None:
    peers = peers_of(driver)
    step = peers.open_job(driver.deploy(peers.facilitator.party_id))
    entry = from_cbor(step.log_entry, LogEntry).model_copy(update={"roster_hash": "22" * 32})
    result = driver.step(step.model_copy(update={"log_entry": to_cbor(entry)}))
    assert result.code == Code.LOG_INCONSISTENT.slug


# Sums


def at_first_gradient(driver: Driver) -> tuple[Peers, Step]:
    peers = peers_of(driver)
    result = driver.step(peers.open_job(driver.deploy(peers.facilitator.party_id)))
    result = driver.step(peers.next_step(result))
    return peers, peers.next_step(result)


def relogged(step: Step, **changes: Any) -> Step:
    entry = from_cbor(step.log_entry, LogEntry).model_copy(update=changes)
    return step.model_copy(update={"log_entry": to_cbor(entry)})


def with_answer(peers: Peers, step: Step, answer: bytes) -> Step:
    return step.model_copy(update={"answers": (answer, *step.answers[1:])})


def one_more(vector: VectorMessage, modulus: int) -> VectorMessage:
    """The same vector, with 1 added under encryption."""
    opened = vector.open(modulus)
    first = opened.ciphertexts[0] * (1 + modulus) % modulus**2
    return VectorMessage.of(
        EncryptedVector(
            opened.key_id, opened.fraction_bits, opened.bound, opened.layout, (first, *opened.ciphertexts[1:])
        ),
        modulus,
    )


def ends_as(driver: Driver, step: Step) -> Code:
    result = driver.step(step)
    assert result.finished == "FAILED"
    assert driver.state.phase is Phase.FAILED
    assert driver.state.ending is not None
    assert result.code == code_told(driver.state.ending.code)
    return Code.from_slug(driver.state.ending.code or "")


def test_a_sum_that_is_not_the_product_ends_the_job_before_it_is_decrypted(driver: Driver) -> None:
    peers, step = at_first_gradient(driver)
    assert step.sum is not None
    forged = one_more(step.sum, peers.modulus)
    before = driver.state.numbers_decrypted
    step = relogged(step.model_copy(update={"sum": forged}), product_hash=forged.ciphertexts_hash)
    assert ends_as(driver, step) is Code.ADDITION_NOT_PROVEN
    assert driver.state.numbers_decrypted == before


def test_a_logged_product_that_is_not_the_sum_ends_the_job(driver: Driver) -> None:
    _, step = at_first_gradient(driver)
    assert ends_as(driver, relogged(step, product_hash="33" * 32)) is Code.LOG_INCONSISTENT


@pytest.mark.parametrize(
    "changes",
    [{"previous": "44" * 32}, {"index": 9}, {"round": 2}, {"request_hash": "55" * 32}, {"answers": ()}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_log_entry_that_does_not_fit_the_chain_ends_the_job(driver: Driver, changes: Any) -> None:
    _, step = at_first_gradient(driver)
    assert ends_as(driver, relogged(step, **changes)) is Code.LOG_INCONSISTENT


def test_an_answer_that_its_owner_did_not_sign_ends_the_job(driver: Driver) -> None:
    peers, step = at_first_gradient(driver)
    answer = from_cbor(step.answers[0], RoundAnswer)
    forged = answer.model_copy(update={"vector": one_more(answer.vector, peers.modulus)})
    assert ends_as(driver, with_answer(peers, step, to_cbor(forged))) is Code.BAD_SIGNATURE


def test_an_owner_left_out_ends_the_job(driver: Driver) -> None:
    _, step = at_first_gradient(driver)
    assert ends_as(driver, step.model_copy(update={"answers": step.answers[1:]})) is Code.ADDITION_NOT_PROVEN


def test_an_answer_of_an_earlier_round_ends_the_job(driver: Driver) -> None:
    peers = peers_of(driver)
    result = driver.step(peers.open_job(driver.deploy(peers.facilitator.party_id)))
    counts = peers.next_step(result)
    step = peers.next_step(driver.step(counts))
    assert ends_as(driver, with_answer(peers, step, counts.answers[0])) is Code.ADDITION_NOT_PROVEN


def test_a_sum_of_another_request_ends_the_job(driver: Driver) -> None:
    _, step = at_first_gradient(driver)
    other = SignedBytes.sign(b"another", REQUEST_TAG, driver.identity)
    assert ends_as(driver, step.model_copy(update={"request": other})) is Code.ADDITION_NOT_PROVEN


def test_a_step_without_a_sum_ends_the_job(driver: Driver) -> None:
    _, step = at_first_gradient(driver)
    assert ends_as(driver, step.model_copy(update={"sum": None})) is Code.ADDITION_NOT_PROVEN


def honest_but_for(driver: Driver, change: Any) -> Step:
    """A step whose first owner signed what `change` made of its vector, honestly added and logged."""
    peers = peers_of(driver)
    result = driver.step(peers.open_job(driver.deploy(peers.facilitator.party_id)))
    result = driver.step(peers.next_step(result))
    honest = peers.answer

    def answer(index: int, request: RoundRequest, request_hash: str) -> bytes:
        body = honest(index, request, request_hash)
        if index > 0:
            return body
        vector = change(from_cbor(body, RoundAnswer).vector, peers.modulus)
        return peers.signed_answer(0, request, request_hash, vector)

    peers.answer = answer  # type: ignore[method-assign]
    return peers.next_step(result)


def test_masks_that_do_not_cancel_are_found_by_the_bound(driver: Driver) -> None:
    def masked(vector: VectorMessage, modulus: int) -> VectorMessage:
        opened = vector.open(modulus)
        shift = 1 + modulus // 3 * modulus
        blinded = tuple(c * shift % modulus**2 for c in opened.ciphertexts)
        return VectorMessage.of(
            EncryptedVector(opened.key_id, opened.fraction_bits, opened.bound, opened.layout, blinded), modulus
        )

    step = honest_but_for(driver, masked)
    assert ends_as(driver, step) is Code.SUM_OUT_OF_BOUND
    assert driver.state.ending is not None
    assert driver.state.ending.told == TOLD


def test_an_owner_that_is_within_the_bound_is_believed(driver: Driver) -> None:
    """The refusal's other side: the least change that stays within the bound goes through."""
    step = honest_but_for(driver, one_more)
    assert driver.step(step).request is not None


def test_a_truncated_ciphertext_ends_the_job(driver: Driver) -> None:
    def truncated(vector: VectorMessage, _: int) -> VectorMessage:
        return vector.model_copy(update={"ciphertexts": vector.ciphertexts[:-1]})

    peers, step = at_first_gradient(driver)
    answer = from_cbor(step.answers[0], RoundAnswer)
    request = from_cbor(step.request.body, RoundRequest) if step.request else None
    assert request is not None
    body = peers.signed_answer(0, request, answer.request_hash, truncated(answer.vector, peers.modulus))
    assert ends_as(driver, with_answer(peers, step, body)) is Code.MALFORMED_CIPHERTEXT


# Training


def test_a_diverging_rate_fails_the_job_and_tells_others_no_number(small_keypair: Any) -> None:
    document = spec_document(optimizer="gradient_descent", learning_rate=40.0, rounds=50)
    driver = Driver(document, small_keypair)
    result = driver.train(peers_of(driver))
    assert (result.finished, result.code, result.reason) == ("FAILED", Code.SUMS_UNUSABLE.slug, TOLD)
    assert driver.state.ending is not None and driver.state.ending.code == Code.DIVERGED.slug
    assert "learning_rate 40" in (driver.state.ending.reason or "")


def test_counts_beyond_the_plan_fail_the_job(driver: Driver) -> None:
    peers = peers_of(driver)
    result = driver.step(peers.open_job(driver.deploy(peers.facilitator.party_id)))
    honest = peers.answer

    def answer(index: int, asked: RoundRequest, request_hash: str) -> bytes:
        body = honest(index, asked, request_hash)
        if index:
            return body
        vector = one_more(from_cbor(body, RoundAnswer).vector, peers.modulus)
        return peers.signed_answer(0, asked, request_hash, vector)

    peers.answer = answer  # type: ignore[method-assign]
    assert ends_as(driver, peers.next_step(result)) is Code.SUM_OUT_OF_BOUND


# Ends


def test_the_facilitator_ends_a_job(driver: Driver) -> None:
    driver.deploy(Identity.generate().party_id)
    end = JobEnd(job_id=JOB_ID, status="FAILED", code="too-few-owners", reason="1 of 2 joined, 3 are needed.")
    driver.apply(j.Ended(end))
    assert driver.state.phase is Phase.FAILED
    assert driver.state.ending is not None
    assert driver.state.ending.reason == "1 of 2 joined, 3 are needed."
    state = driver.state
    driver.apply(j.Ended(end))
    assert driver.state is state


def test_only_the_model_owner_finishes_a_job(driver: Driver) -> None:
    driver.deploy(Identity.generate().party_id)
    with pytest.raises(Problem) as caught:
        driver.apply(j.Ended(JobEnd(job_id=JOB_ID, status="FINISHED")))
    assert caught.value.code is Code.WRONG_STATE


def test_cancelling_tells_the_facilitator_and_stops_steps(driver: Driver) -> None:
    _, step = at_first_gradient(driver)
    effects = driver.apply(j.CancelAsked("wrong spec"))
    assert effects == (j.DestroyKey(), j.TellCancelled())
    assert not driver.state.cancel_told
    with pytest.raises(Problem) as caught:
        driver.step(step)
    assert caught.value.code is Code.JOB_OVER
    driver.apply(j.CancelTold())
    assert driver.state.cancel_told


def test_a_job_that_is_cancelled_again_keeps_its_end_and_is_told_of_again(driver: Driver) -> None:
    at_first_gradient(driver)
    driver.apply(j.CancelAsked("wrong spec"))
    driver.apply(j.CancelTold())
    ending = driver.state.ending
    assert driver.apply(j.CancelAsked("again")) == (j.TellCancelled(),)
    assert driver.state.ending == ending and ending is not None and ending.reason == "wrong spec"
    assert not driver.state.cancel_told


def test_a_job_that_was_cancelled_before_it_had_a_manifest_is_told_to_nobody(driver: Driver) -> None:
    for reason in ("wrong spec", "again"):
        driver.apply(j.CancelAsked(reason))
        assert driver.state.phase is Phase.CANCELLED and driver.state.cancel_told


def test_a_finished_job_cannot_be_cancelled(driver: Driver) -> None:
    driver.train(peers_of(driver))
    with pytest.raises(Problem) as caught:
        driver.apply(j.CancelAsked("too late"))
    assert caught.value.code is Code.JOB_OVER


def test_a_sum_that_was_opened_before_a_cancel_changes_nothing_after_it(driver: Driver) -> None:
    _, step = at_first_gradient(driver)
    arrived = j.StepArrived(step, 100, driver.learning)
    (effect,) = driver.apply(arrived)
    assert isinstance(effect, j.OpenSum)
    opened = driver._open(effect)
    driver.apply(j.CancelAsked("stop"))
    with pytest.raises(Problem) as caught:
        driver.apply(opened)
    assert caught.value.code is Code.WRONG_STATE
    assert driver.state.phase is Phase.CANCELLED


def test_states_and_learning_survive_json(driver: Driver) -> None:
    at_first_gradient(driver)
    assert JobState.model_validate_json(driver.state.model_dump_json()) == driver.state
    assert driver.learning is not None
    again = Learning.model_validate_json(driver.learning.model_dump_json())
    assert again == driver.learning
    assert repr(again) == "Learning(…)"
    assert ModelSpec.model_validate_json(driver.spec.model_dump_json()) == driver.spec
