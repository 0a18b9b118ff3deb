"""What one multiplication costs on this machine: the unit in which `fedtrain.planning.costs` counts.

Pure arithmetic under a clock that is passed in; who keeps the result is somebody else's business.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gmpy2 import mpz

# Runs of half a millisecond at 3,072 bits, short enough that on a busy machine some are not interrupted.
_PRODUCTS = 50
_REPEATS = 60


@dataclass(frozen=True)
class UnitCosts:
    """Seconds of one modular product with its reduction: modulo n², and modulo p² for the key holder."""

    modulus_bits: int
    multiplication_s: float
    half_multiplication_s: float


def measure_unit_costs(modulus_bits: int, monotonic: Callable[[], float]) -> UnitCosts:
    """Time products under random odd moduli of the sizes that a key of `modulus_bits` leads to.

    The least of several runs: what other processes take from the machine only ever adds.
    """
    return UnitCosts(modulus_bits, _product_s(2 * modulus_bits, monotonic), _product_s(modulus_bits, monotonic))


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
