"""From a table on disk to the block of moments that a job is answered from."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path

import numpy as np
import pytest

from fedtrain.data_owner.data.datasets import register
from fedtrain.data_owner.data.encoding import DatasetFacts, differences
from fedtrain.data_owner.data.frozen.folder import FrozenFolder
from fedtrain.data_owner.data.frozen.moments_freezer import MomentsFreezer
from fedtrain.data_owner.data.moments import moments_of
from fedtrain.data_owner.release.told_files import RowFiles
from fedtrain.data_owner.store.records import Dataset
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.spec.model_spec import DataProps, ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.reading.read import open_table
from tests.harness.data_owner.owner_bench import JOB_ID, spec_of

SCHEMA = {
    "features": [
        {"name": "age", "type": "continuous", "range": [0, 100]},
        {"name": "ward", "type": "nominal", "categories": ["a", "b", "c"]},
        {"name": "dose", "type": "continuous", "range": [-2, 2]},
    ],
    "target": {"name": "days", "range": [0, 50]},
}


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = OwnerStore(sqlite_url(folder / "state.sqlite3"))
        self.rows = RowFiles(folder, KeyFiles(folder), lambda count: b"\7" * count)
        frozen = FrozenFolder(folder / "moments", lambda count: b"\7" * count)
        self.freezer = MomentsFreezer(frozen, self.store, lambda: "now", self.rows)

    def register(self, text: str, schema: object = None) -> Dataset:
        path = self.folder / "table.csv"
        path.write_text(text)
        props = None if schema is None else DataProps.model_validate(schema)
        return register(self.store, "default", path, props, "now")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def _table(rows: int = 60, last: str = "") -> str:
    generator = np.random.default_rng(5)
    lines = ["age,dose,ward,days"]
    for row in range(rows):
        age, dose, days = generator.uniform(0, 100), generator.uniform(-2, 2), generator.uniform(0, 50)
        lines.append(f"{age},{dose},{'abc'[row % 3]},{days}")
    return "\n".join([*lines, *([last] if last else [])]) + "\n"


def _spec(*features: dict[str, object]) -> ModelSpec:
    return spec_of({"features": list(features), "target": SCHEMA["target"]})


AGE, WARD, DOSE = SCHEMA["features"]  # type: ignore[misc]


def _direct(path: Path, spec: ModelSpec) -> object:
    encoder = Encoder.of_spec(spec)
    batches = encoder.encode_all(open_table(path).batches(encoder.columns))
    return moments_of(batches, encoder.feature_bounds, np.full(encoder.outputs, encoder.target_bound))


@pytest.mark.parametrize("features", [(AGE, WARD, DOSE), (DOSE, AGE), (WARD, DOSE)])
def test_a_jobs_block_is_what_its_own_columns_alone_would_give(bench: Bench, features: tuple[object, ...]) -> None:
    dataset, spec = bench.register(_table(), SCHEMA), _spec(*features)  # type: ignore[arg-type]
    frozen = bench.freezer.freeze_job(JOB_ID, dataset, spec)
    assert bench.freezer.thaw_job(JOB_ID, frozen.moments_hash) == _direct(bench.folder / "table.csv", spec)
    assert frozen.table.rows == 60


def test_what_is_frozen_is_for_this_user_alone_and_the_hash_is_salted(bench: Bench) -> None:
    frozen = bench.freezer.freeze_job(JOB_ID, bench.register(_table()), spec_of())
    files = sorted((bench.folder / "moments").iterdir())
    assert len(files) == 4 and all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert (bench.folder / "moments" / f"{JOB_ID}.salt").read_bytes() == b"\7" * 32
    unsalted = {hashlib.sha256(file.read_bytes()[:-32]).hexdigest() for file in files}
    assert frozen.moments_hash not in unsalted


def test_a_version_is_read_once_under_one_encoding(bench: Bench) -> None:
    dataset = bench.register(_table(), SCHEMA)
    first = bench.freezer.freeze_job(JOB_ID, dataset, _spec(AGE, DOSE))
    (bench.folder / "table.csv").unlink()
    second = bench.freezer.freeze_job("cd" * 16, dataset, _spec(AGE, DOSE))
    assert second == first
    again = bench.freezer.thaw_job("cd" * 16, second.moments_hash)
    assert again == bench.freezer.thaw_job(JOB_ID, first.moments_hash)


def test_a_table_that_changed_since_it_was_registered_is_not_read(bench: Bench) -> None:
    dataset = bench.register(_table(), SCHEMA)
    (bench.folder / "table.csv").write_text(_table(61))
    with pytest.raises(Problem, match="changed") as caught:
        bench.freezer.freeze_job(JOB_ID, dataset, _spec(AGE))
    assert caught.value.code is Code.INVALID_DATA


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("41,1.0,a,", "days"),
        ("forty,1.0,a,3", "forty"),
        ("41,1.0,a,51", "51"),
        ("41,1.0,d,3", "'d'"),
        ("41,1.0,a", "3 fields"),
    ],
)
def test_bad_data_are_refused_with_the_record_for_the_owners_eyes(bench: Bench, record: str, why: str) -> None:
    dataset = bench.register(_table(last=record), SCHEMA)
    with pytest.raises(Problem) as caught:
        bench.freezer.freeze_job(JOB_ID, dataset, _spec(AGE, WARD, DOSE))
    assert caught.value.code is Code.INVALID_DATA and why in caught.value.detail
    # What goes to the log says where, never what.
    assert caught.value.extra["finding"] and why not in str({**caught.value.extra, "column": ""})


def _private(*features: dict[str, object]) -> ModelSpec:
    claim = {"epsilon": 1.0, "delta": 1e-6, "row_bound": 2.0}
    document = json.loads(_spec(*features).model_dump_json())
    return ModelSpec.model_validate_json(
        json.dumps({**document, "training": {"optimizer": "newton"}, "privacy": claim})
    )


@pytest.mark.parametrize(
    "record", [",1.0,a,3", "forty,1.0,a,3", "41,inf,a,3", "41,1.0,d,3", "41,1.0,,3", "41,1.0,a,", "41,1.0,a,many"]
)
def test_a_job_with_privacy_leaves_out_what_does_not_fit_and_refuses_nothing(bench: Bench, record: str) -> None:
    spec = _private(AGE, WARD)  # the dose is of the dictionary, and decides on a record too
    without = bench.freezer.freeze_job(JOB_ID, bench.register(_table(), SCHEMA), spec)
    dataset = bench.register(_table(last=record), SCHEMA)
    with pytest.raises(Problem):
        bench.freezer.freeze_job("ab" * 16, dataset, _spec(AGE, WARD))
    found = bench.freezer.freeze_job("cd" * 16, dataset, spec)
    assert found.moments == without.moments
    assert found.table.whole == without.table.whole


@pytest.mark.parametrize(("beyond", "end"), [("51", "50"), ("1e300", "50"), ("-7", "0")])
def test_a_job_with_privacy_clips_targets_and_counts_their_rows(bench: Bench, beyond: str, end: str) -> None:
    spec = _private(AGE, WARD, DOSE)
    at_end = bench.freezer.freeze_job(JOB_ID, bench.register(_table(last=f"41,1.0,a,{end}"), SCHEMA), spec)
    found = bench.freezer.freeze_job("cd" * 16, bench.register(_table(last=f"41,1.0,a,{beyond}"), SCHEMA), spec)
    assert found.moments == at_end.moments
    assert found.table.rows == at_end.table.rows == 61


@pytest.mark.parametrize("records", ["", "forty,1.0,a,3\n"])
def test_a_job_with_privacy_has_moments_of_no_rows_too(bench: Bench, records: str) -> None:
    dataset = bench.register("age,dose,ward,days\n" + records, SCHEMA)
    with pytest.raises(Problem):
        bench.freezer.freeze_job(JOB_ID, dataset, _spec(AGE))
    frozen = bench.freezer.freeze_job("cd" * 16, dataset, _private(AGE))
    assert frozen.table.rows == 0 and not frozen.moments.xtx.any()
    assert bench.freezer.thaw_job("cd" * 16, frozen.moments_hash) == frozen.moments


@pytest.mark.parametrize("lost", ["gone", "damaged", "salt gone", "others"])
def test_a_job_whose_moments_are_lost_is_answered_no_more(bench: Bench, lost: str) -> None:
    frozen = bench.freezer.freeze_job(JOB_ID, bench.register(_table()), spec_of())
    file = bench.folder / "moments" / f"{JOB_ID}.job"
    if lost == "gone":
        file.unlink()
    elif lost == "salt gone":
        (bench.folder / "moments" / f"{JOB_ID}.salt").unlink()
    elif lost == "others":
        # Sound, and of another table: under the same masks the two answers would give away the difference.
        bench.freezer.freeze_job("cd" * 16, bench.register(_table(last="40,1,a,7")), spec_of())
        file.write_bytes((bench.folder / "moments" / f"{'cd' * 16}.job").read_bytes())
    else:
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(Problem) as caught:
        bench.freezer.thaw_job(JOB_ID, frozen.moments_hash)
    assert caught.value.code is Code.OWNER_LOST_ITS_KEY


def test_a_schema_column_that_the_file_lacks_is_refused_at_registration(bench: Bench) -> None:
    with pytest.raises(Problem, match="weight") as caught:
        bench.register(_table(), {**SCHEMA, "features": [{**AGE, "name": "weight"}]})
    assert caught.value.code is Code.INVALID_DATA


def test_the_version_is_the_hash_of_the_files_bytes(bench: Bench) -> None:
    dataset = bench.register(_table())
    assert dataset.version == hashlib.sha256((bench.folder / "table.csv").read_bytes()).hexdigest()
    assert bench.register(_table(61)).version != dataset.version


def test_declared_marks_belong_to_the_encoding(bench: Bench) -> None:
    text = "age;dose;ward;days\n" + "61;1,234;a;1.234\n" * 20
    plain = {**SCHEMA, "target": {"name": "days", "range": [0, 5000]}}
    ambiguous = bench.register(text, plain)
    with pytest.raises(Problem, match="decimal comma") as caught:
        bench.freezer.freeze_job(JOB_ID, ambiguous, spec_of({**plain}))
    assert caught.value.code is Code.INVALID_DATA
    marked = {**plain, "decimal": ","}
    frozen = bench.freezer.freeze_job(JOB_ID, bench.register(text, marked), spec_of(marked))
    moments = bench.freezer.thaw_job(JOB_ID, frozen.moments_hash)
    assert moments.xty[-1, 0] / 2 ** (2 * moments.fraction_bits) == pytest.approx(20 * 1234 / 2500)
    facts = DatasetFacts("default", "v", ("age", "dose", "ward", "days"), DataProps.model_validate(marked))
    assert differences(facts, DataProps.model_validate(marked)) == []
    assert differences(facts, DataProps.model_validate(plain)) == [
        "decimal is not given in the job and ',' in the schema"
    ]
