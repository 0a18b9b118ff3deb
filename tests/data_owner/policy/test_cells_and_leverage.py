"""A search for what gets past cells and leverage: random tables, dictionaries and jobs, judged by other arithmetic.

For each table that the default policy lets in without a person, the sums of random jobs on it (some of its columns, in
any order, over all rows or over a part) are looked at as an adversary would who has subtracted everybody else: is there
a direction of which one row has more than `max_leverage`, or a group of 1 to `min_cell` − 1 rows that the encoding sets
apart? Both are decided over the rationals, from the encoded rows, by code that the inspection has no part in.

With a rule switched off the same search must find something: else it would prove nothing.
"""

from __future__ import annotations

import csv
from collections import Counter
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.policy.inspected import Inspection
from fedtrain.data_owner.policy.inspection import inspect_table
from fedtrain.data_owner.policy.rules import OwnerPolicy, Ruling, judge_table, standing_out_risks
from fedtrain.spec.model_spec import DataProps
from fedtrain.tabular.dictionary import Dictionary

HISTORIES = 300
KINDS = ("number", "flag", "sum", "typo", "huge", "clipped", "category", "missing")
#: The limit, and what an inspection may be off by.
MOST = Fraction(99, 100) + Fraction(1, 2**20)
POLICY = OwnerPolicy()
Lines = list[list[Fraction]]


def draw(seed: int) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """A dictionary, and a table that fits it: columns that follow from each other, few of a kind, huge ranges."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(12, 60))
    numbers = rng.integers(0, 64, (3, rows)) / 64  # exact on the grid, with ties
    features: list[dict[str, Any]] = []
    table: dict[str, list[str]] = {}
    for place in range(int(rng.integers(1, 5))):
        name, kind = (
            f"x{place}",
            rng.choice(KINDS),
        )
        values = numbers[rng.integers(3)].copy()
        declared: dict[str, Any] = {"name": name, "type": "continuous", "range": [-4, 4]}
        few = rng.permutation(rows)[: int(rng.integers(1, 14))]
        if kind == "flag":
            values = np.zeros(rows)
            values[few] = 1
        elif kind in ("sum", "typo"):
            values = numbers[0] + numbers[1]
            if kind == "typo":
                values[few[0]] += 1 / 64
        elif kind == "huge":
            declared["range"] = [-(2.0**66), 2.0**66]
            values[few] = 8
        elif kind == "clipped":
            values[few] += 9
        texts = [repr(float(value)) for value in values]
        if kind == "category":
            declared = {"name": name, "type": "nominal", "categories": ["a", "b", "c"]}
            texts = ["ab"[int(rng.integers(2))] for _ in range(rows)]
            for row in few:
                texts[row] = "c"
        if kind == "missing":
            declared["missing"] = 4
            for row in few:
                texts[row] = ""
        features.append(declared)
        table[name] = texts
    target: dict[str, Any] = {"name": "y", "range": [-8, 8]}
    table["y"] = [repr(float(value)) for value in numbers[0] - numbers[2] + rng.integers(0, 2, rows)]
    if rng.uniform() < 0.3:
        target = {"name": "y", "categories": ["no", "yes"]}
        table["y"] = ["yes" if value else "no" for value in rng.integers(0, 2, rows)]
    records = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    return {"features": features, "target": target, "decimal": "."}, records


def grid(value: Fraction) -> Fraction:
    return Fraction(round(value * 2**64), 2**64)


def encoded(props: dict[str, Any], records: list[dict[str, str]]) -> dict[str, Lines]:
    """Each column's lines by the rules on docs/spec.md, in exact arithmetic, rounded to the grid."""
    found: dict[str, Lines] = {}
    for column in (*props["features"], props["target"]):
        texts = [record[column["name"]] for record in records]
        if "categories" in column:
            found[column["name"]] = [[Fraction(text == other) for text in texts] for other in column["categories"][1:]]
            continue
        low, high = (Fraction(end) for end in column["range"])
        half = (high - low) / 2
        centre = Fraction(0) if column is props["target"] else low + half
        values = [min(max(Fraction(float(text or column["missing"])), low), high) for text in texts]
        found[column["name"]] = [[grid((value - centre) / half) for value in values]]
    return found


def leverages(lines: Lines, rows: list[int]) -> list[Fraction]:
    """Of each of these rows, over a column of ones and the lines, by orthogonal columns."""
    basis: list[tuple[list[Fraction], Fraction]] = []
    for line in ([Fraction(1)] * (max(rows) + 1), *lines):
        left = [line[row] for row in rows]
        for vector, square in basis:
            share = sum((a * b for a, b in zip(left, vector, strict=True)), Fraction(0)) / square
            left = [a - share * b for a, b in zip(left, vector, strict=True)]
        square = sum((value * value for value in left), Fraction(0))
        if square:
            basis.append((left, square))
    return [sum((vector[i] ** 2 / square for vector, square in basis), Fraction(0)) for i in range(len(rows))]


