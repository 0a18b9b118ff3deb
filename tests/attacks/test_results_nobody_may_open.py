"""A result that one owner's people have not signed off, against all others together: noise, and no way around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fedtrain.crypto import open_sealed
from fedtrain.crypto.masks import masks_of_pairs, pair_mask
from fedtrain.data_owner.job_state import AwaitedSignOff
from fedtrain.data_owner.release.answer import AskedFacts, numbers_of, round_keys
from fedtrain.facilitator.rounds.going_on import sum_set_of
from fedtrain.model_owner.arithmetic.arrays import integers_from_json
from fedtrain.model_owner.sums.unmasking import unmasking_key_of
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.evidence.sum_set import (
    UNMASKING_TAG,
    SetMember,
    SetRequest,
    SumSet,
    Unmasking,
    UnmaskRequest,
)
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    Compute,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    Step,
    from_cbor,
    to_cbor,
)
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.federation_owner import OwnerParty
from tests.harness.data_owner.federation_parties import JOB_ID, Task, private_key
from tests.harness.data_owner.sign_offs import NAMES, SignedOffPlay

HONEST, *TRAITORS = NAMES
JOBS = 24
MODULUS = int(private_key().public_key.n)


@pytest.fixture
def play() -> SignedOffPlay:
    """All but one owner have signed the result off."""
    return all_but_one()


def all_but_one() -> SignedOffPlay:
    play = SignedOffPlay()
    play.go_on()
    for name in TRAITORS:
        play.decide(name)
    play.go_on()
    assert play.waiting() == {HONEST}
    return play


def signatures(play: SignedOffPlay) -> list[bytes]:
    return [bytes.fromhex(play.state.current.set_signatures[party]) for party in play.state.current.members]


def asked(owner: OwnerParty, play: SignedOffPlay, summed: SumSet, signed: list[bytes]) -> Unmasking | None:
    """Ask an owner for its keys, whenever and whatever for."""
    request = to_cbor(UnmaskRequest(job_id=JOB_ID, sum_set=summed, signatures=tuple(signed)))
    result = owner.work(Task("x", TaskKind.UNMASK, owner.party_id, request), play.facilitator)
    return None if result is None else from_cbor(result[0], Unmasking)


def refused(code: Code, call: Callable[[], object]) -> str:
    with pytest.raises(Problem) as raised:
        call()
    assert raised.value.code is code, raised.value
    return raised.value.detail


def answer_of(play: SignedOffPlay, name: str) -> RoundAnswer:
    kept = play.state.current.answers[play.owners[name].party_id]
    return from_cbor(play.facilitator.kept.blobs[kept.answer_hash], RoundAnswer)


def facts_of(answer: RoundAnswer) -> AskedFacts:
    return AskedFacts(answer.round, answer.kind, answer.request_hash, answer.log_head, None)


def left_of(play: SignedOffPlay) -> list[int]:
    """Return what the honest owner's answer is once it is decrypted, and every mask is off that a traitor shares."""
    answer, honest = answer_of(play, HONEST), bytes.fromhex(play.owners[HONEST].party_id)
    ciphertexts = answer.vector.open(MODULUS).ciphertexts
    shared = {}
    for name in TRAITORS:
        traitor = play.owners[name]
        keys = round_keys(traitor._answering(traitor.state), facts_of(answer))  # type: ignore[arg-type]
        shared[bytes.fromhex(traitor.party_id)] = keys.pairs[honest]
    masks = masks_of_pairs(honest, shared, len(ciphertexts), MODULUS)
    plain = [int(private_key().raw_decrypt(int(one))) for one in ciphertexts]
    return [(value - mask) % MODULUS for value, mask in zip(plain, masks, strict=True)]


def told_key(play: SignedOffPlay, told: Unmasking) -> bytes:
    """Open what an owner told, with the Model Owner's key."""
    context = UNMASKING_TAG, sum_set_of(play.state).hash, bytes.fromhex(told.party)
    return open_sealed(unmasking_key_of(private_key()), told.ephemeral_key, told.ciphertext, context)


def ks_distance(values: list[int]) -> float:
    """Kolmogorov's largest distance between the values over n and the uniform distribution."""
    ordered = np.sort(np.array([value / MODULUS for value in values]))
    steps = np.arange(1, len(ordered) + 1) / len(ordered)
    return float(max((steps - ordered).max(), (ordered - steps + 1 / len(ordered)).max()))


def critical_distance(count: int, chance: float) -> float:
    """Beyond which uniform values lie with that chance at most (Dvoretzky, Kiefer, Wolfowitz; Massart 1990)."""
    return float(np.sqrt(np.log(2 / chance) / (2 * count)))


