"""How many bytes a job's messages have, from its plan alone: the messages are built, with zeros for ciphertexts.

Every part of a message is of fixed width or follows from the plan, so that these are the sizes of real ones, to the
byte. What is counted are the bodies: requests, answers, steps and results of every round and every evaluation, and the
evidence that a Model Owner reads at the end of a window. HTTP's headers, polls, listings of the log, and what comes
before the first round (manifest, invitations, roster) are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fedtrain.crypto.packing.slots import SlotLayout
from fedtrain.planning.budget import Budget
from fedtrain.protocol.messages.expected import expected_answer, sum_bound
from fedtrain.protocol.messages.rounds import (
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
from fedtrain.protocol.messages.shared_weights import SealedWeights, sealed_bytes

_HASH = "0" * 64
_PARTY = "11" * 32
_SIGNATURE = bytes(64)
_JOB = "0" * 32


@dataclass(frozen=True)
class RoundBytes:
    """One round or evaluation. `compute`, `answer`: of one Data Owner. `evidence`: entry, request, answers, product.

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
    """All rounds of a job, the counts' and the evaluations included."""

    data_owner_received: int
    data_owner_sent: int
    facilitator_received: int
    facilitator_sent: int
    model_owner_received: int
    model_owner_sent: int


def job_bytes(budget: Budget, owners: int, rounds: int, rows_total: int, evaluate_every: int = 0) -> JobBytes:
    """The messages of a job of `owners` owners that takes all its `rounds`, for N = rows_total.

    The Model Owner's first request and its last word are in; the Facilitator's numbers are all parties' together.
    Raises ValueError as `round_bytes`.
    """
    every = list(round_bytes(budget, owners, rounds, rows_total, evaluate_every))
    received = sum(one.compute for one in every)
    sent = sum(one.answer for one in every)
    asked = sum(one.result for one in every) + _Sizes(budget, owners, rows_total).result(0, _COUNTS)
    told = sum(one.step + one.evidence_read for one in every)
    return JobBytes(received, sent, owners * sent + asked, owners * received + told, told, asked)


