"""Keys that would pierce masks or re-randomisation: refused by name before anything is encrypted under them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

import gmpy2
import pytest

from fedtrain.crypto.context import encode_context, hash_to_residue
from fedtrain.crypto.paillier.key_proof import ROOTS
from tests.harness.attackers.coalition import Coalition, coalition
from tests.harness.attackers.job_material import Job, modulus, rows

Numbers = tuple[int, int]  # n and φ(n)


def prime(bits: int, start: int = 1) -> int:
    return int(gmpy2.next_prime((3 << (bits - 2)) + start))


def even() -> Numbers:
    q = prime(511)
    return 2 * q, q - 1


def squared_prime() -> Numbers:
    p, q = prime(128), prime(256, 7)
    while (p * p * q).bit_length() < 512:
        q = prime(q.bit_length() + 1)
    return p * p * q, p * (p - 1) * (q - 1)


def small_factor() -> Numbers:
    p, q = 65_521, prime(496)
    return p * q, (p - 1) * (q - 1)


def one_divides_the_other() -> Numbers:
    p = prime(220)
    factor = 1 << 72
    while not (gmpy2.is_prime(factor * p + 1) and (p * (factor * p + 1)).bit_length() == 512):
        factor += 2
    q = factor * p + 1
    return p * q, (p - 1) * (q - 1)


def too_short() -> Numbers:
    p, q = prime(224), prime(224, 1 << 30)
    return p * q, (p - 1) * (q - 1)


def best_proof(both: Coalition, n: int, totient: int, nonce: str) -> list[int]:
    """Return what a cheating prover would send: n-th roots wherever taking them is possible."""
    exponent = totient
    while (shared := int(gmpy2.gcd(n, exponent))) != 1:
        exponent //= shared
    root = int(gmpy2.invert(n, exponent))
    context = (bytes.fromhex(both.model_owner.party_id), bytes.fromhex(nonce))
    tag = "federated-trainer key proof v1"
    challenges = [hash_to_residue(encode_context(tag, n, *context, index), n) for index in range(1, ROOTS + 1)]
    return [int(gmpy2.powmod(challenge, root, n)) for challenge in challenges]


def key_fields(n: int, proof: list[int], nonce: str) -> dict[str, object]:
    width = (n.bit_length() + 7) // 8 * 2
    return {"modulus": f"{n:0{width}x}", "key_proof": tuple(f"{root:0{width}x}" for root in proof), "nonce": nonce}


def refusal_of(folder: Path, deploy: Callable[[Coalition], Job]) -> str:
    """Offer the job to an owner; its reason, after checking that nothing was made or encrypted for it."""

    async def play() -> str:
        async with coalition(folder, {"ana": rows(60, 0)}) as (both, owners):
            job, owner = deploy(both), owners[0]
            declined = await both.declined(job, owner)
            assert declined.code == "malformed-key"
            assert await owner.released() == []
            metrics = (await owner.http.get("/metrics")).text
            assert "fedtrain_rerandomisers_ready 0.0" in metrics
            assert not list((owner.folder / "keys").glob(f"{job.id}*"))
            assert not list((owner.folder / "moments").glob(f"{job.id}*"))
            return declined.detail

    return asyncio.run(play())


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (even, "even"),
        (squared_prime, "is wrong"),
        (small_factor, "prime factor under 65536"),
        (one_divides_the_other, "is wrong"),
        (too_short, "promised with 512 bits"),
    ],
    ids=["even", "p²q", "a factor under 2^16", "p divides q − 1", "wrong size"],
)
def test_a_malformed_key_is_refused_by_name_at_the_owners_door(
    tmp_path: Path, make: Callable[[], Numbers], why: str
) -> None:
    def deploy(both: Coalition) -> Job:
        n, totient = make()
        nonce = secrets.token_hex(32)
        return both.deploy(**key_fields(n, best_proof(both, n, totient, nonce), nonce))

    assert why in refusal_of(tmp_path, deploy)


def test_the_proof_of_another_job_is_refused(tmp_path: Path) -> None:
    def deploy(both: Coalition) -> Job:
        other = both.deploy()
        proof = other.manifest.document.split('"key_proof":[')[1].split("]")[0].replace('"', "").split(",")
        return both.deploy(modulus=f"{modulus():0128x}", key_proof=tuple(proof))

    assert "root 1 of the proof is wrong" in refusal_of(tmp_path, deploy)


def test_a_key_without_its_proof_is_refused(tmp_path: Path) -> None:
    assert "0 roots" in refusal_of(tmp_path, lambda both: both.deploy(key_proof=()))


def test_the_prover_of_these_tests_convinces_where_the_key_is_sound(tmp_path: Path) -> None:
    async def play() -> None:
        async with coalition(tmp_path, {"ana": rows(60, 0)}) as (both, owners):
            p, q = prime(256), prime(256, 1 << 40)
            nonce, n = secrets.token_hex(32), p * q
            job = both.deploy(**key_fields(n, best_proof(both, n, (p - 1) * (q - 1), nonce), nonce))
            assert (await both.join(job, owners[0])).answer == "accept"

    asyncio.run(play())
