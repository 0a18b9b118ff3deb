"""Nonces of the Model Owner's next request are made while nothing else is computed, and used once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fedtrain.crypto import LocalEngine, decrypt
from fedtrain.model_owner.sums.keys import KeyRing
from fedtrain.service.vault.key_files import KeyFiles

JOB, OTHER = "a" * 32, "b" * 32


class CountingEngine(LocalEngine):
    """Counts powers of fixed bases."""

    def __init__(self) -> None:
        self.powers_made = 0

    def fixed_base_powers(self, table, exponents):
        self.powers_made += len(exponents)
        return super().fixed_base_powers(table, exponents)


@pytest.fixture
def engine() -> CountingEngine:
    return CountingEngine()


@pytest.fixture
def keys(tmp_path: Path, engine: CountingEngine) -> KeyRing:
    keys = KeyRing(tmp_path, KeyFiles(tmp_path), engine, allow_small=True)
    keys.make(JOB, 512)
    return keys


def filled(keys: KeyRing) -> None:
    keys.filler.start()
    try:
        while keys.filler.level < keys.filler.target:
            time.sleep(0.01)
    finally:
        keys.filler.stop()


def test_a_request_finds_its_nonces_made_and_each_is_used_once(keys: KeyRing, engine: CountingEngine) -> None:
    encryptor = keys.encryptor(JOB, lambda: 100, ahead=6)
    assert (keys.filler.level, keys.filler.target) == (0, 6)
    filled(keys)
    made = engine.powers_made
    assert made == 2 * 6, "one power mod p², one mod q²"

    first = encryptor.encrypt([7, 7, 7])
    second = encryptor.encrypt([7, 7, 7])

    assert engine.powers_made == made and keys.filler.level == 0
    assert len({*first, *second}) == 6
    assert decrypt([*first, *second], keys.load(JOB), engine) == [7] * 6


def test_what_is_not_ready_is_made_when_it_is_needed(keys: KeyRing, engine: CountingEngine) -> None:
    ciphertexts = keys.encryptor(JOB, lambda: 100, ahead=6).encrypt([1, -1])
    assert engine.powers_made == 2 * 2
    assert decrypt(ciphertexts, keys.load(JOB), engine) == [1, keys.load(JOB).public_key.n - 1]


def test_nothing_is_made_ahead_where_nobody_asks_or_while_a_step_is_computed(keys: KeyRing) -> None:
    keys.encryptor(JOB, lambda: 100)
    assert keys.filler.target == 0
    keys.encryptor(JOB, lambda: 100, ahead=4)
    with keys.filler.resting():
        keys.filler.start()
        time.sleep(0.2)  # long enough for one that does not rest
        assert keys.filler.level == 0
    keys.filler.stop()


def test_nonces_go_with_the_key(keys: KeyRing) -> None:
    keys.make(OTHER, 512)
    keys.encryptor(JOB, lambda: 100, ahead=4)
    keys.encryptor(OTHER, lambda: 100, ahead=3)
    filled(keys)
    keys.destroy(JOB)
    assert (keys.filler.level, keys.filler.target) == (3, 3)
