"""Write statsmodels' randhie data as a test set for the Model Owner and three tables of unequal size.

    python examples/privacy/make_data.py OUT_DIR

writes test.csv (4,000 of the 20,190 rows), insurer-a.csv (half of the rest), insurer-b.csv (30%) and insurer-c.csv
(20%). Visits above 20 a year are written as 20, the end of the target's declared range: 1% of the rows. The split is
drawn from a fixed seed, so that two runs write the same bytes.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from statsmodels.datasets import randhie

TEST_ROWS = 4000
OWNER_SHARES = {"insurer-a.csv": 0.5, "insurer-b.csv": 0.3, "insurer-c.csv": 0.2}
TARGET, MOST_VISITS = "mdvis", 20
SEED = 20240607


def write_data(folder: Path) -> list[Path]:
    """Write the four files into `folder`, which is made if need be, and return their paths."""
    table = randhie.load_pandas().data
    features = [name for name in table.columns if name != TARGET]
    rows = np.column_stack([table[features], np.minimum(table[TARGET], MOST_VISITS)])
    order = np.random.default_rng(SEED).permutation(len(rows))
    edges = TEST_ROWS + np.round(np.cumsum(list(OWNER_SHARES.values())) * (len(rows) - TEST_ROWS)).astype(int)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    parts = np.split(order, [TEST_ROWS, *edges[:-1]])
    for name, part in zip(("test.csv", *OWNER_SHARES), parts, strict=True):
        path = folder / name
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*features, TARGET])
            writer.writerows([repr(float(value)) for value in row] for row in rows[part])
        paths.append(path)
    return paths


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: make_data.py OUT_DIR")
    for written in write_data(Path(sys.argv[1])):
        print(f"{written}: {len(written.read_text().splitlines()) - 1} rows")
