"""An inspection of a table against counts by hand: every kind of cell, parts, and rows that stand out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.data.datasets import register
from fedtrain.data_owner.data.rows.split import ValidationSplit
from fedtrain.data_owner.policy.common_values import CAPACITY, MANY_ROWS, CommonValues
from fedtrain.data_owner.policy.inspected import Inspection
from fedtrain.data_owner.policy.inspection import HoldsOut, inspect_table
from fedtrain.data_owner.policy.inspector import Inspector
from fedtrain.data_owner.policy.rules import (
    OwnerPolicy,
    Ruling,
    judge_table,
    standing_out_risks,
    table_findings,
)
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.service.store.database import sqlite_url
from fedtrain.spec.model_spec import DataProps
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.dictionary import Dictionary
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.findings import Scaling

AGE = {"name": "age", "type": "continuous", "range": [0, 100]}
WARD = {"name": "ward", "type": "nominal", "categories": ["a", "b", "c"]}
SMOKER = {"name": "smoker", "type": "discrete", "range": [0, 1]}
DAYS = {"name": "days", "range": [0, 50]}
POLICY = OwnerPolicy()


def inspected(
    folder: Path,
    lines: Iterable[str],
    *features: dict[str, Any],
    scaling: Scaling = "range",
    holds_out: HoldsOut | None = None,
    joint_cells: bool = False,
    target: dict[str, Any] = DAYS,
) -> Inspection:
    """Inspect a table of these features and the target."""
    path = folder / "table.csv"
    header = ",".join([*(str(feature["name"]) for feature in features), str(target["name"])])
    path.write_text("\n".join([header, *lines]) + "\n")
    props = DataProps.model_validate({"features": features, "target": target})
    return inspect_table(
        path, Dictionary(props, scaling), max_leverage=0.99, holds_out=holds_out, joint_cells=joint_cells
    )


def cells_of(found: Inspection) -> dict[str, int]:
    return {cell.label: cell.rows for cell in found.whole.cells}


def ages(count: int, seed: int = 1) -> list[float]:
    return [float(value) for value in np.random.default_rng(seed).uniform(1, 99, count).round(2)]


def test_categories_are_counted_over_all_batches_and_an_empty_one_is_no_cell(tmp_path: Path) -> None:
    lines = [f"{'b' if row in (3, 9_000, 17_000) else 'a'},{row % 50}" for row in range(18_000)]
    assert {label: rows for label, rows in cells_of(inspected(tmp_path, lines, WARD)).items() if "ward" in label} == {
        "ward = a": 17_997,
        "ward = b": 3,
    }


def test_of_a_clipped_column_both_tails_and_what_is_between_are_cells(tmp_path: Path) -> None:
    lines = [f"{age},{row % 50}" for row, age in enumerate([-5, -4, *range(1, 61), 101, 102, 103, 100])]
    found = cells_of(inspected(tmp_path, lines, AGE))
    # 100 is clipped to nothing else than it was, and is one number with what was.
    assert found["age below its range"] == 2 and found["age above its range"] == 4
    assert found["age within its range"] == 60


def test_a_column_that_nothing_is_clipped_of_has_no_tails(tmp_path: Path) -> None:
    found = cells_of(inspected(tmp_path, [f"{age},{age % 50}" for age in range(101)], AGE))
    assert not any("range" in label for label in found)


@pytest.mark.parametrize("column", [{**AGE, "missing": 100}, {**WARD, "missing": "c"}])
def test_missing_values_that_a_constant_replaces_are_a_cell(tmp_path: Path, column: dict[str, Any]) -> None:
    values = ["", "", *(["a", "b"] * 20 if "categories" in column else map(str, range(40)))]
    found = cells_of(inspected(tmp_path, [f"{value},{row}" for row, value in enumerate(values)], column))
    # A category is counted with whatever is taken for it.
    assert found["ward = c" if "categories" in column else "age missing"] == 2


def test_rows_that_lack_what_they_need_are_in_no_cell(tmp_path: Path) -> None:
    lines = [*(f"{row},a,{row}" for row in range(30)), ",b,1", ",b,2"]
    found = inspected(tmp_path, lines, {**AGE, "missing": "drop"}, WARD)
    assert found.whole.rows == 30 and "ward = b" not in cells_of(found)


@pytest.mark.parametrize("ones", [0, 1, 9, 10, 30])
def test_a_column_of_zeros_and_ones_is_an_indicator_of_the_fewer(tmp_path: Path, ones: int) -> None:
    lines = [f"{int(row < ones)},{row % 50}" for row in range(60)]
    found = inspected(tmp_path, lines, SMOKER)
    assert cells_of(found).get("smoker other than its most common value", 0) == ones
    declined = judge_table(POLICY, found).outcome is Ruling.DECLINE
    assert declined is (0 < ones < 10)


@pytest.mark.parametrize("scaling", ["range", "none"])
def test_a_range_so_wide_that_rounding_leaves_one_row_is_an_indicator(tmp_path: Path, scaling: Scaling) -> None:
    lines = [*(f"{age},{row % 50}" for row, age in enumerate(ages(60))), "104.5,37"]
    wide = {**AGE, "range": [-204.0 * 2.0**64, 204.0 * 2.0**64]}
    found = cells_of(inspected(tmp_path, lines, wide, scaling=scaling))
    expected = {"age other than its most common value": 1} if scaling == "range" else {}
    assert {label: rows for label, rows in found.items() if "age" in label} == expected


def test_a_value_that_only_the_bits_beyond_a_double_tell_apart_is_a_cell(tmp_path: Path) -> None:
    # At the end of such a range 0 and 1 are the same double once scaled, and other integers of the moments.
    wide = {"name": "age", "type": "continuous", "range": [0, 1e18]}
    lines = [f"0,{row}" for row in range(40)]
    found = inspected(tmp_path, [*lines, "1,7"], wide)
    assert cells_of(found)["age other than its most common value"] == 1
    assert "age other than its most common value" not in cells_of(inspected(tmp_path, lines, wide))


def test_a_row_that_only_the_bits_beyond_a_double_tell_apart_stands_out(tmp_path: Path) -> None:
    # At the end of such a range all these numbers are one double once scaled.
    wide: list[dict[str, object]] = [
        {"name": name, "type": "continuous", "range": [0, 1e18]} for name in ("age", "again")
    ]
    numbers = [(7 * row) % 20 for row in range(60)]
    lines = [f"{number},{number + (row == 11)},{row % 50}" for row, number in enumerate(numbers)]
    found = inspected(tmp_path, lines, *wide).parts[0].high_leverage
    assert (found.rows, set(found.columns)) == (1, {"age", "again"})
    alike = inspected(tmp_path, [f"{number},{number},{row % 50}" for row, number in enumerate(numbers)], *wide)
    assert alike.parts[0].high_leverage.rows == 0


def test_a_target_has_cells_too(tmp_path: Path) -> None:
    target = {"name": "ill", "categories": ["no", "yes"]}
    lines = [f"{age},{'yes' if row < 4 else 'no'}" for row, age in enumerate(ages(50))]
    assert cells_of(inspected(tmp_path, lines, AGE, target=target))["ill = yes"] == 4


def test_joint_cells_are_counted_where_they_are_asked_for(tmp_path: Path) -> None:
    lines = [f"{'ab'[row % 2]},{int(row % 4 == 0 or row == 1)},{row % 50}" for row in range(80)]
    found = cells_of(inspected(tmp_path, lines, WARD, SMOKER, joint_cells=True))
    joint = {label: rows for label, rows in found.items() if " and " in label}
    assert joint == {
        "ward = a and smoker lower value": 20,
        "ward = a and smoker higher value": 20,
        "ward = b and smoker lower value": 39,
        "ward = b and smoker higher value": 1,
    }
    assert not any(" and " in label for label in cells_of(inspected(tmp_path, lines, WARD, SMOKER)))
    refused = judge_table(POLICY, inspected(tmp_path, lines, WARD, SMOKER, joint_cells=True))
    assert "ward = b and smoker higher value: 1." in refused.detail


def test_parts_have_cells_and_leverages_of_their_own_and_only_wait_for_a_person(tmp_path: Path) -> None:
    lines = [f"{age},{'b' if row < 12 else 'a'},{row % 50}" for row, age in enumerate(ages(200))]
    found = inspected(tmp_path, lines, AGE, WARD, holds_out=lambda batch: batch.records % 5 == 0)
    whole, training, validation = found.parts
    assert (whole.rows, training.rows, validation.rows) == (200, 160, 40)
    assert [{cell.label: cell.rows for cell in part.cells}["ward = b"] for part in found.parts] == [12, 10, 2]
    assert judge_table(POLICY, found).outcome is Ruling.ACCEPT
    assert standing_out_risks(POLICY, found, validates=False) == ()
    (risk,) = standing_out_risks(POLICY, found, validates=True)
    assert "the validation part: ward = b: 2. " in risk and "merge a category" in risk
    (finding,) = table_findings(POLICY, found)
    assert finding.startswith("A job that holds rows out for validation will wait for a person.")


def test_a_typing_error_in_one_of_two_columns_stands_out_and_both_are_named(tmp_path: Path) -> None:
    whole = ages(60)
    lines = [
        f"{age},{age / 2 + (30 if row == 41 else 0)},{days}"
        for row, (age, days) in enumerate(zip(whole, ages(60, 2), strict=True))
    ]
    found = inspected(tmp_path, lines, AGE, {**AGE, "name": "half"}, target={"name": "days", "range": [0, 100]})
    assert found.whole.high_leverage.rows == 1
    assert set(found.whole.high_leverage.columns) == {"age", "half"}
    assert judge_table(POLICY, found).outcome is Ruling.ACCEPT
    (risk,) = standing_out_risks(POLICY, found, validates=False)
    assert "1 of 60 rows in the table" in risk and "age (1), half (1)" in risk and "typing error" in risk
    lax = POLICY.model_copy(update={"standing_out": "unchecked"})
    assert standing_out_risks(lax, found, validates=True) == ()


def test_a_small_table_is_told_that_it_is_small(tmp_path: Path) -> None:
    found = inspected(tmp_path, [f"{age},{row}" for row, age in enumerate(ages(3))], AGE)
    (risk,) = standing_out_risks(POLICY, found, validates=False)
    assert "3 rows are few for 3 encoded columns: a row has 1.00 on average" in risk


def test_a_table_that_does_not_fit_is_refused_as_when_it_is_read(tmp_path: Path) -> None:
    for line in ("forty,1", "4,51", ""):
        with pytest.raises(TableError):
            inspected(tmp_path, [line], AGE)


# Most common values in bounded memory


def test_the_most_common_value_is_found_among_more_values_than_there_are_counters() -> None:
    rng = np.random.default_rng(8)
    values = np.concatenate([np.full(9_000, 0.5), rng.uniform(-1, 1, 2_000)])
    rng.shuffle(values)
    common = CommonValues()
    for part in np.array_split(values, 30):
        common.add(part)
    assert len(common.counts) <= CAPACITY and not common.varied
    assert 0.5 in common.candidates
    counted = Counter({value: int((values == value).sum()) for value in common.candidates})
    assert common.differing(counted) == 2_000


def test_a_column_that_differs_much_is_given_up_soon_and_never_overstated() -> None:
    common = CommonValues()
    for start in range(0, 40_000, 1_000):
        common.add(np.arange(start, start + 1_000, dtype=np.float64))
    assert common.varied and common.candidates == () and common.differing(Counter()) == MANY_ROWS


@pytest.mark.parametrize("seed", range(30))
def test_what_differs_is_never_above_the_truth_and_exact_where_few_differ(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, rng.integers(1, 400), int(rng.integers(1, 3_000))).astype(np.float64)
    values[rng.uniform(size=len(values)) < rng.uniform()] = 7.0
    common = CommonValues()
    for part in np.array_split(values, rng.integers(1, 9)):
        common.add(part)
    truth = Counter(values.tolist())
    most = max(truth.values())
    counted = Counter({value: truth[value] for value in common.candidates})
    expected = 0 if most == 1 else len(values) - most
    assert common.differing(counted) <= len(values) - most
    if len(values) - most < len(values) // 2:
        assert common.differing(counted) == expected


# Kept with the dataset version


def row_key() -> bytes:
    return b"\1" * 32


def test_an_inspection_is_done_once_for_what_is_asked_and_is_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("age,days\n" + "".join(f"{age},{row % 50}\n" for row, age in enumerate(ages(60))))
    schema = DataProps.model_validate({"features": [AGE], "target": DAYS})
    dataset = register(OwnerStore(sqlite_url(tmp_path / "s.sqlite3")), "default", path, schema, "now")
    split = ValidationSplit(0.2, b"\7" * 32)
    inspector = Inspector(tmp_path / "moments", POLICY, lambda: split, row_key)
    first = inspector.inspect(dataset, schema)
    (file,) = (tmp_path / "moments").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    path.write_text("gone")
    assert inspector.inspect(dataset, schema) == first
    assert inspector.findings(dataset, schema) == table_findings(POLICY, first)
    # Another limit, another scaling, another split: the table is read again, and is not what was registered.
    stricter = Inspector(tmp_path / "moments", POLICY.model_copy(update={"max_leverage": 0.5}), lambda: split, row_key)
    other = Inspector(tmp_path / "moments", POLICY, lambda: ValidationSplit(0.2, b"\6" * 32), row_key)
    for again in (
        lambda: stricter.inspect(dataset, schema),
        lambda: other.inspect(dataset, schema),
        lambda: inspector.inspect(dataset, schema, "none"),
    ):
        with pytest.raises(Problem, match="changed") as caught:
            again()
        assert caught.value.code is Code.INVALID_DATA


def test_an_inspection_file_that_another_version_wrote_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("age,days\n" + "".join(f"{age},{row % 50}\n" for row, age in enumerate(ages(60))))
    schema = DataProps.model_validate({"features": [AGE], "target": DAYS})
    dataset = register(OwnerStore(sqlite_url(tmp_path / "s.sqlite3")), "default", path, schema, "now")
    inspector = Inspector(tmp_path / "moments", POLICY, lambda: ValidationSplit(0.2, b"\7" * 32), row_key)
    first = inspector.inspect(dataset, schema)
    (file,) = (tmp_path / "moments").iterdir()
    file.write_text('{"parts": []}')
    assert inspector.inspect(dataset, schema) == first and "dimensions" in file.read_text()
