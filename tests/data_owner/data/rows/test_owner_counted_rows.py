"""Records of a version that count, and that a record's hash and part are its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.data.frozen.moments_freezer import FrozenJob
from fedtrain.data_owner.data.rows.counted import CountedRows
from fedtrain.data_owner.data.rows.ids import RowIds
from fedtrain.data_owner.release.told_files import RowFiles
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.service.vault.secret_files import SecretFileError
from fedtrain.spec.model_spec import DataProps, ModelSpec
from fedtrain.tabular.errors import BadValues
from fedtrain.tabular.reading.read import open_table
from tests.data_owner.data.frozen.test_owner_freezing import Bench
from tests.harness.data_owner.owner_bench import JOB_ID

KEY = b"\1" * 32
AGE = {"name": "age", "type": "continuous", "range": [0, 100]}
WARD = {"name": "ward", "type": "nominal", "categories": ["a", "b"], "missing": "b"}
DAYS = {"name": "days", "range": [0, 50], "missing": "drop"}
RELAPSE = {"name": "relapse", "categories": ["no", "yes"], "missing": "drop"}
SCHEMA = {"features": [AGE, WARD], "targets": [DAYS, RELAPSE]}
HEADER = "age,ward,days,relapse"
LINES = ("41,a,3,no", "42,b,,no", "43,a,5,", "44,,7,yes", "41,a,3,no")


def counted(
    folder: Path, lines: tuple[str, ...] = LINES, header: str = HEADER, key: bytes = KEY, **changes: Any
) -> tuple[list[bool], list[int]]:
    """Return which lines count, and the hashes of those that do."""
    path = folder / "table.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    table, schema = open_table(path), DataProps.model_validate(SCHEMA | changes)
    rows = CountedRows(table.columns, schema, key)
    (batch,) = rows.batches(table, schema.columns[:1])
    return list(batch.counted), list(map(int, rows.ids))


def test_a_record_counts_if_it_has_all_that_any_target_needs(tmp_path: Path) -> None:
    which, ids = counted(tmp_path)
    assert which == [True, False, False, True, True]
    assert len(ids) == 3 and ids[0] == ids[2] != ids[1]


def test_a_hash_is_of_the_content_and_not_of_its_place_or_of_how_it_is_declared(tmp_path: Path) -> None:
    _, ids = counted(tmp_path)
    assert counted(tmp_path, LINES[::-1])[1] == ids[::-1]
    swapped = tuple(",".join(line.split(",")[::-1]) for line in LINES)
    assert counted(tmp_path, swapped, "relapse,days,ward,age")[1] == ids
    other = {**SCHEMA, "features": [WARD, {**AGE, "range": [0, 99]}], "targets": [RELAPSE, DAYS]}
    assert counted(tmp_path, **other)[1] == ids
    assert counted(tmp_path, ("41.0,a,3.00,no", *LINES[1:]))[1] == ids
    assert not set(counted(tmp_path, key=b"\2" * 32)[1]) & set(ids)


@pytest.mark.parametrize("line", ["41,b,3,no", "41.25,a,3,no", "41,a,3,yes", "41,,3,no"])
def test_another_value_is_another_hash_and_so_is_a_missing_one_whatever_stands_for_it(
    line: str, tmp_path: Path
) -> None:
    _, ids = counted(tmp_path)
    _, others = counted(tmp_path, (line, *LINES[1:]))
    assert others[0] != ids[0] and others[1:] == ids[1:]


def test_a_missing_value_has_one_hash_under_two_rules(tmp_path: Path) -> None:
    _, ids = counted(tmp_path)
    assert counted(tmp_path, features=[AGE, {**WARD, "missing": "a"}])[1] == ids


def test_what_fits_no_column_of_the_schema_is_refused_whichever_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(BadValues, match="relapse: record 1"):
        counted(tmp_path, ("41,a,3,perhaps", *LINES[1:]))


# What a job is frozen from


def frozen(bench: Bench, job_id: str, kind: str, target: dict[str, Any], **training: Any) -> FrozenJob:
    generator = np.random.default_rng(3)
    lines = [f"{generator.uniform(0, 100):.3f},a,{index % 50},{'yes' if index % 3 else 'no'}" for index in range(60)]
    lines[5], lines[9] = "41,a,,yes", "42,a,3,"
    dataset = bench.register("\n".join([HEADER, *lines]) + "\n", SCHEMA)
    terms = {"key_bits": 512, "max_rows": 1000, "max_data_owners": 8, **training}
    props = {"features": [AGE, WARD], "target": target}
    return bench.freezer.freeze_job(
        job_id, dataset, ModelSpec.model_validate({"model_type": kind, "data_props": props, "training": terms})
    )


def test_two_model_types_on_one_version_have_the_same_rows_and_the_same_parts(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    linear = frozen(bench, JOB_ID, "LINEAR_REGRESSION", DAYS, l2="auto")
    logistic = frozen(bench, "cd" * 16, "LOGISTIC_REGRESSION", RELAPSE, l2="auto")
    whole = frozen(bench, "ce" * 16, "LINEAR_REGRESSION", DAYS)
    assert linear.table.rows == logistic.table.rows == whole.table.rows == 58
    assert linear.table == logistic.table and linear.table.training is not None
    assert whole.table.whole == linear.table.whole and whole.table.training is None
    assert len(bench.freezer.thaw_job(JOB_ID, linear.moments_hash).parts()) == 2
    training = bench.rows.get(linear.table.training)
    assert training is not None
    sizes = [part.rows for part in bench.freezer.thaw_job(JOB_ID, linear.moments_hash).parts()]
    assert sizes == [len(training), 58 - len(training)]


def test_a_row_stays_in_its_part_when_others_are_added_before_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    first = frozen(bench, JOB_ID, "LINEAR_REGRESSION", DAYS, l2="auto").table
    content = (tmp_path / "table.csv").read_text().splitlines()
    more = [f"{index}.5,b,{index},no" for index in range(30)]
    dataset = bench.register("\n".join([content[0], *more, *content[1:]]) + "\n", SCHEMA)
    spec = {"model_type": "LINEAR_REGRESSION", "data_props": {"features": [AGE, WARD], "target": DAYS}}
    terms = {"key_bits": 512, "max_rows": 1000, "max_data_owners": 8, "l2": "auto"}
    second = bench.freezer.freeze_job("cd" * 16, dataset, ModelSpec.model_validate({**spec, "training": terms})).table
    sets = [bench.rows.get(str(name)) for name in (first.whole, first.training, second.training)]
    whole, before, after = (one.ids for one in sets if one is not None)
    assert second.rows == first.rows + 30
    assert np.array_equal(after[np.isin(after, whole)], before)


# What they are kept as


def test_rows_that_were_altered_or_lost_on_disk_are_not_known_and_the_key_stays(tmp_path: Path) -> None:
    files = RowFiles(tmp_path, KeyFiles(tmp_path), lambda count: b"\7" * count)
    name = files.put(RowIds.of(np.array([3, 1, 2, 2], dtype=np.uint64)))
    found = files.get(name)
    assert found is not None and found.ids.tolist() == [1, 2, 2, 3]
    assert files.key() == RowFiles(tmp_path, KeyFiles(tmp_path), lambda count: rb"\8" * count).key() == b"\7" * 32
    path = tmp_path / "told" / f"{name}.rows"
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    assert files.get(name) is None
    assert files.put(RowIds.of(np.array([1, 2, 2, 3], dtype=np.uint64))) == name
    assert files.get(name) is not None
    path.unlink()
    assert files.get(name) is None
    (tmp_path / "rows.key").write_bytes(b"short")
    (tmp_path / "rows.key").chmod(0o600)
    with pytest.raises(SecretFileError, match="5 bytes instead of 32"):
        files.key()
