"""A finished model's coefficients as `fedtrain status MODEL_ID` prints them."""

from __future__ import annotations

from typing import Any

import pytest

from fedtrain.cli.jobs.coefficients import print_coefficients

ROW = {"coefficient": 12.5, "standard_error": 2.5, "t": 5.0, "p": 0.0004, "low": 7.25, "high": 17.75}
TABLE: dict[str, Any] = {
    "rows": 120,
    "degrees_of_freedom": 118,
    "condition_number": 31.5,
    "confidence": 0.95,
    "outputs": [
        {
            "target": "price",
            "r2": 0.75,
            "adjusted_r2": 0.74,
            "residual_standard_error": 3.25,
            "coefficients": [{"name": "area", **ROW}, {"name": "intercept", **ROW, "t": None}],
        }
    ],
}


def test_the_table_is_printed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    print_coefficients({"coefficient_table": TABLE, "coefficients": {"area": 12.5, "intercept": 12.5}})
    lines = capsys.readouterr().out.splitlines()
    (area,) = [line.split() for line in lines if line.strip().startswith("area")]
    assert area == ["area", "12.5", "2.5", "5", "0.0004", "7.25", "17.75"]
    assert any("price" in line and "95%" in line for line in lines)
    assert any(line.split() == ["adjusted_r2", "0.74"] for line in lines)
    assert any(line.split() == ["condition_number", "31.5"] for line in lines)


def test_without_a_table_the_coefficients_are_printed_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    model = {"coefficient_table": None, "coefficients": {"area": 12.5}, "no_coefficient_table": "l2 is not 0"}
    print_coefficients(model)
    out = capsys.readouterr().out
    assert "area" in out
    assert "no standard errors: l2 is not 0" in out
    print_coefficients({"coefficients": None})
    assert capsys.readouterr().out == ""
