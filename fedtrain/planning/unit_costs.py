"""The cost of one multiplication on this machine: the unit in which `fedtrain.planning.costs` counts.

Pure arithmetic under a clock that is passed in; who keeps the result is somebody else's business.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gmpy2 import mpz

from fedtrain.crypto.engine.native.engine import joint_plan
from fedtrain.crypto.engine.native.ring import LANES, has_root_of
from fedtrain.crypto.engine.native.speed import product_seconds
from fedtrain.crypto.powers.straus import best_plan

# Runs of half a millisecond at 3,072 bits, short enough that on a busy machine some are not interrupted.
_PRODUCTS = 50
_REPEATS = 60


#: (bases, rows, exponent bits) → multiplications of the products Π_j base_j^e_ij of all rows i.
MultiExponentiationCost = Callable[[int, int, int], float]
EngineName = Literal["gmpy2", "native"]


@dataclass(frozen=True)
class UnitCosts:
    """Seconds of one modular product with its reduction, by the engine in use: modulo n², and modulo p² for the key
    holder. With the compiled kernel ("native") an eighth of what eight side by side take.

    `gmpy2_multiplication_s`: modulo n² by gmpy2 in any case: what is no arithmetic on arrays is as fast as the
    processor, and not as the kernel.
    """

    modulus_bits: int
    multiplication_s: float
    half_multiplication_s: float
    gmpy2_multiplication_s: float
    engine: EngineName = "gmpy2"

    @property
    def multi_exponentiation_cost(self) -> MultiExponentiationCost:
        """Return how the engine counts a matrix times a vector."""
        return self._joint_cost if self.engine == "native" else straus_cost

    def _joint_cost(self, bases: int, rows: int, exponent_bits: int) -> float:
        return LANES * joint_plan(bases, rows, exponent_bits, 2 * self.modulus_bits // 8).products


def straus_cost(bases: int, rows: int, exponent_bits: int) -> float:
    """Return gmpy2's count (`fedtrain.crypto.powers.straus`)."""
    return best_plan(bases, rows, exponent_bits).multiplications


def measure_unit_costs(modulus_bits: int, monotonic: Callable[[], float], engine: EngineName = "gmpy2") -> UnitCosts:
    """Time products under random odd moduli of the sizes that a key of `modulus_bits` leads to.

    The least of several runs: what other processes take from the machine only ever adds.
    """
    by_gmpy2 = _product_s(2 * modulus_bits, monotonic)
    if engine == "gmpy2":
        return UnitCosts(modulus_bits, by_gmpy2, _product_s(modulus_bits, monotonic), by_gmpy2)
    # Moduli that the kernel lacks are gmpy2's with it too.
    full, half = (
        product_seconds(bits, monotonic)[0] if has_root_of(bits) else _product_s(2 * bits, monotonic)
        for bits in (modulus_bits, modulus_bits // 2)
    )
    return UnitCosts(modulus_bits, full, half, by_gmpy2, engine)


def _product_s(bits: int, monotonic: Callable[[], float]) -> float:
    modulus = mpz(secrets.randbits(bits) | 1 << (bits - 1) | 1)
    value, factor = (mpz(secrets.randbits(bits - 1) | 1) for _ in range(2))
    runs = []
    for _ in range(_REPEATS):
        began = monotonic()
        for _ in range(_PRODUCTS):
            value = value * factor % modulus
        runs.append((monotonic() - began) / _PRODUCTS)
    return min(runs)
