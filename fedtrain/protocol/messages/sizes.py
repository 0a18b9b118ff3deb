"""Lengths of a job's messages in bytes, from its plan alone: the messages are built, with zeros for ciphertexts.

Every part of a message is of fixed width or follows from the plan, so that these are the sizes of real ones, to the
byte. What is counted are the bodies: requests, answers, steps and results of every round and every evaluation, and the
evidence that a Model Owner reads at the end of a window. HTTP's headers, polls, listings of the log, and what comes
before the first round (manifest, invitations, roster) are not. Where rounds go on without an owner, they are those of
rounds that all are there in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fedtrain.crypto.sealing import OVERHEAD_BYTES
from fedtrain.methods.plan import Answer, EncryptedWeights, Plan, SharedArrays
from fedtrain.methods.schedule import COUNTS, Schedule, Turn
from fedtrain.protocol.evidence.sum_set import (
    SetMember,
    SetRequest,
    SetSignature,
    SumSet,
    Unmasking,
    UnmaskRequest,
)
from fedtrain.protocol.messages.rounds import (
    AnswerRecord,
    Commitments,
    Compute,
    LogEntry,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    Step,
    StepResult,
    VectorMessage,
    to_cbor,
)
from fedtrain.protocol.messages.shared_weights import SealedWeights, blob_bytes, sealed_bytes

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


def job_bytes(plan: Plan, schedule: Schedule, owners: int, rows_total: int) -> JobBytes:
    """Return the sizes of a job of `owners` owners that takes all its rounds, for N = rows_total.

    The Model Owner's first request and its last word are in; the Facilitator's numbers are all parties' together.
    """
    every = list(round_bytes(plan, schedule, owners, rows_total))
    received = sum(one.compute for one in every)
    sent = sum(one.answer for one in every)
    asked = sum(one.result for one in every) + _Sizes(
        plan, owners, rows_total, self_masked=schedule.self_masked
    ).result(0, next(_asked(schedule)))
    told = sum(one.step + one.evidence_read for one in every)
    return JobBytes(received, sent, owners * sent + asked, owners * received + told, told, asked)


def round_bytes(plan: Plan, schedule: Schedule, owners: int, rows_total: int) -> Iterator[RoundBytes]:
    """Return the sizes of round 0 (the counts), 1, 2, …, each evaluation after its round."""
    sizes = _Sizes(plan, owners, rows_total, self_masked=schedule.self_masked)
    asked: list[_Asked | None] = [None, *_asked(schedule), None]
    step, evidence = 1, 0
    for before, this, after in zip(asked, asked[1:], asked[2:], strict=False):
        if this is None:
            return
        one = sizes.of_round(this, before)
        evidence += one.evidence
        if after is not None and after.turn.window_step:
            yield one
            continue
        read = evidence if this.turn.kind in sizes.updating else 0
        result = sizes.finish(step) if after is None else sizes.result(step, after)
        yield RoundBytes(one.compute, one.answer, one.evidence, sizes.step(step, this), result, read)
        step, evidence = step + 1, 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A turn, and the index of its entry in the log."""

    turn: Turn
    entry: int

    @property
    def shape(self) -> tuple[object, ...]:
        """Everything that the sizes of its messages depend on."""
        return self.turn.kind, self.turn.window_step, _digits(self.turn.round), _digits(self.entry)


def _asked(schedule: Schedule) -> Iterator[_Asked]:
    return (_Asked(turn, entry) for entry, turn in enumerate(schedule.every_turn(), start=1))


