"""A Data Owner's job on the bench: manifests, rosters, log entries and requests as honest parties would make them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

import numpy as np
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto import LocalEngine, PublicEncryptor, encrypt_array, generate_keypair, key_id, prove_key
from fedtrain.data_owner import job as j
from fedtrain.data_owner.data.encoding import DatasetFacts
from fedtrain.data_owner.job_state import AnswerFacts, JobContext, JobState
from fedtrain.data_owner.policy.inspected import Cell, HighLeverage, InspectedPart, Inspection
from fedtrain.data_owner.policy.row_groups import Comparison
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.round import new_job, step
from fedtrain.methods.regression.budget import Budget
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Decline,
    JoinAnswer,
    Manifest,
    Roster,
    SignedDocument,
    sign_document,
)
from fedtrain.protocol.messages.rounds import (
    NO_ENTRY,
    REQUEST_TAG,
    AnswerRecord,
    Compute,
    Kind,
    LogEntry,
    RoundRequest,
    SignedBytes,
    VectorMessage,
    to_cbor,
)
from fedtrain.spec.model_spec import ModelSpec

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
JOB_ID = "ab" * 16
NONCE = "5e" * 32
ENGINE = LocalEngine()
OWNERS = ("clinic-a", "clinic-b", "clinic-c")


def inspection_of(rows: int, cells: Mapping[str, int] | None = None) -> Inspection:
    """An inspection that found so many rows, these categories, and no row that stands out."""
    found = tuple(
        Cell(kind="category", columns=(label,), label=label, rows=count) for label, count in (cells or {}).items()
    )
    none = HighLeverage(rows=0, largest=0.5, columns={})
    whole = InspectedPart(name="all", rows=rows, cells=tuple(cell for cell in found if cell.rows), high_leverage=none)
    return Inspection(dimensions=4, max_leverage=0.99, joint_cells=False, parts=(whole,))


TABLE = SummedTable(dataset="default", version="da" * 32, rows=200, encoding="2c" * 32)
FROZEN = j.Frozen(Comparison(TABLE), inspection_of(200), "0c" * 32, hashlib.sha256(b"clinic-a").hexdigest()[:62] + "00")


def identity_of(name: str) -> Identity:
    """The same identity for the same name, every time."""
    return Identity.from_private_bytes(hashlib.sha256(f"bench {name}".encode()).digest())


MODEL_OWNER = identity_of("model-owner")
FACILITATOR = identity_of("facilitator")


@cache
def private_key() -> PaillierPrivateKey:
    return generate_keypair(512, allow_small=True)[1]


def modulus() -> int:
    return int(private_key().public_key.n)


def spec_of(
    data_props: dict[str, object] | None = None, *, release: str | None = None, **training: object
) -> ModelSpec:
    """Two features and a target by name, a 512-bit key, room for 1,000 rows an owner."""
    props = {
        "features": [
            {"name": "age", "type": "continuous", "range": [0, 100]},
            {"name": "dose", "type": "continuous", "range": [-2, 2]},
        ],
        "target": {"name": "days", "range": [0, 50]},
    }
    terms = {"key_bits": 512, "max_rows": 1000, "max_data_owners": 8, "rounds": 5}
    return ModelSpec.model_validate(
        {
            "model_type": "LINEAR_REGRESSION",
            "data_props": data_props or props,
            "training": {**terms, **training},
            "release": release,
        }
    )


def facts_of(schema: object = None, columns: tuple[str, ...] = ("age", "dose", "days")) -> DatasetFacts:
    return DatasetFacts("default", "da" * 32, columns, schema)  # type: ignore[arg-type]


def manifest_of(spec: ModelSpec, signer: Identity = MODEL_OWNER, **changes: object) -> SignedDocument:
    """The Model Owner's signed manifest, sound unless `changes` make it otherwise."""
    proof = prove_key(private_key(), bytes.fromhex(MODEL_OWNER.party_id), bytes.fromhex(NONCE))
    fields: dict[str, object] = {
        "job_id": JOB_ID,
        "created_at": "2026-03-02T08:30:00.000Z",
        "model_owner": MODEL_OWNER.party_id,
        "model_owner_name": "model-owner",
        "spec": spec,
        "plan": plan_spec(spec).to_dict(),
        "modulus": f"{modulus():0128x}",
        "key_proof": tuple(f"{root:0128x}" for root in proof),
        "nonce": NONCE,
    }
    return sign_document(Manifest.model_validate({**fields, **changes}), signer)


def owner_of(name: str = "clinic-a", policy: OwnerPolicy | None = None) -> JobContext:
    return JobContext(
        identity_of(name).party_id, name, FACILITATOR.party_id, policy or OwnerPolicy.for_loopback(), True
    )


def offered(spec: ModelSpec | None = None, **changes: object) -> JobState:
    return new_job(JOB_ID, manifest_of(spec or spec_of(), **changes), NOW)


def accept(name: str, manifest_hash: str, mask_key: str | None = None, moments_hash: str = "0c" * 32) -> SignedDocument:
    acceptance = Acceptance(
        manifest_hash=manifest_hash,
        party=identity_of(name).party_id,
        name=name,
        mask_key=mask_key or hashlib.sha256(name.encode()).hexdigest()[:62] + "00",
        moments_hash=moments_hash,
    )
    return sign_document(acceptance, identity_of(name))


