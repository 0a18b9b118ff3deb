"""The same records wherever a block of the file ends, and whatever the file is compressed with or called."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import itertools
import lzma
import time
import weakref
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrain.spec.model_spec import Column
from fedtrain.tabular.errors import UnreadableTable
from fedtrain.tabular.reading import read
from fedtrain.tabular.reading.dialect import Dialect
from fedtrain.tabular.reading.read import Table, open_table
from fedtrain.tabular.reading.source import Utf8Blocks

TABLE = b"a,b\n1,x\n2,y\n"


def records(table: Table) -> list[list[str]]:
    columns = [Column(col_idx=index) for index in range(len(table.columns))]
    rows: list[list[str]] = []
    for batch in table.batches(columns):
        rows += map(list, zip(*(array.to_pylist() for array in batch.arrays), strict=True))
    return rows


PIECES = ["\r\n", "\r", "\n", '"', '""', ",", "a", " ", "é", "€", "𝄞"]
fields = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)


@pytest.mark.slow
@given(
    rows=st.lists(st.tuples(fields, fields), min_size=30, max_size=60),
    # Python's writer leaves a line break of another kind than its own unquoted.
    style=st.sampled_from(
        [("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL), ("\r", csv.QUOTE_ALL)]
    ),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    block_bytes=st.integers(96, 160),
)
def test_records_are_those_of_pythons_csv_wherever_a_block_ends(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    style: tuple[str, int],
    encoding: str,
    block_bytes: int,
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=style[0], quoting=style[1]).writerows([("a", "b"), *rows])
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    expected = list(csv.reader(io.StringIO(text.getvalue(), newline="")))[1:]
    table = Table(path, ("a", "b"), Dialect(encoding.removesuffix("-sig"), ",", True, ("a", "b")), True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read, "BLOCK_BYTES", block_bytes)
        assert records(table) == expected


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"x"]), max_size=40).map(b"".join), st.integers(2, 9))
def test_blocks_add_up_to_the_file_and_none_ends_within_a_line_break(content: bytes, size: int) -> None:
    blocks = Utf8Blocks(io.BytesIO(content), "utf-8")
    seen = list(iter(lambda: blocks.read(size), b""))
    assert b"".join(seen) == content
    assert all(len(block) <= size for block in seen)
    assert not any(one.endswith(b"\r") and other.startswith(b"\n") for one, other in itertools.pairwise(seen))


@given(st.text(max_size=40), st.integers(16, 40), st.sampled_from(["utf-16", "utf-16-be", "latin-1", "cp1252"]))
def test_other_encodings_become_utf8_in_blocks_no_larger_than_asked_for(text: str, size: int, encoding: str) -> None:
    text = text.encode(encoding, "ignore").decode(encoding)
    blocks = Utf8Blocks(io.BytesIO(text.encode(encoding)), encoding)
    seen = list(iter(lambda: blocks.read(size), b""))
    assert b"".join(seen).decode() == text
    assert all(len(block) <= size for block in seen)


@pytest.mark.slow
@pytest.mark.parametrize("offset", range(-3, 4))
def test_a_line_break_within_quotes_is_kept_at_the_edge_of_a_block(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "t.csv"
    start = b"a,b\r\n" + b"x,1\r\n" * ((read.BLOCK_BYTES - 100) // 5)
    fill = b"f" * (read.BLOCK_BYTES + offset - len(start) - len(b',1\r\n"a\r'))
    path.write_bytes(start + fill + b',1\r\n"a\r\nb",1\r\n' + b"x,1\r\n" * 50)
    assert {row[0] for row in records(open_table(path))} == {"x", fill.decode(), "a\r\nb"}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.bz2", "t.data"])
@pytest.mark.parametrize("kind", ["none", "gzip", "bz2", "zstd"])
def test_compression_is_known_by_a_files_content_whatever_its_name(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    packed = {"none": TABLE, "gzip": gzip.compress(TABLE), "bz2": bz2.compress(TABLE)}
    path.write_bytes(packed[kind] if kind in packed else pa.Codec("zstd").compress(TABLE, asbytes=True))
    assert records(open_table(path)) == [["1", "x"], ["2", "y"]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lzma.compress(TABLE), "compressed with xz.*decompress it"),
        (TABLE.decode().encode("utf-32"), "UTF-32; save it as UTF-8"),
        (TABLE.decode().encode("utf-16-le"), "of text in UTF-16, save a copy as UTF-8"),
        (gzip.compress(TABLE)[:-9], "cannot be read"),
        (b"sep=;\na;b\n1;2\n", "its first line is Excel's own"),
        (gzip.compress(b"PK\x03\x04"), "Excel"),
        (TABLE + b'3,"' + b"x" * (9 << 20), "longer than 4 MB, as where a quote is never closed"),
    ],
    ids=["xz", "utf-32", "utf-16 without a mark", "half a gzip", "excel's line", "zip in gzip", "open quote"],
)
def test_what_is_not_read_is_named_with_what_to_do(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(UnreadableTable, match=told):
        records(open_table(path))


def test_a_name_is_found_however_its_accents_are_encoded(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("cafe\u0301 ,th\u00e9\n1,2\n")
    table = open_table(path)
    assert table.resolve(Column(name="caf\u00e9")) == 0
    assert table.resolve(Column(name="the\u0301")) == 1


class Slow(io.BytesIO):
    """A stream at which the reader is still at work while what it has given is refused."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 20 << 20:
            time.sleep(0.05)
        return super().read(size)


def test_nobody_reads_on_when_a_table_was_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of pyarrow's that comes back to a process that is ending takes it down, with code 134."""
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    content = b"a,b\n" + b"1,2\n" * 1_000_000 + b'1,"' + b"x" * (5 << 20) + b'"\n' + b"1,2\n" * 20_000_000
    opened = open_table(table)
    readers: list[weakref.ref[Utf8Blocks]] = []

    class Watched(Utf8Blocks):
        def __init__(self, stream: Any, encoding: str) -> None:
            super().__init__(stream, encoding)
            readers.append(weakref.ref(self))

    monkeypatch.setattr(read, "Utf8Blocks", Watched)
    monkeypatch.setattr(read, "open_bytes", lambda _path: Slow(content))
    with pytest.raises(UnreadableTable, match="a record is longer than 4 MB"):
        list(opened.batches([Column(name="a")]))
    assert [reader() for reader in readers] == [None]


def test_what_pyarrow_is_given_is_memory_of_its_own() -> None:
    """Python's would be let go of by whichever thread is last, which needs an interpreter for it."""
    blocks = Utf8Blocks(io.BytesIO(b"a,b\n1,2\n"), "utf-8")
    assert [(given.to_pybytes(), given.is_mutable) for given in (blocks.read_buffer(5), blocks.read_buffer(90))] == [
        (b"a,b\n1", True),
        (b",2\n", True),
    ]
    assert blocks.read_buffer(5).size == 0


def test_what_goes_wrong_in_the_middle_of_a_file_is_told_and_not_taken_for_its_end(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes("a,b\n".encode("utf-16-le") + "1,2\n".encode("utf-16-le") * 2_000_000 + b"\x00\xd8" * 3)
    table.write_bytes(b"\xff\xfe" + table.read_bytes())
    with pytest.raises(UnreadableTable, match="cannot be read"):
        list(open_table(table).batches([Column(name="a")]))
