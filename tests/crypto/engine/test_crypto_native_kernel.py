"""The compiled kernel against gmpy2: the same bits at every width, on edges, and in every arrangement of lanes."""

from __future__ import annotations

import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpz

from benchmarks import same_bits
from fedtrain.crypto import (
    FixedBaseTable,
    KeyHolderEncryptor,
    LocalEngine,
    PublicEncryptor,
    SlotLayout,
    decrypt_array,
    encrypt_array,
    key_id,
)
from fedtrain.crypto.engine.native import engine as module
from fedtrain.crypto.engine.native.engine import NativeEngine, joint_plan, why_not
from fedtrain.crypto.engine.native.ring import MOST_DIGITS, Ring, digits_of, ring_modulo
from fedtrain.crypto.errors import DecodedOutOfBound, EncodingOverflow
from fedtrain.crypto.paillier.keys import generate_keypair

if why_not() is not None:
    pytest.skip(f"the kernel can't be used here: {why_not()}", allow_module_level=True)

LOCAL, NATIVE = LocalEngine(), NativeEngine()
# n of 512 bits up: n² has the widths from 1,024 to 8,192 that keys lead to, and odd numbers of digits on the way.
ROOT_BITS = (512, 700, 1024, 1088, 1536, 2048, 3072, 4096)


def root_of(bits: int, kind: str) -> mpz:
    source = random.Random(bits)
    if kind == "all ones":
        return mpz((1 << bits) - 1)
    if kind == "smallest":
        return mpz((1 << (bits - 1)) + 1)
    return mpz(source.getrandbits(bits) | 1 | 1 << (bits - 1))


def edges(root: mpz) -> list[mpz]:
    """0, 1, −1, around the root and around powers of the digits' base, and what random numbers rarely have."""
    square = root * root
    limbs = [(mpz(1) << (52 * i)) - 1 for i in range(1, digits_of(root) * 2, 3)]
    found = [mpz(0), mpz(1), mpz(2), square - 1, square - 2, root - 1, root, root + 1, square - root, *limbs]
    return [value % square for value in found]


def numbers(root: mpz, count: int) -> list[mpz]:
    source = random.Random(count)
    drawn = (mpz(source.randrange(int(root * root))) for _ in range(100))
    return [number for number in drawn if gmpy2.gcd(number, root) == 1][:count]


@pytest.mark.parametrize("kind", ["random", "all ones", "smallest"])
@pytest.mark.parametrize("bits", ROOT_BITS)
def test_powers_are_those_of_gmpy2_at_every_width_and_edge(bits: int, kind: str) -> None:
    root = root_of(bits, kind)
    square, bases = root * root, [*edges(root), *numbers(root, 3)]
    for exponent in (1, 2, 31, 2**64 - 1, int(root) >> (bits - 160)):
        expected = [gmpy2.powmod(base, exponent, square) for base in bases]
        assert NATIVE.powers(bases, exponent, square) == expected
        assert NATIVE.powers(bases, exponent, square, secret=True) == expected


