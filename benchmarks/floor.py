"""Every engine operation against its arithmetic floor: multiplications counted × the measured cost of one.

python -m benchmarks.floor [--json] [--quick] [--key-bits 2048]

The cost of one is that of gmpy2's x·y mod m and x·x mod m, measured in a bare loop in turns with the operation.
Counts: a table's entries, lookups and squarings as `crypto.straus.best_plan` counts them; GMP's own powers as their
squarings and one multiplication for every six bits. `ratio` is floor / seconds: 1 at the floor, 0.67 at 1.5 times it.
"""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gmpy2 import mpz
from rich.console import Console

from benchmarks.jobs import key_pair, spec_of
from benchmarks.measure import Row, main, processor_seconds
from crypto import FixedBaseTable, LocalEngine
from crypto.squaring import SQUARING_COST
from crypto.straus import best_plan
from protocol.planning import plan_spec

KEY_BITS = (2048, 3072)
DIMENSIONS = (11, 100)
ROWS_TOTAL = 1000
REPEATS = 5
POWERS = 4
WINDOW_BITS = 8
LOOP = 1000
# GMP's sliding window for exponents of some thousand bits.
POWER_WINDOW_BITS = 6


@dataclass(frozen=True)
class Operation:
    name: str
    sizes: dict[str, float | int | str]
    modulus: mpz
    multiplications: float
    squarings: float
    call: Callable[[], object]


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
            operation.call()  # tables that are built once
            spent, floors = [], []
            for _ in range(repeats):
                multiplication, squaring = cost_of_one(operation.modulus)
                floors.append(operation.multiplications * multiplication + operation.squarings * squaring)
                spent.append(processor_seconds(operation.call)[0])
            floor = statistics.median(floors)
            yield Row(operation.name, operation.sizes, key_bits, statistics.median(spent), "floor", floor)


def cost_of_one(modulus: mpz) -> tuple[float, float]:
    """Processor seconds of one multiplication and of one squaring modulo `modulus`."""
    numbers = [_below(modulus) for _ in range(LOOP)]
    factor = _below(modulus)
    multiplication, _ = processor_seconds(lambda: [x * factor % modulus for x in numbers])
    squaring, _ = processor_seconds(lambda: [x * x % modulus for x in numbers])
    return multiplication / LOOP, squaring / LOOP


def operations(key_bits: int, dimensions: Sequence[int]) -> Iterable[Operation]:
    """Each call of the engine's seam, at the sizes of the default plan."""
    private_key = key_pair(key_bits)
    n = mpz(private_key.public_key.n)
    square, p_square = n * n, mpz(private_key.p) ** 2
    engine = LocalEngine()
    for d in dimensions:
        yield _matrix(engine, d, key_bits, square)
    units = [_below(n) for _ in range(POWERS)]
    yield Operation(
        "re-randomisers: public powers", {"powers": POWERS}, square,
        POWERS * key_bits / POWER_WINDOW_BITS, POWERS * key_bits, lambda: engine.powers(units, int(n), square),
    )  # fmt: skip
    for name, modulus, bits in (
        ("fixed-base powers mod n²", square, key_bits // 2),
        ("fixed-base powers mod p²", p_square, key_bits // 2),
    ):
        table = FixedBaseTable(_below(modulus), modulus, bits, WINDOW_BITS)
        exponents = [secrets.randbits(bits) for _ in range(20 * POWERS)]
        count = len(exponents) * (table.positions - 1)
        yield Operation(
            name, {"powers": len(exponents), "bits": bits}, modulus, count, 0,
            lambda table=table, exponents=exponents: engine.fixed_base_powers(table, exponents),
        )  # fmt: skip
    ciphertexts = [_below(square) for _ in range(2 * POWERS)]
    half = key_bits // 2
    yield Operation(
        "decryption", {"ciphertexts": len(ciphertexts)}, p_square,
        2 * len(ciphertexts) * half / POWER_WINDOW_BITS, 2 * len(ciphertexts) * half,
        lambda: engine.crt_decrypt(ciphertexts, private_key),
    )  # fmt: skip
    columns = [[_below(square) for _ in range(10)] for _ in range(50)]
    yield Operation(
        "sum of ten owners", {"ciphertexts": 50}, square, 50 * 9, 0, lambda: engine.product(columns, square)
    )
    groups = [[_below(square) for _ in range(10)] for _ in range(2)]
    yield Operation(
        "packing by Horner", {"ciphertexts": 20, "slot_bits": 128}, square, 18, 18 * 128,
        lambda: engine.horner(groups, 128, square),
    )  # fmt: skip


def _matrix(engine: LocalEngine, d: int, key_bits: int, square: mpz) -> Operation:
    budget = plan_spec(spec_of(d, key_bits))
    bits, layout = budget.moment_bound_for(ROWS_TOTAL).bit_length(), budget.answer_layout
    source = secrets.SystemRandom()
    rows = [[source.randrange(-(1 << bits) + 1, 1 << bits) for _ in range(d)] for _ in range(d)]
    bases = [_below(square) for _ in range(d)]
    plan = best_plan(d, d, bits)
    # A row's own squarings are among those that shift it into its slot; only a group's first row has no shift.
    positions = -(-(bits + 1) // plan.window_bits)
    own = (positions - 1) * plan.window_bits
    multiplications = plan.multiplications - d * own * SQUARING_COST
    squarings = layout.row_groups * own + (d - layout.row_groups) * layout.slot_bits
    return Operation(
        "matrix × encrypted vector, packed",
        {"d": d, "bits": bits, "slot_bits": layout.slot_bits},
        square,
        multiplications,
        squarings,
        lambda: engine.multi_exponentiate_packed(
            bases, rows, bits, square, layout.rows_per_ciphertext, layout.slot_bits * layout.columns_per_ciphertext
        ),
    )


def _below(modulus: mpz) -> mpz:
    return mpz(secrets.randbelow(int(modulus) - 2) + 2)


if __name__ == "__main__":
    main(__doc__, measure, takes_key_sizes=True)
