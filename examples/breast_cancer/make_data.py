"""Write scikit-learn's breast cancer data as a test set for the Model Owner and five hospitals' tables.

    python examples/breast_cancer/make_data.py OUT_DIR

writes test.csv (169 of the 569 tumours) and hospital-a.csv … hospital-e.csv (120, 100, 80, 60 and 40).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sklearn.datasets import load_breast_cancer
from splitting import main, random_split, write_tables

TEST_ROWS = 169
SHARES = {
    "hospital-a.csv": 0.3,
    "hospital-b.csv": 0.25,
    "hospital-c.csv": 0.2,
    "hospital-d.csv": 0.15,
    "hospital-e.csv": 0.1,
}
SEED = 20240607


def write_data(folder: Path) -> list[Path]:
    """Write the six files into `folder`, which is made if need be, and return their paths."""
    data = load_breast_cancer()
    header = [*(str(name).replace(" ", "_") for name in data.feature_names), "diagnosis"]
    rows = [
        [*(repr(float(value)) for value in values), str(data.target_names[code])]
        for values, code in zip(data.data, data.target, strict=True)
    ]
    return write_tables(folder, header, rows, random_split(len(rows), TEST_ROWS, SHARES, SEED))


if __name__ == "__main__":
    main(write_data)
