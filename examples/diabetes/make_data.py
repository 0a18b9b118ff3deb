"""Write scikit-learn's diabetes data as a test set for the Model Owner and three tables of unequal size.

    python examples/diabetes/make_data.py OUT_DIR

writes test.csv (15% of the 442 rows), hospital-a.csv (half of the rest), hospital-b.csv (30%) and hospital-c.csv
(20%). The split is drawn from a fixed seed, so that two runs write the same bytes.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes

TEST_SHARE = 0.15
OWNER_SHARES = {"hospital-a.csv": 0.5, "hospital-b.csv": 0.3, "hospital-c.csv": 0.2}
SEED = 20240607


def split_rows(rows: int) -> dict[str, NDArray[np.intp]]:
    """Return, per file, the indices of its rows: disjoint, and together all of them."""
    order = np.random.default_rng(SEED).permutation(rows)
    tests = round(rows * TEST_SHARE)
    edges = tests + np.round(np.cumsum(list(OWNER_SHARES.values())) * (rows - tests)).astype(int)
    parts = np.split(order, [tests, *edges[:-1]])
    return dict(zip(("test.csv", *OWNER_SHARES), parts, strict=True))


def write_data(folder: Path) -> list[Path]:
    """Write the four files into `folder`, which is made if need be, and return their paths."""
    data = load_diabetes(scaled=True)
    table = np.column_stack([data.data, data.target])
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, rows in split_rows(len(table)).items():
        path = folder / name
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*data.feature_names, "progression"])
            writer.writerows([repr(float(value)) for value in row] for row in table[rows])
        paths.append(path)
    return paths


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: make_data.py OUT_DIR")
    for written in write_data(Path(sys.argv[1])):
        print(f"{written}: {len(written.read_text().splitlines()) - 1} rows")
