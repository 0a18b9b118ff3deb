"""Gradient values in 32-bit slots: encryption, decryption and addition, packed and one by one.

python -m benchmarks.encrypt [--json] [--quick] [--key-bits 2048]

`seconds` are for `values` values. Packed, ours is held against what a peer takes for as many values, of which none
packs by itself but CKKS. "bytes a value" is in `sizes`. `floor`: what the multiplications take at the least, those of
the tables too where they are counted. The last rows set one core against all, by the clock.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context

import numpy as np
from gmpy2 import mpz
from phe.paillier import PaillierPrivateKey
from rich.console import Console

from benchmarks.fixtures.engines import NATIVE, engine_here, name_here
from benchmarks.fixtures.jobs import key_pair
from benchmarks.fixtures.peers import Ckks, Peer, ckks_peers, pailliers
from benchmarks.rows.counts import Count, fixed_base_powers, floor_seconds, powers, table_entries
from benchmarks.rows.measure import Row, main, processor_seconds, wall_seconds
from fedtrain.crypto import (
    EncryptedVector,
    Encryptor,
    Engine,
    FixedBaseTable,
    KeyHolderEncryptor,
    ProcessEngine,
    PublicEncryptor,
    SlotLayout,
    ciphertext_width_bytes,
    decrypt_array,
    encrypt_array,
    key_id,
    sum_vectors,
)
from fedtrain.crypto.engine.native.engine import NativeEngine

VALUES = 100_000
# Of one core against all: the weights of a network, whose answers are what cores are spread over.
ALL_CORES_VALUES = 431_080
QUICK_VALUES = 2_000
SLOT_BITS = 32
BOUND = 1 << 29
KEY_BITS = (2048, 3072)
# A peer's slice, in values: half a second or so of its encryption.
PEER_VALUES = 60
# What tables are cut for where each value takes a ciphertext of its own.
EXPECTED_ONE_BY_ONE = 10_000
REPEATS = 5
TURNS_BY_THE_CLOCK = 9
# As published, with a pool of processes.
FLASHE_VALUES, FLASHE_CLIENTS, FLASHE_LARGEST, FLASHE_KEY_BITS = 262_144, 10, (1 << 15) - 1, 2048
FLASHE_S = {"encrypt": 4.69, "add": 1.69, "decrypt": 2.81}


def measure(
    quick: bool, notes: Console, count: int | None = None, key_sizes: Iterable[int] | None = None
) -> Iterable[Row]:
    count = count or (QUICK_VALUES if quick else VALUES)
    sizes = list(key_sizes or (KEY_BITS[:1] if quick else KEY_BITS))
    for key_bits in sizes:
        private_key = key_pair(key_bits)
        notes.print(f"making {key_bits}-bit keys for the peers")
        peers = pailliers(key_bits)
        bench = Packed(private_key, count)
        seconds, holder = bench.operations(engine_here())
        yield from against_floor(bench, seconds)
        yield from against_paillier(bench, seconds, peers)
        yield from against_ckks(bench, seconds, ckks_peers())
        yield Row("packed encryption by the key holder", bench.sizes(), bench.key_bits, holder)
        yield from one_by_one(bench, peers)
        if key_bits == sizes[0]:
            yield from all_cores(bench if quick else Packed(private_key, ALL_CORES_VALUES))
    if not quick and 2048 in sizes:
        yield from flashe_case(notes)


class Packed:
    """The same values, encrypted, decrypted and added in slots."""

    def __init__(self, private_key: PaillierPrivateKey, count: int) -> None:
        self.private_key, self.public_key = private_key, private_key.public_key
        self.n = int(self.public_key.n)
        self.key_bits = self.n.bit_length()
        self.layout = SlotLayout.packed(count, 1, SLOT_BITS, self.key_bits)
        drawn = np.random.default_rng(count).integers(-BOUND, BOUND, (count, 1))
        self.values = np.array(drawn.tolist(), dtype=object)
        self.count = count

    def encryptor(self, engine: Engine) -> PublicEncryptor:
        return PublicEncryptor(self.public_key, engine, self.layout.ciphertexts)

    def encrypt(self, encryptor: Encryptor) -> EncryptedVector:
        return encrypt_array(self.values, self.layout, 0, BOUND, encryptor, key_id(self.n))

    def sizes(self, **more: float | int | str) -> dict[str, float | int | str]:
        return {"values": self.count, "slot_bits": SLOT_BITS, **more}

    @property
    def primes(self) -> tuple[int, int]:
        return self.private_key.p, self.private_key.q

    @property
    def bytes_a_value(self) -> float:
        return round(self.layout.ciphertexts * ciphertext_width_bytes(self.n) / self.count, 2)

    def operations(self, engine: Engine) -> tuple[dict[str, float], float]:
        """Seconds of each operation, tables counted; and of the key holder's own encryption."""
        seconds = {}
        seconds["encryption"], vector = processor_seconds(lambda: self.encrypt(self.encryptor(engine)), 3)
        seconds["decryption"], values = processor_seconds(lambda: decrypt_array(vector, self.private_key, engine))
        if not (values == self.values).all():
            raise AssertionError("other values were decrypted")
        seconds["addition"], _ = processor_seconds(lambda: sum_vectors([vector, vector], self.n, engine), REPEATS)
        holder, _ = processor_seconds(
            lambda: self.encrypt(KeyHolderEncryptor(self.private_key, engine, self.layout.ciphertexts))
        )
        return seconds, holder


