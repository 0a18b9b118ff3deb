"""Write 5,000 of MNIST's digits as a test set for the Model Owner and the tables of three Data Owners.

    python examples/mnist/make_data.py OUT_DIR             # owner-a has 0 to 3, owner-b 4 to 6, owner-c 7 to 9
    python examples/mnist/random/make_data.py OUT_DIR      # every owner has all digits

Both write the same test.parquet, of 1,000 digits; the other 4,000 are the owners'. digits.npz is beside this file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from splitting import main, random_split  # noqa: E402 - it stands above this folder

TEST_ROWS = 1000
DIGITS_OF = {"owner-a.parquet": (0, 1, 2, 3), "owner-b.parquet": (4, 5, 6), "owner-c.parquet": (7, 8, 9)}
SHARES = {"owner-a.parquet": 0.4, "owner-b.parquet": 0.3, "owner-c.parquet": 0.3}
SEED = 20240607


def write_data(folder: Path, *, at_random: bool = False) -> list[Path]:
    """Write the four files into `folder`, which is made if need be, and return their paths."""
    with np.load(HERE / "digits.npz", allow_pickle=False) as data:
        images, digits = data["images"], data["digits"]
    split = random_split(len(digits), TEST_ROWS, SHARES, SEED, test="test.parquet")
    if not at_random:
        dealt = np.sort(np.concatenate([split[name] for name in SHARES]))
        split |= {name: dealt[np.isin(digits[dealt], own)] for name, own in DIGITS_OF.items()}
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, rows in split.items():
        pixels = pa.FixedSizeListArray.from_arrays(pa.array(images[rows].reshape(-1)), 784)
        paths.append(folder / name)
        pq.write_table(pa.table({"pixels": pixels, "digit": pa.array(digits[rows])}), paths[-1])
    return paths


if __name__ == "__main__":
    main(write_data)
