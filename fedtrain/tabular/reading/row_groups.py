"""Row groups of a Parquet file: records in each, and a hash of what a reader of some of them reads.

Several readers, on several machines, can then read one table, each its own part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet

_READ_BYTES: Final = 1 << 20
#: A file ends with its footer, the footer's length in 4 bytes, and its magic in 4.
_TAIL_BYTES: Final = 8


@dataclass(frozen=True)
class RowGroup:
    """One row group: its number in the file, from 0, its records, the first one's number, from 1, and the bytes
    [start, end) that they take in the file."""

    number: int
    rows: int
    first_row: int
    start: int
    end: int


def row_groups(path: Path) -> tuple[RowGroup, ...]:
    """The row groups of a file that `open_table` has let pass. Raises ArrowException, OSError."""
    metadata = pa.parquet.read_metadata(str(path))
    groups: list[RowGroup] = []
    first_row = 1
    for number in range(metadata.num_row_groups):
        groups.append(_row_group(metadata, number, first_row))
        first_row += groups[-1].rows
    return tuple(groups)


def _row_group(metadata: Any, number: int, first_row: int) -> RowGroup:
    group = metadata.row_group(number)
    chunks = [group.column(index) for index in range(metadata.num_columns)]
    starts = [min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset) for chunk in chunks]
    ends = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
    return RowGroup(number, group.num_rows, first_row, min(starts, default=0), max(ends, default=0))


def text_columns(path: Path) -> frozenset[int]:
    """Positions of the columns whose values are texts. Raises ArrowException, OSError."""
    kinds = [
        kind.value_type if pa.types.is_dictionary(kind) else kind for kind in pa.parquet.read_schema(str(path)).types
    ]
    return frozenset(
        position for position, kind in enumerate(kinds) if pa.types.is_string(kind) or pa.types.is_large_string(kind)
    )


def content_hash(path: Path, groups: Sequence[RowGroup]) -> bytes:
    """SHA-256 of the footer and of these row groups' bytes: all that is read for them. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - _TAIL_BYTES, 0))
        footer_bytes = int.from_bytes(file.read(4), "little")
        for start, end in (
            (max(size - _TAIL_BYTES - footer_bytes, 0), size),
            *((one.start, one.end) for one in groups),
        ):
            digest.update((end - start).to_bytes(8))
            _add(digest, file, start, end)
    return digest.digest()


def _add(digest: Any, file: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    while start < end and (content := file.read(min(_READ_BYTES, end - start))):
        digest.update(content)
        start += len(content)
