"""The flavour of CSV that a file is in: encoding, delimiter, and whether fields are quoted.

The whole file is scanned once for its encoding (a Latin-1 byte may come late), at the speed of a byte
search; the rest is decided from the first `SAMPLE_BYTES`.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fedtrain.spec.model_spec import plain_text
from fedtrain.tabular.errors import UnreadableTable
from fedtrain.tabular.reading.source import open_bytes, refuse_other_formats

SAMPLE_BYTES: Final = 1 << 20
SAMPLE_RECORDS: Final = 1000
MOST_COLUMNS: Final = 1 << 15
SCAN_BYTES: Final = 4 << 20

# Tried in this order: a file delimited by tabs or semicolons often has commas in its fields, seldom the reverse.
DELIMITERS: Final = ("\t", ";", ",", "|")
CONSISTENT_SHARE: Final = 0.9

# The five bytes that Windows-1252 leaves undefined.
_NOT_CP1252: Final = tuple(bytes([byte]) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D))
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Dialect:
    """Dialect of one CSV file. `names` are the header's, or as many empty strings as the file has columns.

    `names_alone`: nothing follows the header, which pyarrow cannot read where its line does not end.
    """

    encoding: str
    delimiter: str
    quoted: bool
    names: tuple[str, ...]
    names_alone: bool = False


def sniff(path: Path, header: bool) -> Dialect:
    """Find the dialect of the CSV file at `path`.

    Raises UnreadableTable for a missing, empty or binary file, and for one whose first record does not end in the
    sample or has more than MOST_COLUMNS fields.
    """
    sample, whole, encoding, quoted = _scan(path)
    text = codecs.getincrementaldecoder(encoding)().decode(sample, final=False).removeprefix("\ufeff")
    delimiter = _delimiter(text, whole, header)
    records = _records(text, delimiter, whole)
    if not records:
        if text.strip("\r\n"):
            why = f"its first record does not end within {SAMPLE_BYTES >> 20} MB, or has a field of more than"
            limit = csv.field_size_limit() >> 10
            raise UnreadableTable("unreadable-file", f"{path}: {why} {limit} kB, as where a quote is never closed")
        found = "the file holds blank lines alone" if sample.strip(_BYTE_ORDER_MARK) else "the file is empty"
        raise UnreadableTable("no-rows", f"{path}: {found}")
    refuse_too_many_columns(path, len(records[0]))
    names = tuple(plain_text(name) for name in records[0]) if header else ("",) * len(records[0])
    return Dialect(encoding, delimiter, quoted, names, whole and header and len(records) == 1)


def refuse_too_many_columns(path: Path, columns: int) -> None:
    """Raise UnreadableTable above MOST_COLUMNS."""
    if columns > MOST_COLUMNS:
        why = f"has {columns:,} columns, and at most {MOST_COLUMNS:,} are read; leave out those that are not needed"
        raise UnreadableTable("unreadable-file", f"{path}: {why}")


def _scan(path: Path) -> tuple[bytes, bool, str, bool]:
    """First bytes, whether they are the whole file, its encoding, and whether a quote occurs anywhere."""
    ascii_only, utf8, cp1252, quoted = True, True, True, False
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_bytes(path) as stream:
        first: bytes = stream.read(SAMPLE_BYTES)
        refuse_other_formats(path, first)
        if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return first, len(first) < SAMPLE_BYTES, "utf-16", True
        chunk = first
        while chunk:
            if b"\0" in chunk:
                raise UnreadableTable(
                    "unreadable-file",
                    f"{path}: holds zero bytes, so it is not CSV; of text in UTF-16, save a copy as UTF-8",
                )
            quoted = quoted or b'"' in chunk
            if not (ascii_only and chunk.isascii()):
                ascii_only = False
                utf8 = utf8 and _decodes(decoder, chunk)
                cp1252 = cp1252 and not any(byte in chunk for byte in _NOT_CP1252)
            chunk = stream.read(SCAN_BYTES)
    encoding = "utf-8" if utf8 and _decodes(decoder, b"", final=True) else "cp1252" if cp1252 else "latin-1"
    return first, len(first) < SAMPLE_BYTES, encoding, quoted


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _records(text: str, delimiter: str, whole: bool) -> list[list[str]]:
    """Complete records of the sample, up to a field that is too long; blank lines are none."""
    lines = io.StringIO(text, newline="")
    records: list[list[str]] = []
    try:
        for record in csv.reader(lines, delimiter=delimiter):
            if record:
                records.append(record)
            if len(records) > SAMPLE_RECORDS:
                return records
    except csv.Error:  # a field beyond csv's limit, as when a quote never closes: the records so far must do
        return records
    return records if whole else records[:-1]


def _delimiter(text: str, whole: bool, header: bool) -> str:
    """The first of DELIMITERS that cuts nearly all records, and the header too, into the same number of fields."""
    for delimiter in DELIMITERS:
        counts = [len(record) for record in _records(text, delimiter, whole)]
        if not counts:
            continue
        width, often = Counter(counts).most_common(1)[0]
        if width >= 2 and often >= CONSISTENT_SHARE * len(counts) and (counts[0] == width or not header):
            return delimiter
    return max(DELIMITERS, key=lambda mark: (text.split("\n", 1)[0].count(mark), mark == ","))
