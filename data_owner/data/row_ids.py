"""Sets of rows, each known by 8 bytes of a keyed hash of its content.

Rows of equal content have equal hashes and are counted; two of different content have the same one with a chance of
2**-64, and are then taken for copies of each other.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

ID_BYTES: Final = 8
_MAGIC: Final = b"fedtrain-rows-1\n"

Ids = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class RowIds:
    """Rows by ascending hash, one entry a row: (rows,) uint64. Secret: not shown by repr."""

    ids: Ids = field(repr=False)

    @classmethod
    def of(cls, ids: Ids) -> RowIds:
        """Sort hashes that are in any order."""
        return cls(np.sort(ids))

    def __len__(self) -> int:
        return len(self.ids)

    def to_bytes(self) -> bytes:
        return _MAGIC + self.ids.astype(">u8").tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> RowIds:
        """The inverse of to_bytes."""
        return cls(np.frombuffer(content[len(_MAGIC) :], dtype=">u8").astype(np.uint64))

    @property
    def name(self) -> str:
        """SHA-256 of what it is kept as, in hex: the same rows have the same one."""
        return hashlib.sha256(self.to_bytes()).hexdigest()
