"""The other parties of a job, played in the clear process of a test: owners with rows, and a Facilitator's messages.

Owners answer by the Data Owner's own arithmetic, without masks, which cancel in the sum anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrain.crypto import LocalEngine, RerandomiserPool, sum_vectors
from fedtrain.data_owner.data.moments import moments_of
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import PreparedData
from fedtrain.data_owner.release.answer import AnsweringJob, compute_answer
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Manifest,
    Roster,
    SignedDocument,
    open_document,
    sign_document,
)
from fedtrain.protocol.evidence.addition import record_of
from fedtrain.protocol.messages.rounds import (
    NO_ENTRY,
    LogEntry,
    RoundAnswer,
    RoundRequest,
    Step,
    StepResult,
    VectorMessage,
    from_cbor,
    to_cbor,
)
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.tabular.encode import Encoder

FEATURES = 3
ENGINE = LocalEngine()


def spec_document(**training: object) -> dict[str, object]:
    """A spec of three features, for keys that are fast and protect nothing."""
    features = [{"name": f"x{i}", "type": "continuous", "range": [-2, 2]} for i in range(FEATURES)]
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {"features": features, "target": {"name": "y", "range": [-50, 150]}},
        "training": {"key_bits": 512, "max_rows": 1000, "max_data_owners": 4, "tolerance": 1e-12, **training},
    }


def rows_of(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, 3) features and (count,) targets."""
    generator = np.random.default_rng(seed)
    X = generator.uniform(-2, 2, (count, FEATURES))
    return X, X @ np.array([3.0, -7.0, 11.0]) + 42 + generator.normal(0, 1, count)


def pooled(sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    parts = [rows_of(seed, size) for seed, size in enumerate(sizes)]
    return np.concatenate([X for X, _ in parts]), np.concatenate([y for _, y in parts])


@dataclass
class Peers:
    """Owners of `sizes` rows each, and their Facilitator, for one job."""

    spec: ModelSpec
    sizes: tuple[int, ...] = (30, 5, 12)
    facilitator: Identity = field(default_factory=Identity.generate)

    def __post_init__(self) -> None:
        owners = sorted((Identity.generate() for _ in self.sizes), key=lambda owner: owner.party_id)
        self.owners = owners
        self.budget = plan_spec(self.spec)
        encoder = Encoder.of_spec(self.spec)
        self.data = []
        for seed, size in enumerate(self.sizes):
            X, y = rows_of(seed, size)
            batch = encoder.encode_features(X)
            Y = y[:, None] / encoder.target_half_width
            moments = moments_of([_Rows(batch.X, Y)], encoder.feature_bounds, np.array([encoder.target_bound]))
            self.data.append(PreparedData.of(moments, self.budget))
        self.manifest: SignedDocument | None = None
        self.head, self.length, self.steps = NO_ENTRY, 0, 0

    # The Facilitator's messages

    def open_job(self, manifest: SignedDocument, roster: SignedDocument | None = None) -> Step:
        """The first step: the roster."""
        self.manifest = manifest
        self.job = open_document(manifest, Manifest)
        self.modulus = int(self.job.modulus, 16)
        self.roster = roster or sign_document(
            Roster(manifest_hash=manifest.hash, entries=tuple(self.acceptance(i) for i in range(len(self.owners)))),
            self.facilitator,
        )
        entry = to_cbor(LogEntry(index=0, previous=NO_ENTRY, manifest_hash=manifest.hash, roster_hash=self.roster.hash))
        return self._send(Step(job_id=self.job.job_id, step=0, log_entry=entry, roster=self.roster))

    def acceptance(self, index: int, **changes: object) -> SignedDocument:
        owner = self.owners[index]
        assert self.manifest is not None
        acceptance = Acceptance(
            manifest_hash=self.manifest.hash,
            party=owner.party_id,
            name=f"owner-{index}",
            mask_key=f"{index + 1:064x}",
            moments_hash="00" * 32,
        )
        return sign_document(acceptance.model_copy(update=changes), owner)

    def next_step(self, result: StepResult) -> Step:
        """Return what follows from the Model Owner's request: all owners' answers and their sum."""
        assert result.request is not None
        request = from_cbor(result.request.body, RoundRequest)
        answers = tuple(self.answer(index, request, result.request.hash) for index in range(len(self.owners)))
        opened = [from_cbor(answer, RoundAnswer) for answer in answers]
        vectors = [answer.vector.open(self.modulus) for answer in opened]
        total = VectorMessage.of(sum_vectors(vectors, self.modulus, ENGINE), self.modulus)
        entry = LogEntry(
            index=self.length,
            previous=self.head,
            manifest_hash=request.manifest_hash,
            roster_hash=request.roster_hash,
            round=request.round,
            kind=request.kind,
            request_hash=result.request.hash,
            answers=tuple(record_of(data, answer) for data, answer in zip(answers, opened, strict=True)),
            product_hash=total.ciphertexts_hash,
        )
        return self._send(
            Step(
                job_id=self.job.job_id,
                step=self.steps,
                log_entry=to_cbor(entry),
                request=result.request,
                answers=answers,
                sum=total,
            )
        )

    def answer(self, index: int, request: RoundRequest, request_hash: str) -> bytes:
        job = AnsweringJob(
            manifest_hash=request.manifest_hash,
            roster_hash=request.roster_hash,
            modulus=self.modulus,
            identity=self.owners[index],
            mask_key=X25519PrivateKey.generate(),
            peers={},
            plan=self.budget,
            method=method_of(self.spec.model_type),
            data=self.data[index],
            pool=RerandomiserPool(self.modulus, ENGINE, target=0),
            engine=ENGINE,
            self_masked=False,
        )
        return compute_answer(job, request, request_hash).body

    def signed_answer(self, index: int, request: RoundRequest, request_hash: str, vector: VectorMessage) -> bytes:
        owner = self.owners[index]
        answer = RoundAnswer(
            party=owner.party_id,
            manifest_hash=request.manifest_hash,
            roster_hash=request.roster_hash,
            round=request.round,
            kind=request.kind,
            request_hash=request_hash,
            log_head=request.log_head,
            vector=vector,
            signature=bytes(64),
        )
        return to_cbor(answer.signed_by(owner))

    def _send(self, step: Step) -> Step:
        self.head, self.length, self.steps = sha256_hex(step.log_entry), self.length + 1, self.steps + 1
        return step


@dataclass(frozen=True)
class _Rows:
    X: np.ndarray
    Y: np.ndarray


__all__ = ["FEATURES", "Peers", "pooled", "rows_of", "spec_document"]
