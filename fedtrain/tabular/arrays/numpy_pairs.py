"""Two NumPy files, features and targets, as one table with columns "x" and "y"; records are along the first axis."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fedtrain.tabular.errors import UnreadableTable
from fedtrain.tabular.writing import write_table

_BATCH_BYTES: Final = 16 << 20
#: Numbers, and texts of a fixed width; objects would have to be unpickled.
_KINDS: Final = "biufU"
_MOST_AXES: Final = 5


def write_pair(features: Path, targets: Path, folder: Path) -> Path:
    """Write both as a Parquet file in `folder`, named by its content, and return its path; memory holds a batch.

    Raises UnreadableTable for files that are no arrays, or do not go together, OSError.
    """
    x, y = _opened(features), _opened(targets)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise _refused(targets, f"has the shape {y.shape}; one target a record is expected, in one axis")
    if len(x) != len(y):
        raise _refused(targets, f"has {len(y):,} targets, and {features} {len(x):,} records")
    if 0 in x.shape[1:]:
        raise _refused(features, f"has the shape {x.shape}: a record has no numbers")
    schema = pa.schema({"x": _type(x), "y": _type(y)})
    rows = max(1, _BATCH_BYTES // max(x[:1].nbytes, 1))
    parts = (slice(start, start + rows) for start in range(0, len(x), rows))
    batches = (pa.record_batch([_array(x[some], schema.field("x").type), _array(y[some])], schema) for some in parts)
    return write_table(folder, schema, batches)


@contextmanager
def one_table(data: Path, targets: Path | None) -> Iterator[Path]:
    """Give the path of a table: `data`, or for a pair one that is there as long as it is looked at.

    Raises as `write_pair`.
    """
    if targets is None:
        yield data
        return
    with tempfile.TemporaryDirectory() as folder:
        yield write_pair(data, targets, Path(folder))


def _opened(path: Path) -> NDArray[Any]:
    try:
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UnreadableTable("unreadable-file", f"{path}: there is no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise _refused(path, f"cannot be read as a NumPy array, an .npy file: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in _KINDS:
        kind = "an archive of arrays" if not isinstance(array, np.ndarray) else f"an array of {array.dtype}"
        raise _refused(path, f"is {kind}; one array of numbers, or of texts, is expected")
    if not 1 <= array.ndim <= _MOST_AXES:
        raise _refused(path, f"has {array.ndim} axes; records are along the first of 1 to {_MOST_AXES}")
    return array


def _type(array: NDArray[Any]) -> Any:
    kind = pa.string() if array.dtype.kind == "U" else pa.from_numpy_dtype(array.dtype.newbyteorder("="))
    for length in reversed(array.shape[1:]):
        kind = pa.list_(kind, length)
    return kind


def _array(values: NDArray[Any], kind: Any = None) -> Any:
    flat = np.ascontiguousarray(values).ravel()
    array = pa.array(flat.astype(flat.dtype.newbyteorder("=")) if flat.dtype.kind != "U" else flat.tolist())
    for length in reversed(values.shape[1:]):
        array = pa.FixedSizeListArray.from_arrays(array, length)
    return array if kind is None else array.cast(kind)


def _refused(path: Path, why: str) -> UnreadableTable:
    return UnreadableTable("unreadable-file", f"{path}: {why}")
