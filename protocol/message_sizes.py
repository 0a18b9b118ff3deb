"""How many bytes a job's messages have, from its plan alone: the messages are built, with zeros for ciphertexts.

Every part of a message is of fixed width or follows from the plan, so that these are the sizes of real ones, to the
byte. What is counted are the bodies: requests, answers, steps and results of every round, and the evidence that a
Model Owner reads at the end of a window. HTTP's headers, polls, listings of the log, and what comes before the first
round (manifest, invitations, roster) are not, nor are rounds of encrypted evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from crypto.budget import Budget
from crypto.packing import SlotLayout
from protocol.messages import (
    AnswerRecord,
    Compute,
    LogEntry,
    RoundAnswer,
    RoundKind,
    RoundRequest,
    SignedBytes,
    Step,
    StepResult,
    VectorMessage,
    to_cbor,
)
from protocol.shared_weights import SealedWeights, sealed_bytes

_HASH = "0" * 64
_SIGNATURE = bytes(64)
_JOB = "0" * 32


@dataclass(frozen=True)
class RoundBytes:
    """One round. `compute`, `answer`: of one Data Owner. `evidence`: entry, request, answers and product in the log.

    `step`: what the Model Owner gets after the round, `result` what it then asks with; 0 inside a window.
    `evidence_read`: the window's evidence, which it reads at its end.
    """

    compute: int
    answer: int
    evidence: int
    step: int = 0
    result: int = 0
    evidence_read: int = 0


@dataclass(frozen=True)
class JobBytes:
    """All rounds of a job, the counts' included."""

    data_owner_received: int
    data_owner_sent: int
    facilitator_received: int
    facilitator_sent: int
    model_owner_received: int
    model_owner_sent: int


def job_bytes(budget: Budget, owners: int, rounds: int, rows_total: int) -> JobBytes:
    """The messages of a job of `owners` owners that takes all its `rounds`, for N = rows_total.

    The Model Owner's first request and its last word are in; the Facilitator's numbers are all parties' together.
    """
    every = list(round_bytes(budget, owners, rounds, rows_total))
    received = sum(one.compute for one in every)
    sent = sum(one.answer for one in every)
    asked = sum(one.result for one in every) + _Sizes(budget, owners, rows_total).result(0, 0, RoundKind.COUNTS, 0)
    told = sum(one.step + one.evidence_read for one in every)
    return JobBytes(received, sent, owners * sent + asked, owners * received + told, told, asked)


def round_bytes(budget: Budget, owners: int, rounds: int, rows_total: int) -> Iterator[RoundBytes]:
    """Round 0 (the counts), 1, … `rounds`."""
    sizes = _Sizes(budget, owners, rows_total)
    kind = RoundKind.GRADIENT if budget.newton is None else RoundKind.MOMENTS
    window = budget.inputs.reencrypt_every
    step, evidence = 1, 0
    for number in range(rounds + 1):
        this = RoundKind.COUNTS if number == 0 else kind
        within = (number - 1) % window if number else 0
        one = sizes.of_round(number, this, within)
        ends = number == 0 or within == window - 1 or number == rounds
        evidence += one.evidence if number else 0
        if not ends:
            yield one
            continue
        asks = None if number == rounds else number + 1
        read = evidence if number and window > 1 else 0
        yield RoundBytes(
            one.compute,
            one.answer,
            one.evidence,
            sizes.step(step, number, this, within),
            sizes.finish(step) if asks is None else sizes.result(step, asks, kind, 0),
            read,
        )
        step, evidence = step + 1, 0


