"""Material of a job in the coalition's hands: keys, specs, tables, encrypted weights, and decryption."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto import (
    LocalEngine,
    PublicEncryptor,
    decrypt_array,
    encrypt_array,
    generate_keypair,
    key_id,
    sum_vectors,
)
from fedtrain.methods.regression.budget import Budget
from fedtrain.protocol.documents.signed import Acceptance, SignedDocument
from fedtrain.protocol.messages.rounds import RoundAnswer, VectorMessage
from fedtrain.spec.model_spec import ModelSpec

ENGINE = LocalEngine()
HEADER = "age,dose,days"


@cache
def private_key() -> PaillierPrivateKey:
    """512 bits, which protect nothing: the coalition holds the private key anyway."""
    return generate_keypair(512, allow_small=True)[1]


def props(**changes: Any) -> dict[str, Any]:
    return {
        "features": [
            {"name": "age", "type": "continuous", "range": [0, 100]},
            {"name": "dose", "type": "continuous", "range": [-2, 2]},
        ],
        "target": {"name": "days", "range": [0, 50]},
        **changes,
    }


def make_spec(data_props: Mapping[str, Any] | None = None, **training: Any) -> ModelSpec:
    terms = {"key_bits": 512, "max_rows": 1000, "max_data_owners": 8, "rounds": 60, **training}
    return ModelSpec.model_validate(
        {"model_type": "LINEAR_REGRESSION", "data_props": data_props or props(), "training": terms}
    )


def rows(count: int, seed: int) -> list[str]:
    """`count` lines of a table: age, dose, days."""
    rng = np.random.default_rng(seed)
    return [f"{rng.uniform(1, 99):.4f},{rng.uniform(-2, 2):.4f},{rng.uniform(0, 50):.4f}" for _ in range(count)]


def write_table(path: Path, lines: Iterable[str], header: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@dataclass
class Job:
    """A job as the coalition runs it. `entries`: the log so far, honest unless a test says otherwise."""

    id: str
    manifest: SignedDocument
    spec: ModelSpec
    budget: Budget
    roster: SignedDocument | None = None
    entries: list[bytes] = field(default_factory=list)
    round: int = 0

    @property
    def manifest_hash(self) -> str:
        return self.manifest.hash

    def acceptance(self, signed: SignedDocument) -> Acceptance:
        return Acceptance.model_validate_json(signed.document)


def modulus() -> int:
    return int(private_key().public_key.n)


def encrypted(job: Job, values: Sequence[int]) -> VectorMessage:
    """Enc(w), (d, 1) integers at the plan's scale, as the Model Owner sends it."""
    step = job.budget.steps[0]
    encryptor = PublicEncryptor(private_key().public_key, ENGINE, expected_count=4)
    column = np.array(values, dtype=object).reshape(-1, 1)
    vector = encrypt_array(
        column, job.budget.weights_layout, step.weight_fraction_bits, step.weight_bound, encryptor, key_id(modulus())
    )
    return VectorMessage.of(vector, modulus())


def decrypted_sum(job: Job, answers: Sequence[RoundAnswer]) -> Any:
    """(rows, columns) integers; raises crypto.CryptoError where the sum is not one that the plan can give."""
    kind = answers[0].kind
    planned = job.budget.round(kind).answer
    assert {answer.vector.layout["rows"] for answer in answers} == {planned.layout.rows}
    total = sum_vectors([answer.vector.open(modulus()) for answer in answers], modulus(), ENGINE, planned.sum_bound)
    return decrypt_array(total, private_key(), ENGINE)


def raw_plaintexts(answer: RoundAnswer) -> list[int]:
    """Each ciphertext of one owner's answer, decrypted: residues mod n."""
    return [int(private_key().raw_decrypt(int(c))) for c in answer.vector.open(modulus()).ciphertexts]


def mask_of(name: str) -> str:
    """A made-up X25519 public key in hex: any number below 2^255 − 19 is one."""
    return hashlib.sha256(name.encode()).hexdigest()[:62] + "00"
