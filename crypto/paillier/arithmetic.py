"""Operations on encrypted vectors. Each derives the next worst-case bound, and refuses before it runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gmpy2 import mpz
from numpy.typing import NDArray

from fedtrain.crypto.engine import Engine
from fedtrain.crypto.errors import (
    CapacityExceeded,
    EncodingOverflow,
    KeyMismatch,
    LayoutMismatch,
    ScaleMismatch,
)
from fedtrain.crypto.packing.slots import SlotLayout, check_magnitudes, pack
from fedtrain.crypto.paillier.keys import key_id
from fedtrain.crypto.paillier.plain_terms import add_plaintexts
from fedtrain.crypto.paillier.vector import EncryptedVector


def sum_vectors(
    vectors: Sequence[EncryptedVector], n: int, engine: Engine, bound: int | None = None
) -> EncryptedVector:
    """The sum of one or more vectors. `bound`: the planned magnitude of the sum where it is known to be
    tighter than the sum of bounds (masked summands say nothing of their own). Raises KeyMismatch, ScaleMismatch,
    LayoutMismatch, CapacityExceeded; ValueError for no vector."""
    if not vectors:
        raise ValueError("a sum needs at least one encrypted vector")
    _check_alike(vectors, n)
    first = vectors[0]
    bound = _fitting(sum(vector.bound for vector in vectors) if bound is None else bound, first.layout, n)
    columns = list(zip(*(vector.ciphertexts for vector in vectors), strict=True))
    ciphertexts = engine.product(columns, mpz(n) * n)
    return EncryptedVector(first.key_id, first.fraction_bits, bound, first.layout, tuple(ciphertexts))


def affine_matrix(
    A: NDArray[np.object_],
    matrix_bound: int,
    matrix_fraction_bits: int,
    W: EncryptedVector,
    minus: NDArray[np.object_],
    minus_bound: int,
    out_layout: SlotLayout,
    n: int,
    engine: Engine,
    row_bounds: Sequence[int] | None = None,
    entry_bound: int | None = None,
) -> EncryptedVector:
    """pack(A·W − minus) under encryption, W (d_in, columns) one row a ciphertext, the result (d_out, columns).

    `A`: (d_out, d_in) object array of signed integers at 2^−matrix_fraction_bits, |A_ij| ≤ matrix_bound.
    `minus`: (d_out, columns) integers at the resulting scale, |minus| ≤ minus_bound. The bound of the result
    is d_in·matrix_bound·W.bound + minus_bound, or max(row_bounds)·W.bound + minus_bound where `row_bounds`,
    one Σ_j |A_ij| at most for each row i, is given. `entry_bound`: of |A_ij|, where a smaller one is known that the
    result's bound is not to show; it saves work. The work depends on shapes and bounds, not on A's values.
    The result is *not* re-randomised: its nonces carry A, and it must not leave before `rerandomise`.
    Raises KeyMismatch, LayoutMismatch, CapacityExceeded, EncodingOverflow.
    """
    _check_key(W, n)
    d_out, d_in = A.shape
    _check_packs(W.layout, out_layout, d_out, n)
    if d_in != W.layout.rows:
        raise LayoutMismatch(f"a matrix of {W.layout.rows} columns", f"one of {d_in}")
    largest_entry = matrix_bound if entry_bound is None else min(matrix_bound, entry_bound)
    _check_matrix(A, largest_entry, row_bounds)
    widest = d_in * matrix_bound if row_bounds is None else min(max(row_bounds), d_in * matrix_bound)
    # A vector of zeros still has exponents to run through.
    bound = _fitting(widest * max(W.bound, 1) + minus_bound, out_layout, n)
    check_magnitudes(minus, minus_bound)
    plaintexts = [-plaintext for plaintext in pack(minus, out_layout)]
    rows: list[list[int]] = A.tolist()
    products = [
        engine.multi_exponentiate_packed(
            _column_group(W, group),
            rows,
            min(largest_entry, widest).bit_length(),
            mpz(n) * n,
            out_layout.rows_per_ciphertext,
            out_layout.slot_bits * out_layout.columns_per_ciphertext,
        )
        for group in range(W.layout.column_groups)
    ]
    ciphertexts = add_plaintexts(_in_layout_order(products), plaintexts, n)
    fraction_bits = W.fraction_bits + matrix_fraction_bits
    return EncryptedVector(W.key_id, fraction_bits, bound, out_layout, tuple(ciphertexts))


def _check_key(vector: EncryptedVector, n: int) -> None:
    if vector.key_id != key_id(n):
        raise KeyMismatch(expected=key_id(n), received=vector.key_id)


def _check_alike(vectors: Sequence[EncryptedVector], n: int) -> None:
    first = vectors[0]
    expected = key_id(n)
    for vector in vectors:
        if vector.key_id != expected:
            raise KeyMismatch(expected=expected, received=vector.key_id)
        if vector.fraction_bits != first.fraction_bits:
            raise ScaleMismatch(expected=first.fraction_bits, received=vector.fraction_bits)
        if vector.layout != first.layout:
            raise LayoutMismatch(expected=first.layout, received=vector.layout)


def _check_packs(layout: SlotLayout, out_layout: SlotLayout, out_rows: int, n: int) -> None:
    """Check that rows of `layout` can be packed into `out_layout`."""
    out_layout.check_capacity(int(n).bit_length())
    if layout.rows_per_ciphertext != 1:
        raise LayoutMismatch("one row a ciphertext", f"{layout.rows_per_ciphertext} rows a ciphertext")
    packable = SlotLayout(
        out_rows,
        layout.columns,
        layout.slot_bits,
        out_layout.rows_per_ciphertext,
        layout.columns_per_ciphertext,
    )
    if packable != out_layout:
        raise LayoutMismatch(expected=packable, received=out_layout)


def _check_matrix(A: NDArray[np.object_], matrix_bound: int, row_bounds: Sequence[int] | None) -> None:
    check_magnitudes(A, matrix_bound)
    if row_bounds is None:
        return
    if len(row_bounds) != A.shape[0]:
        raise LayoutMismatch(f"{A.shape[0]} row bounds", f"{len(row_bounds)} row bounds")
    for index, (row, row_bound) in enumerate(zip(A, row_bounds, strict=True)):
        if sum(abs(entry) for entry in row) > row_bound:
            raise EncodingOverflow(f"row {index} is beyond the {row_bound.bit_length()} bits planned for it")


def _fitting(bound: int, layout: SlotLayout, n: int) -> int:
    """`bound`, if it and its sign fit a slot, and the slots the key."""
    layout.check_capacity(int(n).bit_length())
    if bound.bit_length() + 1 > layout.slot_bits:
        raise CapacityExceeded(bound.bit_length() + 1, layout.slot_bits)
    return bound


def _column_group(vector: EncryptedVector, group: int) -> list[mpz]:
    """One ciphertext a row: those of one group of columns."""
    return list(vector.ciphertexts[group :: vector.layout.column_groups])


def _in_layout_order(by_column_group: Sequence[Sequence[mpz]]) -> tuple[mpz, ...]:
    return tuple(c for row_group in zip(*by_column_group, strict=True) for c in row_group)
