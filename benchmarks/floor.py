"""Every engine operation against its arithmetic floor: multiplications counted × the measured cost of one.

python -m benchmarks.floor [--json] [--quick] [--key-bits 2048]

Counts and the cost of one are those of `benchmarks.rows.counts`, the cost measured in turns with the operation. `ratio`
is floor / seconds: 1 at the floor, 0.67 at 1.5 times it. Where the kernel can be used it comes first, against its own
floor, and against gmpy2 in the same turns.
"""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gmpy2 import mpz
from rich.console import Console

from benchmarks.fixtures.engines import GMPY2, NATIVE, engines
from benchmarks.fixtures.jobs import key_pair, spec_of
from benchmarks.rows.counts import Count, fixed_base_powers, floor_seconds, matrix, number_below, powers
from benchmarks.rows.measure import Row, main, processor_seconds
from fedtrain.crypto import Engine, FixedBaseTable
from fedtrain.crypto.engine.native.engine import SECRET_TABLE_WINDOW_BITS
from fedtrain.planning.plans import plan_spec

KEY_BITS = (2048, 3072)
DIMENSIONS = (11, 100)
ROWS_TOTAL = 1000
REPEATS = 9
#: What fills the kernel's lanes; the rows of fewer are those of a gradient (benchmarks.gradient).
POWERS = 8
WINDOW_BITS = 8


@dataclass(frozen=True)
class Operation:
    name: str
    sizes: dict[str, float | int | str]
    count: Count
    call: Callable[[Engine], object]
    native_count: Count | None = None

    def counted(self, engine: str) -> Count:
        return self.count if engine == GMPY2 or self.native_count is None else self.native_count


def measure(
    quick: bool,
    notes: Console,
    key_sizes: Sequence[int] | None = None,
    dimensions: Sequence[int] | None = None,
    repeats: int = REPEATS,
) -> Iterable[Row]:
    notes.print("ratio: floor / seconds")
    for key_bits in key_sizes or (KEY_BITS[:1] if quick else KEY_BITS):
        for operation in operations(key_bits, dimensions or (DIMENSIONS[:1] if quick else DIMENSIONS)):
            yield from rows_of(operation, key_bits, repeats)


def rows_of(operation: Operation, key_bits: int, repeats: int) -> Iterable[Row]:
    measured = engines()
    spent: dict[str, list[float]] = {name: [] for name in measured}
    floors: dict[str, list[float]] = {name: [] for name in measured}
    for engine in measured.values():
        operation.call(engine)  # tables that are built once
    for _ in range(repeats):
        for name, engine in measured.items():
            floors[name].append(floor_seconds([operation.counted(name)], name))
            spent[name].append(processor_seconds(lambda engine=engine: operation.call(engine))[0])
    for name in measured:
        sizes = {**operation.sizes, "engine": name}
        seconds = statistics.median(spent[name])
        yield Row(operation.name, sizes, key_bits, seconds, "floor", seconds * _ratio(floors[name], spent[name]))
        if name == NATIVE:
            yield Row(operation.name, sizes, key_bits, seconds, GMPY2, seconds * _ratio(spent[GMPY2], spent[name]))


def _ratio(peer: Sequence[float], own: Sequence[float]) -> float:
    """The median over the turns, in each of which both met the same machine."""
    return statistics.median(theirs / ours for theirs, ours in zip(peer, own, strict=True))


def operations(key_bits: int, dimensions: Sequence[int]) -> Iterable[Operation]:
    """Each call of the engine's seam, at the sizes of the default plan."""
    private_key = key_pair(key_bits)
    n = mpz(private_key.public_key.n)
    square, p_square = n * n, mpz(private_key.p) ** 2
    for d in dimensions:
        yield _matrix(d, key_bits, square)
    units = [number_below(n) for _ in range(POWERS)]
    yield Operation(
        "re-randomisers: public powers",
        {"powers": POWERS},
        powers(POWERS, key_bits, square),
        lambda engine: engine.powers(units, int(n), square),
    )
    bits = key_bits // 2
    for name, modulus in (("fixed-base powers mod n²", square), ("fixed-base powers mod p²", p_square)):
        secret = modulus != square
        table = FixedBaseTable(number_below(modulus), modulus, bits, WINDOW_BITS, secret=secret)
        read_whole = FixedBaseTable(mpz(2), modulus, bits, min(WINDOW_BITS, SECRET_TABLE_WINDOW_BITS))
        exponents = [secrets.randbits(bits) for _ in range(10 * POWERS)]
        yield Operation(
            name,
            {"powers": len(exponents), "bits": bits},
            fixed_base_powers(table, len(exponents)),
            lambda engine, table=table, exponents=exponents: engine.fixed_base_powers(table, exponents),
            fixed_base_powers(read_whole, len(exponents)) if secret else None,
        )
    ciphertexts = [number_below(square) for _ in range(POWERS)]
    yield Operation(
        "decryption",
        {"ciphertexts": len(ciphertexts)},
        powers(2 * len(ciphertexts), bits, p_square),
        lambda engine: engine.crt_decrypt(ciphertexts, private_key),
    )
    columns = [[number_below(square) for _ in range(10)] for _ in range(50)]
    yield Operation(
        "sum of ten owners", {"ciphertexts": 50}, Count(square, 50 * 9), lambda engine: engine.product(columns, square)
    )
    groups = [[number_below(square) for _ in range(10)] for _ in range(2)]
    yield Operation(
        "packing by Horner",
        {"ciphertexts": 20, "slot_bits": 128},
        Count(square, 18, 18 * 128),
        lambda engine: engine.horner(groups, 128, square),
    )


def _matrix(d: int, key_bits: int, square: mpz) -> Operation:
    budget = plan_spec(spec_of(d, key_bits))
    bits, layout = budget.moment_bound_for(ROWS_TOTAL).bit_length(), budget.answer_layout
    source = secrets.SystemRandom()
    rows = [[source.randrange(-(1 << bits) + 1, 1 << bits) for _ in range(d)] for _ in range(d)]
    bases = [number_below(square) for _ in range(d)]
    return Operation(
        "matrix × encrypted vector, packed",
        {"d": d, "bits": bits, "slot_bits": layout.slot_bits},
        matrix(d, bits, layout, square),
        lambda engine: engine.multi_exponentiate_packed(
            bases, rows, bits, square, layout.rows_per_ciphertext, layout.slot_bits * layout.columns_per_ciphertext
        ),
    )


if __name__ == "__main__":
    main(__doc__, measure, takes_key_sizes=True)
