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

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from crypto import KeyHolderEncryptor, LocalEngine, RerandomiserPool, generate_keypair, prove_key
from data_owner import job as o
from data_owner import round as owner_round
from data_owner.checks import open_offer
from data_owner.compute import AnsweringJob, compute_answer
from data_owner.encoding import DatasetFacts
from data_owner.gradients import provider_of
from data_owner.moments import Moments, moments_of
from data_owner.policy import OwnerPolicy
from facilitator import job as f
from facilitator import round as facilitator_round
from facilitator.adding import add_answers
from facilitator.incoming import (
    open_manifest,
    read_join_answer,
    read_round_answer,
    read_step_result,
    read_withdrawal,
)
from model_owner import job as m
from model_owner import round as model_owner_round
from model_owner.opening import encrypt_point, open_sum
from protocol.documents import Acceptance, JobEnd, JoinAnswer, Roster, SignedDocument, open_document, parse_json
from protocol.documents import sign_document as sign
from protocol.identity import Identity, sha256_hex
from protocol.messages import Compute, RoundKind, RoundRequest, SignedBytes, Step, from_cbor
from protocol.planning import plan_spec, planned_rounds
from protocol.problems import Code, Problem
from protocol.spec import ModelSpec
from protocol.states import Phase
from protocol.tasks import CBOR_TYPE, JSON_TYPE, TaskKind
from tests.data_owner.owner_bench import spec_of

JOB_ID = "5d" * 16
START = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)
ENGINE = LocalEngine()
DATASET = DatasetFacts("default", "da" * 32, ("age", "dose", "days"), None)


def identity_of(name: str) -> Identity:
    return Identity.from_private_bytes(hashlib.sha256(f"play {name}".encode()).digest())


@cache
def private_key() -> Any:
    return generate_keypair(512, allow_small=True)[1]


@cache
def moments_by_owner(name: str) -> Moments:
    """Fifty records of each owner's own, encoded."""
    draw = np.random.default_rng(int.from_bytes(name.encode(), "big") % (1 << 32))
    X = np.c_[draw.uniform(-1, 1, (50, 2)), np.ones(50)]

    @dataclass
    class Batch:
        X: Any
        Y: Any

    return moments_of([Batch(X, draw.uniform(-1, 1, (50, 1)))], np.ones(3), np.ones(1))


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
    """One transaction an event, as `facilitator.runner` has it: all of an outcome is kept, or nothing."""

    def __init__(self) -> None:
        self.identity = identity_of("facilitator")
        self.kept = FacilitatorKept()
        self.now = START
        self.context: f.JobContext | None = None

    @property
    def state(self) -> f.JobState | None:
        return None if self.kept.state is None else f.JobState.model_validate_json(self.kept.state)

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
        self.context = f.JobContext(manifest, signed, int(manifest.modulus, 16), self.identity)
        self.budget = plan_spec(manifest.spec)
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
        event: f.Event
        if task.kind is TaskKind.JOIN:
            event = read_join_answer(body, party)
        elif content_type == JSON_TYPE:
            event = read_withdrawal(body, party)
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
        answers = tuple(self.kept.blobs[state.current.answers[one.party].answer_hash] for one in state.roster)
        total, weights, previous = add_answers(self.context.modulus, self.budget, request.body, answers, ENGINE)
        return f.SumReady(request, answers, total, weights, previous)

    def sum_arrives(self, ready: f.SumReady) -> None:
        self._happen(ready)

    def _happen(self, event: f.Event) -> None:
        state = self.state
        assert state is not None and self.context is not None
        outcome = facilitator_round.apply(self.context, state, event, self.now)
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
class OwnerKept:
    """`store` may be set back to an older copy; keys and marks, as the real ones, lie beside it."""

    state: str | None = None
    answers: dict[tuple[int, RoundKind], tuple[str, bytes]] = field(default_factory=dict)