class _Sizes:
    """Sizes by what they depend on: the widths of the numbers in a message, and the step of its window."""

    def __init__(self, plan: Plan, owners: int, rows_total: int, *, self_masked: bool = False) -> None:
        self._plan, self._owners, self._rows_total, self._self_masked = plan, owners, rows_total, self_masked
        self._rounds: dict[tuple[object, ...], RoundBytes] = {}
        self._sizes: dict[tuple[object, ...], int] = {}
        #: Kinds whose sum the Facilitator takes for an update under encryption.
        self.updating = {kind for kind in plan.kinds if plan.round(kind).updates}

    def of_round(self, this: _Asked, before: _Asked | None) -> RoundBytes:
        key = (this.shape, None if before is None else before.shape)
        if key not in self._rounds:
            request = self._signed(this)
            answer = len(to_cbor(self._answer(this)))
            entry = self._entry(this)
            compute = Compute(job_id=_JOB, request=request, previous_entry=self._entry(before))
            planned = self._plan.round(this.turn.kind, this.turn.window_step).answer
            product = self._plan.ciphertext_bytes * planned.layout.ciphertexts
            evidence = len(entry) + len(to_cbor(request)) + self._owners * answer + product
            asked, told = self._of_set(this) if self._self_masked else (0, 0)
            self._rounds[key] = RoundBytes(len(to_cbor(compute)) + asked, answer + told, evidence)
        return self._rounds[key]

    def _of_set(self, asked: _Asked) -> tuple[int, int]:
        """Bytes that an owner gets and gives besides, where owners sign whose answers are summed."""
        member = SetMember(party=_PARTY, answer_hash=_HASH)
        turn = asked.turn
        summed = SumSet(
            manifest_hash=_HASH,
            roster_hash=_HASH,
            round=turn.round,
            kind=turn.kind,
            request_hash=_HASH,
            log_head=_HASH,
            members=(member,) * self._owners,
        )
        signed = SetSignature(party=_PARTY, set_hash=_HASH, signature=_SIGNATURE)
        keys = UnmaskRequest(job_id=_JOB, sum_set=summed, signatures=(_SIGNATURE,) * self._owners)
        requests = len(to_cbor(SetRequest(job_id=_JOB, sum_set=summed))) + len(to_cbor(keys))
        return requests, len(to_cbor(signed)) + len(_unmasking())

    def step(self, step: int, this: _Asked) -> int:
        """The STEP task after a round."""

        def message() -> Step:
            within = this.turn.window_step
            planned = self._plan.round(this.turn.kind, within)
            weights = self._plan.weights_after(within + 1) if planned.updates else None
            previous = self._plan.weights_after(within) if weights is not None and weights.with_previous else None
            return Step(
                job_id=_JOB,
                step=step,
                log_entry=self._entry(this),
                request=self._signed(this),
                answers=(to_cbor(self._answer(this)),) * self._owners,
                sum=self._vector(planned.answer, planned.answer.sum_bound) if weights is None else None,
                weights=None if weights is None else self._vector(weights, weights.bound),
                previous_weights=None if previous is None else self._vector(previous, previous.bound),
                unmaskings=(_unmasking(),) * self._owners if self._self_masked else None,
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
        if key not in self._sizes:
            self._sizes[key] = len(to_cbor(message()))
        return self._sizes[key]

    def _signed(self, asked: _Asked) -> SignedBytes:
        turn = asked.turn
        weights = self._plan.round(turn.kind, turn.window_step).weights
        encrypted = weights if isinstance(weights, EncryptedWeights) else None
        previous = None
        if encrypted is not None and encrypted.with_previous:
            before = self._plan.weights_after(max(0, turn.window_step - 1))
            previous = self._vector(before, before.bound)
        request = RoundRequest(
            manifest_hash=_HASH,
            roster_hash=_HASH,
            round=turn.round,
            kind=turn.kind,
            log_head=_HASH,
            rows_total=None if turn.kind == COUNTS else self._rows_total,
            window_step=turn.window_step,
            weights=None if encrypted is None else self._vector(encrypted, encrypted.bound),
            sealed_weights=self._boxes(weights) if isinstance(weights, SharedArrays) else None,
            weights_blob=_blob(weights) if isinstance(weights, SharedArrays) else None,
            previous_weights=previous,
        )
        return SignedBytes(body=to_cbor(request), signer=_PARTY, signature=_SIGNATURE)

    def _answer(self, asked: _Asked) -> RoundAnswer:
        planned = self._plan.round(asked.turn.kind, asked.turn.window_step).answer
        return RoundAnswer(
            party=_PARTY,
            manifest_hash=_HASH,
            roster_hash=_HASH,
            round=asked.turn.round,
            kind=asked.turn.kind,
            request_hash=_HASH,
            log_head=_HASH,
            vector=self._vector(planned, planned.owner_bound),
            commitments=Commitments(self_mask=bytes(32), pair_keys=bytes(32 * (self._owners - 1)))
            if self._self_masked
            else None,
            signature=_SIGNATURE,
        )

    def _boxes(self, weights: SharedArrays) -> tuple[SealedWeights, ...]:
        box = SealedWeights(party=_PARTY, ephemeral_key=bytes(32), ciphertext=bytes(sealed_bytes(weights)))
        return (box,) * self._owners

    def _vector(self, planned: Answer | EncryptedWeights, bound: int) -> VectorMessage:
        return VectorMessage(
            key_id="0" * 32,
            fraction_bits=planned.fraction_bits,
            bound=bound.to_bytes((bound.bit_length() + 7) // 8, "big"),
            layout=planned.layout.to_dict(),
            ciphertexts=bytes(self._plan.ciphertext_bytes * planned.layout.ciphertexts),
        )

    def _entry(self, asked: _Asked | None) -> bytes:
        """The log's entry of a round; the one that opens the log where there is none."""
        if asked is None:
            return to_cbor(LogEntry(index=0, previous=_HASH, manifest_hash=_HASH, roster_hash=_HASH))
        record = AnswerRecord(
            party=_PARTY,
            answer_hash=_HASH,
            ciphertexts_hash=_HASH,
            commitments_hash=_HASH if self._self_masked else None,
            signature=_SIGNATURE,
        )
        return to_cbor(
            LogEntry(
                index=asked.entry,
                previous=_HASH,
                manifest_hash=_HASH,
                roster_hash=_HASH,
                round=asked.turn.round,
                kind=asked.turn.kind,
                request_hash=_HASH,
                answers=(record,) * self._owners,
                product_hash=_HASH,
                set_signatures=(_SIGNATURE,) * self._owners if self._self_masked else None,
            )
        )


def _unmasking() -> bytes:
    """The keys that an owner tells where nobody is outside the set: that of its own mask, sealed."""
    box = bytes(32 + OVERHEAD_BYTES)
    return to_cbor(
        Unmasking(party=_PARTY, set_hash=_HASH, ephemeral_key=bytes(32), ciphertext=box, signature=_SIGNATURE)
    )


def _blob(weights: SharedArrays) -> bytes | None:
    size = blob_bytes(weights)
    return None if size is None else bytes(size)


def _digits(number: int) -> int:
    """Return how many bytes CBOR writes an unsigned integer in (RFC 8949, section 3)."""
    return 1 if number < 24 else 2 if number < 1 << 8 else 3 if number < 1 << 16 else 5
