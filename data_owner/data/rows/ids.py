"""Sets of rows, each known by 8 bytes of a keyed hash of its content.

Rows of equal content have equal hashes and are counted; two of different content have the same one with a chance of
2**-64, and are then taken for copies of each other.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final, Self

import numpy as np
from numpy.typing import NDArray

ID_BYTES: Final = 8
MAGIC: Final = b"fedtrain-rows-1\n"

Ids = NDArray[np.uint64]
#: Takes the hashes of consecutive rows, in any order.
Keep = Callable[[Ids], None]

#: Hashes are spread evenly, so that 10⁸ rows are sorted 13 MB at a time.
_BUCKET_BITS: Final = 6


class RowIds:
    """Rows by ascending hash, one entry a row. Secret: not shown by repr."""

    def __init__(self, chunks: Callable[[], Iterator[Ids]]) -> None:
        """`chunks`: gives all hashes in their order, uint64, in pieces that fit the memory, and again each time."""
        self.chunks = chunks

    @classmethod
    def of(cls, ids: Ids) -> RowIds:
        """Sort hashes that are in any order."""
        sorted_ids = np.sort(ids)
        return cls(lambda: iter([sorted_ids]))

    @property
    def ids(self) -> Ids:
        """(rows,) all of them, in memory."""
        return np.concatenate([np.empty(0, dtype=np.uint64), *self.chunks()])

    def without(self, left_out: Callable[[Ids], NDArray[np.bool_]]) -> RowIds:
        """Return the rows that `left_out`, (rows,) of some hashes, does not name."""
        return RowIds(lambda: (chunk[~left_out(chunk)] for chunk in self.chunks()))

    def __len__(self) -> int:
        return sum(map(len, self.chunks()))

    def content(self) -> Iterator[bytes]:
        """Return what the set is kept as, in pieces."""
        yield MAGIC
        for chunk in self.chunks():
            yield chunk.astype(">u8").tobytes()

    @property
    def name(self) -> str:
        """SHA-256 of what it is kept as, in hex: the same rows have the same one."""
        digest = hashlib.sha256()
        for piece in self.content():
            digest.update(piece)
        return digest.hexdigest()


class RowSpool:
    """Hashes in any order, on the disk by their first bits: the set comes out sorted without being held as a whole.

    Its files have no names, so that nothing is left of them after a crash.
    """

    def __init__(self, folder: Path) -> None:
        """`folder`: of the owner's own, on a disk with room for 8 bytes a row; it is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._open = ExitStack()
        self._buckets: list[IO[bytes]] = []

    def __enter__(self) -> Self:
        for _ in range(1 << _BUCKET_BITS):
            self._buckets.append(self._open.enter_context(tempfile.TemporaryFile(dir=self._folder)))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, ids: Ids) -> None:
        """Take hashes of rows. Raises OSError where the disk is full."""
        ordered = np.sort(ids)
        firsts = np.arange(1 << _BUCKET_BITS, dtype=np.uint64) << np.uint64(64 - _BUCKET_BITS)
        ends = [*np.searchsorted(ordered, firsts[1:]), len(ordered)]
        for bucket, begin, end in zip(self._buckets, [0, *ends], ends, strict=False):
            if begin < end:
                bucket.write(ordered[begin:end].tobytes())

    def rows(self) -> RowIds:
        """Return all that was added; it can be read until the spool is closed."""
        return RowIds(self._sorted)

    def _sorted(self) -> Iterator[Ids]:
        for bucket in self._buckets:
            bucket.seek(0)
            yield np.sort(np.frombuffer(bucket.read(), dtype=np.uint64))
