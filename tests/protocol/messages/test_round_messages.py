"""Messages with ciphertexts: one encoding each, every field checked, signatures over what they say."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from mmap import mmap

import pytest
from gmpy2 import mpz
from hypothesis import given
from hypothesis import strategies as st

from fedtrain.crypto import EncryptedVector, SlotLayout, ciphertext_width_bytes, key_id
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.messages import cbor
from fedtrain.protocol.messages.rounds import (
    ANSWER_TAG,
    NO_ENTRY,
    REQUEST_TAG,
    AnswerRecord,
    Compute,
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
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

ALICE, BOB = Identity.generate(), Identity.generate()
HASH, OTHER = "ab" * 32, "cd" * 32
JOB = "0" * 32
MODULUS = (2**127 - 1) * (2**89 - 1)  # two primes; nothing here is kept secret by it
WIDTH = ciphertext_width_bytes(MODULUS)
LAYOUT = SlotLayout(rows=3, columns=1, slot_bits=40, rows_per_ciphertext=2, columns_per_ciphertext=1)
VECTOR = EncryptedVector(key_id(MODULUS), 20, 2**30, LAYOUT, (mpz(5), mpz(MODULUS**2 - 2)))
MESSAGE = VectorMessage.of(VECTOR, MODULUS)

REQUEST = RoundRequest(
    manifest_hash=HASH,
    roster_hash=HASH,
    round=1,
    kind=RoundKind.GRADIENT,
    log_head=NO_ENTRY,
    rows_total=442,
    weights=MESSAGE,
)
ANSWER = RoundAnswer(
    party=ALICE.party_id,
    manifest_hash=HASH,
    roster_hash=HASH,
    round=1,
    kind=RoundKind.GRADIENT,
    request_hash=HASH,
    log_head=HASH,
    vector=MESSAGE,
    signature=bytes(64),
).signed_by(ALICE)
RECORD = AnswerRecord(party=ALICE.party_id, answer_hash=HASH, ciphertexts_hash=HASH, signature=bytes(64))
ENTRY = LogEntry(
    index=1,
    previous=HASH,
    manifest_hash=HASH,
    roster_hash=HASH,
    round=1,
    kind=RoundKind.GRADIENT,
    request_hash=HASH,
    answers=(RECORD,),
    product_hash=HASH,
)
SIGNED = SignedBytes.sign(to_cbor(REQUEST), REQUEST_TAG, ALICE)
MESSAGES: list[Strict] = [
    REQUEST,
    RoundRequest(manifest_hash=HASH, roster_hash=HASH, round=0, kind=RoundKind.COUNTS, log_head=HASH),
    SIGNED,
    Compute(job_id=JOB, request=SIGNED, previous_entry=to_cbor(ENTRY)),
    ANSWER,
    ENTRY,
    LogEntry(index=0, previous=NO_ENTRY, manifest_hash=HASH, roster_hash=HASH),
    Step(job_id=JOB, step=3, log_entry=to_cbor(ENTRY), request=SIGNED, answers=(to_cbor(ANSWER),), sum=MESSAGE),
    StepResult(job_id=JOB, step=3, request=SIGNED),
    StepResult(job_id=JOB, step=3, finished="FAILED", code="diverged", reason="It diverged."),
]


def refused(code: Code, act: Callable[[], object]) -> str:
    with pytest.raises(Problem) as caught:
        act()
    assert caught.value.code is code
    return caught.value.detail


def fields_of(message: Strict) -> dict[str, cbor.Plain]:
    fields = cbor.decode(to_cbor(message))
    assert isinstance(fields, dict)
    return fields


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: Strict) -> None:
    assert from_cbor(to_cbor(message), type(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_an_unknown_field_is_refused_by_name(message: Strict) -> None:
    data = cbor.encode({**fields_of(message), "colour": "red"})
    assert "colour" in refused(Code.MALFORMED_MESSAGE, lambda: from_cbor(data, type(message)))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_field_is_needed_or_stands_for_none(message: Strict) -> None:
    """To leave out even one that has a default would be a second encoding of the same message."""
    fields = fields_of(message)
    for name in fields:
        data = cbor.encode({key: value for key, value in fields.items() if key != name})
        try:
            shorter = from_cbor(data, type(message))
        except Problem as problem:
            assert problem.code is Code.MALFORMED_MESSAGE
        else:
            assert shorter != message
            assert getattr(shorter, name) is None


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_field_of_another_type_is_refused(message: Strict) -> None:
    fields = fields_of(message)
    for name, value in fields.items():
        for wrong in (None, True, 7, "text", b"bytes", [], {}, str(value), [value]):
            if type(wrong) is type(value) or wrong == value:
                continue
            data = cbor.encode({**fields, name: wrong})
            code = Code.PROTOCOL_VERSION if name == "protocol" and isinstance(wrong, str) else Code.MALFORMED_MESSAGE
            refused(code, lambda data=data: from_cbor(data, type(message)))


@pytest.mark.parametrize("message", [m for m in MESSAGES if hasattr(m, "protocol")], ids=lambda m: type(m).__name__)
def test_another_major_version_is_refused_by_name_before_anything_else(message: Strict) -> None:
    for change in ({}, {"colour": "red"}, {"manifest_hash": 7}):
        data = cbor.encode({**fields_of(message), "protocol": "2.3", **change})
        assert "'2.3'" in refused(Code.PROTOCOL_VERSION, lambda data=data: from_cbor(data, type(message)))
    minor = cbor.encode({**fields_of(message), "protocol": "1.9"})
    assert from_cbor(minor, type(message)) == message.model_copy(update={"protocol": "1.9"})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"round": -1}, "round"),
        ({"kind": "Loss of"}, "kind"),
        ({"manifest_hash": HASH[:-1]}, "manifest_hash"),
        ({"manifest_hash": HASH.upper()}, "manifest_hash"),
        ({"rows_total": 0}, "rows_total"),
        ({"window_step": -1}, "window_step"),
        ({"rows_total": None}, "rows_total does not belong with kind gradient"),
        ({"kind": "counts", "weights": None}, "rows_total does not belong with kind counts"),
    ],
    ids=repr,
)
def test_a_request_with_an_impossible_value_is_refused(change: dict[str, cbor.Plain], named: str) -> None:
    fields = {**fields_of(REQUEST), **change}
    data = cbor.encode({key: value for key, value in fields.items() if value is not None})
    assert named in refused(Code.MALFORMED_MESSAGE, lambda: from_cbor(data, RoundRequest))


def test_a_steps_result_is_a_request_or_an_end() -> None:
    both = {**fields_of(MESSAGES[8]), "finished": "FINISHED"}
    neither = {key: value for key, value in fields_of(MESSAGES[8]).items() if key != "request"}
    for fields in (both, neither, {**neither, "finished": "CANCELLED"}):
        data = cbor.encode(fields)
        refused(Code.MALFORMED_MESSAGE, lambda data=data: from_cbor(data, StepResult))


@given(st.binary(max_size=100), st.data())
def test_whatever_bytes_come_there_is_a_message_with_that_encoding_or_a_problem(
    noise: bytes, data: st.DataObject
) -> None:
    message = data.draw(st.sampled_from(MESSAGES))
    changed = bytearray(to_cbor(message))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    for candidate in (noise, bytes(changed)):
        try:
            again = from_cbor(candidate, type(message))
        except Problem as problem:
            assert problem.code in (Code.MALFORMED_CBOR, Code.MALFORMED_MESSAGE, Code.PROTOCOL_VERSION)
        else:
            assert to_cbor(again) == candidate


# Vectors


def test_a_vector_comes_back_with_its_scale_bound_and_layout() -> None:
    assert MESSAGE.open(MODULUS) == VECTOR
    assert len(MESSAGE.ciphertexts) == 2 * WIDTH


@pytest.mark.parametrize(
    "change",
    [
        {"ciphertexts": MESSAGE.ciphertexts[:-1]},
        {"ciphertexts": MESSAGE.ciphertexts[:WIDTH]},
        {"ciphertexts": MESSAGE.ciphertexts + b"\x00"},
        {"ciphertexts": MESSAGE.ciphertexts + MESSAGE.ciphertexts[:WIDTH]},
        {"ciphertexts": b""},
        {"ciphertexts": bytes(WIDTH) + MESSAGE.ciphertexts[WIDTH:]},
        {"ciphertexts": (MODULUS**2).to_bytes(WIDTH, "big") + MESSAGE.ciphertexts[WIDTH:]},
        {"ciphertexts": (MODULUS**2 + 5).to_bytes(WIDTH, "big") + MESSAGE.ciphertexts[WIDTH:]},
        {"ciphertexts": MODULUS.to_bytes(WIDTH, "big") + MESSAGE.ciphertexts[WIDTH:]},
        {"ciphertexts": (2**127 - 1).to_bytes(WIDTH, "big") + MESSAGE.ciphertexts[WIDTH:]},
        {"bound": (2**39).to_bytes(5, "big")},
        {"bound": b"\xff" * 8192},
        {"layout": {}},
        {"layout": {**LAYOUT.to_dict(), "rows": 0}},
        {"layout": {**LAYOUT.to_dict(), "rows": 2**60}},
        {"layout": {**LAYOUT.to_dict(), "rows": 5}},
        {"layout": {**LAYOUT.to_dict(), "slot_bits": 10_000}},
        {"layout": {**LAYOUT.to_dict(), "slot_bits": 108}},
        {"layout": {**LAYOUT.to_dict(), "colour": 1}},
        {"key_id": "0" * 32},
    ],
    ids=[
        "a byte short",
        "a ciphertext short",
        "a byte more",
        "a ciphertext more",
        "nothing",
        "zero",
        "n²",
        "above n²",
        "n",
        "a factor of n",
        "bound beyond the slot",
        "bound beyond everything",
        "no layout",
        "no rows",
        "rows without end",
        "more rows",
        "slots beyond a plaintext",
        "slots a bit beyond it",
        "an unknown entry",
        "another key",
    ],
)
def test_a_vector_that_is_not_valid_is_refused(change: dict[str, object]) -> None:
    wrong = VectorMessage.model_validate({**MESSAGE.model_dump(), **change})
    refused(Code.MALFORMED_CIPHERTEXT, lambda: wrong.open(MODULUS))


# Signatures


def test_a_large_message_that_is_mapped_is_in_memory_once_when_it_is_read() -> None:
    answers = tuple(bytes([at]) * (4 << 20) for at in range(4))
    encoded = to_cbor(Step(job_id=JOB, step=1, log_entry=b"entry", answers=answers))
    with mmap(-1, len(encoded)) as data:
        data.write(encoded)
        tracemalloc.start()
        try:
            step = from_cbor(data, Step)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert step.answers == answers
    assert peak < 1.5 * len(encoded), "its byte strings, and one of them while it is read"


def test_a_signed_request_opens_to_its_exact_bytes() -> None:
    assert SIGNED.open(REQUEST_TAG, ALICE.party_id) == to_cbor(REQUEST)


@pytest.mark.parametrize(
    ("signed", "tag", "signer"),
    [
        (SIGNED, REQUEST_TAG, BOB),
        (SIGNED, ANSWER_TAG, ALICE),
        (SIGNED.model_copy(update={"body": SIGNED.body + b"\x00"}), REQUEST_TAG, ALICE),
        (SIGNED.model_copy(update={"signer": BOB.party_id}), REQUEST_TAG, BOB),
        (SIGNED.model_copy(update={"signature": bytes(64)}), REQUEST_TAG, ALICE),
        (SignedBytes.sign(SIGNED.body, "manifest", ALICE), REQUEST_TAG, ALICE),
    ],
    ids=["another signer", "another tag", "another body", "passed off", "no signature", "moved from another tag"],
)
def test_signed_bytes_that_another_signed_or_altered_are_refused(
    signed: SignedBytes, tag: str, signer: Identity
) -> None:
    refused(Code.BAD_SIGNATURE, lambda: signed.open(tag, signer.party_id))


def test_an_owners_signature_holds_for_its_answer() -> None:
    from_cbor(to_cbor(ANSWER), RoundAnswer).check_signature()


@pytest.mark.parametrize(
    "change",
    [
        {"party": BOB.party_id},
        {"manifest_hash": OTHER},
        {"roster_hash": OTHER},
        {"round": 2},
        {"kind": RoundKind.VALIDATION_LOSS},
        {"request_hash": OTHER},
        {"log_head": OTHER},
        {"vector": MESSAGE.model_copy(update={"ciphertexts": MESSAGE.ciphertexts[::-1]})},
        {"signature": ALICE.sign(REQUEST_TAG, ANSWER.statement())},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_owners_signature_does_not_hold_for_any_other_answer(change: dict[str, object]) -> None:
    altered = ANSWER.model_copy(update=change)
    refused(Code.BAD_SIGNATURE, altered.check_signature)
