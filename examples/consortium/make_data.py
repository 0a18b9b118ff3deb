"""Write made-up stays in five hospitals, unequal in size, and a test set for the two Model Owners.

    python examples/consortium/make_data.py OUT_DIR

Rows are drawn from a fixed seed, so that two runs write the same bytes.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

ROWS = {"north": 900, "south": 700, "east": 400, "west": 600, "coast": 800, "test": 300}
COLUMNS = ("age", "severity", "admissions", "stay_days", "cost_eur")
SEED = 20261130


def write_data(folder: Path) -> list[Path]:
    """Write a table of each of ROWS into `folder`, which is made if need be, and return their paths."""
    draw = np.random.default_rng(SEED)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, rows in ROWS.items():
        age = draw.integers(18, 96, rows)
        severity = draw.integers(0, 11, rows)
        admissions = np.minimum(draw.poisson(2.5, rows), 10)
        days = np.clip(0.08 * age + 1.3 * severity + 0.6 * admissions + draw.normal(0, 2, rows), 0, 30).round(1)
        cost = np.clip(350 + 420 * days + 60 * severity + draw.normal(0, 400, rows), 0, 15_000).round()
        path = folder / f"{name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(zip(*(column.tolist() for column in (age, severity, admissions, days, cost)), strict=True))
        paths.append(path)
    return paths


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: make_data.py OUT_DIR")
    for written in write_data(Path(sys.argv[1])):
        print(f"{written}: {len(written.read_text().splitlines()) - 1} rows")
