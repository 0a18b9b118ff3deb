"""The memory that a Parquet file's footer and page headers announce, before any of it is taken.

A footer of 3 bytes a column chunk comes to hundreds of times its size once it is parsed, and a page to whatever its
header says: both are walked here without building anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from fedtrain.tabular.reading.thrift import ThriftWalk, damaged, too_much

MAGIC: Final = b"PAR1"
MOST_FOOTER_BYTES: Final = 32 << 20
_FEW_STRUCTS: Final = 100_000
#: What one page may come to. pyarrow makes pages of 1 MB, or of 1,024 values where those are larger, such as pictures.
MOST_PAGE_BYTES: Final = 256 << 20
#: What the pages that are open at once, one or two a column, may come to: so much, and so much more for each byte of
#: the file, but no more than the last in all, however large the file.
PAGES_BYTES: Final = 256 << 20
PAGES_RATIO: Final = 4
MOST_PAGES_BYTES: Final = 1 << 30
#: Values of lists in a column chunk, for each byte of it; a null in a list takes next to nothing in the file.
LIST_VALUES_FREE: Final = 1 << 20
LIST_VALUES_RATIO: Final = 64
#: Encodings of a page whose values are a dictionary's. Source: apache/parquet-format, Encodings.md.
_DICTIONARY_ENCODINGS: Final = (2, 8)
#: Each value begins as the one before it: one page can hold as many as it likes of nearly its own length.
_DELTA_BYTE_ARRAY: Final = 7
_HEADER_BYTES: Final = 1 << 10
_MOST_HEADER_BYTES: Final = 1 << 20


def check_footer(path: Path) -> None:
    """Raise UnreadableTable for a footer that would come to many times its size."""
    with path.open("rb") as content:
        size = content.seek(0, 2)
        content.seek(max(size - 8, 0))
        length, magic = int.from_bytes(content.read(4), "little"), content.read(4)
        if magic != MAGIC or length > size - 8:
            return  # pyarrow says what is wrong with it
        if length > MOST_FOOTER_BYTES:
            raise too_much(path, f"its footer has more than {MOST_FOOTER_BYTES >> 20} MB")
        content.seek(size - 8 - length)
        footer = content.read(length)
    if footer.count(0) > _FEW_STRUCTS:  # each ends with a zero byte
        ThriftWalk(path, footer).skip_footer()


def check_row_group(path: Path, content: BinaryIO, metadata: Any, group: int) -> None:
    """Raise UnreadableTable where the pages of a row group come to more memory than the file accounts for."""
    size = content.seek(0, 2)
    open_at_once = 0
    columns = metadata.row_group(group)
    for index in range(metadata.num_columns):
        chunk = columns.column(index)
        pages = pages_of(path, content, chunk)
        name = chunk.path_in_schema
        if (page := max(pages.dictionary, pages.largest)) > MOST_PAGE_BYTES:
            raise too_much(
                path, f"a page of column {name!r} unpacks to {page:,} bytes, more than {MOST_PAGE_BYTES >> 20} MB"
            )
        open_at_once += pages.dictionary + pages.largest
        if open_at_once > min(PAGES_BYTES + PAGES_RATIO * size, MOST_PAGES_BYTES):
            raise too_much(
                path, f"the pages of a row group, up to column {name!r}, unpack to {open_at_once:,} bytes at once"
            )
        is_list = metadata.schema.column(index).max_repetition_level > 0
        if is_list and pages.values > LIST_VALUES_FREE + LIST_VALUES_RATIO * min(chunk.total_compressed_size, size):
            raise too_much(path, "its lists unpack to many times its size")


@dataclass
class Pages:
    """Pages of a column chunk: bytes of the largest dictionary and the largest other page, unpacked; all values.

    `value_bytes`: bytes a value takes in the page where it takes most. `values_alike`: bytes of the largest page whose
    values begin like one another. `begins_with_dictionary`: the first page's values are a dictionary's.
    """

    dictionary: int = 0
    largest: int = 0
    values: int = 0
    value_bytes: int = 0
    values_alike: int = 0
    begins_with_dictionary: bool | None = None


def pages_of(path: Path, content: BinaryIO, chunk: Any) -> Pages:
    """Return what the headers of a column chunk's pages say. Raises UnreadableTable for one that is damaged."""
    start, dictionary = chunk.data_page_offset, chunk.dictionary_page_offset
    place = dictionary if chunk.has_dictionary_page and dictionary and dictionary < start else start
    end = place + chunk.total_compressed_size
    pages = Pages()
    while place < end and pages.values < chunk.num_values:
        header, length = _page_header(path, content, place)
        unpacked, packed = header.get((2, 0), -1), header.get((3, 0), -1)
        if unpacked < 0 or packed < 0:
            raise damaged(path)
        if (7, 0) in header:
            pages.dictionary = max(pages.dictionary, unpacked)
        else:
            values = max(header.get((5, 1), 0), header.get((8, 1), 0))
            encodings = {header.get((5, 2)), header.get((8, 4))}
            pages.largest = max(pages.largest, unpacked)
            pages.values += values
            pages.value_bytes = max(pages.value_bytes, -(-unpacked // max(values, 1)))
            if _DELTA_BYTE_ARRAY in encodings:
                pages.values_alike = max(pages.values_alike, unpacked)
            if pages.begins_with_dictionary is None:
                pages.begins_with_dictionary = not encodings.isdisjoint(_DICTIONARY_ENCODINGS)
        place += length + packed
    return pages


def _page_header(path: Path, content: BinaryIO, place: int) -> tuple[dict[tuple[int, int], int], int]:
    """Whole numbers of a page's header by field and field within it, as `ThriftWalk.numbers`; its length in bytes."""
    room = _HEADER_BYTES
    while True:
        content.seek(place)
        head = content.read(room)
        walk = ThriftWalk(path, head)
        try:
            return walk.numbers(), walk.place
        except IndexError:
            if len(head) < room or room >= _MOST_HEADER_BYTES:
                raise damaged(path) from None
            room *= 16
