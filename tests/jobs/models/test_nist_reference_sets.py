"""NIST's reference sets through whole jobs: as many digits as exact moments of 64 fraction bits can keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.harness.one_process import run_job
from tests.jobs.models.nist_digits import job_of, kept_digits, numpy_digits

# What exact rational arithmetic keeps of columns that were rounded once, to 2^−64 of their range.
WITH_64_BITS = {
    "Norris": 14.0,
    "Pontius": 13.5,
    "Filip": 7.7,
    "Longley": 14.7,
    "Wampler1": 13.8,
    "Wampler2": 13.2,
    "Wampler3": 13.8,
    "Wampler4": 12.7,
    "Wampler5": 10.7,
    "NoInt1": 15.0,
}
# Their columns give the target exactly: certified standard errors are 0.
EXACT_FITS = ("Wampler1", "Wampler2", "NoInt1")


def train(folder: Path, name: str, **more: Any) -> dict[str, Any]:
    spec, parts = job_of(name, **more)
    model: dict[str, Any] = run_job(folder, spec, parts, parts[0])["model"]
    assert model["status"] == "FINISHED", model
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_64_BITS)
def test_newton_keeps_the_digits_of_exact_moments_and_never_fewer_than_numpy(tmp_path: Path, name: str) -> None:
    model = train(tmp_path, name, optimizer="newton")
    wanted = max(WITH_64_BITS[name], numpy_digits(name)) - 0.5
    coefficients, errors = kept_digits(model, name)
    assert coefficients >= wanted
    assert model["converged"] is True
    if name in EXACT_FITS:
        assert errors is None
        assert "but for the rounding of its numbers" in model["no_coefficient_table"]
        return
    rows = model["coefficient_table"]["outputs"][0]["coefficients"]
    assert [row["coefficient"] for row in rows] == list(model["coefficients"].values())
    assert errors is not None and errors >= wanted


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Longley", "Filip", "Wampler5"])
def test_conjugate_gradient_ends_with_the_same_coefficients_where_its_rounds_told_all_moments(
    tmp_path: Path, name: str
) -> None:
    model = train(tmp_path, name, tolerance=0.0)
    (tmp_path / "newton").mkdir()
    solved = train(tmp_path / "newton", name, optimizer="newton")
    assert model["coefficients"] == solved["coefficients"]
    assert model["coefficient_table"] == solved["coefficient_table"]
    assert model["converged"] is True