def small_cell(props: dict[str, Any], records: list[dict[str, str]], lines: dict[str, Lines], rows: list[int]) -> bool:
    """True where a group of these rows that encoding sets apart has 1 to 9 rows."""
    sizes: list[int] = []
    for column in (*props["features"], props["target"]):
        texts = [records[row][column["name"]] for row in rows]
        if "categories" in column:
            sizes += [texts.count(category) for category in column["categories"]]
            continue
        (line,) = lines[column["name"]]
        held = Counter(line[row] for row in rows)
        most = max(held.values())
        sizes += [texts.count(""), len(rows) - most if most > 1 and len(rows) >= POLICY.min_cell else 0]
        low, high = column["range"]
        numbers = [float(text) for text in texts if text]
        for outside in ([value for value in numbers if value < low], [value for value in numbers if value > high]):
            sizes += [held[max(held, key=lambda value: abs(value))]] if outside else []
    return any(0 < size < POLICY.min_cell for size in sizes)


@cache
def history(seed: int, folder: Path) -> tuple[dict[str, Any], list[dict[str, str]], Inspection]:
    props, records = draw(seed)
    path = folder / f"{seed}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    dictionary = Dictionary(DataProps.model_validate(props), "range")
    found = inspect_table(path, dictionary, max_leverage=0.99, holds_out=lambda batch: batch.records % 3 == 0)
    return props, records, found


def lets_in(policy: OwnerPolicy, found: Inspection, *, validates: bool) -> bool:
    """True where a job is accepted with nobody asked."""
    declined = judge_table(policy, found).outcome is Ruling.DECLINE
    return not declined and not standing_out_risks(policy, found, validates=validates)


def searched(policy: OwnerPolicy, seed: int, folder: Path) -> list[str]:
    """Look at the sums of one job on one table as an adversary; nothing is found where the job is not let in."""
    props, records, found = history(seed, folder)
    rng = np.random.default_rng(seed + 1_000_000)
    validates = bool(rng.uniform() < 0.5)
    if not lets_in(policy, found, validates=validates):
        return []
    lines = encoded(props, records)
    used = [name for name in rng.permutation(list(lines)) if name == "y" or rng.uniform() < 0.8]
    whole = list(range(len(records)))
    held = [row for row in whole if (row + 1) % 3 == 0]
    parts = [[row for row in whole if row not in held], held] if validates else [whole]
    findings = []
    for part in parts:
        if small_cell(props, records, lines, part):
            findings.append("cell")
        if max(leverages([line for name in used for line in lines[name]], part)) > Fraction(99, 100) + Fraction(
            1, 2**20
        ):
            findings.append("leverage")
    return findings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("histories")


@pytest.mark.slow
def test_no_job_that_is_let_in_shows_a_small_cell_or_a_row_that_stands_out(folder: Path) -> None:
    found = {seed: findings for seed in range(HISTORIES) if (findings := searched(POLICY, seed, folder))}
    assert found == {}
    # Not by letting nothing in.
    let_in = sum(lets_in(POLICY, history(seed, folder)[2], validates=False) for seed in range(HISTORIES))
    assert HISTORIES // 10 < let_in < HISTORIES


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "finding"), [({"min_cell": 0}, "cell"), ({"standing_out": "unchecked"}, "leverage")])
def test_the_search_finds_something_once_a_rule_is_off(folder: Path, rule: dict[str, Any], finding: str) -> None:
    policy = POLICY.model_copy(update=rule)
    found = [one for seed in range(HISTORIES) for one in searched(policy, seed, folder)]
    assert finding in found


@pytest.mark.parametrize("seed", range(40))
def test_the_inspection_counts_as_exact_arithmetic_does(folder: Path, seed: int) -> None:
    props, records, found = history(seed, folder)
    everything = [line for lines in encoded(props, records).values() for line in lines]
    whole = list(range(len(records)))
    for part, rows in zip(
        found.parts,
        (whole, [row for row in whole if (row + 1) % 3], [row for row in whole if not (row + 1) % 3]),
        strict=True,
    ):
        expected = leverages(everything, rows)
        assert part.high_leverage.largest == pytest.approx(float(max(expected)), abs=1e-6)
        assert part.high_leverage.rows == sum(value > Fraction(99, 100) for value in expected)
