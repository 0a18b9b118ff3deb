from __future__ import annotations

import os
import pickle
import threading
from multiprocessing import get_context

import pytest
from gmpy2 import mpz

from fedtrain.crypto import LocalEngine, RerandomiserPool, rerandomise

ENGINE = LocalEngine()


@pytest.fixture
def n(small_keypair) -> int:
    return small_keypair[0].n


def test_a_rerandomised_ciphertext_is_another_one_of_the_same_plaintext(small_keypair, n: int) -> None:
    public_key, private_key = small_keypair
    ciphertexts = [mpz(public_key.raw_encrypt(plaintext)) for plaintext in (0, 5, n - 1)]
    fresh = rerandomise(ciphertexts, n, RerandomiserPool(n, ENGINE, target=0).take(3))
    assert [private_key.raw_decrypt(int(c)) for c in fresh] == [0, 5, n - 1]
    assert not set(fresh) & set(ciphertexts)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_one_factor_for_each_ciphertext_no_more_no_less(n: int, count: int) -> None:
    factors = RerandomiserPool(n, ENGINE, target=0).take(count)
    with pytest.raises(ValueError, match="zip"):
        rerandomise([mpz(2)] * 2, n, factors)


def test_the_pool_fills_to_its_target_in_steps(n: int) -> None:
    pool = RerandomiserPool(n, ENGINE, target=5)
    assert pool.level == 0
    assert [pool.fill(3), pool.level] == [3, 3]
    assert [pool.fill(3), pool.level] == [2, 5]
    assert [pool.fill(3), pool.level] == [0, 5]
    assert [pool.fill(-1), pool.level] == [0, 5]


def test_each_factor_is_handed_out_once_and_what_is_missing_is_computed(n: int) -> None:
    pool = RerandomiserPool(n, ENGINE, target=4)
    pool.fill(4)
    first, second = pool.take(3), pool.take(6)
    assert pool.level == 0
    assert (len(first), len(second)) == (3, 6)
    assert len(set(first) | set(second)) == 9


def test_what_the_pool_computes_itself_is_as_full_width_as_what_it_kept(small_keypair, n: int) -> None:
    _, private_key = small_keypair
    used: list[int] = []

    class WatchedEngine(LocalEngine):
        def powers(self, bases, exponent, modulus, *, secret=False):
            used.append(exponent)
            assert modulus == n * n
            # A uniform draw falls short of 448 bits with probability 2^−64.
            assert max(base.bit_length() for base in bases) > 512 - 64
            return super().powers(bases, exponent, modulus, secret=secret)

    pool = RerandomiserPool(n, WatchedEngine(), target=2)
    pool.fill(2)
    factors = pool.take(5)
    assert used == [n, n]
    order = (private_key.p - 1) * (private_key.q - 1)
    assert all(pow(int(factor), order, n * n) == 1 for factor in factors)


def test_threads_never_share_a_factor(n: int) -> None:
    pool = RerandomiserPool(n, ENGINE, target=30)
    taken: list[mpz] = []
    threads = [threading.Thread(target=lambda: taken.extend(pool.take(7))) for _ in range(6)]
    threads += [threading.Thread(target=lambda: pool.fill(20)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 42
    assert pool.level <= 30
    assert not set(pool.take(pool.level)) & set(taken)


def test_a_pool_is_never_pickled_and_prints_no_factor(n: int) -> None:
    pool = RerandomiserPool(n, ENGINE, target=1)
    pool.fill(1)
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(pool)
    assert repr(pool) == "<RerandomiserPool level=1 target=1>"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_starts_empty_even_where_another_thread_held_the_lock(n: int) -> None:
    pool = RerandomiserPool(n, ENGINE, target=2)
    pool.fill(2)
    with pool._lock:
        receiver, sender = get_context("fork").Pipe(duplex=False)
        # Asks for the lock without waiting: where the child inherited it held, nobody would ever release it.
        child = get_context("fork").Process(
            target=lambda: sender.send((pool.level, pool._lock.acquire(blocking=False)))
        )
        child.start()
        child.join()
    assert receiver.recv() == (0, True)
    assert pool.level == 2


def test_negative_sizes_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="target"):
        RerandomiserPool(n, ENGINE, target=-1)
    with pytest.raises(ValueError, match="count"):
        RerandomiserPool(n, ENGINE, target=1).take(-1)
