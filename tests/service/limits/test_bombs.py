"""Tables that are small as they come and huge as they are read: refused by name, in flat memory."""

from __future__ import annotations

import bz2
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MOST_MB = 150  # measured: 10 to 70
_READ = """
import json, os, sys
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.reading.read import open_table
from fedtrain.spec.model_spec import Column

def peak_mb():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1000

before, told = peak_mb(), None
try:
    table = open_table(sys.argv[1])
    for batch in table.batches([Column(col_idx=0)]):
        pass
except TableError as error:
    told = [error.code, error.message]
print(json.dumps({"told": told, "mb": peak_mb() - before}), flush=True)
os._exit(0)  # a thread of pyarrow's that reads ahead may end a process that ends in order
"""


def gzip_of(content: bytes, times: int) -> bytes:
    packed = zlib.compressobj(9, wbits=31)
    return b"".join([packed.compress(b"a,b\n"), *(packed.compress(content) for _ in range(times)), packed.flush()])


def gzipped(path: Path) -> None:
    path.write_bytes(gzip_of(b"1,2\n" * 1_000_000, 150))


def bzipped(path: Path) -> None:
    whole = bz2.compress(b"a,b\n" + b"1,2\n" * 5_000_000)
    path.write_bytes(whole * 16)


def zstandard(path: Path) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as out:
        out.write(b"a,b\n")
        for _ in range(150):
            out.write(b"1,2\n" * 1_000_000)


def endless_field_in_gzip(path: Path) -> None:
    path.write_bytes(gzip_of(b"1," + b"x" * (200 << 20), 1))


def a_million_columns(path: Path) -> None:
    path.write_bytes(b"," * 900_000 + b"\n" + b"," * 900_000 + b"\n")


def a_million_names(path: Path) -> None:
    names = b",".join(b"column %d" % index for index in range(1_000_000))
    path.write_bytes(names + b"\n" + b",".join([b"1"] * 1_000_000) + b"\n")


def one_line_without_end(path: Path) -> None:
    path.write_bytes(b"x" * (200 << 20))


def one_record_without_end(path: Path) -> None:
    path.write_bytes(b"a,b\n1," + b"x" * (200 << 20))


def a_page_of_half_a_gigabyte(path: Path) -> None:
    rows = 64 << 20
    options = {"data_page_size": 1 << 30, "row_group_size": rows, "max_rows_per_page": rows}
    pq.write_table(pa.table({"a": np.zeros(rows)}), path, use_dictionary=False, compression="zstd", **options)


def a_list_of_a_hundred_million_nulls(path: Path) -> None:
    values = 100_000_000
    pq.write_table(pa.table({"a": pa.ListArray.from_arrays([0, values], pa.nulls(values, pa.int8()))}), path)


def dictionary(path: Path, indices: list[int], texts: list[str], categorical: bool = False) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(texts))
    options = {"compression": "zstd", "write_statistics": False, "store_schema": categorical}
    pq.write_table(pa.table({"a": column}), path, **options)


def one_long_text_in_a_dictionary(path: Path) -> None:
    dictionary(path, [0] * 20_000, ["x" * 900_000])


def one_long_category(path: Path) -> None:
    dictionary(path, [0] * 20_000, ["x" * 900_000], categorical=True)


def a_long_text_that_is_not_the_first(path: Path) -> None:
    """A dictionary whose average is short, and a first row that says nothing of the rest."""
    texts = [str(number) for number in range(1000)]
    dictionary(path, [*range(1000), *[1000] * 20_000], [*texts, "x" * 900_000])


def texts_that_begin_alike(path: Path) -> None:
    texts = pa.table({"a": ["x" * 1_000_000] * 300})
    encoding = {"use_dictionary": False, "column_encoding": {"a": "DELTA_BYTE_ARRAY"}}
    pq.write_table(texts, path, compression="zstd", write_statistics=False, **encoding)


def long_values_of_one_length(path: Path) -> None:
    values = pa.table({"a": pa.array([b"x" * 1_000_000] * 300, pa.binary(1_000_000))})
    pq.write_table(values, path, compression="zstd", write_statistics=False)


def a_list_of_long_texts(path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array(["x" * 900_000]))
    table = pa.table({"a": pa.ListArray.from_arrays([0, 20_000], texts)})
    pq.write_table(table, path, compression="zstd", write_statistics=False, store_schema=False)


def parquet_columns(path: Path) -> None:
    pq.write_table(pa.table({str(index): [] for index in range(33_000)}), path)


def with_footer(path: Path, footer: bytes) -> None:
    path.write_bytes(b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1")


def _list(size: int) -> bytes:
    """A list's head, of structures, in Thrift's compact protocol."""
    digits = b""
    while size > 127:
        digits, size = digits + bytes([size & 127 | 128]), size >> 7
    return b"\xfc" + digits + bytes([size])


def a_million_chunks(path: Path) -> None:
    chunk = b"\x26\x00\x00"  # file_offset 0, and no more
    group = b"\x19" + _list(100_000) + chunk * 100_000 + b"\x16\x00\x16\x00\x00"
    with_footer(path, b"\x15\x02\x19\x1c\x48\x01r\x15\x00\x00\x16\x00\x19" + _list(10) + group * 10 + b"\x00")


def a_footer_that_lies(path: Path) -> None:
    with_footer(
        path, b"\x15\x02\x19\x1c\x48\x01r\x15\x00\x00\x16\x00\x19" + _list(1) + b"\x19" + _list(900_000) + b"\x00" * 40
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bomb", "told"),
    [
        (gzipped, "unpacks to more than 100 times its size; decompress it"),
        (bzipped, "unpacks to more than 100 times its size; decompress it"),
        (zstandard, "unpacks to more than 100 times its size; decompress it"),
        (endless_field_in_gzip, "a record is longer than 4 MB"),
        (a_million_columns, "has 900,001 columns, and at most 32,768 are read"),
        (a_million_names, "its first record does not end within 1 MB"),
        (one_line_without_end, "its first record does not end within 1 MB"),
        (one_record_without_end, "a record is longer than 4 MB"),
        (a_page_of_half_a_gigabyte, "bytes, more than 256 MB"),
        (a_list_of_a_hundred_million_nulls, "its lists unpack to many times its size"),
        (one_long_text_in_a_dictionary, "column 'a' unpacks to many times the file's size"),
        (one_long_category, "column 'a' unpacks to many times the file's size"),
        (a_long_text_that_is_not_the_first, "column 'a' unpacks to many times the file's size"),
        (texts_that_begin_alike, "column 'a' unpacks to many times the file's size"),
        (long_values_of_one_length, "column 'a' unpacks to many times the file's size"),
        (a_list_of_long_texts, "the lists of column 'a.list.element' unpack to many times its size"),
        (parquet_columns, "has more than 32,768 columns or row groups"),
        (a_million_chunks, "it has too many columns times row groups"),
        (a_footer_that_lies, "has more than 32,768 columns or row groups"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_bomb_is_refused_by_name_in_flat_memory(tmp_path: Path, bomb: Callable[[Path], None], told: str) -> None:
    path = tmp_path / "table"
    bomb(path)
    ran = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["told"] is not None
    code, message = answer["told"]
    assert code == "unreadable-file"
    assert told in message
    assert answer["mb"] < MOST_MB