def test_everybody_but_the_owner_that_has_not_signed_holds_noise() -> None:
    """The Facilitator's store, the Model Owner's key, the traitors' keys and their sign-off: what is left is uniform.

    With the key that the owner tells once it has signed, the same values are its own numbers, and not uniform at all.
    """
    left: list[int] = []
    opened: list[int] = []
    for _ in range(JOBS):
        play = all_but_one()
        found = left_of(play)
        left += found
        play.decide(HONEST)
        told = asked(play.owners[HONEST], play, sum_set_of(play.state), signatures(play))
        assert told is not None
        key = told_key(play, told)
        opened += [(value - pair_mask(key, at, MODULUS)) % MODULUS for at, value in enumerate(found)]
    assert len(left) >= 4 * JOBS
    assert ks_distance(left) < critical_distance(len(left), 1e-9)
    assert ks_distance(opened) > critical_distance(len(left), 1e-9)


def test_with_the_last_signature_it_opens_to_the_exact_sum(play: SignedOffPlay) -> None:
    each = []
    for owner in play.owners.values():
        answer = answer_of(play, owner.name)
        signed = from_cbor(play.facilitator.kept.blobs[play.state.current.signed_request_hash], SignedBytes)
        request = from_cbor(signed.body, RoundRequest)
        job = owner._answering(owner.state)  # type: ignore[arg-type]
        numbers, _ = numbers_of(job, request, answer.request_hash, None)
        each.append(numbers)
    play.decide(HONEST)
    play.go_on()
    assert play.state.phase is Phase.FINISHED
    total = sum(each)
    learning = play.model_owner.kept.learning
    assert learning is not None
    moments = integers_from_json(learning.optimiser["moments"])
    assert moments.tolist() == total[: len(moments)].tolist()
    assert learning.targets_squared == (int(total[-1, 0]),)


def test_a_facilitator_that_asks_for_keys_before_the_sign_off_gets_none(play: SignedOffPlay) -> None:
    """However often, and after every restart; what the owner keeps beside it is that a person is asked."""
    owner, whole = play.owners[HONEST], sum_set_of(play.state)
    for _ in range(3):
        assert asked(owner, play, whole, signatures(play)) is None
        owner.kept = replace(owner.kept)
    assert owner.state is not None
    assert owner.state.sign_off == AwaitedSignOff(result=whole.hash, owners=3)


def test_a_sign_off_tells_keys_of_no_other_result(play: SignedOffPlay) -> None:
    """Of a smaller set, other answers, another request or another job: what was signed off is one statement."""
    owner, whole = play.owners[HONEST], sum_set_of(play.state)
    play.decide(HONEST)
    smaller = whole.model_copy(update={"members": whole.members[:2]})
    altered = tuple(
        one if one.party == owner.party_id else SetMember(party=one.party, answer_hash="00" * 32)
        for one in whole.members
    )
    others = (
        smaller,
        whole.model_copy(update={"members": altered}),
        whole.model_copy(update={"request_hash": "00" * 32}),
        whole.model_copy(update={"round": 2}),
        whole.model_copy(update={"manifest_hash": "00" * 32}),
    )
    for other in others:
        refused(Code.SET_REFUSED, lambda other=other: asked(owner, play, other, signatures(play)[: len(other.members)]))
    elsewhere = to_cbor(UnmaskRequest(job_id="00" * 16, sum_set=whole, signatures=tuple(signatures(play))))
    task = Task("x", TaskKind.UNMASK, owner.party_id, elsewhere)
    assert "another job" in refused(Code.SET_REFUSED, lambda: owner.work(task, play.facilitator))


def test_a_second_statement_is_never_signed(play: SignedOffPlay) -> None:
    """With other answers of the others, under the same request: one set a job, and of the whole roster."""
    owner, whole = play.owners[HONEST], sum_set_of(play.state)
    altered = tuple(
        one if one.party == owner.party_id else SetMember(party=one.party, answer_hash="00" * 32)
        for one in whole.members
    )
    less = tuple(one for one in whole.members if one.party != play.owners[TRAITORS[0]].party_id)
    for members, why in ((altered, "another set was signed"), (less, "has 2 owners")):
        request = to_cbor(SetRequest(job_id=JOB_ID, sum_set=whole.model_copy(update={"members": members})))
        task = Task("x", TaskKind.SIGN_SET, owner.party_id, request)
        assert why in refused(Code.SET_REFUSED, lambda task=task: owner.work(task, play.facilitator))


def test_a_set_without_an_owner_is_not_signed() -> None:
    """Where the result is signed off, all of the roster are in it: nobody's keys but their own are ever told."""
    play = SignedOffPlay()
    while play.state.phase is not Phase.AGREEING:
        for task in play.tasks(TaskKind.JOIN, TaskKind.COMPUTE, TaskKind.STEP):
            play.do(task)
    owner, whole = play.owners[HONEST], sum_set_of(play.state)
    less = tuple(one for one in whole.members if one.party != play.owners[TRAITORS[0]].party_id)
    request = to_cbor(SetRequest(job_id=JOB_ID, sum_set=whole.model_copy(update={"members": less})))
    task = Task("x", TaskKind.SIGN_SET, owner.party_id, request)
    assert "has 2 owners" in refused(Code.SET_REFUSED, lambda: owner.work(task, play.facilitator))


