"""Row groups read one by one are the whole table, and their hash is of all that is read for them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from fedtrain.spec.model_spec import DataProps
from fedtrain.tabular.reading.read import open_table
from fedtrain.tabular.reading.row_groups import content_hash, row_groups, text_columns

PROPS = DataProps.model_validate(
    {"features": [{"name": "a", "type": "continuous", "range": [0, 99]}], "target": {"name": "b", "range": [0, 99]}}
)


def write(path: Path, names: tuple[str, str] = ("a", "b"), last: float = 9.0) -> Path:
    table = pa.table({names[0]: [float(i) for i in range(10)], names[1]: [*map(float, range(9)), last]})
    pa.parquet.write_table(table, str(path), row_group_size=4)
    return path


@pytest.mark.parametrize("batch_rows", [1, 3, 100])
def test_groups_read_apart_come_to_the_whole_with_their_records_numbered_through(tmp_path: Path, batch_rows) -> None:
    path = write(tmp_path / "table.parquet")
    table, groups = open_table(path), row_groups(path)
    assert [(group.number, group.rows, group.first_row) for group in groups] == [(0, 4, 1), (1, 4, 5), (2, 2, 9)]
    read = [
        (batch.first_row + row, batch.arrays[0][row].as_py(), batch.arrays[1][row].as_py())
        for group in (groups[:2], groups[2:])
        for batch in table.batches(PROPS.columns, batch_rows, group)
        for row in range(batch.rows)
    ]
    assert read == [(i + 1, float(i), float(i)) for i in range(10)]


def test_the_hash_of_groups_is_of_their_bytes_and_of_the_footer_and_of_no_other_group(tmp_path: Path) -> None:
    path, other = write(tmp_path / "table.parquet"), write(tmp_path / "other.parquet", last=5.0)
    groups, others = row_groups(path), row_groups(other)
    assert content_hash(path, groups) == content_hash(write(tmp_path / "copy.parquet"), groups)
    assert content_hash(path, groups[2:]) != content_hash(other, others[2:])
    # The same columns, called otherwise: the groups' own bytes are the same.
    renamed = write(tmp_path / "renamed.parquet", ("b", "a"))
    one, two = path.read_bytes(), renamed.read_bytes()
    assert one[groups[0].start : groups[0].end] == two[groups[0].start : groups[0].end]
    assert content_hash(path, groups[:1]) != content_hash(renamed, groups[:1])


def test_columns_of_text_are_known_however_they_are_kept(tmp_path: Path) -> None:
    table = pa.table(
        {
            "number": [1.5],
            "text": ["1,5"],
            "large": pa.array(["x"], pa.large_string()),
            "coded": pa.array(["x"]).dictionary_encode(),
        }
    )
    pa.parquet.write_table(table, str(tmp_path / "table.parquet"))
    assert text_columns(tmp_path / "table.parquet") == {1, 2, 3}
