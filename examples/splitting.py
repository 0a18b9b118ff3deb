"""Tables for the parties of an example, written from one draw with a fixed seed: two runs write the same bytes."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

Indices = NDArray[np.intp]


def random_split(
    rows: int, test_rows: int, shares: Mapping[str, float], seed: int, test: str = "test.csv"
) -> dict[str, Indices]:
    """Return, per file, the indices of its rows: `test_rows` in `test`, the others by their shares (of 1)."""
    order = np.random.default_rng(seed).permutation(rows)
    edges = test_rows + np.round(np.cumsum(list(shares.values())) * (rows - test_rows)).astype(int)
    return dict(zip((test, *shares), np.split(order, [test_rows, *edges[:-1]]), strict=True))


def write_tables(
    folder: Path, header: Sequence[str], rows: Sequence[Sequence[object]], split: Mapping[str, Indices]
) -> list[Path]:
    """Write each file of the split into `folder`, which is made if need be, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, indices in split.items():
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows[index] for index in indices)
        paths.append(folder / name)
    return paths


def main(write: Callable[[Path], list[Path]]) -> None:
    """The command line of every example's make_data.py."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: make_data.py OUT_DIR")
    for written in write(Path(sys.argv[1])):
        print(f"{written}: {_rows(written)} rows")


def _rows(path: Path) -> int:
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    return len(path.read_text().splitlines()) - 1
