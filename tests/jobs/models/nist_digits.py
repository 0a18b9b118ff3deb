"""NIST's reference sets of linear least squares as jobs, and how many digits an answer keeps of their solutions.

python -m tests.jobs.models.nist_digits prints the table of docs/models.md.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tests.harness.one_process import Floats, run_job, training

SETS: Mapping[str, dict[str, Any]] = json.loads((Path(__file__).parent / "nist_strd" / "sets.json").read_text())
OWNERS = 3


def digits(value: float, right: str) -> float:
    """−log10 of the relative error, at most 15, which NIST calls LRE."""
    error = abs((Fraction(value) - Fraction(right)) / Fraction(right))
    return 15.0 if error == 0 else min(15.0, -math.log10(error))


def least_digits(values: Iterable[float], right: Mapping[str, str]) -> float:
    return min(digits(value, each) for value, each in zip(values, right.values(), strict=True))


def columns_of(name: str) -> tuple[Floats, Floats]:
    """X (rows, columns) and y (rows,)."""
    return np.array(SETS[name]["X"], dtype=float), np.array(SETS[name]["y"], dtype=float)


def job_of(name: str, **more: Any) -> tuple[dict[str, Any], list[list[list[str]]]]:
    """A spec with the ranges of the data, and the rows dealt out to the owners, as they were published."""
    X, y = columns_of(name)
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [
                {"col_idx": j, "type": "continuous", "range": [float(column.min()), float(column.max())]}
                for j, column in enumerate(X.T)
            ],
            "target": {"col_idx": X.shape[1], "range": [float(y.min()), float(y.max())]},
        },
        "training": training(OWNERS, **more),
    }
    rows = [[*features, target] for features, target in zip(SETS[name]["X"], SETS[name]["y"], strict=True)]
    return spec, [rows[owner::OWNERS] for owner in range(OWNERS)]


def numpy_digits(name: str) -> float:
    """Return what numpy keeps of the coefficients, with all rows in one place."""
    X, y = columns_of(name)
    fitted = np.linalg.lstsq(np.column_stack([X, np.ones(len(y))]), y, rcond=None)[0]
    return least_digits(fitted.tolist(), SETS[name]["coefficients"])


def kept_digits(model: Mapping[str, Any], name: str) -> tuple[float, float | None]:
    """The least digits of a coefficient, and of a standard error where there are any."""
    coefficients = least_digits(model["coefficients"].values(), SETS[name]["coefficients"])
    if model["coefficient_table"] is None:
        return coefficients, None
    rows = model["coefficient_table"]["outputs"][0]["coefficients"]
    return coefficients, least_digits([row["standard_error"] for row in rows], SETS[name]["standard_errors"])


def main() -> None:
    for name in SETS:
        spec, parts = job_of(name, optimizer="newton")
        with tempfile.TemporaryDirectory() as folder:
            model = run_job(Path(folder), spec, parts, parts[0])["model"]
        coefficients, errors = kept_digits(model, name)
        told = "none: the fit is exact" if errors is None else f"{errors:.1f}"
        numpy = max(0.0, numpy_digits(name))
        sys.stdout.write(f"| {name} | {coefficients:.1f} | {told} | {numpy:.1f} |\n")


if __name__ == "__main__":
    main()
