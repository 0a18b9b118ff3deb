"""A job's state machine on the bench: identities made from names, messages made by hand, no service."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache

from fedtrain.facilitator import round as rounds
from fedtrain.facilitator.job import (
    AppendLog,
    CreateTask,
    Effect,
    JoinAnswered,
    Message,
    OwnerOffers,
    RoundAnswered,
    StepAnswered,
    SumReady,
    TimePassed,
)
from fedtrain.facilitator.job_state import JobContext, JobState
from fedtrain.methods.plan import Plan
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.signed import Acceptance, Decline, Manifest, SignedDocument, sign_document
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    Compute,
    Kind,
    RoundAnswer,
    RoundRequest,
    SignedBytes,
    StepResult,
    VectorMessage,
    from_cbor,
    to_cbor,
)
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.spec.model_spec import ModelSpec

START = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)
JOB_ID = "0f4b6d1c9e7a4c52b8d3a6e5f1029384"


def identity_of(name: str) -> Identity:
    return Identity.from_private_bytes(hashlib.sha256(name.encode()).digest())


def small_spec(*, dataset: str | None = None, **training: object) -> ModelSpec:
    """Two features and a target, under a small key."""
    return ModelSpec.model_validate(
        {
            "model_type": "LINEAR_REGRESSION",
            "dataset": dataset,
            "data_props": {
                "features": [
                    {"col_idx": 0, "type": "continuous", "range": [-1.0, 1.0]},
                    {"col_idx": 1, "type": "continuous", "range": [0.0, 10.0]},
                ],
                "target": {"col_idx": 2, "range": [0.0, 100.0]},
            },
            "training": {"key_bits": 512, "max_rows": 1000, "max_data_owners": 8, "rounds": 5, **training},
        }
    )


def fake_vector(seed: str) -> VectorMessage:
    """Something that looks like an encrypted vector to whoever does not open it."""
    layout = {"rows": 1, "columns": 1, "slot_bits": 64, "rows_per_ciphertext": 1, "columns_per_ciphertext": 1}
    content = hashlib.sha256(seed.encode()).digest()
    return VectorMessage(key_id="ab" * 16, fraction_bits=40, bound=b"\x01", layout=layout, ciphertexts=content)


@cache
def small_plan() -> Plan:
    return plan_spec(small_spec())


class MachineBench:
    """Owners "owner-0", "owner-1", …; `now` moves by `wait`; `effects` are those of the last event."""

    def __init__(self, owners: int = 3, **training: object) -> None:
        self.facilitator = identity_of("facilitator")
        self.model_owner = identity_of("model-owner")
        self.owners = {f"owner-{index}": identity_of(f"owner-{index}") for index in range(owners)}
        manifest = Manifest(
            job_id=JOB_ID,
            created_at="2026-01-12T09:00:00.000Z",
            model_owner=self.model_owner.party_id,
            model_owner_name="model-owner",
            spec=small_spec(**{"min_data_owners": min(owners, 3), **training}),
            plan={},
            modulus="c5",
            key_proof=(),
            nonce="0d" * 32,
        )
        signed = sign_document(manifest, self.model_owner)
        self.context = JobContext(manifest, signed, 0xC5, self.facilitator, small_plan())
        self.now = START
        self.state: JobState = rounds.open_job(self.context, self.now)
        self.effects: tuple[Effect, ...] = ()
        self.log: list[bytes] = []
        self.answer_bytes: dict[str, bytes] = {}  # by hash
        self.request: SignedBytes | None = None

    def happen(self, event: Message) -> tuple[Effect, ...]:
        outcome = rounds.step(self.context, self.state, event, self.now)
        self.state, self.effects = outcome.state, outcome.effects
        for effect in self.effects:
            if isinstance(effect, AppendLog):
                assert effect.index == len(self.log)
                self.log.append(effect.entry)
            if isinstance(effect, CreateTask) and effect.kind is TaskKind.COMPUTE:
                self.request = from_cbor(effect.request, Compute).request
        return self.effects

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.happen(TimePassed())

    def tasks(self, kind: TaskKind) -> list[CreateTask]:
        return [effect for effect in self.effects if isinstance(effect, CreateTask) and effect.kind is kind]

    # Joining

    def invite_all(self) -> None:
        for name, owner in self.owners.items():
            self.happen(OwnerOffers(owner.party_id, name))

    def acceptance(self, name: str, **changes: object) -> JoinAnswered:
        owner = self.owners[name]
        fields = {
            "manifest_hash": self.state.manifest_hash,
            "party": owner.party_id,
            "name": name,
            "mask_key": hashlib.sha256(b"mask" + name.encode()).hexdigest()[:62] + "00",
            "moments_hash": hashlib.sha256(b"moments" + name.encode()).hexdigest(),
        }
        return _joined(Acceptance.model_validate({**fields, **changes}), owner)

    def decline(self, name: str, code: str = "policy-refuses") -> JoinAnswered:
        owner = self.owners[name]
        return _joined(
            Decline(manifest_hash=self.state.manifest_hash, party=owner.party_id, name=name, code=code), owner
        )

    def join_all(self) -> None:
        self.invite_all()
        for name in self.owners:
            self.happen(self.acceptance(name))

    # Rounds

    def next_request(self, number: int, kind: Kind = RoundKind.GRADIENT, **changes: object) -> StepAnswered:
        fields: dict[str, object] = {
            "manifest_hash": self.state.manifest_hash,
            "roster_hash": self.state.roster_hash,
            "round": number,
            "kind": kind,
            "log_head": self.state.log_head,
            "rows_total": None if kind == RoundKind.COUNTS else 442,
            "weights": None if kind == RoundKind.COUNTS else fake_vector(f"weights {number}"),
        }
        request = RoundRequest.model_validate({**fields, **changes})
        signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, self.model_owner)
        return self.step_result(request=signed)

    def step_result(self, **fields: object) -> StepAnswered:
        result = StepResult.model_validate({"job_id": JOB_ID, "step": self.state.step - 1, **fields})
        request = None if result.request is None else from_cbor(result.request.body, RoundRequest)
        return StepAnswered(sha256_hex(to_cbor(result)), result, request, self.log[-1] if self.log else b"")

    def ask(self, number: int, kind: Kind = RoundKind.GRADIENT) -> None:
        self.happen(self.next_request(number, kind))

    def answer(self, name: str, **changes: object) -> RoundAnswered:
        current, owner = self.state.current, self.owners[name]
        assert current is not None
        fields: dict[str, object] = {
            "party": owner.party_id,
            "manifest_hash": self.state.manifest_hash,
            "roster_hash": self.state.roster_hash,
            "round": current.round,
            "kind": current.kind,
            "request_hash": current.request_hash,
            "log_head": current.log_head,
            "vector": fake_vector(f"{name} {current.round} {current.kind}"),
            "signature": bytes(64),
        }
        answer = RoundAnswer.model_validate({**fields, **changes}).signed_by(owner)
        body = to_cbor(answer)
        self.answer_bytes[sha256_hex(body)] = body
        return RoundAnswered(sha256_hex(body), answer)

    def answer_all(self) -> None:
        for name in self.owners:
            self.happen(self.answer(name))

    def sum_ready(self, **changes: object) -> SumReady:
        current = self.state.current
        assert self.request is not None and current is not None
        answers = tuple(self.answer_bytes[current.answers[owner.party].answer_hash] for owner in self.state.roster)
        fields: dict[str, object] = {"request": self.request, "answers": answers, "total": fake_vector("sum")}
        return SumReady(**{**fields, **changes})  # type: ignore[arg-type]

    def run_round(self, number: int, kind: Kind = RoundKind.GRADIENT) -> None:
        self.ask(number, kind)
        self.answer_all()
        self.happen(self.sum_ready())


def _joined(statement: Acceptance | Decline, owner: Identity) -> JoinAnswered:
    signed: SignedDocument = sign_document(statement, owner)
    return JoinAnswered(signed.hash, signed, statement)