def against_floor(bench: Packed, seconds: Mapping[str, float]) -> Iterable[Row]:
    count, square = bench.layout.ciphertexts, mpz(bench.n) ** 2
    table = FixedBaseTable.for_count(mpz(2), square, (bench.key_bits + 1) // 2, count)
    counts = {
        "encryption": [table_entries(table), fixed_base_powers(table, count), Count(square, count)],
        "decryption": [powers(count, bench.key_bits // 2, mpz(p) ** 2) for p in bench.primes],
        "addition": [Count(square, count)],
    }
    for name, of_operation in counts.items():
        sizes = bench.sizes(bytes_a_value=bench.bytes_a_value)
        yield Row(f"packed {name}", sizes, bench.key_bits, seconds[name], "floor", floor_seconds(of_operation))


def against_paillier(bench: Packed, seconds: Mapping[str, float], peers: Iterable[Peer]) -> Iterable[Row]:
    for peer in peers:
        for name, peer_seconds in peer_operations(peer).items():
            whole = peer_seconds * bench.count
            sizes = bench.sizes(bytes_a_value=bench.bytes_a_value, peer_bytes_a_value=_peer_bytes(peer))
            yield Row(f"packed {name}", sizes, bench.key_bits, seconds[name], peer.name, whole, True)


def peer_operations(peer: Peer) -> dict[str, float]:
    """Processor seconds of one value, from a slice; the first of each, which builds tables, not counted."""
    values = [int(value) for value in np.random.default_rng(1).integers(-BOUND, BOUND, PEER_VALUES)]
    peer.encrypt(values[:1])
    seconds = {}
    seconds["encryption"], ciphertexts = processor_seconds(lambda: peer.encrypt(values), 3)
    seconds["decryption"], decrypted = processor_seconds(lambda: peer.decrypt(ciphertexts), 3)
    if decrypted != values:
        raise AssertionError(f"{peer.name} decrypted other values")
    peer.add(ciphertexts, ciphertexts)
    seconds["addition"], _ = processor_seconds(lambda: [peer.add(ciphertexts, ciphertexts) for _ in range(10)], 3)
    seconds["addition"] /= 10
    return {name: spent / PEER_VALUES for name, spent in seconds.items()}


def _peer_bytes(peer: Peer) -> float:
    return round(peer.ciphertext_bytes(peer.encrypt([1] * 10)) / 10, 2)


def against_ckks(bench: Packed, seconds: Mapping[str, float], peers: Iterable[Ckks]) -> Iterable[Row]:
    values = np.linspace(-1, 1, bench.count).tolist()
    for peer in peers:
        spent = {}
        spent["encryption"], ciphertexts = processor_seconds(lambda peer=peer: peer.encrypt(values))
        spent["decryption"], _ = processor_seconds(lambda peer=peer, c=ciphertexts: peer.decrypt(c))
        spent["addition"], _ = processor_seconds(lambda peer=peer, c=ciphertexts: peer.add(c, c), REPEATS)
        bytes_a_value = round(peer.ciphertext_bytes(ciphertexts) / bench.count, 2)
        sizes = bench.sizes(bytes_a_value=bench.bytes_a_value, peer_bytes_a_value=bytes_a_value)
        for name, peer_seconds in spent.items():
            yield Row(f"packed {name}", sizes, bench.key_bits, seconds[name], peer.name, peer_seconds)


def one_by_one(bench: Packed, peers: Iterable[Peer]) -> Iterable[Row]:
    """Ciphertexts a second, one value in each; tables of both sides are built beforehand."""
    engine = engine_here()
    encryptors = {
        "owner": PublicEncryptor(bench.public_key, engine, EXPECTED_ONE_BY_ONE),
        "key holder": KeyHolderEncryptor(bench.private_key, engine, EXPECTED_ONE_BY_ONE),
    }
    half, square = (bench.key_bits + 1) // 2, mpz(bench.n) ** 2
    moduli = {"owner": [square], "key holder": [mpz(p) ** 2 for p in bench.primes]}
    plaintexts = list(range(1, PEER_VALUES + 1))
    for who, encryptor in encryptors.items():
        encryptor.encrypt([1])
        sizes: dict[str, float | int | str] = {"ciphertexts": PEER_VALUES, "by": who}
        tables = [FixedBaseTable.for_count(mpz(2), modulus, half, EXPECTED_ONE_BY_ONE) for modulus in moduli[who]]
        own, _ = processor_seconds(lambda e=encryptor: e.encrypt(plaintexts), REPEATS)
        counts = [fixed_base_powers(table, PEER_VALUES) for table in tables]
        floor = floor_seconds([*counts, Count(square, PEER_VALUES)])
        yield Row("encryption one by one", sizes, bench.key_bits, own, "floor", floor)
        for peer in peers:
            peer.encrypt([1])
            # In turns, so that what else the machine does meets both.
            spent = [
                (processor_seconds(lambda e=encryptor: e.encrypt(plaintexts))[0],
                 processor_seconds(lambda peer=peer: peer.encrypt(plaintexts))[0])
                for _ in range(REPEATS)
            ]  # fmt: skip
            own, theirs = (statistics.median(times) for times in zip(*spent, strict=True))
            yield Row("encryption one by one", sizes, bench.key_bits, own, peer.name, theirs)


def all_cores(bench: Packed) -> Iterable[Row]:
    """One core against as many as there are, by the clock; workers and their tables are there beforehand."""
    cores = os.cpu_count() or 1
    one_core = engine_here()
    local = bench.encryptor(one_core)
    with ExitStack() as stack:
        engine = over_cores(stack, cores)
        spread = bench.encryptor(engine)
        for encryptor in (local, spread, spread):
            bench.encrypt(encryptor)
        vector = bench.encrypt(local)
        calls = {
            "encryption": (lambda: bench.encrypt(local), lambda: bench.encrypt(spread)),
            "decryption": (
                lambda: decrypt_array(vector, bench.private_key, one_core),
                lambda: decrypt_array(vector, bench.private_key, engine),
            ),
        }
        for name, (one, all_) in calls.items():
            spent = [(wall_seconds(all_)[0], wall_seconds(one)[0]) for _ in range(TURNS_BY_THE_CLOCK)]
            every = statistics.median(times[0] for times in spent)
            # Of each turn by itself: the clock of a machine that others use as well moves from one to the next.
            times_as_fast = statistics.median(single / all_cores for all_cores, single in spent)
            sizes = bench.sizes(cores=cores, clock="wall")
            yield Row(f"packed {name}, all cores", sizes, bench.key_bits, every, "one core", every * times_as_fast)


def flashe_case(notes: Console, values: int = FLASHE_VALUES, key_bits: int = FLASHE_KEY_BITS) -> Iterable[Row]:
    """FLASHE's own Paillier, its batches and processes, as its paper has it: 16-bit values of ten clients.

    Ours by the clock on all cores of this machine: one client encrypts, ten are added, the sum is decrypted and
    compared. Source: Jiang, Wang, Liu, "FLASHE: Additively Symmetric Homomorphic Encryption for Cross-Silo Federated
    Learning", 2021; its machine was another, so that the ratio is no measure of the two programs alone.
    """
    notes.print("FLASHE's published case")
    private_key = key_pair(key_bits)
    n, cores = int(private_key.public_key.n), os.cpu_count() or 1
    # A sum of ten 16-bit values, and its sign.
    layout = SlotLayout.packed(values, 1, (FLASHE_CLIENTS * FLASHE_LARGEST).bit_length() + 1, key_bits)
    drawn = np.random.default_rng(values).integers(-FLASHE_LARGEST, FLASHE_LARGEST, (values, 1))
    plain = np.array(drawn.tolist(), dtype=object)
    with ExitStack() as stack:
        engine = over_cores(stack, cores)

        def encrypt() -> EncryptedVector:
            encryptor = PublicEncryptor(private_key.public_key, engine, layout.ciphertexts)
            return encrypt_array(plain, layout, 0, FLASHE_LARGEST, encryptor, key_id(n))

        seconds = {}
        seconds["encrypt"], vector = wall_seconds(encrypt, 3)
        seconds["add"], total = wall_seconds(lambda: sum_vectors([vector] * FLASHE_CLIENTS, n, engine), 3)
        seconds["decrypt"], decrypted = wall_seconds(lambda: decrypt_array(total, private_key, engine), 3)
    if not (decrypted == plain * FLASHE_CLIENTS).all():
        raise AssertionError("other values were decrypted")
    for name, theirs in FLASHE_S.items():
        sizes: dict[str, float | int | str] = {"values": values, "clients": FLASHE_CLIENTS, "cores": cores}
        yield Row(f"FLASHE's case, {name}", {**sizes, "clock": "wall"}, key_bits, seconds[name], "as published", theirs)


def over_cores(stack: ExitStack, cores: int) -> Engine:
    """The engine that a service takes here, over threads where it is the kernel, else over processes."""
    if name_here() == NATIVE:
        return NativeEngine(stack.enter_context(ThreadPoolExecutor(cores)), cores)
    return ProcessEngine(stack.enter_context(ProcessPoolExecutor(cores, mp_context=get_context("spawn"))), cores)


if __name__ == "__main__":
    main(__doc__, measure, takes_key_sizes=True)