class OwnerParty:
    """One Data Owner. The order of its writes is that of `data_owner.agent`: mark, compute, keep, send."""

    def __init__(self, name: str, *, by_hand: bool = False) -> None:
        self.name = name
        self.identity = identity_of(name)
        self.party_id = self.identity.party_id
        self.disk = Disk()
        self.kept = OwnerKept()
        self.mask_key: bytes | None = None
        self.marks: dict[tuple[int, RoundKind], str] = {}
        policy = OwnerPolicy.for_loopback(least_roster=2)
        if by_hand:
            policy = policy.model_copy(update={"approval": "by_hand"})
        self.owner = o.Owner(self.party_id, name, identity_of("facilitator").party_id, policy, True)
        self.moments = moments_by_owner(name)

    @property
    def state(self) -> o.JobState | None:
        return None if self.kept.state is None else o.JobState.model_validate_json(self.kept.state)

    @property
    def moments_hash(self) -> str:
        return sha256_hex(repr((self.moments.rows, self.moments.xtx.tolist(), self.moments.xty.tolist())).encode())

    def work(self, task: Task, facilitator: FacilitatorParty) -> tuple[bytes, str] | None:
        """Do a task as the agent's handlers do; None for "not yet". Raises Problem for what it refuses."""
        if task.kind is TaskKind.JOIN:
            return self._join(parse_json(task.request, SignedDocument))
        if task.kind is TaskKind.END:
            if self.state is not None:
                self.take(o.Ended(parse_json(task.request, JobEnd)))
            return b"{}", JSON_TYPE
        return self._compute(from_cbor(task.request, Compute), facilitator)

    def take(self, message: o.Message) -> None:
        """A message, and all that follows from it until nothing is left to do."""
        messages = [message]
        while messages:
            state = self.state
            assert state is not None
            after, effects = owner_round.step(self.owner, state, messages.pop(0), START)
            self._keep(after)
            for effect in effects:
                match effect:
                    case o.Freeze():
                        self.mask_key = X25519PrivateKey.generate().private_bytes_raw()
                        self.disk.written()
                        messages.append(o.Frozen(50, {}, self.moments_hash, self._public_mask_key(), "ec" * 32))
                    case o.Sign():
                        kind = "accept" if isinstance(effect.document, Acceptance) else "decline"
                        answer = {"answer": kind, "signed": sign(effect.document, self.identity)}
                        messages.append(o.Signed(JoinAnswer.model_validate(answer)))
                    case o.DestroyMaskKey():
                        self.mask_key, self.marks = None, {}
                        self.disk.written()

    def _public_mask_key(self) -> str:
        assert self.mask_key is not None
        return X25519PrivateKey.from_private_bytes(self.mask_key).public_key().public_bytes_raw().hex()

    def _keep(self, state: o.JobState) -> None:
        text = state.model_dump_json()
        if text != self.kept.state:
            self.kept.state = text
            self.disk.written()

    def _join(self, offer: SignedDocument) -> tuple[bytes, str] | None:
        if self.state is None:
            self._keep(owner_round.new_job(JOB_ID, offer, START))
        self.take(o.Offered({"default": DATASET}))
        state = self.state
        if state is None or state.join_answer is None:
            return None
        return state.join_answer.model_dump_json().encode(), JSON_TYPE

    def _compute(self, compute: Compute, facilitator: FacilitatorParty) -> tuple[bytes, str] | None:
        request = from_cbor(compute.request.body, RoundRequest)
        known = self.kept.answers.get((request.round, request.kind))
        answered = None if known is None else o.AnswerFacts.model_validate_json(known[0])
        while True:
            state = self.state
            if state is None:
                raise Problem(Code.MODEL_NOT_FOUND, "the job is not known here")
            after, effects = owner_round.step(self.owner, state, o.Asked(compute, answered), START)
            self._keep(after)
            match effects:
                case (o.SendStored(),):
                    return self.kept.answers[request.round, request.kind][1], CBOR_TYPE
                case (o.AwaitApproval(),):
                    return None
                case (o.Withdraw(document=document),):
                    return sign(document, self.identity).model_dump_json().encode(), JSON_TYPE
                case (o.Answer() as effect,):
                    try:
                        return self._answer(after, effect), CBOR_TYPE
                    except Problem as problem:
                        if problem.code is not Code.OWNER_LOST_ITS_KEY:
                            raise
                        self.take(o.KeyLost(problem.detail))
                        continue
            after, _ = owner_round.step(self.owner, after, o.RosterFetched(facilitator.kept.rosters[-1]), START)
            self._keep(after)

    def _answer(self, state: o.JobState, effect: o.Answer) -> bytes:
        job = self._answering(state)
        place = (effect.request.round, effect.request.kind)
        if self.marks.get(place, effect.request_hash) != effect.request_hash:
            raise Problem(Code.REQUEST_DIFFERS, "the marks say that another request was answered")
        self.marks[place] = effect.request_hash
        self.disk.written()
        computed = compute_answer(job, effect.request, effect.request_hash)
        after, _ = owner_round.step(self.owner, state, o.Answered(computed.facts), START)
        self.kept.answers[place] = (computed.facts.model_dump_json(), computed.body)
        self._keep(after)
        return computed.body

    def _answering(self, state: o.JobState) -> AnsweringJob:
        assert state.roster is not None
        entries = [open_document(entry, Acceptance) for entry in open_document(state.roster, Roster).entries]
        keys = {entry.party: entry.mask_key for entry in entries}
        if self.mask_key is None or self._public_mask_key() != keys[self.party_id]:
            raise Problem(Code.OWNER_LOST_ITS_KEY, "the mask key is gone")
        if self.moments_hash != state.moments_hash:
            raise Problem(Code.OWNER_LOST_ITS_KEY, "the moments are not those that were committed to")
        spec = open_offer(state.offer).spec
        provider = provider_of(spec.model_type)
        modulus = int(private_key().public_key.n)
        return AnsweringJob(
            manifest_hash=state.manifest_hash,
            roster_hash=state.roster.hash,
            modulus=modulus,
            identity=self.identity,
            mask_key=X25519PrivateKey.from_private_bytes(self.mask_key),
            peers={bytes.fromhex(p): bytes.fromhex(key) for p, key in keys.items() if p != self.party_id},
            provider=provider,
            prepared=provider.prepare(self.moments, plan_spec(spec)),
            pool=RerandomiserPool(modulus, ENGINE, 4),
            engine=ENGINE,
        )


