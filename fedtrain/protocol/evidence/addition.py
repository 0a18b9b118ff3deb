"""Proof of addition: that a sum is the product of exactly the answers that the roster's owners signed.

Needs no key. The Model Owner runs it before every decryption; `fedtrain verify` runs it over a whole log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedtrain.crypto import EncryptedVector
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.roster import OpenRoster
from fedtrain.protocol.evidence.sum_set import SumSet, check_fully_signed, check_members
from fedtrain.protocol.messages.rounds import (
    AnswerRecord,
    LogEntry,
    RoundAnswer,
    VectorMessage,
    from_cbor,
)
from fedtrain.spec.problems import Code, Problem

#: Adds encrypted vectors: (vectors, modulus) → their sum. Handed in, so that an engine can stand behind it.
AddVectors = Callable[[Sequence[EncryptedVector], int], EncryptedVector]


@dataclass(frozen=True)
class SumContext:
    """Context that a sum must belong to. `quorum`: how many owners, where not all."""

    manifest_hash: str
    roster: OpenRoster
    modulus: int
    round: int
    kind: str
    request_hash: str
    previous_head: str
    quorum: int | None = None


@dataclass(frozen=True, eq=False)
class CheckedSum:
    """A sum that was recomputed, and what it was read from: the log's entry, and the answers by ascending party id."""

    total: EncryptedVector
    entry: LogEntry
    answers: tuple[RoundAnswer, ...]


def record_of(answer_bytes: bytes, answer: RoundAnswer) -> AnswerRecord:
    """Return what the log keeps of an answer."""
    return AnswerRecord(
        party=answer.party,
        answer_hash=sha256_hex(answer_bytes),
        ciphertexts_hash=answer.vector.ciphertexts_hash,
        commitments_hash=None if answer.commitments is None else answer.commitments.hash,
        signature=answer.signature,
    )


def check_answers(
    context: SumContext, answers: Sequence[bytes]
) -> list[tuple[RoundAnswer, AnswerRecord, EncryptedVector]]:
    """Open every answer and check it against the context, by ascending party id.

    Raises Problem: ADDITION_NOT_PROVEN when one is missing, doubled, of another round or request, or of someone who
    is not on the roster; BAD_SIGNATURE; MALFORMED_CIPHERTEXT.
    """
    opened = sorted(((from_cbor(data, RoundAnswer), data) for data in answers), key=lambda pair: pair[0].party)
    parties = tuple(answer.party for answer, _ in opened)
    if context.quorum is None and parties != context.roster.parties:
        missing = [party[:16] + "…" for party in context.roster.parties if party not in parties]
        raise _unproven(f"it needs one answer of each of the {len(context.roster.parties)} owners; missing: {missing}")
    for answer, _ in opened:
        expected = (context.manifest_hash, context.roster.hash, context.round, context.kind, context.request_hash)
        given = (answer.manifest_hash, answer.roster_hash, answer.round, answer.kind, answer.request_hash)
        if given != expected or answer.log_head != context.previous_head:
            raise _unproven(f"the answer of {answer.party[:16]}… belongs to another round, request, roster or log")
        answer.check_signature()
        if (answer.commitments is None) != (context.quorum is None):
            raise _unproven(f"the answer of {answer.party[:16]}… commits to keys where it must not, or does not")
    return [(answer, record_of(data, answer), answer.vector.open(context.modulus)) for answer, data in opened]


def check_sum(
    context: SumContext, answers: Sequence[bytes], entry_bytes: bytes, product_bytes: bytes, add: AddVectors
) -> CheckedSum:
    """Return the sum after recomputing it; `product_bytes` are the ciphertexts that the Facilitator sent as the sum.

    Raises Problem: ADDITION_NOT_PROVEN, LOG_INCONSISTENT, BAD_SIGNATURE.
    """
    checked = check_answers(context, answers)
    entry = from_cbor(entry_bytes, LogEntry)
    if entry.previous != context.previous_head:
        raise Problem(Code.LOG_INCONSISTENT, f"Log entry {entry.index} does not follow the entry before it.")
    given = (entry.manifest_hash, entry.roster_hash, entry.round, entry.kind, entry.request_hash)
    expected = (context.manifest_hash, context.roster.hash, context.round, context.kind, context.request_hash)
    if given != expected or entry.answers != tuple(record for _, record, _ in checked):
        raise Problem(Code.LOG_INCONSISTENT, f"Log entry {entry.index} does not record this round's answers.")
    check_set(entry, context.roster, context.quorum)
    product = add([vector for *_, vector in checked], context.modulus)
    if VectorMessage.of(product, context.modulus).ciphertexts != product_bytes:
        raise _unproven("the product of the answers is another ciphertext")
    if entry.product_hash != sha256_hex(product_bytes):
        raise Problem(Code.LOG_INCONSISTENT, f"Log entry {entry.index} records another product.")
    return CheckedSum(product, entry, tuple(answer for answer, *_ in checked))


def check_set(entry: LogEntry, roster: OpenRoster, quorum: int | None) -> None:
    """Check that the owners whose answers an entry records have all signed that it is theirs which are summed.

    `quorum`: how many there must be; None where the answers are all of the roster's, and nobody signs a set. Raises
    Problem: LOG_INCONSISTENT, SET_REFUSED, BAD_SIGNATURE.
    """
    if (entry.set_signatures is None) != (quorum is None):
        raise Problem(Code.LOG_INCONSISTENT, f"Log entry {entry.index} has signatures on its set, unlike its job.")
    if quorum is None or entry.set_signatures is None:
        return
    summed = SumSet.of_entry(entry)
    check_members(summed, roster.parties, quorum)
    check_fully_signed(summed, entry.set_signatures)


def _unproven(why: str) -> Problem:
    return Problem(Code.ADDITION_NOT_PROVEN, f"The sum is refused before decryption: {why}.")
