"""Time that the kernel takes for one product: what its work is counted in."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gmpy2 import mpz

from fedtrain.crypto.engine.native.ring import LANES, Ring

_PRODUCTS = 64
_REPEATS = 20


def product_seconds(root_bits: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Return seconds of one product and of one squaring modulo m², m odd of `root_bits` bits: an eighth of eight.

    The least of several runs: what other processes take from the machine only ever adds. Needs a kernel that can be
    used (`why_not`).
    """
    from fedtrain.crypto.engine.native import _kernel  # which there need not be

    root = mpz(secrets.randbits(root_bits) | 1 << (root_bits - 1) | 1)
    ring = Ring.of(root)
    values = [mpz(secrets.randbelow(int(root * root))) for _ in range(LANES * _PRODUCTS)]
    residues = _kernel.load(*ring.parameters, ring.bytes_of(values))
    # Eight groups without a shift are as many products; eight pairs with one, that many squarings and two products.
    pairs = residues[: len(residues) * 2 // _PRODUCTS]

    def least(residues: bytes, size: int, shift_bits: int) -> float:
        runs = []
        for _ in range(_REPEATS):
            began = clock()
            _kernel.horner(*ring.parameters, residues, size, shift_bits)
            runs.append(clock() - began)
        return min(runs) / LANES

    product = least(residues, _PRODUCTS, 0) / _PRODUCTS
    return product, (least(pairs, 2, _PRODUCTS) - 2 * product) / _PRODUCTS