class _Sizes:
    """Sizes by what they depend on: the widths of the numbers in a message, and the step of its window."""

    def __init__(self, budget: Budget, owners: int, rows_total: int) -> None:
        self._budget, self._owners, self._rows_total = budget, owners, rows_total
        self._width = -(-2 * budget.inputs.modulus_bits // 8)
        self._known: dict[tuple[object, ...], int | RoundBytes] = {}

    def of_round(self, number: int, kind: RoundKind, within: int) -> RoundBytes:
        # The entry before a round is of the round before, and the first one's is the counts'.
        key = ("round", number < 2, *(_digits(n) for n in (max(0, number - 1), number, number + 1)), kind, within)
        if key not in self._known:
            request = self._signed(number, kind, within)
            answer = len(to_cbor(self._answer(number, kind, within)))
            entry = self._entry(number, kind)
            compute = Compute(job_id=_JOB, request=request, previous_entry=self._entry_before(number, kind))
            product = self._width * self._answer_layout(kind).ciphertexts
            evidence = len(entry) + len(to_cbor(request)) + self._owners * answer + product
            self._known[key] = RoundBytes(len(to_cbor(compute)), answer, evidence)
        found = self._known[key]
        if not isinstance(found, RoundBytes):
            raise TypeError("a round's sizes are kept under a round's key")
        return found

    def step(self, step: int, number: int, kind: RoundKind, within: int) -> int:
        """The STEP task after a round."""

        def message() -> Step:
            windowed = kind is RoundKind.GRADIENT and self._budget.inputs.reencrypt_every > 1
            with_previous = windowed and self._budget.inputs.heavy_ball
            return Step(
                job_id=_JOB,
                step=step,
                log_entry=self._entry(number, kind),
                request=self._signed(number, kind, within),
                answers=(to_cbor(self._answer(number, kind, within)),) * self._owners,
                sum=None if windowed else self._total(kind),
                weights=self._weights(within + 1) if windowed else None,
                previous_weights=self._weights(within) if with_previous else None,
            )

        return self._sized(("step", _digits(step), _digits(number), _digits(number + 1), kind, within), message)

    def result(self, step: int, number: int, kind: RoundKind, within: int) -> int:
        """The Model Owner's answer to a STEP task: the request of round `number`."""

        def message() -> StepResult:
            return StepResult(job_id=_JOB, step=step, request=self._signed(number, kind, within))

        return self._sized(("result", _digits(step), _digits(number), kind, within), message)

    def finish(self, step: int) -> int:
        """Its last answer, where training succeeded."""
        return len(to_cbor(StepResult(job_id=_JOB, step=step, finished="FINISHED")))

    def _sized(self, key: tuple[object, ...], message: Callable[[], Step | StepResult]) -> int:
        # Not built unless it is new: a job may have a million rounds, and some twenty sizes.
        if key not in self._known:
            self._known[key] = len(to_cbor(message()))
        found = self._known[key]
        if not isinstance(found, int):
            raise TypeError("a message's size is kept under a message's key")
        return found

    def _signed(self, number: int, kind: RoundKind, within: int) -> SignedBytes:
        with_previous = self._budget.inputs.reencrypt_every > 1 and self._budget.inputs.heavy_ball > 0
        asks = kind is RoundKind.GRADIENT
        request = RoundRequest(
            manifest_hash=_HASH,
            roster_hash=_HASH,
            round=number,
            kind=kind,
            log_head=_HASH,
            rows_total=None if kind is RoundKind.COUNTS else self._rows_total,
            window_step=within,
            weights=self._weights(within) if asks and not self._budget.shares_weights else None,
            sealed_weights=self._boxes() if asks and self._budget.shares_weights else None,
            previous_weights=self._weights(max(0, within - 1)) if asks and with_previous else None,
        )
        return SignedBytes(body=to_cbor(request), signer=_HASH, signature=_SIGNATURE)

    def _answer(self, number: int, kind: RoundKind, within: int) -> RoundAnswer:
        layout, fraction_bits, bound = self._answer_shape(kind, within)
        return RoundAnswer(
            party=_HASH,
            manifest_hash=_HASH,
            roster_hash=_HASH,
            round=number,
            kind=kind,
            request_hash=_HASH,
            log_head=_HASH,
            vector=self._vector(layout, fraction_bits, bound),
            signature=_SIGNATURE,
        )

    def _answer_shape(self, kind: RoundKind, within: int) -> tuple[SlotLayout, int, int]:
        """Layout, scale and the bound that an owner's answer names."""
        budget = self._budget
        if kind is RoundKind.COUNTS:
            return budget.counts_layout, budget.counts_fraction_bits, budget.counts_owner_bound
        if kind is RoundKind.MOMENTS and budget.newton is not None:
            return budget.newton.layout, budget.newton.fraction_bits, budget.newton.owner_bound
        step = budget.steps[within]
        if budget.shares_weights:
            return budget.answer_layout, step.answer_fraction_bits, step.owner_bound
        row = min(max(budget.matrix_row_bounds), budget.inputs.dimensions * budget.moment_bound)
        bound = row * max(step.weight_bound, 1) + step.b_bound
        return budget.answer_layout, step.answer_fraction_bits, bound

    def _answer_layout(self, kind: RoundKind) -> SlotLayout:
        return self._answer_shape(kind, 0)[0]

    def _total(self, kind: RoundKind) -> VectorMessage:
        layout, fraction_bits, _ = self._answer_shape(kind, 0)
        budget = self._budget
        bound = budget.steps[0].sum_bound
        if kind is RoundKind.COUNTS:
            bound = budget.counts_sum_bound
        elif kind is RoundKind.MOMENTS and budget.newton is not None:
            bound = budget.newton.sum_bound
        return self._vector(layout, fraction_bits, bound)

    def _boxes(self) -> tuple[SealedWeights, ...]:
        box = SealedWeights(party=_HASH, ephemeral_key=bytes(32), ciphertext=bytes(sealed_bytes(self._budget)))
        return (box,) * self._owners

    def _weights(self, updates: int) -> VectorMessage:
        budget = self._budget
        fraction_bits = budget.inputs.weights_fraction_bits_at(updates)
        return self._vector(budget.weights_layout, fraction_bits, budget.weight_bound_after(updates))

    def _vector(self, layout: SlotLayout, fraction_bits: int, bound: int) -> VectorMessage:
        return VectorMessage(
            key_id="0" * 32,
            fraction_bits=fraction_bits,
            bound=bound.to_bytes((bound.bit_length() + 7) // 8, "big"),
            layout=layout.to_dict(),
            ciphertexts=bytes(self._width * layout.ciphertexts),
        )

    def _entry_before(self, number: int, kind: RoundKind) -> bytes:
        if number == 0:
            return to_cbor(LogEntry(index=0, previous=_HASH, manifest_hash=_HASH, roster_hash=_HASH))
        return self._entry(number - 1, RoundKind.COUNTS if number == 1 else kind)

    def _entry(self, number: int, kind: RoundKind) -> bytes:
        record = AnswerRecord(party=_HASH, answer_hash=_HASH, ciphertexts_hash=_HASH, signature=_SIGNATURE)
        return to_cbor(
            LogEntry(
                index=number + 1,
                previous=_HASH,
                manifest_hash=_HASH,
                roster_hash=_HASH,
                round=number,
                kind=kind,
                request_hash=_HASH,
                answers=(record,) * self._owners,
                product_hash=_HASH,
            )
        )


def _digits(number: int) -> int:
    """How many bytes CBOR writes an unsigned integer in (RFC 8949, section 3)."""
    return 1 if number < 24 else 2 if number < 1 << 8 else 3 if number < 1 << 16 else 5


__all__ = ["JobBytes", "RoundBytes", "job_bytes", "round_bytes"]
