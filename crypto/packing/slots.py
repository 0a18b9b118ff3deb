"""Several signed integers in one plaintext: s-bit balanced slots.

P = Σ v_t·2^(s·t) with signed v_t, |v_t| < 2^(s−1), and s·slots ≤ |n| − 2, so that P and every sum that
was planned for stay within (−n/2, n/2). Sums and signed scalars act on all slots at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, overload

import gmpy2
import numpy as np
from numpy.typing import NDArray

from fedtrain.crypto.errors import CapacityExceeded, DecodedOutOfBound, EncodingOverflow, LayoutMismatch

# Well above any modulus in use: what a peer's description of a layout may make us allocate.
LARGEST_PLAINTEXT_BITS = 1 << 17


@dataclass(frozen=True)
class SlotLayout:
    """Layout by which a (rows, columns) array of integers is cut into ciphertexts.

    Row groups × column groups: ciphertext = row_group·column_groups + column_group, and within it
    slot = local_row·columns_per_ciphertext + local_column. Groups at the edges keep zero slots.
    """

    rows: int
    columns: int
    slot_bits: int
    rows_per_ciphertext: int
    columns_per_ciphertext: int

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 2 if field.name == "slot_bits" else 1
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{field.name} must be an integer of at least {least}, received {repr(value)[:40]}")
        if self.columns_per_ciphertext > self.columns:
            raise ValueError(
                f"columns_per_ciphertext must be at most columns ({self.columns}), "
                f"received {self.columns_per_ciphertext}"
            )
        if self.slot_bits * self.slots_per_ciphertext > LARGEST_PLAINTEXT_BITS:
            raise CapacityExceeded(self.slot_bits * self.slots_per_ciphertext, LARGEST_PLAINTEXT_BITS)

    @property
    def row_groups(self) -> int:
        return -(-self.rows // self.rows_per_ciphertext)

    @property
    def column_groups(self) -> int:
        return -(-self.columns // self.columns_per_ciphertext)

    @property
    def ciphertexts(self) -> int:
        return self.row_groups * self.column_groups

    @property
    def slots_per_ciphertext(self) -> int:
        return self.rows_per_ciphertext * self.columns_per_ciphertext

    def check_capacity(self, modulus_bits: int) -> None:
        """Raise CapacityExceeded unless slot_bits·slots ≤ modulus_bits − 2."""
        needed_bits = self.slot_bits * self.slots_per_ciphertext
        if needed_bits > modulus_bits - 2:
            raise CapacityExceeded(needed_bits, modulus_bits - 2)

    @classmethod
    def packed(cls, rows: int, columns: int, slot_bits: int, modulus_bits: int) -> SlotLayout:
        """The layout that fills ciphertexts, columns first, then rows. Raises CapacityExceeded."""
        slots = _slots(slot_bits, modulus_bits)
        columns_per_ciphertext = max(1, min(columns, slots))
        rows_per_ciphertext = max(1, slots // columns_per_ciphertext)
        return cls(rows, columns, slot_bits, rows_per_ciphertext, columns_per_ciphertext)

    @classmethod
    def row_by_row(cls, rows: int, columns: int, slot_bits: int, modulus_bits: int) -> SlotLayout:
        """One row a ciphertext, packed across columns only. Raises CapacityExceeded."""
        slots = _slots(slot_bits, modulus_bits)
        return cls(rows, columns, slot_bits, 1, max(1, min(columns, slots)))

    def to_dict(self) -> dict[str, int]:
        """The five integers by name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, description: Mapping[str, object]) -> SlotLayout:
        """The inverse of `to_dict`. Raises ValueError for missing, unknown or ill-typed entries."""
        if not isinstance(description, Mapping):
            raise ValueError(f"a slot layout is an object, received {type(description).__name__}")
        names = [field.name for field in fields(cls)]
        missing = [name for name in names if name not in description]
        unknown = sorted(str(name) for name in description if name not in names)
        if missing or unknown:
            raise ValueError(f"slot layout: missing {missing}, unknown {unknown}")
        return cls(**{name: description[name] for name in names})  # type: ignore[arg-type]


def _slots(slot_bits: int, modulus_bits: int) -> int:
    slots = (modulus_bits - 2) // slot_bits
    if slots < 1:
        raise CapacityExceeded(slot_bits, modulus_bits - 2)
    return slots


