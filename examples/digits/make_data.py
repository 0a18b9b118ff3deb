"""Write scikit-learn's 8×8 digits as a test set for the Model Owner and the tables of three Data Owners.

    python examples/digits/make_data.py OUT_DIR             # every owner has all digits
    python examples/digits/by_digit/make_data.py OUT_DIR    # every owner has only some of them

Both write the same test.csv (447 of the 1,797 images); the others are dealt to owner-a.csv, owner-b.csv, owner-c.csv.
The pixels at the left and right edge are left out: a handful of images has ink there, and sums over such a pixel would
be sums over those few.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from sklearn.datasets import load_digits
from splitting import main, random_split, write_tables

TEST_ROWS = 447
SHARES = {"owner-a.csv": 0.5, "owner-b.csv": 0.3, "owner-c.csv": 0.2}
DIGITS_OF = {"owner-a.csv": (0, 1, 2, 3), "owner-b.csv": (4, 5, 6), "owner-c.csv": (7, 8, 9)}
INNER = range(1, 7)
SEED = 20240607


def write_data(folder: Path, *, by_digit: bool = False) -> list[Path]:
    """Write the four files into `folder`, which is made if need be, and return their paths."""
    data = load_digits()
    header = [*(f"pixel_{row}_{column}" for row in range(8) for column in INNER), "digit"]
    rows = [
        [*(int(value) for value in image[:, INNER].ravel()), int(digit)]
        for image, digit in zip(data.images, data.target, strict=True)
    ]
    split = random_split(len(rows), TEST_ROWS, SHARES, SEED)
    if by_digit:
        dealt = np.sort(np.concatenate([split[name] for name in SHARES]))
        split |= {name: dealt[np.isin(data.target[dealt], digits)] for name, digits in DIGITS_OF.items()}
    return write_tables(folder, header, rows, split)


if __name__ == "__main__":
    main(write_data)