@pytest.mark.parametrize("bits", ROOT_BITS)
@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 17])
def test_any_number_of_lanes_may_be_filled(bits: int, count: int) -> None:
    root = root_of(bits, "random")
    square, bases = root * root, numbers(root, count)
    assert NATIVE.powers(bases, 65537, square) == LOCAL.powers(bases, 65537, square)
    exponents = [*[0, 1, (1 << 100) - 1][:count], *(secrets.randbits(100) for _ in range(count - 3))]
    for secret, window_bits in [(False, 3), (True, 3), (True, 5), (True, 8)]:
        table = FixedBaseTable(bases[0], square, 100, window_bits, secret=secret)
        assert NATIVE.fixed_base_powers(table, exponents) == LOCAL.fixed_base_powers(table, exponents)
    columns = [bases, [square - 1] * count, [mpz(0)] * count, list(reversed(bases))]
    assert NATIVE.product(columns, square) == LOCAL.product(columns, square)
    groups = [bases, bases[: count // 2], []]
    assert NATIVE.horner(groups, 7, square) == LOCAL.horner(groups, 7, square)


@pytest.mark.parametrize(("columns", "rows"), [(1, 1), (1, 20), (20, 1), (9, 3), (13, 16), (40, 8)])
@pytest.mark.parametrize("bits", [512, 1024, 3072])
def test_matrices_of_any_shape_come_to_the_same(bits: int, columns: int, rows: int) -> None:
    root, source = root_of(bits, "random"), random.Random(columns)
    square, bases = root * root, numbers(root, columns)
    widest = (1 << 40) - 1
    matrix = [[source.choice([0, 1, -1, widest, -widest, source.randint(-widest, widest)]) for _ in bases]] * rows
    matrix = [[source.randint(-widest, widest) for _ in bases], *matrix[1:]]
    expected = LOCAL.multi_exponentiate_packed(bases, matrix, 40, square, 3, 50)
    assert NATIVE.multi_exponentiate_packed(bases, matrix, 40, square, 3, 50) == expected
    with ThreadPoolExecutor(3) as executor:
        threads = NativeEngine(executor, 3)
        assert threads.multi_exponentiate_packed(bases, matrix, 40, square, 3, 50) == expected


def test_every_plan_of_joint_tables_comes_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    root, source = root_of(512, "random"), random.Random(5)
    bases, plans = numbers(root, 7), set[tuple[int, int, int]]()
    matrix = [[source.randint(-1023, 1023) for _ in bases] for _ in range(5)]
    expected = LOCAL.multi_exponentiate(bases, matrix, 10, root**2)
    for group_size in (1, 2, 7):
        for window_bits in (1, 3, 11):
            for segments in (1, 2, 4):
                if group_size * window_bits <= 12:
                    plan = module.JointPlan(group_size, window_bits, min(segments, -(-7 // group_size)), 0)
                    monkeypatch.setattr(module, "joint_plan", lambda *_, plan=plan: plan)
                    assert NATIVE.multi_exponentiate(bases, matrix, 10, root**2) == expected
                    plans.add((plan.group_size, plan.window_bits, plan.segments))
    assert len(plans) > 10


def test_plans_keep_their_tables_within_memory() -> None:
    plan = joint_plan(1000, 1000, 60, 960)
    assert (-(-1000 // plan.group_size) << (plan.group_size * plan.window_bits)) * 960 <= 1 << 26


@pytest.mark.parametrize("key_bits", [512, 1024, 2048])
def test_decryption_is_that_of_gmpy2(key_bits: int) -> None:
    public, private = generate_keypair(key_bits, allow_small=True)
    n = mpz(public.n)
    plaintexts = [0, 1, int(n) - 1, int(n) // 2, *(secrets.randbelow(int(n)) for _ in range(6))]
    ciphertexts = [mpz(public.raw_encrypt(plaintext)) for plaintext in plaintexts]
    for count in (1, 2, 4, 5, 10):
        assert NATIVE.crt_decrypt(ciphertexts[:count], private) == plaintexts[:count]
    with ThreadPoolExecutor(3) as executor:
        assert NativeEngine(executor, 3).crt_decrypt(ciphertexts, private) == plaintexts


def test_arrays_are_packed_and_encrypted_in_parts_by_threads() -> None:
    public, private = generate_keypair(512, allow_small=True)
    layout = SlotLayout.packed(90 * 16, 16, 30, 512)
    values = np.array([secrets.randbelow(2001) - 1000 for _ in range(90 * 16 * 16)], dtype=object).reshape(-1, 16)
    with ThreadPoolExecutor(3) as executor:
        engine = NativeEngine(executor, 3)
        for encryptor in (PublicEncryptor(public, engine, 1000), KeyHolderEncryptor(private, engine, 1000)):
            vector = encrypt_array(values, layout, 0, 1000, encryptor, key_id(public.n))
            nonces = [c * gmpy2.powmod(1 + public.n, -m, public.n**2) % public.n**2 for c, m in zip(
                vector.ciphertexts, engine.crt_decrypt(vector.ciphertexts, private), strict=True
            )]  # fmt: skip
            assert len(set(nonces)) == layout.ciphertexts, "a nonce was used twice"
            for reader in (engine, NATIVE, LOCAL):
                assert (decrypt_array(vector, private, reader) == values).all()
        beyond = values.copy()
        beyond[1400, 3] = 1001
        with pytest.raises(EncodingOverflow, match=f"entry {1400 * 16 + 3} is beyond"):
            encrypt_array(beyond, layout, 0, 1000, encryptor, key_id(public.n))
        other = encrypt_array(beyond, layout, 0, 1001, encryptor, key_id(public.n))
        with pytest.raises(DecodedOutOfBound):
            decrypt_array(replace(other, bound=1000), private, engine)


def test_what_a_part_computes_is_computed_in_its_own_thread() -> None:
    root = root_of(512, "random")
    bases = numbers(root, 300)
    expected = LOCAL.powers(bases, 65537, root**2)
    with ThreadPoolExecutor(2) as executor, ThreadPoolExecutor(4) as callers:
        engine = NativeEngine(executor, 2)
        parts: list[tuple[int, int]] = []

        def part(start: int, end: int) -> list[mpz]:
            parts.append((start, end))
            return engine.powers(bases[start:end], 65537, root**2)

        # With every thread busy in a part, one that waited for another would wait for ever.
        for found in callers.map(lambda _: engine.in_parts(300, part), range(8)):
            assert found == expected
    assert len(parts) > 8 and sorted(set(parts))[0][0] == 0


@pytest.mark.parametrize("modulus", [mpz(15) ** 2, mpz(3**300), mpz(2) ** 600, mpz((1 << 600) - 1), mpz(3) ** 6000])
def test_moduli_that_the_kernel_lacks_are_left_to_gmpy2(modulus: mpz) -> None:
    bases = [mpz(2), mpz(7) % modulus, modulus - 1]
    assert NATIVE.powers(bases, 12345, modulus) == [gmpy2.powmod(base, 12345, modulus) for base in bases]
    assert NATIVE.product([bases], modulus) == LOCAL.product([bases], modulus)


def test_a_ring_is_of_odd_squares_of_the_right_size() -> None:
    assert ring_modulo((mpz(1) << 511 | 1) ** 2) is not None
    assert ring_modulo((mpz(1) << 511) ** 2) is None
    assert ring_modulo(mpz(1) << 1023 | 1) is None
    too_wide = mpz(1) << (52 * MOST_DIGITS) | 1
    assert ring_modulo(too_wide**2) is None


def test_a_ring_shows_neither_moduli_nor_what_follows_from_them() -> None:
    root = root_of(512, "random")
    assert str(root) not in repr(Ring.of(root)) and str(Ring.of(root).numbers) not in repr(Ring.of(root))


def test_a_kernel_that_computes_wrongly_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    right = module._kernel

    class Wrong:
        def __getattr__(self, name: str) -> object:
            return getattr(right, name)

        def powers(self, *arguments: object) -> bytes:
            result = bytearray(right.powers(*arguments))
            result[0] ^= 1
            return bytes(result)

    module._computes_rightly.cache_clear()
    monkeypatch.setattr(module, "_kernel", Wrong())
    try:
        assert why_not() == "it computes wrongly on this machine"
        with pytest.raises(RuntimeError, match="computes wrongly"):
            NativeEngine()
    finally:
        monkeypatch.undo()
        module._computes_rightly.cache_clear()
    assert why_not() is None


@pytest.mark.parametrize("reason", ["not built", "processor"])
def test_without_a_kernel_the_reason_is_named(monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    if reason == "not built":
        monkeypatch.setattr(module, "_BUILT", False)
    else:
        monkeypatch.setattr(module._kernel, "can_run", lambda: False)
    said = why_not()
    assert said is not None and ("C compiler" in said) == (reason == "not built")


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        ("load", (3, 10, b"", b"")),
        ("load", (1, 2, b"", b"")),
        ("load", (1, 80, bytes(6 * 520), b"")),
        ("load", (1, 10, bytes(6 * 72), bytes(143))),
        ("store", (1, 10, bytes(6 * 72), bytes(191))),
        ("powers", (1, 10, bytes(6 * 72), bytes(192), bytes(8), 65, True, 4, False)),
        ("powers", (1, 10, bytes(6 * 72), bytes(192), bytes(8), 0, True, 4, False)),
        ("powers", (1, 10, bytes(6 * 72), bytes(192), bytes(8), 64, True, 9, False)),
        ("fixed_base_table", (1, 10, bytes(6 * 72), bytes(192), 2, 3, True)),
        ("fixed_base_powers", (1, 10, bytes(6 * 72), bytes(192), bytes(8), 1, 64, 4, 1, False)),
        ("fixed_base_powers", (1, 10, bytes(6 * 72), bytes(192 * 22 << 3), bytes(8), 1, 64, 3, 1, True)),
        ("fixed_base_powers", (1, 10, bytes(6 * 72), bytes(192 * 16 * 16), bytes(8), 1, 64, 4, 2, True)),
        ("joint_tables", (1, 10, bytes(6 * 72), bytes(192), 5, 4)),
        ("joint_products", (1, 10, bytes(6 * 72), bytes(384), bytes(192), 0, b"\x02\x00", 1, 1, 1, 1, 1)),
        ("horner", (1, 10, bytes(6 * 72), bytes(192), 0, 1)),
        ("product", (10, bytes(216), 0, b"")),
        ("product", (160, bytes(3 * 1048), 1, b"")),
    ],
)
def test_what_does_not_fit_the_kernels_shapes_is_refused(call: str, wrong: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="does not hold"):
        getattr(module._kernel, call)(*wrong)


def test_random_inputs_of_every_operation_agree_and_one_that_does_not_is_found() -> None:
    agreed = same_bits.compare(300, seed=7, widths=(512, 1024))
    operations = {"powers", "secret powers", "fixed-base powers", "product", "horner", "matrix", "decryption"}
    assert set(agreed) == operations and min(agreed.values()) > 0

    class OneOff(NativeEngine):
        def horner(self, groups, shift_bits, modulus):
            *rest, last = super().horner(groups, shift_bits, modulus)
            return [*rest, last ^ 1]

    with pytest.raises(AssertionError, match="horner differs at 1024 bits"):
        same_bits.compare(300, seed=7, widths=(512,), kernel=OneOff())
