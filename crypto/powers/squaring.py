"""Packing into slots by Horner's rule, which is mostly runs of modular squarings."""

from __future__ import annotations

from collections.abc import Sequence

from gmpy2 import mpz

from fedtrain.crypto.powers.residues import residues_modulo

# One squaring, in multiplications mod n² (measured at 4,096-bit n²: 3.0 µs against 3.8 µs).
SQUARING_COST = 0.8


def square_times(x: mpz, count: int, modulus: mpz) -> mpz:
    """x^(2^count) mod modulus."""
    residues = residues_modulo(modulus)
    return residues.value(residues.square_times(residues.of(x), count))


def horner(group: Sequence[mpz], shift_bits: int, modulus: mpz) -> mpz:
    """Π_t group[t]^(2^(shift_bits·t)) mod modulus: slot t of one ciphertext for entry t. 1 for no entries."""
    if not group:
        return mpz(1)
    residues = residues_modulo(modulus)
    *rest, packed = map(residues.of, group)
    for entry in reversed(rest):
        packed = residues.times(residues.square_times(packed, shift_bits), entry)
    return residues.value(packed)
