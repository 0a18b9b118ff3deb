"""The bytes of a table's file: decompressed, whatever its name, and as UTF-8 in blocks that its reader can take."""

from __future__ import annotations

import codecs
import io
import threading
import weakref
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from fedtrain.tabular.errors import UnreadableTable

_COMPRESSIONS: Final = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\x28\xb5\x2f\xfd", "zstd"))
_MAGIC_BYTES: Final = 16
#: What may come out of a compressed file: as much as any table of zeros has, and what no memory is short of.
MOST_RATIO: Final = 100
FREE_BYTES: Final = 256 << 20

_OTHER_FORMATS: Final = (
    (b"PK\x03\x04", "this is a zip archive or an Excel workbook; save the table as CSV or Parquet"),
    (b"\xd0\xcf\x11\xe0", "this is an old Excel workbook; save the table as CSV or Parquet"),
    (b"\x89HDF", "this is an HDF5 file; save the table as CSV or Parquet"),
    (b"SQLite format 3", "this is an SQLite database; export the table as CSV or Parquet"),
    (b"%PDF", "this is a PDF; a table is needed as CSV or Parquet"),
    (b"\xfd7zXZ", "this is compressed with xz, which is not read; decompress it, or use gzip, bzip2 or zstd"),
    (b"7z\xbc\xaf\x27\x1c", "this is a 7z archive; unpack the table from it"),
    (b"\x04\x22\x4d\x18", "this is compressed with lz4, which is not read; decompress it, or use gzip, bzip2 or zstd"),
    (b"\x93NUMPY", "this is a NumPy array; give the array of its targets beside it, as target"),
    (b"ARROW1", "this is an Arrow or Feather file; save the table as CSV or Parquet"),
    (b"sep=", "its first line is Excel's own, and no record of the table; delete it"),
    (codecs.BOM_UTF32_LE, "this is text in UTF-32; save it as UTF-8"),
    (codecs.BOM_UTF32_BE, "this is text in UTF-32; save it as UTF-8"),
)


def open_bytes(path: Path) -> Any:
    """The file as a stream; gzip, bzip2 and zstd are decompressed, by their first bytes alone.

    Raises UnreadableTable, also when more than MOST_RATIO times the file's size, and FREE_BYTES, has been read of it.
    """
    try:
        with path.open("rb") as file:
            first = file.read(_MAGIC_BYTES)
        compression = next((name for magic, name in _COMPRESSIONS if first.startswith(magic)), None)
        stream = pa.input_stream(str(path), compression=compression)
        return stream if compression is None else _Unpacked(stream, path)
    except FileNotFoundError:
        raise UnreadableTable("unreadable-file", f"{path}: there is no such file") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise UnreadableTable("unreadable-file", f"{path}: cannot be opened: {error}") from error


class _Unpacked(io.RawIOBase):
    """A compressed file's content, as long as it is in proportion to the file."""

    def __init__(self, stream: Any, path: Path) -> None:
        super().__init__()
        self._stream = stream
        self._path = path
        self._left = max(FREE_BYTES, MOST_RATIO * path.stat().st_size)

    def read(self, size: int = -1) -> bytes:
        chunk: bytes = self._stream.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            why = f"unpacks to more than {MOST_RATIO} times its size; decompress it, and give the table as it is"
            raise UnreadableTable("unreadable-file", f"{self._path}: {why}")
        return chunk

    def close(self) -> None:
        self._stream.close()
        super().close()


def refuse_other_formats(path: Path, first: bytes) -> None:
    """Raise UnreadableTable, saying what to do, where the first bytes are those of a well-known other format."""
    for magic, advice in _OTHER_FORMATS:
        if first.startswith(magic):
            raise UnreadableTable("unreadable-file", f"{path}: {advice}")


class Utf8Blocks(io.RawIOBase):
    """A text file's bytes as UTF-8, for pyarrow's CSV reader.

    No block ends between a carriage return and a line feed: there that reader drops the line feed, even within quotes
    (pyarrow 26.0.1).

    It reads ahead on a thread of its own, and is at it for a moment longer than its reader is there. A process that
    ended meanwhile would be aborted, so `let_go` is set once pyarrow has let go of this, and what it is given is memory
    of its own. For the same reason what goes wrong is put into `errors`, and not raised there: an exception would hold
    this as long as there is a trace of it. To pyarrow the file ends then.
    """

    def __init__(self, stream: Any, encoding: str) -> None:
        """`stream` is closed with this. `encoding`: one that Python's codecs know."""
        super().__init__()
        self.errors: list[Exception] = []
        self.let_go = threading.Event()
        weakref.finalize(self, self.let_go.set).atexit = False
        self._stream = stream
        self._decoder = None if encoding == "utf-8" else codecs.getincrementaldecoder(encoding)()
        self._held = b""
        self._ended = False

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, at least 2, and none at the end only. Raises UnicodeError."""
        while len(self._held) <= size and not self._ended:
            chunk = self._stream.read(size + 1 - len(self._held))
            self._ended = not chunk
            self._held += chunk if self._decoder is None else self._decoder.decode(chunk, self._ended).encode()
        end = size - 1 if self._held[size - 1 : size + 1] == b"\r\n" else size
        block, self._held = self._held[:end], self._held[end:]
        return block

    def read_buffer(self, size: int) -> Any:
        """As `read`, for pyarrow. Raises nothing."""
        block = b""
        try:
            block = self.read(size)
        except Exception as error:  # noqa: BLE001 - raised by whoever reads, see above
            self.errors.append(error.with_traceback(None))
        buffer = pa.allocate_buffer(len(block))
        if block:
            memoryview(buffer).cast("B")[:] = block
        return buffer

    def close(self) -> None:
        """Close the stream beneath, too."""
        self._stream.close()
        super().close()
