"""The Facilitator's log, recomputed: every request, answer, sum and window update of a job, with no key.

`LogVerifier` takes one entry after another and holds each against the one before it. The Model Owner runs it over a
window before it decrypts the window's weights; `verify_log` runs it from the first entry to the last.
Everything is public to the job's parties; nothing here decrypts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fedtrain.crypto import CryptoError, EncryptedVector, Engine, sum_vectors
from fedtrain.methods import schedule_of
from fedtrain.methods.plan import Plan, Update
from fedtrain.methods.schedule import Schedule
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.quorum import least_in_set
from fedtrain.protocol.documents.roster import OpenRoster, open_roster
from fedtrain.protocol.documents.signed import Manifest, SignedDocument, open_document
from fedtrain.protocol.evidence.addition import SumContext, check_sum
from fedtrain.protocol.messages.expected import check_request_vectors, planned_round
from fedtrain.protocol.messages.rounds import (
    NO_ENTRY,
    REQUEST_TAG,
    LogEntry,
    RoundRequest,
    SignedBytes,
    VectorMessage,
    from_cbor,
)
from fedtrain.protocol.messages.shared_weights import check_recipients
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True)
class LogItem:
    """One entry with its evidence: exact bytes, as the Facilitator keeps them. Entry 0 has none."""

    entry: bytes
    signed_request: bytes | None = None
    answers: tuple[bytes, ...] = ()
    product: bytes | None = None

    @property
    def size_bytes(self) -> int:
        """Of the entry and all its evidence."""
        return (
            len(self.entry) + len(self.signed_request or b"") + sum(map(len, self.answers)) + len(self.product or b"")
        )


@dataclass(frozen=True)
class Job:
    """Job that a log belongs to, opened and checked."""

    manifest: Manifest
    manifest_hash: str
    roster: OpenRoster
    facilitator: str
    modulus: int
    plan: Plan

    @property
    def schedule(self) -> Schedule:
        return schedule_of(self.manifest.spec)

    @property
    def quorum(self) -> int | None:
        """Return how many owners a sum needs that have signed whose answers are in it; None where nobody signs that."""
        return least_in_set(self.manifest.spec, len(self.roster.parties))

    @classmethod
    def open(cls, signed_manifest: SignedDocument, signed_roster: SignedDocument, facilitator: str) -> Job:
        """Raises Problem: BAD_SIGNATURE, ROSTER_INVALID, PLAN_DIFFERS, MALFORMED_MESSAGE."""
        manifest = open_document(signed_manifest, Manifest)
        if signed_manifest.signer != manifest.model_owner:
            raise Problem(Code.BAD_SIGNATURE, "The manifest is not signed by the Model Owner that it names.")
        plan = plan_spec(manifest.spec)
        if plan.to_dict() != manifest.plan:
            raise Problem(Code.PLAN_DIFFERS, "The manifest's plan is not what its spec gives.")
        roster = open_roster(signed_roster, manifest, signed_manifest.hash, facilitator)
        return cls(manifest, signed_manifest.hash, roster, facilitator, int(manifest.modulus, 16), plan)

    @property
    def evidence_limits(self) -> EvidenceLimits:
        """Return how large what the log holds can be."""
        return EvidenceLimits.of(self.manifest.spec, self.plan)


@dataclass(frozen=True)
class LogPoint:
    """State of a log between two windows. `rows_total`: N as the counts gave it, None before that is known."""

    head: str = NO_ENTRY
    length: int = 0
    last_round: int = -1
    rows_total: int | None = None


@dataclass(frozen=True)
class WindowWeights:
    """The encrypted weights that a step of a window leads to, and, with momentum, those before them.

    Recomputed from the log, with the plan's own scales and bounds. `updates`: how many the window had so far.
    """

    weights: EncryptedVector
    previous: EncryptedVector | None
    updates: int


class LogVerifier:
    """Holds the state between entries. `head`, `length`: of the log so far, all of it verified.

    `start`: a point that was verified before, at which no window is open; the whole log without it.
    """

    def __init__(self, job: Job, engine: Engine, start: LogPoint = LogPoint()) -> None:
        self._job = job
        self._engine = engine
        self._update: WindowWeights | None = None
        self._last_round = start.last_round
        self._last_kind: str | None = None
        self._schedule = job.schedule
        self._rows_total = start.rows_total
        self.head = start.head
        self.length = start.length

    def add(self, item: LogItem) -> None:
        """Verify the next entry. Raises Problem, whose detail begins with the entry's index, and changes nothing."""
        try:
            if self.length == 0:
                self._open_log(item)
            else:
                self._add_sum(item)
        except CryptoError as error:
            raise Problem(Code.MALFORMED_CIPHERTEXT, f"Log entry {self.length}: {error}.") from None
        except Problem as problem:
            raise Problem(problem.code, f"Log entry {self.length}: {problem.detail}", **problem.extra) from None
        self.head = sha256_hex(item.entry)
        self.length += 1

    @property
    def weights_after_window(self) -> tuple[bytes, bytes | None] | None:
        """Ciphertexts of the weights, and of those before them, as the last sum leaves them; None outside windows."""
        update = self._update
        if update is None:
            return None
        return self._bytes(update.weights), None if update.previous is None else self._bytes(update.previous)

    @property
    def window(self) -> WindowWeights | None:
        """The weights as the last sum leaves them; None outside windows."""
        return self._update

    def _bytes(self, vector: EncryptedVector) -> bytes:
        return VectorMessage.of(vector, self._job.modulus).ciphertexts

    def _open_log(self, item: LogItem) -> None:
        entry = from_cbor(item.entry, LogEntry)
        job = self._job
        given = (entry.index, entry.previous, entry.manifest_hash, entry.roster_hash, entry.answers, entry.round)
        if given != (0, NO_ENTRY, job.manifest_hash, job.roster.hash, (), 0) or entry.product_hash is not None:
            raise Problem(Code.LOG_INCONSISTENT, "it does not open a log of this manifest and roster.")
        self._check_protocol(entry)

    def _add_sum(self, item: LogItem) -> None:
        job = self._job
        if item.signed_request is None or item.product is None:
            raise Problem(Code.LOG_INCONSISTENT, "its request or product is missing.")
        signed = from_cbor(item.signed_request, SignedBytes)
        request = from_cbor(signed.body, RoundRequest)
        asker = job.manifest.model_owner if request.window_step == 0 else job.facilitator
        signed.open(REQUEST_TAG, asker)
        self._check_request(request)
        entry = from_cbor(item.entry, LogEntry)
        if entry.index != self.length:
            raise Problem(Code.LOG_INCONSISTENT, f"it says that it is entry {entry.index}.")
        self._check_protocol(entry)
        context = SumContext(
            job.manifest_hash,
            job.roster,
            job.modulus,
            request.round,
            request.kind,
            signed.hash,
            self.head,
            job.quorum,
        )
        total = check_sum(context, item.answers, item.entry, item.product, self._adder(request)).total
        self._update = self._updated(request, total)
        self._last_round, self._last_kind = request.round, request.kind
        self._rows_total = request.rows_total

    def _check_protocol(self, entry: LogEntry) -> None:
        """A log is of its manifest's version: nothing else would show that the last entry was altered there."""
        due = self._job.manifest.protocol
        if entry.protocol != due:
            raise Problem(Code.LOG_INCONSISTENT, f"it is of protocol {entry.protocol}, its job of {due}.")

    def _check_request(self, request: RoundRequest) -> None:
        job, update = self._job, self._update
        given = (request.manifest_hash, request.roster_hash, request.log_head)
        if given != (job.manifest_hash, job.roster.hash, self.head):
            raise Problem(Code.LOG_INCONSISTENT, "its request belongs to another job, roster or point of the log.")
        last = self._last_round if self._last_round >= 0 else None
        due = self._schedule.following(last, self._last_kind)
        # A round that came to nothing is in no log.
        skipped = self._schedule.skips_to(request.round, request.kind, last)
        if skipped is None and (request.round, request.kind) not in [(turn.round, turn.kind) for turn in due]:
            raise Problem(
                Code.LOG_INCONSISTENT, f"round {request.round} ({request.kind}) follows round {self._last_round}."
            )
        if self._rows_total is not None and request.rows_total != self._rows_total:
            # The step size is divided by N: another N would be another update.
            raise Problem(Code.LOG_INCONSISTENT, f"its request says {request.rows_total} rows, not {self._rows_total}.")
        check_recipients(request.sealed_weights, job.roster.parties)
        within = 0 if update is None or update.updates >= self._schedule.window else update.updates
        if request.window_step != within:
            raise Problem(Code.LOG_INCONSISTENT, f"window step {request.window_step} came where {within} is due.")
        if within == 0:
            check_request_vectors(job.plan, job.modulus, request)
        elif _ciphertexts(request) != self.weights_after_window:
            raise Problem(Code.ADDITION_NOT_PROVEN, "its weights are not the ones that the update before it gives.")

    def _adder(self, request: RoundRequest) -> Callable[[Sequence[EncryptedVector], int], EncryptedVector]:
        planned = planned_round(self._job.plan, request.kind, request.window_step).answer

        def add(vectors: Sequence[EncryptedVector], modulus: int) -> EncryptedVector:
            for vector in vectors:
                if (vector.layout, vector.fraction_bits) != (planned.layout, planned.fraction_bits):
                    raise Problem(Code.MALFORMED_MESSAGE, "an answer has another layout or scale than the plan's.")
            return sum_vectors(vectors, modulus, self._engine, planned.sum_bound)

        return add

    def _updated(self, request: RoundRequest, total: EncryptedVector) -> WindowWeights | None:
        job, step = self._job, request.window_step
        if not planned_round(job.plan, request.kind, step).updates:
            return None
        if request.weights is None or request.rows_total is None:
            raise Problem(Code.LOG_INCONSISTENT, "its request has no weights.")
        weights = request.weights.open(job.modulus)
        previous = None if request.previous_weights is None else request.previous_weights.open(job.modulus)
        after = job.plan.next_weights(
            Update(request.rows_total, step, weights, previous, total), job.modulus, self._engine
        )
        # The bound that a message claims is its sender's; the plan's is what decrypted slots are held against.
        before = None if previous is None else replace(weights, bound=job.plan.weights_after(step).bound)
        return WindowWeights(after, before, step + 1)


def _ciphertexts(request: RoundRequest) -> tuple[bytes | None, bytes | None]:
    weights, previous = request.weights, request.previous_weights
    return None if weights is None else weights.ciphertexts, None if previous is None else previous.ciphertexts


def verify_log(job: Job, items: Sequence[LogItem], engine: Engine) -> LogVerifier:
    """Verify a whole log and return the verifier at its head. Raises Problem naming the first entry that fails."""
    verifier = LogVerifier(job, engine)
    for item in items:
        verifier.add(item)
    return verifier