@dataclass
class ModelOwnerKept:
    state: str | None = None
    learning: m.Learning | None = None
    model: m.TrainedModel | None = None
    results: dict[int, bytes] = field(default_factory=dict)


class ModelOwnerParty:
    """The Model Owner: one commit a message, as `model_owner.service` has it."""

    def __init__(self, spec: ModelSpec) -> None:
        self.identity = identity_of("model-owner")
        self.party_id = self.identity.party_id
        self.disk = Disk()
        self.budget = plan_spec(spec)
        self.context = m.JobContext(self.identity, "model-owner", self.budget, planned_rounds(spec))
        first = m.JobState(
            job_id=JOB_ID,
            spec=spec,
            plan=self.budget.to_dict(),
            rounds=self.context.rounds,
            created_at=START,
            changed_at=START,
        )
        self.kept = ModelOwnerKept(first.model_dump_json())

    @property
    def state(self) -> m.JobState:
        assert self.kept.state is not None
        return m.JobState.model_validate_json(self.kept.state)

    def settle(self, facilitator: FacilitatorParty) -> None:
        """What is done after a start, and after a cancelling: the job is brought to the Facilitator, or its end is."""
        if self.state.phase is Phase.PREPARING:
            nonce = "ab" * 32
            proof = prove_key(private_key(), bytes.fromhex(self.party_id), bytes.fromhex(nonce))
            self.take(m.KeyMade(int(private_key().public_key.n), tuple(int(root) for root in proof), nonce))
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
        outcome = model_owner_round.apply(self.context, before, message, START)
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
                    weights = encrypt_point(effect.turn.point, self.budget, encryptor, modulus, effect.turn.kind)
                    return b"", m.PointEncrypted(effect.turn, weights)
        raise LookupError("a step led to nothing")


def play_spec(**training: object) -> ModelSpec:
    terms = {"min_data_owners": 2, "max_data_owners": 8, "rounds": 3, "optimizer": "gradient_descent", "tolerance": 0.0}
    return spec_of(**{**terms, **training})