def round_bytes(
    budget: Budget, owners: int, rounds: int, rows_total: int, evaluate_every: int = 0
) -> Iterator[RoundBytes]:
    """Round 0 (the counts), 1, … `rounds`, each evaluation after its round.

    Raises ValueError where `evaluate_every` is not that of the spec that was planned, as far as the plan tells.
    """
    if (evaluate_every > 0) != budget.inputs.evaluates:
        planned = "evaluations" if budget.inputs.evaluates else "none"
        raise ValueError(f"evaluate_every {evaluate_every} for a plan with {planned}: give the one of the spec")
    sizes = _Sizes(budget, owners, rows_total)
    window = budget.inputs.reencrypt_every
    asked: list[_Asked | None] = [None, *_rounds_asked(budget, rounds, evaluate_every), None]
    step, evidence = 1, 0
    for before, this, after in zip(asked, asked[1:], asked[2:], strict=False):
        if this is None:
            return
        one = sizes.of_round(this, before)
        trains = this.kind is not RoundKind.COUNTS
        evidence += one.evidence if trains else 0
        if trains and this.within < window - 1 and after is not None:
            yield one
            continue
        read = evidence if trains and window > 1 else 0
        result = sizes.finish(step) if after is None else sizes.result(step, after)
        yield RoundBytes(one.compute, one.answer, one.evidence, sizes.step(step, this), result, read)
        step, evidence = step + 1, 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A round: its number, its kind, its place in a window, and the index of its entry in the log."""

    number: int
    kind: RoundKind
    within: int
    entry: int

    @property
    def shape(self) -> tuple[object, ...]:
        """What the sizes of its messages depend on."""
        return self.kind, self.within, _digits(self.number), _digits(self.entry)


_COUNTS = _Asked(0, RoundKind.COUNTS, 0, 1)


def _rounds_asked(budget: Budget, rounds: int, evaluate_every: int) -> Iterator[_Asked]:
    kind = RoundKind.GRADIENT if budget.newton is None else RoundKind.MOMENTS
    yield _COUNTS
    entry = _COUNTS.entry
    for number in range(1, rounds + 1):
        entry += 1
        yield _Asked(number, kind, (number - 1) % budget.inputs.reencrypt_every, entry)
        # The last round ends the job: nothing is left to stop early.
        if evaluate_every and number < rounds and number % evaluate_every == 0:
            entry += 1
            yield _Asked(number, RoundKind.VALIDATION_LOSS, 0, entry)


class _Sizes:
    """Sizes by what they depend on: the widths of the numbers in a message, and the step of its window."""

    def __init__(self, budget: Budget, owners: int, rows_total: int) -> None:
        self._budget, self._owners, self._rows_total = budget, owners, rows_total
        self._width = -(-2 * budget.inputs.modulus_bits // 8)
        self._known: dict[tuple[object, ...], int | RoundBytes] = {}

    def of_round(self, this: _Asked, before: _Asked | None) -> RoundBytes:
        key = ("round", this.shape, None if before is None else before.shape)
        if key not in self._known:
            request = self._signed(this)
            answer = len(to_cbor(self._answer(this)))
            entry = self._entry(this)
            compute = Compute(job_id=_JOB, request=request, previous_entry=self._entry(before))
            product = self._width * expected_answer(self._budget, this.kind, this.within).layout.ciphertexts
            evidence = len(entry) + len(to_cbor(request)) + self._owners * answer + product
            self._known[key] = RoundBytes(len(to_cbor(compute)), answer, evidence)
        found = self._known[key]
        if not isinstance(found, RoundBytes):
            raise TypeError("a round's sizes are kept under a round's key")
        return found

    def step(self, step: int, this: _Asked) -> int:
        """The STEP task after a round."""

        def message() -> Step:
            windowed = this.kind is RoundKind.GRADIENT and self._budget.inputs.reencrypt_every > 1
            with_previous = windowed and self._budget.inputs.heavy_ball
            return Step(
                job_id=_JOB,
                step=step,
                log_entry=self._entry(this),
                request=self._signed(this),
                answers=(to_cbor(self._answer(this)),) * self._owners,
                sum=None if windowed else self._total(this.kind),
                weights=self._weights(this.within + 1) if windowed else None,
                previous_weights=self._weights(this.within) if with_previous else None,
            )

        return self._sized(("step", _digits(step), this.shape), message)

    def result(self, step: int, asks: _Asked) -> int:
        """The Model Owner's answer to a STEP task: the request of the round that it asks."""

        def message() -> StepResult:
            return StepResult(job_id=_JOB, step=step, request=self._signed(asks))

        return self._sized(("result", _digits(step), asks.shape), message)

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

    def _signed(self, asked: _Asked) -> SignedBytes:
        with_previous = self._budget.inputs.reencrypt_every > 1 and self._budget.inputs.heavy_ball > 0
        asks = asked.kind is RoundKind.GRADIENT
        request = RoundRequest(
            manifest_hash=_HASH,
            roster_hash=_HASH,
            round=asked.number,
            kind=asked.kind,
            log_head=_HASH,
            rows_total=None if asked.kind is RoundKind.COUNTS else self._rows_total,
            window_step=asked.within,
            weights=self._weights_asked_with(asked),
            sealed_weights=self._boxes() if asks and self._budget.shares_weights else None,
            previous_weights=self._weights(max(0, asked.within - 1)) if asks and with_previous else None,
        )
        return SignedBytes(body=to_cbor(request), signer=_PARTY, signature=_SIGNATURE)

    def _answer(self, asked: _Asked) -> RoundAnswer:
        expected = expected_answer(self._budget, asked.kind, asked.within)
        return RoundAnswer(
            party=_PARTY,
            manifest_hash=_HASH,
            roster_hash=_HASH,
            round=asked.number,
            kind=asked.kind,
            request_hash=_HASH,
            log_head=_HASH,
            vector=self._vector(expected.layout, expected.fraction_bits, self._answer_bound(asked)),
            signature=_SIGNATURE,
        )

    def _answer_bound(self, asked: _Asked) -> int:
        """The bound that an owner's answer names."""
        budget = self._budget
        if asked.kind is RoundKind.COUNTS:
            return budget.counts_owner_bound
        if asked.kind is RoundKind.MOMENTS and budget.newton is not None:
            return budget.newton.owner_bound
        if asked.kind is RoundKind.VALIDATION_LOSS and budget.validation is not None:
            validation = budget.validation
            row = min(validation.row_bound, validation.weights_layout.rows * validation.entry_bound)
            return row * max(validation.weight_bound, 1)
        step = budget.steps[asked.within]
        if budget.shares_weights:
            return step.owner_bound
        row = min(max(budget.matrix_row_bounds), budget.inputs.dimensions * budget.moment_bound)
        return row * max(step.weight_bound, 1) + step.b_bound

    def _total(self, kind: RoundKind) -> VectorMessage:
        expected = expected_answer(self._budget, kind, 0)
        return self._vector(expected.layout, expected.fraction_bits, sum_bound(self._budget, kind, 0))

    def _boxes(self) -> tuple[SealedWeights, ...]:
        box = SealedWeights(party=_PARTY, ephemeral_key=bytes(32), ciphertext=bytes(sealed_bytes(self._budget)))
        return (box,) * self._owners

    def _weights_asked_with(self, asked: _Asked) -> VectorMessage | None:
        validation = self._budget.validation
        if asked.kind is RoundKind.VALIDATION_LOSS and validation is not None:
            return self._vector(validation.weights_layout, validation.weight_fraction_bits, validation.weight_bound)
        if asked.kind is RoundKind.GRADIENT and not self._budget.shares_weights:
            return self._weights(asked.within)
        return None

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

    def _entry(self, asked: _Asked | None) -> bytes:
        """The log's entry of a round; the one that opens the log where there is none."""
        if asked is None:
            return to_cbor(LogEntry(index=0, previous=_HASH, manifest_hash=_HASH, roster_hash=_HASH))
        record = AnswerRecord(party=_PARTY, answer_hash=_HASH, ciphertexts_hash=_HASH, signature=_SIGNATURE)
        return to_cbor(
            LogEntry(
                index=asked.entry,
                previous=_HASH,
                manifest_hash=_HASH,
                roster_hash=_HASH,
                round=asked.number,
                kind=asked.kind,
                request_hash=_HASH,
                answers=(record,) * self._owners,
                product_hash=_HASH,
            )
        )


def _digits(number: int) -> int:
    """How many bytes CBOR writes an unsigned integer in (RFC 8949, section 3)."""
    return 1 if number < 24 else 2 if number < 1 << 8 else 3 if number < 1 << 16 else 5


__all__ = ["JobBytes", "RoundBytes", "job_bytes", "round_bytes"]
