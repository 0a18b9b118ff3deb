"""The tables of a finished model on the terminal: coefficients, or the ranges that owners agreed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedtrain.cli.output import console, print_table

COLUMNS = ("", "coefficient", "std error", "t", "p", "low", "high")


def print_ranges(found: Sequence[Mapping[str, Any]]) -> None:
    """Print the `ranges` of a finished job, a line a column; nothing for none."""
    if found:
        rows = [
            [
                one.get("name") or f"column {one.get('col_idx')}",
                *(_ends(one[of]) for of in ("limits", "range", "inner")),
            ]
            for one in found
        ]
        print_table("", ["column", "limits", "range", "inner"], rows)


def _ends(ends: Sequence[float] | None) -> str:
    return "none" if ends is None else f"{ends[0]:g} to {ends[1]:g}"


def print_coefficients(model: dict[str, Any]) -> None:
    """Print the table that a finished model has, one a target; else its coefficients, or nothing before the end."""
    table = model.get("coefficient_table")
    if table is not None:
        for output in table["outputs"]:
            rows = [
                [row[name] for name in ("name", "coefficient", "standard_error", "t", "p", "low", "high")]
                for row in output["coefficients"]
            ]
            console().print()
            print_table(f"{output['target']}: least squares, {table['confidence']:.0%} intervals", COLUMNS, rows)
            for name in ("r2", "adjusted_r2", "residual_standard_error"):
                if output[name] is not None:
                    console().print(f"  {name} {output[name]:.6g}", markup=False)
        for name in ("rows", "degrees_of_freedom", "condition_number"):
            console().print(f"  {name} {table[name]:.6g}", markup=False)
        return
    coefficients = model.get("coefficients") or {}
    if coefficients:
        console().print()
        several = [list(value) for value in coefficients.values() if isinstance(value, dict)]
        columns = ["", *(several[0] if several else ["coefficient"])]
        rows = [[name, *(v.values() if isinstance(v, dict) else [v])] for name, v in coefficients.items()]
        print_table("", columns, rows)
        if model.get("no_coefficient_table"):
            console().print(f"no standard errors: {model['no_coefficient_table']}", markup=False)
