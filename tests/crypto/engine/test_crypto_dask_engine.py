"""The engine over a cluster: all that it sends out and keeps."""

from __future__ import annotations

import random

import pytest
from gmpy2 import mpz

from fedtrain.crypto import (
    EncodingOverflow,
    KeyHolderEncryptor,
    LocalEngine,
    PublicEncryptor,
    RerandomiserPool,
    decrypt,
)
from fedtrain.crypto.engine.dask import DaskEngine, over_cluster
from tests.harness.pickled_cluster import PickledCluster

BITS = 60


@pytest.fixture
def cluster() -> PickledCluster:
    return PickledCluster()


def work(modulus: mpz, d: int) -> tuple[list[mpz], list[list[int]], int, mpz]:
    draw = random.Random(d)
    bases = [mpz(draw.randrange(2, int(modulus))) for _ in range(d)]
    return bases, [[draw.randint(-(1 << 59), 1 << 59) for _ in range(d)] for _ in range(d)], BITS, modulus


def test_products_over_a_vector_are_computed_by_all_workers_to_the_same_residues(small_keypair, cluster) -> None:
    square = mpz(small_keypair[0].n) ** 2
    asked = work(square, 10)
    assert DaskEngine(LocalEngine(), cluster).multi_exponentiate(*asked) == LocalEngine().multi_exponentiate(*asked)
    assert len(cluster.sent) == 3
    packed = DaskEngine(LocalEngine(), cluster).multi_exponentiate_packed(*asked, 4, 70)
    assert packed == LocalEngine().multi_exponentiate_packed(*asked, 4, 70)
    groups = [asked[0][:3], asked[0][3:5], asked[0][5:]]
    assert DaskEngine(LocalEngine(), cluster).horner(groups, 70, square) == LocalEngine().horner(groups, 70, square)


def test_without_workers_all_is_computed_here(small_keypair) -> None:
    nobody = PickledCluster(slots=0)
    asked = work(mpz(small_keypair[0].n) ** 2, 4)
    engine = DaskEngine(LocalEngine(), nobody)
    assert engine.multi_exponentiate(*asked) == LocalEngine().multi_exponentiate(*asked)
    assert engine.multi_exponentiate_packed(*asked, 2, 70) == LocalEngine().multi_exponentiate_packed(*asked, 2, 70)
    assert engine.horner([asked[0]], 70, asked[3]) == LocalEngine().horner([asked[0]], 70, asked[3])
    assert nobody.sent == []


def test_no_private_key_and_no_nonce_is_ever_given_to_the_cluster(small_keypair, cluster) -> None:
    public_key, private_key = small_keypair
    engine = DaskEngine(LocalEngine(), cluster)
    plaintexts = list(range(40))
    for encryptor in (PublicEncryptor(public_key, engine), KeyHolderEncryptor(private_key, engine)):
        assert decrypt(encryptor.encrypt(plaintexts), private_key, engine) == plaintexts
    RerandomiserPool(public_key.n, engine, 40).take(40)
    engine.powers([mpz(3)] * 40, private_key.p - 1, mpz(private_key.p) ** 2, secret=True)
    assert cluster.sent == []


@pytest.mark.slow
def test_what_is_too_small_for_a_journey_is_computed_here(small_keypair, cluster) -> None:
    small, large = work(mpz(small_keypair[0].n) ** 2, 3), work(mpz((1 << 6144) - 17), 120)
    engine = over_cluster(LocalEngine(), cluster)
    assert engine.multi_exponentiate(*small) == LocalEngine().multi_exponentiate(*small)
    assert cluster.sent == []
    assert engine.multi_exponentiate(*large) == LocalEngine().multi_exponentiate(*large)
    assert len(cluster.sent) == 3


def test_a_refusal_on_a_worker_is_the_one_that_there_is_here(small_keypair, cluster) -> None:
    square = mpz(small_keypair[0].n) ** 2
    with pytest.raises(EncodingOverflow):
        DaskEngine(LocalEngine(), cluster).multi_exponentiate([mpz(3)], [[1 << 61]], BITS, square)
