"""A dataset that is read by its owner's mapping: the same moments as of the clean table, another version a mapping."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedtrain.data_owner.data.datasets import check_unchanged, register
from fedtrain.data_owner.data.training_rows import TrainingRows
from fedtrain.data_owner.policy.inspection import inspect_table
from fedtrain.data_owner.store.records import Dataset
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.service.store.database import sqlite_url
from fedtrain.spec.model_spec import DataProps
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.dictionary import Dictionary
from fedtrain.tabular.mapping.file import Mapping
from tests.data_owner.data.frozen.test_owner_freezing import SCHEMA, Bench, _spec, _table
from tests.harness.data_owner.owner_bench import JOB_ID

WARDS = {"a": "Station A", "b": "station  b", "c": "STATION C"}
RULES = """
decimal = ","
[columns.age]
from = "Alter"
[columns.ward]
from = "Station"
fold = true
recode = {"station a" = "a", "station b" = "b", "station c" = "c"}
[columns.dose]
from = "Dosis (1/8 g)"
factor = 0.125
[columns.days]
from = "Tage"
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def exact(clean: str) -> str:
    """The clean table with doses that are whole eighths, so that both tables hold the same doubles."""
    header, *lines = clean.splitlines()
    cells = [line.split(",") for line in lines]
    return (
        "\n".join([header, *(f"{age},{round(float(dose) * 8) / 8},{ward},{days}" for age, dose, ward, days in cells)])
        + "\n"
    )


def messy(clean: str) -> str:
    _, *lines = clean.splitlines()
    rows = []
    for line in lines:
        age, dose, ward, days = line.split(",")
        eighths = str(round(float(dose) * 8))
        rows.append(";".join([age.replace(".", ","), eighths, WARDS[ward], days.replace(".", ",")]))
    return "\n".join(["Alter;Dosis (1/8 g);Station;Tage", *rows]) + "\n"


def registered(bench: Bench, text: str, rules: str | None, schema: object = SCHEMA) -> Dataset:
    path = bench.folder / ("clean.csv" if rules is None else "messy.csv")
    path.write_text(text)
    props = None if schema is None else DataProps.model_validate(schema)
    return register(bench.store, "default", path, props, "now", None if rules is None else Mapping.from_toml(rules))


def test_moments_rows_and_findings_are_those_of_the_clean_table(bench: Bench) -> None:
    clean_text = exact(_table())
    clean = registered(bench, clean_text, None)
    mapped = registered(bench, messy(clean_text), RULES)
    assert mapped.columns == ("age", "dose", "ward", "days")
    spec = _spec(*SCHEMA["features"])  # type: ignore[misc]
    one = bench.freezer.freeze_job(JOB_ID, clean, spec)
    other = bench.freezer.freeze_job("cd" * 16, mapped, spec)
    assert other.moments == one.moments
    assert other.table.whole == one.table.whole, "its rows are the same by their hashes, too"
    assert (other.table.encoding, other.table.version) != (one.table.encoding, one.table.version)
    dictionary = Dictionary(DataProps.model_validate(SCHEMA), "range")
    inspected = [
        inspect_table(Path(dataset.path), dictionary, max_leverage=0.99, mapping=dataset.mapping)
        for dataset in (clean, mapped)
    ]
    assert inspected[0] == inspected[1]
    rows = [[batch.X.tolist() for batch in TrainingRows(dataset, spec)] for dataset in (clean, mapped)]
    assert rows[0] == rows[1]


def test_another_mapping_is_another_version_and_the_stored_one_counts(bench: Bench) -> None:
    text = messy(_table())
    first = registered(bench, text, RULES)
    again = registered(bench, text, "# a remark\n" + RULES)
    assert again.version == first.version
    other = registered(bench, text, RULES.replace("0.125", "0.25"))
    assert other.version != first.version and other.content == first.content
    kept = OwnerStore(sqlite_url(bench.folder / "state.sqlite3")).dataset_version("default", first.version)
    assert kept is not None and kept.mapping == Mapping.from_toml(RULES)
    (bench.folder / "messy.csv").write_text(text + "1;2;Station A;3\n")
    with pytest.raises(Problem, match="has changed since"):
        check_unchanged(first)


def test_a_mapping_that_does_not_fit_the_table_is_refused_at_registration(bench: Bench) -> None:
    with pytest.raises(Problem, match="no column 'Stations'") as refused:
        registered(bench, messy(_table()), RULES.replace('"Station"', '"Stations"'))
    assert refused.value.code is Code.INVALID_DATA
    with pytest.raises(Problem, match="there is no column 'ward'"):
        registered(bench, messy(_table()), RULES.replace("[columns.ward]", "[columns.wards]"))