def frozen_of(rows: int = 200, cells: Mapping[str, int] | None = None) -> j.Frozen:
    """A table of so many rows, frozen, and nothing told before."""
    compared = Comparison(TABLE.model_copy(update={"rows": rows}))
    return j.Frozen(compared, inspection_of(rows, cells), "0c" * 32, "3d" * 32)


def signed_answer(document: Acceptance | Decline, name: str = "clinic-a") -> JoinAnswer:
    answer = "accept" if isinstance(document, Acceptance) else "decline"
    return JoinAnswer.model_validate({"answer": answer, "signed": sign_document(document, identity_of(name))})


def joined(owner: JobContext | None = None, state: JobState | None = None) -> JobState:
    """A job that this owner has joined, driven there by the state machine itself."""
    owner, state = owner or owner_of(), state or offered()
    state, effects = step(owner, state, j.Offered({"default": facts_of()}), NOW)
    assert effects == (j.Freeze("default", "da" * 32),)
    state, effects = step(owner, state, FROZEN, NOW)
    sign = effects[-1]
    assert isinstance(sign, j.Sign)
    state, effects = step(owner, state, j.Signed(signed_answer(sign.document)), NOW)
    assert effects == (j.GiveJoinAnswer(),)
    return state


def roster_of(
    manifest_hash: str, entries: list[SignedDocument] | None = None, signer: Identity = FACILITATOR
) -> SignedDocument:
    """The roster of OWNERS, or of these acceptances, in ascending order."""
    if entries is None:
        entries = [accept(name, manifest_hash) for name in OWNERS]
    ordered = sorted(entries, key=lambda entry: Acceptance.model_validate_json(entry.document).party)
    return sign_document(Roster(manifest_hash=manifest_hash, entries=tuple(ordered)), signer)


def at_work(owner: JobContext | None = None) -> JobState:
    """A job with its roster pinned."""
    owner = owner or owner_of()
    state = joined(owner)
    return step(owner, state, j.RosterFetched(roster_of(state.manifest_hash)), NOW)[0]


def opening_entry(manifest_hash: str, roster_hash: str) -> bytes:
    return to_cbor(LogEntry(index=0, previous=NO_ENTRY, manifest_hash=manifest_hash, roster_hash=roster_hash))


def entry_after(state: JobState, index: int, **changes: object) -> bytes:
    """The log entry that records the sum of `state.last`'s round."""
    last, roster = state.last, state.roster
    assert last is not None and roster is not None
    own = AnswerRecord(
        party=owner_of().party_id,
        answer_hash=last.answer_hash,
        ciphertexts_hash=last.ciphertexts_hash,
        signature=bytes.fromhex(last.signature),
    )
    others = [
        own.model_copy(update={"party": identity_of(name).party_id, "answer_hash": "77" * 32}) for name in OWNERS[1:]
    ]
    records = tuple(sorted([own, *others], key=lambda record: record.party))
    fields: dict[str, object] = {
        "index": index,
        "previous": last.log_head,
        "manifest_hash": state.manifest_hash,
        "roster_hash": roster.hash,
        "round": last.round,
        "kind": last.kind,
        "request_hash": last.request_hash,
        "answers": records,
        "product_hash": "99" * 32,
    }
    return to_cbor(LogEntry.model_validate({**fields, **changes}))


def weights_message(budget: Budget, values: object) -> VectorMessage:
    """Enc(w) under the plan, as the Model Owner sends it; `values` are integers at the plan's scale."""
    public_key = private_key().public_key
    encryptor = PublicEncryptor(public_key, ENGINE, expected_count=4)
    vector = encrypt_array(
        np.array(values, dtype=object).reshape(-1, 1),
        budget.weights_layout,
        budget.steps[0].weight_fraction_bits,
        budget.steps[0].weight_bound,
        encryptor,
        key_id(public_key.n),
    )
    return VectorMessage.of(vector, public_key.n)


def request_of(
    state: JobState,
    previous_entry: bytes,
    round_: int = 0,
    kind: Kind = RoundKind.COUNTS,
    weights: VectorMessage | None = None,
    signer: Identity = MODEL_OWNER,
    **changes: object,
) -> Compute:
    """A COMPUTE task's request as the Model Owner signed it."""
    fields: dict[str, object] = {
        "manifest_hash": state.manifest_hash,
        "roster_hash": state.roster.hash if state.roster else roster_of(state.manifest_hash).hash,
        "round": round_,
        "kind": kind,
        "log_head": sha256_hex(previous_entry),
        "rows_total": None if kind == RoundKind.COUNTS else 600,
        "weights": weights,
    }
    request = RoundRequest.model_validate({**fields, **changes})
    signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, signer)
    return Compute(job_id=state.job_id, request=signed, previous_entry=previous_entry)


def facts_after(compute: Compute, round_: int, kind: Kind) -> AnswerFacts:
    """Return what would be kept of an answer to `compute`."""
    return AnswerFacts(
        round=round_,
        kind=kind,
        request_hash=compute.request.hash,
        log_head=sha256_hex(compute.previous_entry),
        answer_hash=sha256_hex(b"answer" + bytes([round_])),
        ciphertexts_hash=sha256_hex(b"ciphertexts" + bytes([round_])),
        signature="5a" * 64,
    )
