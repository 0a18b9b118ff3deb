"""What one party that held all the records would get: ordinary least squares on the pooled rows.

    python examples/diabetes/compare.py DATA_DIR [--json]

reads what make_data.py wrote, fits scikit-learn's LinearRegression on the three owners' rows together, and prints its
mean squared error on test.csv. Nothing of the federated system runs here: it is what the system is held against.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error


def read_table(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return features (rows, 10) and target (rows,) of one file."""
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    return table[:, :-1], table[:, -1]


def pooled_least_squares(folder: Path) -> dict[str, object]:
    """Return the pooled fit: rows, coefficients (10 numbers), intercept, and cost on the test set."""
    tables = [read_table(path) for path in sorted(folder.glob("hospital-*.csv"))]
    features = np.concatenate([table[0] for table in tables])
    targets = np.concatenate([table[1] for table in tables])
    model = LinearRegression().fit(features, targets)
    test_features, test_targets = read_table(folder / "test.csv")
    return {
        "rows": len(targets),
        "coefficients": model.coef_.tolist(),
        "intercept": float(model.intercept_),
        "cost": float(mean_squared_error(test_targets, model.predict(test_features))),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Ordinary least squares on the pooled rows.")
    parser.add_argument("folder", type=Path, help="where make_data.py wrote its files")
    parser.add_argument("--json", action="store_true", help="print everything, as JSON")
    arguments = parser.parse_args()
    fit = pooled_least_squares(arguments.folder)
    if arguments.json:
        print(json.dumps(fit))
    else:
        print(f"pooled ordinary least squares on {fit['rows']} rows: cost {fit['cost']:.6f}")
