"""Which of a dataset's records are kept for validation: a secret draw that belongs to the dataset version.

The owner holds the salt, so that nobody else can tell which part a record is in, and the same version is always
split in the same way: all jobs see sums over the same two parts, or over both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data_owner.moments import Floats
from tabular.encode import EncodedBatch

_BLOCK_RECORDS = 4096
_DRAW_BYTES = 8


@dataclass(frozen=True)
class ValidationSplit:
    """A share of about `fraction` of the records, drawn by `salt` (32 bytes, secret) and the dataset's version."""

    fraction: float
    salt: bytes = field(repr=False)

    def holds_out(self, version: str, records: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(rows,) which of the records, by their numbers in the table, are kept for validation."""
        blocks, places = np.divmod(records, _BLOCK_RECORDS)
        held = np.zeros(len(records), dtype=bool)
        for block in np.unique(blocks):
            here = blocks == block
            held[here] = self._draws(version, int(block))[places[here]]
        return held

    def identity(self) -> str:
        """What a table that was reduced under this split is known by; it gives neither salt nor records away."""
        return hashlib.sha256(b"split" + self.salt + self.fraction.hex().encode()).hexdigest()

    def _draws(self, version: str, block: int) -> NDArray[np.bool_]:
        seed = b"validation-split" + self.salt + bytes.fromhex(version) + block.to_bytes(8, "big")
        draws = np.frombuffer(hashlib.shake_256(seed).digest(_BLOCK_RECORDS * _DRAW_BYTES), dtype=">u8")
        result: NDArray[np.bool_] = draws < int(self.fraction * 2.0**64)
        return result


@dataclass(frozen=True)
class SplitRows:
    """Encoded rows side by side: X (rows, 2d) and Y (rows, 2k), training columns first; zeros in the other part's."""

    X: Floats
    Y: Floats


def side_by_side(batches: Iterable[EncodedBatch], split: ValidationSplit, version: str) -> Iterator[SplitRows]:
    """Both parts in one pass: the second moments of these rows are those of the training part, and next to them, on
    the diagonal, those of the validation part."""
    for batch in batches:
        held = split.holds_out(version, batch.records)[:, None]
        yield SplitRows(
            np.hstack([np.where(held, 0.0, batch.X), np.where(held, batch.X, 0.0)]),
            np.hstack([np.where(held, 0.0, batch.Y), np.where(held, batch.Y, 0.0)]),
        )
