"""A Data Owner's job as the default plan makes it, ready to be answered with the Data Owner's own code."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from numpy.typing import NDArray
from phe.paillier import PaillierPrivateKey

from benchmarks.engines import engine_here
from fedtrain.crypto import (
    Engine,
    KeyHolderEncryptor,
    RerandomiserPool,
    encrypt_array,
    generate_keypair,
    key_id,
)
from fedtrain.data_owner.data.moments import Moments, moments_of
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import PreparedData
from fedtrain.data_owner.release.answer import AnsweringJob
from fedtrain.methods.regression.budget import Budget
from fedtrain.methods.regression.from_spec import WEIGHT_FRACTION_BITS
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity, sha256_hex
from fedtrain.protocol.messages.rounds import RoundRequest, VectorMessage, to_cbor
from fedtrain.spec.model_spec import ModelSpec

#: Smaller ones protect nothing: they are for the benchmarks' own tests.
LEAST_KEY_BITS = 2048
#: What peers hold records at, as integers that fit 64 bits.
PEER_FRACTION_BITS = 40


@dataclass(frozen=True)
class Rows:
    """A table, encoded: X (rows, d), the intercept's ones last, and Y (rows, 1)."""

    X: NDArray[np.float64]
    Y: NDArray[np.float64]


def spec_of(dimensions: int, key_bits: int, **training: object) -> ModelSpec:
    """Features scaled from [0, 1] and one target; every default of a spec, so that d, the intercept's included,
    and the key alone decide the plan."""
    features = [{"name": f"x{j}", "type": "continuous", "range": [0, 1]} for j in range(dimensions - 1)]
    return ModelSpec.model_validate(
        {
            "model_type": "LINEAR_REGRESSION",
            "data_props": {"features": features, "target": {"name": "y", "range": [-1, 1]}},
            "training": {"key_bits": key_bits, **training},
        }
    )


def table_of(rows: int, dimensions: int) -> Rows:
    """Features and targets uniform in [−1, 1], the same every time."""
    source = np.random.default_rng(rows * 1000 + dimensions)
    X = source.uniform(-1, 1, (rows, dimensions))
    X[:, -1] = 1
    return Rows(X, source.uniform(-1, 1, (rows, 1)))


def moments_from(table: Rows) -> Moments:
    dimensions = table.X.shape[1]
    return moments_of([table], np.ones(dimensions), np.ones(1))


def integers_of(table: Rows) -> tuple[NDArray[Any], NDArray[Any]]:
    """X at PEER_FRACTION_BITS, and y at that times the weights' scale, to meet X·w."""
    X = np.rint(np.ldexp(table.X, PEER_FRACTION_BITS)).astype(np.int64).astype(object)
    y = np.rint(np.ldexp(table.Y[:, 0], PEER_FRACTION_BITS)).astype(np.int64).astype(object)
    return X, y << WEIGHT_FRACTION_BITS


@dataclass(frozen=True)
class Bench:
    """One owner's job, the key that its answers are decrypted with, and a request of a gradient round."""

    budget: Budget
    private_key: PaillierPrivateKey
    job: AnsweringJob
    request: RoundRequest
    request_hash: str
    weights: NDArray[Any]


def key_pair(key_bits: int) -> PaillierPrivateKey:
    return generate_keypair(key_bits, allow_small=key_bits < LEAST_KEY_BITS)[1]


def bench_of(moments: Moments, private_key: PaillierPrivateKey, owners: int = 3, engine: Engine | None = None) -> Bench:
    """The owner of these moments, on a roster of so many. Its pool is empty: an answer pays for every factor."""
    engine = engine or engine_here()
    n = int(private_key.public_key.n)
    spec = spec_of(moments.dimensions, n.bit_length())
    budget = plan_spec(spec)
    job = AnsweringJob(
        manifest_hash="11" * 32,
        roster_hash="22" * 32,
        modulus=n,
        identity=Identity.from_private_bytes(hashlib.sha256(b"benchmark").digest()),
        mask_key=X25519PrivateKey.generate(),
        peers={bytes([i]) * 32: _public_bytes() for i in range(owners - 1)},
        plan=budget,
        method=method_of(spec.model_type),
        data=PreparedData.of(moments, budget),
        pool=RerandomiserPool(n, engine, target=0),
        engine=engine,
        self_masked=False,
    )
    step = budget.steps[0]
    source = np.random.default_rng(moments.dimensions)
    drawn = source.integers(-(1 << 40), 1 << 40, (moments.dimensions, 1))
    weights = np.array([[int(value)] for value in drawn[:, 0]], dtype=object)
    encryptor = KeyHolderEncryptor(private_key, engine)
    vector = encrypt_array(
        weights, budget.weights_layout, step.weight_fraction_bits, step.weight_bound, encryptor, key_id(n)
    )
    request = RoundRequest(
        manifest_hash=job.manifest_hash,
        roster_hash=job.roster_hash,
        round=1,
        kind=RoundKind.GRADIENT,
        log_head="33" * 32,
        rows_total=moments.rows * owners,
        weights=VectorMessage.of(vector, n),
    )
    return Bench(budget, private_key, job, request, sha256_hex(to_cbor(request)), weights)


def _public_bytes() -> bytes:
    return X25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
