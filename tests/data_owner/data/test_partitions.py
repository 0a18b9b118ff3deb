"""A table reduced in parts is the table reduced at once, to the bit, however its parts are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from fedtrain.data_owner.data.partitions import ClusterReducer, Groups, Shipment
from fedtrain.data_owner.data.reduction import Reduced, Reduction, reduce_here
from fedtrain.data_owner.data.rows.split import ValidationSplit
from fedtrain.spec.model_spec import DataProps, ModelType
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.mapping.file import Mapping
from fedtrain.tabular.reading.read import open_declared_table
from tests.harness.data_owner.reducing import reduced_with_ids
from tests.harness.pickled_cluster import PickledCluster

SCHEMA: dict[str, Any] = {
    "features": [
        {"name": "age", "type": "continuous", "range": [0, 100], "missing": "drop"},
        {"name": "ward", "type": "nominal", "categories": ["a", "b", "1,5"]},
        {"name": "dose", "type": "continuous", "range": [-2000, 2000]},
    ],
    "target": {"name": "days", "range": [0, 50]},
}
SPLIT = ValidationSplit(0.3, b"s" * 32)


def reduction(columns: tuple[str, ...], split: ValidationSplit | None = SPLIT, **schema: object) -> Reduction:
    props = DataProps.model_validate({**SCHEMA, **schema})
    return Reduction(columns, props, props, ModelType.LINEAR_REGRESSION, "range", split, b"k" * 32)


def both(path: Path, cluster: PickledCluster, split: ValidationSplit | None = SPLIT, **schema: object) -> Reduced:
    """The table in parts of some 10 records, once it is seen to be what it is at once."""
    table = open_declared_table(path, DataProps.model_validate({**SCHEMA, **schema}))
    asked = reduction(table.columns, split, **schema)
    here, ids = reduced_with_ids(reduce_here, asked, table)
    there, theirs = reduced_with_ids(ClusterReducer(cluster, part_rows=10), asked, table)  # type: ignore[arg-type]
    assert there.moments == here.moments
    assert np.array_equal(theirs, ids) and there.dropped == here.dropped
    return there


def write_parquet(path: Path, rows: int = 95, dose: Any = None, group_rows: int = 7) -> Path:
    draw = np.random.default_rng(7)
    age = [None if row % 13 == 5 else float(value) for row, value in enumerate(draw.uniform(-5, 100, rows))]
    columns = {
        "age": pa.array(age, pa.float64()),
        "ward": pa.array([("a", "b", "1,5")[row % 3] for row in range(rows)]).dictionary_encode(),
        "dose": pa.array(draw.uniform(-2000, 2000, rows) if dose is None else dose),
        "days": pa.array(draw.integers(0, 50, rows)),
    }
    pa.parquet.write_table(pa.table(columns), str(path), row_group_size=group_rows)
    return path


@pytest.mark.parametrize("split", [None, SPLIT], ids=["whole", "split"])
def test_row_groups_are_read_by_workers(tmp_path: Path, split: ValidationSplit | None) -> None:
    cluster = PickledCluster()
    reduced = both(write_parquet(tmp_path / "table.parquet"), cluster, split)
    assert reduced.dropped == 7 and reduced.moments.rows == 88
    # Parts of two groups each, after the question whether the file is there.
    assert len(cluster.sent) == 1 + 7 and all(b"are_here" in cluster.sent[0] for _ in "1")
    assert not any(b"ARROW" in sent or b"age\0" in sent for sent in cluster.sent[1:])


def test_workers_without_the_file_are_sent_its_records(tmp_path: Path) -> None:
    class Elsewhere(PickledCluster):
        def everywhere(self, function: Any, *arguments: Any) -> bool:
            return False

    cluster = Elsewhere()
    both(write_parquet(tmp_path / "table.parquet"), cluster)
    assert len(cluster.sent) == 10


def test_a_part_that_a_late_worker_does_not_see_is_read_here(tmp_path: Path) -> None:
    class Late(PickledCluster):
        def everywhere(self, function: Any, *arguments: Any) -> bool:
            return True

        def ordered(self, function: Any, calls: Any) -> Any:
            for number, reduced in enumerate(super().ordered(function, calls)):
                yield None if number == 2 else reduced

    both(write_parquet(tmp_path / "table.parquet"), Late())


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_mapped_table_is_reduced_in_parts_as_in_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table.{suffix}"
    if suffix == "csv":
        write_csv(path, ["1,5", "2,5"] * 40)
    else:
        write_parquet(path)
    rules = "[columns.dose]\nfactor = 0.1\noffset = 3\n[columns.ward]\nfrom = 'ward'\nrecode = {a = 'b'}\n"
    props = DataProps.model_validate(SCHEMA)
    table = open_declared_table(path, props, Mapping.from_toml(rules))
    asked = reduction(table.columns)
    here, ids = reduced_with_ids(reduce_here, asked, table)
    parts = ClusterReducer(PickledCluster(), part_rows=10)  # type: ignore[arg-type]
    there, theirs = reduced_with_ids(parts, asked, table)
    assert there.moments == here.moments and np.array_equal(theirs, ids)
    assert here.moments != asked.part(open_declared_table(path, props))[0].moments


def test_another_file_under_the_same_path_is_not_taken_for_it(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "table.parquet")
    table = open_declared_table(path, DataProps.model_validate(SCHEMA))
    (part, *_) = ClusterReducer(PickledCluster(), 10)._joined(table, _groups(path))  # type: ignore[arg-type]
    assert part.are_here()
    write_parquet(path, dose=[1.0] * 95)
    assert not part.are_here()
    path.unlink()
    assert not part.are_here()


def _groups(path: Path) -> Any:
    from fedtrain.tabular.reading.row_groups import row_groups

    return row_groups(path)


def write_csv(path: Path, doses: list[str]) -> Path:
    lines = ["age;ward;dose;days"]
    lines += [f'{row % 90};"{("a", "b", "1,5")[row % 3]}";{dose};"{row % 50}"' for row, dose in enumerate(doses)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    "doses",
    [
        [f"{value}" for value in range(95)],
        ["1"] * 50 + ["0,25", "1.234,5"] + ["1.234"] * 43,
        ["1.234"] * 60 + ["0,25"] * 35,
        ["1,5"] * 40 + ["1.000,5"] * 55,
    ],
    ids=["whole numbers", "shown in the middle", "shown late", "from the start"],
)
def test_marks_mean_the_same_in_every_part_of_a_csv_file(tmp_path: Path, doses: list[str]) -> None:
    cluster = PickledCluster()
    both(write_csv(tmp_path / "table.csv", doses), cluster)
    assert len(cluster.sent) == 10


def test_marks_that_another_part_shows_are_held_against_every_value(tmp_path: Path) -> None:
    """By itself the last part would be read with a decimal point."""
    path = write_csv(tmp_path / "table.csv", ["0,25"] * 60 + ["0.25"] * 35)
    with pytest.raises(TableError, match=r"record 61 has '0.25'.*a decimal comma is what '0,25' in this column shows"):
        both(path, PickledCluster())
    table = open_declared_table(path, DataProps.model_validate(SCHEMA))
    with pytest.raises(TableError, match=r"record 61 has '0.25'.*a decimal comma is what '0,25' in this column shows"):
        reduced_with_ids(ClusterReducer(PickledCluster(), 10), reduction(table.columns), table)  # type: ignore[arg-type]


def test_numbers_that_parquet_holds_as_texts_are_read_as_one_column(tmp_path: Path) -> None:
    cluster = PickledCluster()
    both(write_parquet(tmp_path / "table.parquet", dose=["1.234"] * 80 + ["0,5"] * 15), cluster)
    assert len(cluster.sent) == 10 and not any(b"are_here" in sent for sent in cluster.sent)


def test_few_row_groups_are_sent_to_all_workers(tmp_path: Path) -> None:
    cluster = PickledCluster()
    both(write_parquet(tmp_path / "table.parquet", group_rows=50), cluster)
    assert len(cluster.sent) == 10


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_value_that_does_not_fit_is_named_with_its_record_in_the_whole_table(tmp_path: Path, suffix: str) -> None:
    doses = [1.0] * 70 + [2.0] * 25
    if suffix == "csv":
        path = write_csv(tmp_path / "table.csv", [*["1"] * 70, "many", *["2"] * 24])
        schema: dict[str, object] = {}
        said = "record 71 has 'many'"
    else:
        path = write_parquet(tmp_path / "table.parquet", dose=doses)
        schema = {"target": {"name": "days", "range": [0, 48]}}
        said = "record [0-9]+ has '49'"
    table = open_declared_table(path, DataProps.model_validate({**SCHEMA, **schema}))
    asked = reduction(table.columns, **schema)
    with pytest.raises(TableError, match=said) as here:
        reduced_with_ids(reduce_here, asked, table)
    with pytest.raises(TableError, match=said) as there:
        reduced_with_ids(ClusterReducer(PickledCluster(), 10), asked, table)  # type: ignore[arg-type]
    assert (there.value.rows, there.value.column) == (here.value.rows, here.value.column)


def test_a_table_without_a_record_that_counts_is_refused_as_anywhere(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "table.csv", [])
    table = open_declared_table(path, DataProps.model_validate(SCHEMA))
    with pytest.raises(TableError, match="the table has no records"):
        reduced_with_ids(ClusterReducer(PickledCluster(), 10), reduction(table.columns), table)  # type: ignore[arg-type]


def test_parts_say_nothing_of_their_secrets_when_they_are_shown() -> None:
    shown = repr(reduction(("age",)))
    assert "kkkk" not in shown and "ssss" not in shown
    assert {Groups, Shipment}  # both can be sent: the tests above pickle them