def test_keys_in_another_owners_name_or_of_another_result_are_refused(play: SignedOffPlay) -> None:
    """At the Facilitator, and by the Model Owner where the Facilitator lets them pass."""
    traitor = play.owners[TRAITORS[0]]
    task = next(one for one in play.tasks(TaskKind.UNMASK) if one.recipient == play.owners[HONEST].party_id)
    told = asked(traitor, play, sum_set_of(play.state), signatures(play))
    assert told is not None
    facilitator, honest = play.facilitator, play.owners[HONEST].party_id

    def given(message: Unmasking) -> Callable[[], object]:
        return lambda: facilitator.give(task.id, honest, to_cbor(message), "application/cbor")

    refused(Code.FORBIDDEN, given(told))
    refused(Code.BAD_SIGNATURE, given(told.model_copy(update={"party": honest})))
    refused(Code.MALFORMED_MESSAGE, given(told.model_copy(update={"party": honest, "set_hash": "00" * 32})))
    # The traitor's key stands in for the one that is missing.
    current = play.state.current
    blob = next(blob for blob in facilitator.kept.blobs.values() if sha256_hex(blob) in current.unmaskings.values())
    forged = current.model_copy(update={"unmaskings": {**current.unmaskings, honest: sha256_hex(blob)}})
    facilitator.kept.state = play.state.model_copy(update={"current": forged, "phase": Phase.ADDING}).model_dump_json()
    ready = facilitator.ready_sum()
    assert ready is not None
    facilitator.sum_arrives(ready)
    play.go_on()
    ending = play.model_owner.state.ending
    assert ending is not None
    assert ending.code in ("malformed-message", "unmasking-refused")
    assert play.model_owner.kept.model is None


def test_a_sum_without_all_keys_is_not_opened(play: SignedOffPlay) -> None:
    play.decide(HONEST)
    while play.state.phase is not Phase.WAITING_FOR_MODEL_OWNER:
        for task in play.tasks(TaskKind.UNMASK):
            play.do(task)
        ready = play.facilitator.ready_sum()
        if ready is not None:
            play.facilitator.sum_arrives(ready)
    task = play.tasks(TaskKind.STEP)[-1]
    step = from_cbor(task.request, Step)
    assert step.unmaskings is not None
    cut = step.model_copy(update={"unmaskings": step.unmaskings[:-1]})
    play.do(Task(task.id, task.kind, task.recipient, to_cbor(cut)))
    ending = play.model_owner.state.ending
    assert ending is not None
    assert ending.code == "unmasking-refused"


@pytest.mark.parametrize("rows", [150, 2999, 3001])
def test_a_request_that_claims_to_know_n_is_refused(rows: int) -> None:
    """An owner refuses an N below its own count: one that could be chosen would be a way to search for it."""
    play = SignedOffPlay()
    while play.state.phase is not Phase.WAITING_FOR_DATA_OWNERS:
        for task in play.tasks(TaskKind.JOIN, TaskKind.STEP):
            play.do(task)
    task = next(one for one in play.tasks(TaskKind.COMPUTE) if one.recipient == play.owners[HONEST].party_id)
    compute = from_cbor(task.request, Compute)
    request = from_cbor(compute.request.body, RoundRequest)
    assert request.rows_total == 3000  # max_rows, three times
    other = SignedBytes.sign(
        to_cbor(request.model_copy(update={"rows_total": rows})), REQUEST_TAG, play.model_owner.identity
    )
    crafted = Task("x", TaskKind.COMPUTE, task.recipient, to_cbor(compute.model_copy(update={"request": other})))
    refused(Code.ROWS_TOTAL_REFUSED, lambda: play.owners[HONEST].work(crafted, play.facilitator))


def test_the_counts_are_not_asked_for_by_themselves() -> None:
    """A round that tells N alone, asked by a Model Owner that changed its mind, is out of order."""
    play = SignedOffPlay()
    while play.state.phase is not Phase.WAITING_FOR_DATA_OWNERS:
        for task in play.tasks(TaskKind.JOIN, TaskKind.STEP):
            play.do(task)
    task = next(one for one in play.tasks(TaskKind.COMPUTE) if one.recipient == play.owners[HONEST].party_id)
    compute = from_cbor(task.request, Compute)
    request = from_cbor(compute.request.body, RoundRequest)
    counts = request.model_copy(update={"round": 0, "kind": "counts", "rows_total": None})
    signed = SignedBytes.sign(to_cbor(counts), REQUEST_TAG, play.model_owner.identity)
    crafted = Task("x", TaskKind.COMPUTE, task.recipient, to_cbor(compute.model_copy(update={"request": signed})))
    problem = refused(Code.WRONG_STATE, lambda: play.owners[HONEST].work(crafted, play.facilitator))
    assert "round 1 (moments) is due" in problem
