"""Data frames as rows and as files: of pandas, and of whatever else has `columns` and `to_dict`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from fedtrain.spec.problems import Code, Problem


def is_frame(rows: Any) -> bool:
    """Return whether `rows` is a data frame: it has names for its columns."""
    return hasattr(rows, "columns") and hasattr(rows, "to_dict")


def rows_of_frame(frame: Any, features: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Return a frame's rows in the order of a spec's `features`, each by its name, or by its place where it has none.

    Warns of columns that the model does not read, by name. Raises Problem(INVALID_ROWS) for a feature that is not
    there, and for one that is there twice.
    """
    frame = _of_pandas(frame)
    columns = [str(name) for name in frame.columns]
    places = [_place(feature, columns) for feature in features]
    others = [name for at, name in enumerate(columns) if at not in places]
    if others:
        warnings.warn(f"the model does not read these columns: {', '.join(others)}", UserWarning, stacklevel=4)
    lists = [_values(frame.iloc[:, place]) for place in places]
    return [list(row) for row in zip(*lists, strict=True)]


def _values(column: Any) -> list[Any]:
    """A column's values, None where pandas sees that there is none."""
    return [None if gap else value for value, gap in zip(column.tolist(), column.isna().tolist(), strict=True)]


def _place(feature: Mapping[str, Any], columns: Sequence[str]) -> int:
    if feature.get("name") is None:
        place = int(feature["col_idx"])
        if place < len(columns):
            return place
        raise _refused(f"column {place}", f"the frame has {len(columns)} columns, counted from 0")
    name = str(feature["name"])
    found = [at for at, column in enumerate(columns) if column == name]
    if len(found) != 1:
        raise _refused(name, f"the frame has {len(found) or 'no'} columns of that name; it has {', '.join(columns)}")
    return found[0]


def _refused(name: str, message: str) -> Problem:
    return Problem(
        Code.INVALID_ROWS, f"{name}: {message}.", errors=[{"field": f"rows.{name}", "message": f"{message}."}]
    )


def _of_pandas(frame: Any) -> Any:
    return frame if hasattr(frame, "iloc") else frame.to_pandas()


def parquet_of(frame: Any) -> bytes:
    """Return a frame as the bytes of a Parquet file, without its index. Raises Problem(INVALID_DATA)."""
    import pyarrow as pa
    import pyarrow.parquet

    sink = pa.BufferOutputStream()
    try:
        table = pa.Table.from_pandas(_of_pandas(frame), preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise Problem(
            Code.INVALID_DATA, f"A column of the data frame holds values of several kinds: {error}."
        ) from None
    pyarrow.parquet.write_table(table, sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
