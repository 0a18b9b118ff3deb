"""One suite over every engine: exact results, and what each refuses."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrain.crypto import EncodingOverflow, FixedBaseTable, LocalEngine, ProcessEngine
from fedtrain.crypto.engine.dask import DaskEngine
from fedtrain.crypto.engine.native.engine import NativeEngine, why_not
from fedtrain.crypto.powers import residues as residues_module
from fedtrain.crypto.powers.fixed_base import best_window_bits
from fedtrain.crypto.powers.residues import Element, PairResidues, Residues, WholeResidues
from fedtrain.crypto.powers.squaring import horner, square_times
from fedtrain.crypto.powers.straus import Plan, best_plan, multi_exponentiate
from tests.harness.pickled_cluster import PickledCluster


@pytest.fixture(scope="module", params=["local", "threads", "processes", "native", "native threads", "cluster"])
def engine(request) -> Iterator[LocalEngine | ProcessEngine]:
    if request.param == "local":
        yield LocalEngine()
    elif request.param == "cluster":
        yield DaskEngine(LocalEngine(), PickledCluster())
    elif request.param.startswith("native") and why_not() is not None:
        pytest.skip(f"the kernel can't be used here: {why_not()}")
    elif request.param == "native":
        yield NativeEngine()
    elif request.param == "native threads":
        with ThreadPoolExecutor(3) as executor:
            yield NativeEngine(executor, 3)
    elif request.param == "threads":
        with ThreadPoolExecutor(3) as executor:
            yield ProcessEngine(executor, 3)
    else:
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
            yield ProcessEngine(executor, 2)


@pytest.fixture
def square(small_keypair) -> mpz:
    return mpz(small_keypair[0].n) ** 2


def units(modulus: mpz, count: int) -> list[mpz]:
    state = gmpy2.random_state(count)
    return [gmpy2.mpz_random(state, modulus - 2) + 2 for _ in range(count)]


def expected_products(bases: list[mpz], rows: list[list[int]], modulus: mpz) -> list[mpz]:
    products = []
    for row in rows:
        product = mpz(1)
        for base, exponent in zip(bases, row, strict=True):
            product = product * gmpy2.powmod(base, exponent, modulus) % modulus
        products.append(product)
    return products


def signed_rows(rows: int, columns: int, bits: int) -> list[list[int]]:
    source = random.Random(rows * 1000 + columns)
    widest = (1 << bits) - 1
    drawn = [[source.randint(-widest, widest) for _ in range(columns)] for _ in range(rows)]
    return [[0] * columns, [widest] * columns, [-widest] * columns, [1, *[-1] * (columns - 1)], *drawn][:rows]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (5, 1), (1, 9), (7, 4), (12, 13)])
def test_multi_exponentiation_is_exact(engine, square: mpz, rows: int, columns: int) -> None:
    bases, exponents = units(square, columns), signed_rows(rows, columns, 20)
    products = engine.multi_exponentiate(bases, exponents, 20, square)
    assert products == expected_products(bases, exponents, square)


def test_multi_exponentiation_packs_on_the_way(engine, square: mpz) -> None:
    bases, exponents = units(square, 6), signed_rows(8, 6, 20)
    packed = engine.multi_exponentiate_packed(bases, exponents, 20, square, 3, 33)
    alone = expected_products(bases, exponents, square)
    assert packed == [horner(alone[start : start + 3], 33, square) for start in (0, 3, 6)]
    assert packed == engine.horner([alone[0:3], alone[3:6], alone[6:8]], 33, square)


def test_exponents_that_do_not_fit_are_refused_without_being_named(engine, square: mpz) -> None:
    bases = units(square, 2)
    engine.multi_exponentiate(bases, [[1023, -1023]], 10, square)
    for exponent in (1024, -1024):
        with pytest.raises(EncodingOverflow) as refusal:
            engine.multi_exponentiate(bases, [[0, exponent]], 10, square)
        assert "1024" not in str(refusal.value)
    with pytest.raises(ValueError, match="1 exponents for 2 bases"):
        engine.multi_exponentiate(bases, [[1, 1], [1]], 10, square)
    with pytest.raises(ValueError, match="slots of 10 bits"):
        engine.multi_exponentiate_packed(bases, [[1, 1]], 10, square, 2, 10)


def test_nothing_in_nothing_out(engine, square: mpz) -> None:
    assert engine.multi_exponentiate(units(square, 2), [], 10, square) == []
    assert engine.multi_exponentiate([], [[], []], 10, square) == [1, 1]
    assert engine.multi_exponentiate_packed([], [[], [], []], 10, square, 2, 20) == [1, 1]
    assert engine.product([], square) == engine.powers([], 3, square) == engine.horner([], 3, square) == []
    assert engine.product([[]], square) == engine.horner([[]], 3, square) == [1]
    with pytest.raises(ValueError, match="1 exponents for 0 bases"):
        engine.multi_exponentiate([], [[5]], 10, square)


def test_columns_are_multiplied(engine, square: mpz) -> None:
    a, b, c, d = units(square, 4)
    assert engine.product([[a, b, c], [d], [d, d]], square) == [a * b * c % square, d, d * d % square]


def test_powers_public_and_secret_agree(engine, square: mpz) -> None:
    bases = units(square, 5)
    expected = [gmpy2.powmod(base, 987654321, square) for base in bases]
    assert engine.powers(bases, 987654321, square) == expected
    assert engine.powers(bases, 987654321, square, secret=True) == expected


@pytest.mark.parametrize("kind", ["local", "threads"])
def test_secret_powers_are_taken_in_constant_time_on_every_engine(square: mpz, kind: str, monkeypatch) -> None:
    from fedtrain.crypto.engine import local as local_engine

    class ConstantTimeOnly:
        powmod_sec = staticmethod(gmpy2.powmod_sec)

    monkeypatch.setattr(local_engine, "gmpy2", ConstantTimeOnly)
    with ThreadPoolExecutor(2) as executor:
        engine = LocalEngine() if kind == "local" else ProcessEngine(executor, 2)
        assert engine.powers([mpz(3)], 4, square, secret=True) == [81]
        with pytest.raises(AttributeError, match="powmod_base_list"):
            engine.powers([mpz(3)], 4, square)


def test_fixed_base_powers(engine, square: mpz) -> None:
    table = FixedBaseTable(units(square, 1)[0], square, exponent_bits=100, window_bits=7)
    exponents = [0, 1, 127, 128, (1 << 100) - 1, 1 << 99, 123456789 << 60]
    assert engine.fixed_base_powers(table, exponents) == [
        gmpy2.powmod(table.base, exponent, square) for exponent in exponents
    ]
    for exponent in (-1, 1 << 100):
        with pytest.raises(ValueError, match="100 bits"):
            engine.fixed_base_powers(table, [exponent])


def test_decryption_is_phes(engine, small_keypair) -> None:
    public_key, private_key = small_keypair
    plaintexts = [0, 1, public_key.n - 1, public_key.n // 3]
    ciphertexts = [mpz(public_key.raw_encrypt(plaintext)) for plaintext in plaintexts]
    assert engine.crt_decrypt(ciphertexts, private_key) == plaintexts


@pytest.mark.parametrize("plan", [Plan(k, w, 0) for k in range(4) for w in (1, 2, 3, 5)])
def test_every_method_and_window_gives_the_same_product(square: mpz, plan: Plan) -> None:
    bases, exponents = units(square, 7), signed_rows(6, 7, 11)
    assert multi_exponentiate(bases, exponents, 11, square, plan=plan) == expected_products(bases, exponents, square)


def test_the_plan_depends_on_the_shape_and_follows_the_count() -> None:
    assert best_plan(5000, 1, 24).group_size == 0, "buckets for one row of many bases"
    assert best_plan(100, 100, 24).group_size > 4, "shared tables for a square matrix"
    assert best_plan(100, 100, 24).multiplications < 37_000
    assert best_plan(1, 1, 24).group_size <= 1
    assert best_window_bits(1024, 10_000) > best_window_bits(1024, 10)


class CountingResidues:
    """Counts multiplications, and sees whether an operand was trivial."""

    def __init__(self, residues: Residues, log: list[bool]) -> None:
        self.residues, self.log = residues, log
        self.of, self.value = residues.of, residues.value

    def times(self, a: Element, b: Element) -> Element:
        self.log.append(1 in (self.value(a), self.value(b)))
        return self.residues.times(a, b)

    def product(self, factors: Iterable[Element]) -> Element:
        return functools.reduce(self.times, factors)

    def scaled(self, elements: Sequence[Element], factor: Element) -> list[Element]:
        return [self.times(element, factor) for element in elements]

    def square_times(self, element: Element, count: int) -> Element:
        return functools.reduce(lambda x, _: self.times(x, x), range(count), element)


@pytest.mark.parametrize("form", ["whole", "pairs"])
@pytest.mark.parametrize("plan", [Plan(0, 3, 0), Plan(1, 4, 0), Plan(4, 1, 0), Plan(3, 2, 0)])
def test_the_multiplications_done_do_not_depend_on_the_exponents(
    square: mpz, plan: Plan, form: str, monkeypatch
) -> None:
    from fedtrain.crypto.powers import straus

    log: list[bool] = []
    residues = WholeResidues(square) if form == "whole" else PairResidues(gmpy2.isqrt(square))
    monkeypatch.setattr(straus, "residues_modulo", lambda modulus: CountingResidues(residues, log))
    counts = set()
    widest = (1 << 12) - 1
    bases = units(square, 6)
    for row in ([0] * 6, [1] * 6, [-1] * 6, [widest] * 6, [-widest] * 6, [5, -4095, 0, 77, 1, 2048]):
        log.clear()
        straus.multi_exponentiate(bases, [row, row], 12, square, plan=plan, rows_per_group=2, shift_bits=20)
        counts.add(len(log))
        assert not any(log), "no operand is ever 1"
    assert len(counts) == 1


@pytest.mark.parametrize("plan", [Plan(0, 3, 0), Plan(3, 2, 0)])
def test_residues_as_pairs_give_the_same_products_and_powers(square: mpz, plan: Plan, monkeypatch) -> None:
    monkeypatch.setattr(residues_module, "_LEAST_PAIR_BITS", 0)
    assert isinstance(residues_module.residues_modulo(square), PairResidues)
    bases, exponents = units(square, 7), signed_rows(6, 7, 11)
    assert multi_exponentiate(bases, exponents, 11, square, plan=plan) == expected_products(bases, exponents, square)
    table = FixedBaseTable(bases[0], square, exponent_bits=61, window_bits=5)
    exponents = (0, 1, 31, 32, (1 << 61) - 1)
    assert table.powers(exponents) == [gmpy2.powmod(bases[0], exponent, square) for exponent in exponents]
    for exponent in (987654321, int(square) >> 3, (1 << 700) - 1, 1 << 700):
        powers = LocalEngine().powers(bases, exponent, square)
        assert powers == [gmpy2.powmod(base, exponent, square) for base in bases]
    assert horner(bases, 20, square) == expected_products(bases, [[1 << 20 * t for t in range(7)]], square)[0]


def test_pairs_are_for_large_squares_only(square: mpz) -> None:
    large = mpz(3) ** 2000
    assert isinstance(residues_module.residues_modulo(large), PairResidues)
    assert isinstance(residues_module.residues_modulo(large - 2), WholeResidues)
    assert isinstance(residues_module.residues_modulo(square), WholeResidues)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 50])
def test_runs_of_squarings_are_exact_for_squares_and_for_other_moduli(square: mpz, count: int) -> None:
    for modulus in (square, square - 2):
        x = units(square, 1)[0] % modulus
        assert square_times(x, count, modulus) == gmpy2.powmod(x, mpz(1) << count, modulus)


@pytest.mark.parametrize(("rows", "expected"), [(1, [1]), (6, [3, 3]), (7, [3, 3, 1]), (20, [9, 9, 2])])
def test_rows_are_split_between_workers_at_group_boundaries(square: mpz, rows: int, expected: list[int]) -> None:
    chunks: list[int] = []

    class RecordingExecutor(ThreadPoolExecutor):
        def submit(self, call, /, *arguments):
            chunks.append(len(arguments[1]))
            return super().submit(call, *arguments)

    with RecordingExecutor(3) as executor:
        engine = ProcessEngine(executor, 3)
        results = engine.multi_exponentiate_packed(units(square, 2), signed_rows(rows, 2, 8), 8, square, 3, 20)
    assert chunks == expected
    assert len(results) == -(-rows // 3)


@pytest.mark.parametrize(("count", "expected"), [(1, [1]), (9, [3, 3, 3]), (30, [8, 8, 8, 6]), (240, [20] * 12)])
def test_what_stands_alone_is_split_finely_so_that_no_worker_is_waited_for(
    square: mpz, count: int, expected: list[int]
) -> None:
    chunks: list[int] = []

    class RecordingExecutor(ThreadPoolExecutor):
        def submit(self, call, /, *arguments):
            chunks.append(len(arguments[0]))
            return super().submit(call, *arguments)

    bases = units(square, count)
    with RecordingExecutor(3) as executor:
        assert ProcessEngine(executor, 3).powers(bases, 5, square) == LocalEngine().powers(bases, 5, square)
    assert chunks == expected


def test_many_powers_of_one_base_come_in_order_whatever_is_done_at_once(square: mpz) -> None:
    table = FixedBaseTable(units(square, 1)[0], square, exponent_bits=40, window_bits=6)
    exponents = [(index * 7919) << 18 | index for index in range(300)]
    assert table.powers(exponents) == [gmpy2.powmod(table.base, exponent, square) for exponent in exponents]
    assert table.powers([]) == []
    with pytest.raises(ValueError, match="40 bits"):
        table.powers([1, 1 << 40])


def test_an_engine_without_workers_is_refused() -> None:
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="workers"):
        ProcessEngine(executor, 0)


def test_a_table_travels_without_its_entries(square: mpz) -> None:
    import pickle

    table = FixedBaseTable(units(square, 1)[0], square, exponent_bits=256, window_bits=8)
    table.powers([5])
    data = pickle.dumps(table)
    assert len(data) < 1000
    assert pickle.loads(data).powers([5]) == table.powers([5])  # noqa: S301 - our own bytes
    for exponent_bits, window_bits in ((0, 4), (100, 0), (100, 17)):
        with pytest.raises(ValueError, match="out of range"):
            FixedBaseTable(mpz(3), square, exponent_bits, window_bits)