def _offset(layout: SlotLayout) -> int:
    """Σ 2^(s−1)·2^(s·t): added, it turns balanced slots into plain digits."""
    half = 1 << (layout.slot_bits - 1)
    return half * (((1 << (layout.slot_bits * layout.slots_per_ciphertext)) - 1) // ((1 << layout.slot_bits) - 1))


def _slots_by_ciphertext(values: NDArray[Any], layout: SlotLayout) -> NDArray[Any]:
    """(rows, columns) → (ciphertexts, slots_per_ciphertext), zeros where a group is not full."""
    padded = np.full(
        (
            layout.row_groups * layout.rows_per_ciphertext,
            layout.column_groups * layout.columns_per_ciphertext,
        ),
        0,
        dtype=values.dtype,
    )
    padded[: layout.rows, : layout.columns] = values
    blocks = padded.reshape(
        layout.row_groups, layout.rows_per_ciphertext, layout.column_groups, layout.columns_per_ciphertext
    )
    return blocks.transpose(0, 2, 1, 3).reshape(layout.ciphertexts, layout.slots_per_ciphertext)


class PackedPlaintexts(Sequence[int]):
    """Signed plaintexts, one a ciphertext, of a (rows, columns) object array of Python integers, packed when read.

    Raises LayoutMismatch for another shape; when read, EncodingOverflow where |value| > `bound`, by default the
    largest that fits a slot.
    """

    def __init__(self, values: NDArray[np.object_], layout: SlotLayout, bound: int | None = None) -> None:
        if values.shape != (layout.rows, layout.columns):
            raise LayoutMismatch(f"({layout.rows}, {layout.columns})", str(values.shape))
        self._values, self._layout = values, layout
        fits = (1 << (layout.slot_bits - 1)) - 1
        self._bound = fits if bound is None else min(bound, fits)
        self._by_ciphertext = _slots_by_ciphertext(values, layout)

    def __len__(self) -> int:
        return self._layout.ciphertexts

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> list[int]: ...

    def __getitem__(self, index: int | slice) -> int | list[int]:
        if not isinstance(index, slice):
            return self[index : index + 1 or None][0]
        here, bits = self._by_ciphertext[index], self._layout.slot_bits
        if not _within(here, self._bound).all():
            check_magnitudes(self._values, self._bound)
        offset = _offset(self._layout)
        return [int(gmpy2.pack(row, bits)) - offset for row in (here + (1 << (bits - 1))).tolist()]


def check_magnitudes(values: NDArray[np.object_], bound: int) -> None:
    """Raise EncodingOverflow, with the position in C order, where |value| > bound."""
    beyond = np.flatnonzero(~_within(values, bound))
    if beyond.size:
        raise EncodingOverflow(f"entry {beyond[0]} is beyond the {bound.bit_length()} bits planned for it")


def _within(values: NDArray[np.object_], bound: int) -> NDArray[np.bool_]:
    return (-bound <= values) & (values <= bound)


def pack(values: NDArray[np.object_], layout: SlotLayout) -> list[int]:
    """All of `PackedPlaintexts` at once."""
    return PackedPlaintexts(values, layout)[:]


def unpack(plaintexts: Sequence[int], layout: SlotLayout, n: int, bound: int) -> NDArray[np.object_]:
    """(rows, columns) object array of the signed integers in residues mod n, one residue a ciphertext.

    Raises LayoutMismatch for another number of plaintexts, and what `slots_of` raises.
    """
    if len(plaintexts) != layout.ciphertexts:
        raise LayoutMismatch(f"{layout.ciphertexts} ciphertexts", f"{len(plaintexts)} ciphertexts")
    return joined(slots_of(plaintexts, layout, n, bound), layout)


def slots_of(plaintexts: Sequence[int], layout: SlotLayout, n: int, bound: int, first: int = 0) -> list[Sequence[int]]:
    """The signed integers in residues mod n, one list a ciphertext, of which the first here is number `first`.

    Reads the centred residue digit by digit; a negative slot borrows from the next, which adding half a
    slot everywhere undoes at once. Raises DecodedOutOfBound where a slot's magnitude is above `bound`,
    where a slot that the layout leaves empty is not zero, or where something is left beyond the last slot;
    CapacityExceeded where the layout does not fit n.
    """
    layout.check_capacity(n.bit_length())
    slots, bits = layout.slots_per_ciphertext, layout.slot_bits
    half, offset = 1 << (bits - 1), _offset(layout)
    found: NDArray[np.object_] = np.full((len(plaintexts), slots), 0, dtype=object)
    for index, plaintext in enumerate(plaintexts):
        residue = int(plaintext) % n
        shifted = (residue - n if residue > n // 2 else residue) + offset
        if shifted < 0 or shifted.bit_length() > bits * slots:
            raise DecodedOutOfBound((first + index + 1) * slots - 1, bound.bit_length())
        digits = gmpy2.unpack(gmpy2.mpz(shifted), bits) if shifted else []
        found[index, : len(digits)] = [int(digit) for digit in digits]
    found = found - half
    used = _slots_by_ciphertext(np.ones((layout.rows, layout.columns), dtype=bool), layout)
    right = np.where(used[first : first + len(plaintexts)], _within(found, bound), found == 0)
    if not right.all():
        raise DecodedOutOfBound(first * slots + int(np.flatnonzero(~right)[0]), bound.bit_length())
    by_ciphertext: list[Sequence[int]] = found.tolist()
    return by_ciphertext


def joined(slots: Sequence[Sequence[int]], layout: SlotLayout) -> NDArray[np.object_]:
    """The (rows, columns) object array whose ciphertexts have these slots."""
    found: NDArray[np.object_] = np.array(slots, dtype=object)
    blocks = found.reshape(
        layout.row_groups, layout.column_groups, layout.rows_per_ciphertext, layout.columns_per_ciphertext
    )
    array = blocks.transpose(0, 2, 1, 3).reshape(layout.row_groups * layout.rows_per_ciphertext, -1)
    return array[: layout.rows, : layout.columns].copy()
