"""A Data Owner's state machine with a disk that outlives it, beside `federation_parties`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrain.crypto import LocalEngine, RerandomiserPool
from fedtrain.data_owner import job as o
from fedtrain.data_owner import round as owner_round
from fedtrain.data_owner.data.encoding import DatasetFacts
from fedtrain.data_owner.data.moments import Moments, moments_of
from fedtrain.data_owner.job_state import AnswerFacts, JobContext, JobState
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import PreparedData
from fedtrain.data_owner.policy.row_groups import Comparison
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.answer import AnsweringJob, compute_answer
from fedtrain.data_owner.release.ledger import Ledger
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import (
    Acceptance,
    JobEnd,
    JoinAnswer,
    SignedDocument,
    parse_json,
)
from fedtrain.protocol.documents.signed import sign_document as sign
from fedtrain.protocol.evidence.sum_set import SetRequest, UnmaskRequest
from fedtrain.protocol.messages.rounds import Compute, Kind, RoundRequest, from_cbor
from fedtrain.protocol.messages.tasks import CBOR_TYPE, JSON_TYPE, TaskKind
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.federation_parties import (
    JOB_ID,
    START,
    Disk,
    FacilitatorParty,
    Task,
    identity_of,
    private_key,
)
from tests.harness.data_owner.owner_bench import inspection_of

ENGINE = LocalEngine()
DATASET = DatasetFacts("default", "da" * 32, ("age", "dose", "days"), None)


TABLE = SummedTable(dataset="default", version="da" * 32, rows=50, encoding="ec" * 32)


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


@dataclass
class OwnerKept:
    """`store` may be set back to an older copy; keys and marks, as the real ones, lie beside it."""

    state: str | None = None
    answers: dict[tuple[int, Kind], tuple[str, bytes]] = field(default_factory=dict)


class SignedMarks:
    """Marks of signed sets, as `fedtrain.data_owner.release.marks` has them, on a disk of the play."""

    def __init__(self, disk: Disk) -> None:
        self.by_round: dict[int, str] = {}
        self._disk = disk

    def set_signed(self, _job_id: str, round_: int, set_hash: str) -> None:
        if self.by_round.setdefault(round_, set_hash) != set_hash:
            raise Problem(Code.SET_REFUSED, "the marks say that another set was signed")
        self._disk.written()

    def has_signed(self, _job_id: str, round_: int, set_hash: str) -> bool:
        return self.by_round.get(round_) == set_hash


class OwnerParty:
    """One Data Owner. The order of its writes is that of `fedtrain.data_owner.agent`: mark, compute, keep, send."""

    def __init__(self, name: str, *, by_hand: bool = False) -> None:
        self.name = name
        self.identity = identity_of(name)
        self.party_id = self.identity.party_id
        self.disk = Disk()
        self.kept = OwnerKept()
        self.mask_key: bytes | None = None
        self.marks: dict[tuple[int, Kind], str] = {}
        self.signed_marks = SignedMarks(self.disk)
        policy = OwnerPolicy.for_loopback(least_roster=2)
        if by_hand:
            policy = policy.model_copy(update={"approval": "by_hand"})
        self.owner = JobContext(self.party_id, name, identity_of("facilitator").party_id, policy, True)
        self.moments = moments_by_owner(name)

    @property
    def state(self) -> JobState | None:
        return None if self.kept.state is None else JobState.model_validate_json(self.kept.state)

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
        if task.kind is TaskKind.SIGN_SET:
            return self._of_set(o.SetAsked(from_cbor(task.request, SetRequest)))
        if task.kind is TaskKind.UNMASK:
            return self._of_set(o.KeysAsked(from_cbor(task.request, UnmaskRequest)))
        return self._compute(from_cbor(task.request, Compute), facilitator)

    def _of_set(self, asked: o.SetAsked | o.KeysAsked) -> tuple[bytes, str] | None:
        """Sign a set or tell keys, as the agent does: the state first, then the mark, then what leaves."""
        if self.state is None:
            raise Problem(Code.MODEL_NOT_FOUND, "the job is not known here")
        after, effects = owner_round.step(self.owner, self.state, asked, START)
        self._keep(after)
        match effects:
            case (o.Withdraw(document=document),):
                return sign(document, self.identity).model_dump_json().encode(), JSON_TYPE
            case (o.AwaitApproval(),):
                return None
        try:
            job = self._answering(after)
        except Problem as problem:
            assert problem.code is Code.OWNER_LOST_ITS_KEY
            self.take(o.KeyLost(problem.detail))
            return self._of_set(asked)
        ledger = Ledger(
            cast(Any, None), cast(Any, None), cast(Any, self.signed_marks), cast(Any, None), cast(Any, None)
        )
        match effects:
            case (o.SignSet(sum_set=summed),):
                return ledger.sign_set(after, job, summed).body, CBOR_TYPE
            case (o.TellKeys(sum_set=summed),):
                return ledger.tell_keys(self.owner, after, job, summed).body, CBOR_TYPE
        raise AssertionError(effects)

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
                        compared = Comparison(TABLE)
                        messages.append(
                            o.Frozen(compared, inspection_of(50), self.moments_hash, self._public_mask_key())
                        )
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

    def _keep(self, state: JobState) -> None:
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
        answered = None if known is None else AnswerFacts.model_validate_json(known[0])
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

    def _answer(self, state: JobState, effect: o.Answer) -> bytes:
        job = self._answering(state)
        place = (effect.request.round, effect.request.kind)
        if self.marks.get(place, effect.request_hash) != effect.request_hash:
            raise Problem(Code.REQUEST_DIFFERS, "the marks say that another request was answered")
        self.marks[place] = effect.request_hash
        self.disk.written()
        computed = compute_answer(job, effect.request, effect.request_hash)
        after, _ = owner_round.step(
            self.owner, state, o.Answered(computed.facts, computed.body, computed.numbers), START
        )
        self.kept.answers[place] = (computed.facts.model_dump_json(), computed.body)
        self._keep(after)
        return computed.body

    def _answering(self, state: JobState) -> AnsweringJob:
        assert state.roster is not None
        roster = self.owner.roster(state, state.roster)
        keys = roster.mask_keys
        if self.mask_key is None or self._public_mask_key() != keys[self.party_id]:
            raise Problem(Code.OWNER_LOST_ITS_KEY, "the mask key is gone")
        if self.moments_hash != state.moments_hash:
            raise Problem(Code.OWNER_LOST_ITS_KEY, "the moments are not those that were committed to")
        spec = self.owner.manifest(state).spec
        budget = plan_spec(spec)
        modulus = int(private_key().public_key.n)
        return AnsweringJob(
            manifest_hash=state.manifest_hash,
            roster_hash=state.roster.hash,
            modulus=modulus,
            identity=self.identity,
            mask_key=X25519PrivateKey.from_private_bytes(self.mask_key),
            peers={bytes.fromhex(p): bytes.fromhex(key) for p, key in keys.items() if p != self.party_id},
            plan=budget,
            method=method_of(spec.model_type),
            data=PreparedData.of(self.moments, budget),
            pool=RerandomiserPool(modulus, ENGINE, 4),
            engine=ENGINE,
            size_band=roster.size_bands.get(self.party_id),
            self_masked=spec.self_masked,
        )
