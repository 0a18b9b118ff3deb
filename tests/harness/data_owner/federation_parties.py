"""The three state machines with disks that outlive them, and no network, clock or database of their own.

What a party keeps is in its `kept`; everything else is lost when `Crash` strikes, which may be after any write. The
arithmetic is the real one, under a small key: real masks, signatures, sums and decryptions.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fedtrain.crypto import KeyHolderEncryptor, LocalEngine, generate_keypair, prove_key
from fedtrain.facilitator import job as f
from fedtrain.facilitator import job_state as at_facilitator
from fedtrain.facilitator import round as facilitator_round
from fedtrain.facilitator.methods.adding import add_answers
from fedtrain.facilitator.rounds.incoming import (
    open_manifest,
    read_join_answer,
    read_round_answer,
    read_set_signature,
    read_step_result,
    read_unmasking,
    read_withdrawal,
)
from fedtrain.model_owner import job as m
from fedtrain.model_owner import job_state as at_model_owner
from fedtrain.model_owner import round as model_owner_round
from fedtrain.model_owner.methods.learning import Learning
from fedtrain.model_owner.results.fitted import TrainedModel
from fedtrain.model_owner.sums.opening import encrypt_points, open_sum, planned_weights
from fedtrain.model_owner.sums.unmasking import public_unmasking_key
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.signed import JobEnd, SignedDocument, parse_json
from fedtrain.protocol.messages.rounds import SignedBytes, Step, from_cbor
from fedtrain.protocol.messages.tasks import CBOR_TYPE, JSON_TYPE, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import spec_of

JOB_ID = "5d" * 16
START = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)
ENGINE = LocalEngine()


def identity_of(name: str) -> Identity:
    return Identity.from_private_bytes(hashlib.sha256(f"play {name}".encode()).digest())


@cache
def private_key() -> Any:
    return generate_keypair(512, allow_small=True)[1]


class Crash(BaseException):
    """The process is gone: only what is on its disk counts from here on."""


class Disk:
    """Counts writes; after `crash_after` of them, not counting those before it was set, the process dies."""

    def __init__(self) -> None:
        self.crash_after: int | None = None

    def written(self) -> None:
        if self.crash_after is None:
            return
        self.crash_after -= 1
        if self.crash_after <= 0:
            self.crash_after = None
            raise Crash


@dataclass
class Task:
    """A task at the Facilitator. `result`: the exact bytes that were taken."""

    id: str
    kind: TaskKind
    recipient: str
    request: bytes
    closed: bool = False
    result: bytes | None = None


@dataclass
class FacilitatorKept:
    state: str | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    log: list[bytes] = field(default_factory=list)
    rosters: list[SignedDocument] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    registered: dict[str, str] = field(default_factory=dict)


class FacilitatorParty:
    """One transaction an event, as `fedtrain.facilitator.runner` has it: all of an outcome is kept, or nothing."""

    def __init__(self) -> None:
        self.identity = identity_of("facilitator")
        self.kept = FacilitatorKept()
        self.now = START
        self.context: at_facilitator.JobContext | None = None

    @property
    def state(self) -> at_facilitator.JobState | None:
        return None if self.kept.state is None else at_facilitator.JobState.model_validate_json(self.kept.state)

    def open_tasks(self, party: str) -> list[Task]:
        return [task for task in self.kept.tasks.values() if task.recipient == party and not task.closed]

    def register(self, party: str, name: str) -> None:
        self.kept.registered[party] = name
        if self.kept.state is not None:
            self._happen(f.OwnerOffers(party, name))

    def post_manifest(self, signed: SignedDocument) -> None:
        _, manifest = open_manifest(signed.model_dump_json().encode(), JOB_ID, signed.signer)
        if self.kept.state is not None:
            return
        self.budget = plan_spec(manifest.spec)
        self.context = at_facilitator.JobContext(
            manifest, signed, int(manifest.modulus, 16), self.identity, self.budget
        )
        self.kept.state = facilitator_round.open_job(self.context, self.now).model_dump_json()
        for party, name in self.kept.registered.items():
            self._happen(f.OwnerOffers(party, name))

    def cancel(self) -> None:
        if self.kept.state is not None:
            self._happen(f.CancelRequested("enough"))

    def tick(self) -> None:
        if self.kept.state is not None:
            self._happen(f.TimePassed())

    def give(self, task_id: str, party: str, body: bytes, content_type: str) -> bool:
        """Take a result; True where it counts, now or since before. Raises Problem where it is refused."""
        task = self.kept.tasks[task_id]
        if task.result is not None:
            if task.result != body:
                raise Problem(Code.ANSWER_CONFLICT, "another result was given")
            return True
        if task.closed:
            raise Problem(Code.TASK_CLOSED, "the task is over")
        state = self.state
        assert state is not None and self.context is not None
        if task.kind is TaskKind.END:
            task.result, task.closed = body, True
            return True
        event: f.Message
        if task.kind is TaskKind.JOIN:
            event = read_join_answer(body, party)
        elif content_type == JSON_TYPE:
            event = read_withdrawal(body, party)
        elif task.kind is TaskKind.SIGN_SET:
            event = read_set_signature(body, party, state)
        elif task.kind is TaskKind.UNMASK:
            event = read_unmasking(body, party, state)
        elif task.kind is TaskKind.COMPUTE:
            event = read_round_answer(body, party, state, self.context.modulus, self.budget)
        else:
            result, request = read_step_result(body, self.context.manifest, self.budget)
            event = f.StepAnswered(sha256_hex(body), result, request, self.kept.log[-1])
        self._happen(event)
        task.result, task.closed = body, True
        self.kept.blobs[sha256_hex(body)] = body
        return True

    def ready_sum(self) -> f.SumReady | None:
        """The sum of the round that waits for it, as a worker computes it from what is kept."""
        state = self.state
        if state is None or state.phase is not Phase.ADDING or state.current is None or self.context is None:
            return None
        request = from_cbor(self.kept.blobs[state.current.signed_request_hash], SignedBytes)
        answers = tuple(self.kept.blobs[state.current.answers[one.party].answer_hash] for one in state.summed)
        told = tuple(self.kept.blobs[state.current.unmaskings[party]] for party in state.current.members) or None
        total, weights, previous = add_answers(self.context.modulus, self.budget, request.body, answers, ENGINE)
        return f.SumReady(request, answers, total, weights, previous, told)

    def sum_arrives(self, ready: f.SumReady) -> None:
        self._happen(ready)

    def _happen(self, event: f.Message) -> None:
        state = self.state
        assert state is not None and self.context is not None
        outcome = facilitator_round.step(self.context, state, event, self.now)
        self.kept.state = outcome.state.model_dump_json()
        for effect in outcome.effects:
            match effect:
                case f.CreateTask():
                    # A task's key names it once for ever; here it is its id as well.
                    task = Task(effect.key, effect.kind, effect.recipient, effect.request)
                    self.kept.tasks.setdefault(task.id, task)
                case f.CloseTasks():
                    for task in self.kept.tasks.values():
                        task.closed = task.closed or task.kind in effect.kinds
                case f.KeepRoster():
                    self.kept.rosters.append(effect.signed)
                case f.KeepBlob():
                    self.kept.blobs[sha256_hex(effect.content)] = effect.content
                case f.AppendLog():
                    assert effect.index == len(self.kept.log)
                    self.kept.log.append(effect.entry)


@dataclass
class ModelOwnerKept:
    state: str | None = None
    learning: Learning | None = None
    model: TrainedModel | None = None
    results: dict[int, bytes] = field(default_factory=dict)


class ModelOwnerParty:
    """The Model Owner: one commit a message, as `fedtrain.model_owner.service` has it."""

    def __init__(self, spec: ModelSpec) -> None:
        self.identity = identity_of("model-owner")
        self.party_id = self.identity.party_id
        self.disk = Disk()
        self.budget = plan_spec(spec)
        self.context = at_model_owner.JobContext(self.identity, "model-owner", self.budget, rounds_of(spec))
        first = at_model_owner.JobState(
            job_id=JOB_ID,
            spec=spec,
            plan=self.budget.to_dict(),
            rounds=self.context.rounds,
            created_at=START,
            changed_at=START,
        )
        self.kept = ModelOwnerKept(first.model_dump_json())

    @property
    def state(self) -> at_model_owner.JobState:
        assert self.kept.state is not None
        return at_model_owner.JobState.model_validate_json(self.kept.state)

    def settle(self, facilitator: FacilitatorParty) -> None:
        """Return what is done after a start, and after a cancelling: the job is brought to the Facilitator, or its end
        is.
        """
        if self.state.phase is Phase.PREPARING:
            nonce = "ab" * 32
            proof = prove_key(private_key(), bytes.fromhex(self.party_id), bytes.fromhex(nonce))
            told = public_unmasking_key(private_key()) if self.state.spec.self_masked else None
            self.take(m.KeyMade(int(private_key().public_key.n), tuple(int(root) for root in proof), nonce, told))
        if self.state.phase is Phase.DEPLOYING and self.state.manifest is not None:
            facilitator.post_manifest(self.state.manifest)
            self.take(m.ManifestPosted(facilitator.identity.party_id))
        if not self.state.cancel_told:
            try:
                facilitator.cancel()
            except Problem as problem:
                assert problem.code is Code.JOB_OVER
            self.take(m.CancelTold())

    def work(self, task: Task, facilitator: FacilitatorParty) -> tuple[bytes, str] | None:
        if task.kind is TaskKind.END:
            self.take(m.Ended(parse_json(task.request, JobEnd)))
            return b"{}", JSON_TYPE
        if self.state.phase in (Phase.PREPARING, Phase.DEPLOYING):
            return None
        message: m.Message = m.StepArrived(from_cbor(task.request, Step), len(task.request), self.kept.learning)
        while True:
            body, follows = self._follow(self.take(message))
            if follows is None:
                return (body, CBOR_TYPE)
            message = follows

    def take(self, message: m.Message) -> tuple[m.Effect, ...]:
        before = self.state
        outcome = model_owner_round.step(self.context, before, message, START)
        if outcome.state is before:
            return outcome.effects
        self.kept.state = outcome.state.model_dump_json()
        for effect in outcome.effects:
            match effect:
                case m.KeepLearning():
                    self.kept.learning = effect.learning
                case m.KeepModel():
                    self.kept.model = effect.model
                case m.GiveResult():
                    self.kept.results = {effect.step: effect.body}
        self.disk.written()
        return outcome.effects

    def _follow(self, effects: tuple[m.Effect, ...]) -> tuple[bytes, m.Message | None]:
        for effect in effects:
            match effect:
                case m.GiveResult():
                    return effect.body, None
                case m.SendStored():
                    if effect.step not in self.kept.results:
                        raise Problem(Code.TASK_CLOSED, "the answer is no longer kept")
                    return self.kept.results[effect.step], None
                case m.OpenSum():
                    try:
                        return b"", m.SumOpened(effect.arrived, open_sum(effect, private_key(), ENGINE))
                    except Problem as problem:
                        return b"", m.SumRefused(effect.arrived, problem)
                case m.EncryptPoint():
                    encryptor = KeyHolderEncryptor(private_key(), ENGINE, 4)
                    modulus = int(private_key().public_key.n)
                    made = encrypt_points(
                        effect.turn.ask, planned_weights(self.budget, effect.turn.ask.kind), encryptor, modulus
                    )
                    return b"", m.PointEncrypted(effect.turn, *made)
        raise LookupError("a step led to nothing")


def play_spec(**training: object) -> ModelSpec:
    terms = {"min_data_owners": 2, "max_data_owners": 8, "rounds": 3, "optimizer": "gradient_descent", "tolerance": 0.0}
    return spec_of(**{**terms, **training})
