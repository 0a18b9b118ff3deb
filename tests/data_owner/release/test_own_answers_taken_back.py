"""An owner believes its own signature alone when it takes a forgotten answer back from the Facilitator's log."""

from __future__ import annotations

from typing import Any

import pytest

from fedtrain.data_owner.checks import own_answer
from fedtrain.data_owner.job_state import JobContext
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.evidence.addition import record_of
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    Compute,
    LogEntry,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    to_cbor,
)
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.machine_bench import JOB_ID, fake_vector, identity_of

ME, OTHER = identity_of("clinic-a"), identity_of("clinic-b")
OWNER = JobContext(ME.party_id, "clinic-a", identity_of("facilitator").party_id, OwnerPolicy())


def asked(round_: int = 0) -> Compute:
    request = RoundRequest(
        manifest_hash="a0" * 32, roster_hash="b1" * 32, round=round_, kind=RoundKind.COUNTS, log_head="c2" * 32
    )
    signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, identity_of("model-owner"))
    return Compute(job_id=JOB_ID, request=signed, previous_entry=b"")


def answered(compute: Compute, identity: Identity = ME, **changes: Any) -> RoundAnswer:
    fields: dict[str, Any] = {
        "party": identity.party_id,
        "manifest_hash": "a0" * 32,
        "roster_hash": "b1" * 32,
        "round": 0,
        "kind": RoundKind.COUNTS,
        "request_hash": compute.request.hash,
        "log_head": "c2" * 32,
        "vector": fake_vector("one"),
        "signature": b"\0" * 64,
    }
    return RoundAnswer.model_validate({**fields, **changes}).signed_by(identity)


def logged(compute: Compute, answer: RoundAnswer) -> LogEntry:
    return LogEntry(
        index=1,
        previous="c2" * 32,
        manifest_hash="a0" * 32,
        roster_hash="b1" * 32,
        round=0,
        kind=RoundKind.COUNTS,
        request_hash=compute.request.hash,
        answers=(record_of(to_cbor(answer), answer),),
        product_hash="d3" * 32,
    )


def test_an_answer_with_this_owners_signature_is_taken_back_as_it_was_given() -> None:
    compute = asked()
    answer = answered(compute)
    taken, facts = own_answer(OWNER, compute, logged(compute, answer), to_cbor(answer))
    assert taken == answer
    assert (facts.round, facts.kind, facts.request_hash) == (0, RoundKind.COUNTS, compute.request.hash)
    assert (facts.answer_hash, facts.log_head) == (sha256_hex(to_cbor(answer)), "c2" * 32)
    assert facts.signature == answer.signature.hex()


def refused(compute: Compute, entry: LogEntry, answer: RoundAnswer) -> Code:
    with pytest.raises(Problem) as caught:
        own_answer(OWNER, compute, entry, to_cbor(answer))
    return caught.value.code


def test_what_this_owner_did_not_sign_is_refused() -> None:
    compute = asked()
    forged = answered(compute).model_copy(update={"signature": b"\1" * 64})
    assert refused(compute, logged(compute, forged), forged) is Code.BAD_SIGNATURE
    others = answered(compute, OTHER)
    assert refused(compute, logged(compute, others), others) is Code.LOG_INCONSISTENT
    as_mine = answered(compute, OTHER, party=ME.party_id)
    assert refused(compute, logged(compute, as_mine), as_mine) is Code.BAD_SIGNATURE


@pytest.mark.parametrize(
    "change",
    [{"round": 1}, {"request_hash": "e4" * 32}, {"roster_hash": "e4" * 32}, {"log_head": "e4" * 32}],
    ids=lambda change: next(iter(change)),
)
def test_an_answer_to_anything_else_is_refused(change: dict[str, Any]) -> None:
    compute = asked()
    answer = answered(compute, **change)
    assert refused(compute, logged(compute, answer), answer) is Code.LOG_INCONSISTENT


def test_an_answer_that_the_log_does_not_record_is_refused() -> None:
    compute = asked()
    recorded, sent = answered(compute), answered(compute, vector=fake_vector("two"))
    assert refused(compute, logged(compute, recorded), sent) is Code.LOG_INCONSISTENT
    other_round = logged(compute, recorded).model_copy(update={"round": 3})
    assert refused(compute, other_round, recorded) is Code.LOG_INCONSISTENT
    nobody = logged(compute, recorded).model_copy(update={"answers": ()})
    assert refused(compute, nobody, recorded) is Code.LOG_INCONSISTENT
