"""Records frozen for a network: what is in the files, the commitment to them, and what an altered one leads to."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedtrain.data_owner.data.datasets import register
from fedtrain.data_owner.data.frozen.examples_folder import (
    ExampleBatch,
    FrozenExamplesError,
    forget_examples,
    freeze_examples,
    thaw_examples,
)
from fedtrain.data_owner.data.frozen.examples_freezer import ExamplesFreezer
from fedtrain.data_owner.data.frozen.folder import FrozenFolder
from fedtrain.data_owner.data.frozen.moments_freezer import MomentsFreezer
from fedtrain.data_owner.release.told_files import RowFiles
from fedtrain.data_owner.store.records import Dataset
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.vault.key_files import KeyFiles
from fedtrain.spec.model_spec import DataProps, ModelSpec, Privacy
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.arrays.texts import token_ids
from tests.data_owner.test_owner_api import running
from tests.harness.data_owner.owner_bench import JOB_ID, spec_of

SALT = b"\7" * 32
SCHEMA: dict[str, Any] = {
    "features": [
        {"name": "age", "type": "continuous", "range": [0, 100], "missing": "drop"},
        {"name": "ward", "type": "nominal", "categories": ["a", "b", "c"]},
    ],
    "target": {"name": "days", "range": [0, 50]},
}


def array(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def batches(rows: int, at_once: int = 7) -> Iterator[ExampleBatch]:
    numbers = np.random.default_rng(0).uniform(-1, 1, (rows, 6))
    for start in range(0, rows, at_once):
        some = numbers[start : start + at_once]
        yield ExampleBatch(some[:, :4], some[:, 4:], some[:, 0] > 0.5)


# The files


def test_parts_are_float32_files_in_order_that_numpy_maps(tmp_path: Path) -> None:
    frozen = freeze_examples(batches(1000), tmp_path / "job.examples", 4, 2)
    numbers = np.random.default_rng(0).uniform(-1, 1, (1000, 6)).astype(np.float32)
    held = numbers[:, 0] > 0.5
    assert (frozen.training_rows, frozen.validation_rows) == (int((~held).sum()), int(held.sum()))
    for part, rows in (("training", ~held), ("validation", held)):
        X, Y = (array(frozen.folder / f"{part}-{name}.npy") for name in "xy")
        np.testing.assert_array_equal(X, numbers[rows, :4])
        np.testing.assert_array_equal(Y, numbers[rows, 4:])
    assert {stat.S_IMODE(path.stat().st_mode) for path in frozen.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(frozen.folder.stat().st_mode) == 0o700
    assert thaw_examples(frozen.folder) == frozen
    assert "training_rows" not in repr(frozen)


def test_ids_of_the_largest_vocabulary_are_exact(tmp_path: Path) -> None:
    ids = np.array([[0, (1 << 24) - 1, (1 << 24) - 2]], dtype=np.float64)
    frozen = freeze_examples([ExampleBatch(ids, np.ones((1, 1)))], tmp_path / "job.examples", 3, 1)
    np.testing.assert_array_equal(array(frozen.folder / "training-x.npy"), ids)


def test_no_rows_are_files_without_any(tmp_path: Path) -> None:
    frozen = freeze_examples([], tmp_path / "job.examples", 4, 2)
    assert (frozen.training_rows, frozen.validation_rows) == (0, 0)
    assert array(frozen.folder / "training-x.npy").shape == (0, 4)


def test_half_a_freezing_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "job.examples"
    frozen = freeze_examples(batches(20), folder, 4, 2)
    before = frozen.hash(SALT)

    def broken() -> Iterator[ExampleBatch]:
        yield from batches(10)
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        freeze_examples(broken(), folder, 4, 2)
    assert thaw_examples(folder).hash(SALT) == before
    assert [path.name for path in tmp_path.iterdir()] == ["job.examples"]
    freeze_examples(batches(30), folder, 4, 2)
    assert thaw_examples(folder).training_rows + thaw_examples(folder).validation_rows == 30


def test_the_hash_is_of_every_byte_and_of_the_salt(tmp_path: Path) -> None:
    frozen = freeze_examples(batches(50), tmp_path / "job.examples", 4, 2)
    hashes = {frozen.hash(SALT), frozen.hash(b"\6" * 32), frozen.hash(SALT[1:])}
    again = freeze_examples(batches(50, at_once=50), tmp_path / "other.examples", 4, 2)
    assert again.hash(SALT) in hashes
    for path in sorted(again.folder.iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        hashes.add(again.hash(SALT))
        path.write_bytes(content)
    assert len(hashes) == 3 + 4


@pytest.mark.parametrize("name", ["training-x", "training-y", "validation-x", "validation-y"])
def test_a_file_that_is_gone_cut_or_none_is_named(name: str, tmp_path: Path) -> None:
    frozen = freeze_examples(batches(50), tmp_path / "job.examples", 4, 2)
    path = frozen.folder / f"{name}.npy"
    content = path.read_bytes()
    for altered in (content[:100], b"", b"\x93NUMPY", content[:-4]):
        path.write_bytes(altered)
        with pytest.raises(FrozenExamplesError, match=rf"{name}\.npy is damaged"):
            thaw_examples(frozen.folder)
    path.unlink()
    with pytest.raises(FrozenExamplesError, match=rf"{name}\.npy is not there"):
        thaw_examples(frozen.folder)
    assert forget_examples(frozen.folder)
    assert not forget_examples(frozen.folder)


# The owner


class Owner:
    def __init__(self, folder: Path, validation_fraction: float = 0.2) -> None:
        self.folder = folder
        self.store = OwnerStore(sqlite_url(folder / "state.sqlite3"))
        self.rows = RowFiles(folder, KeyFiles(folder), lambda count: b"\7" * count)
        self.frozen = FrozenFolder(
            folder / "moments", lambda count: b"\7" * count, validation_fraction=validation_fraction
        )
        self.moments = MomentsFreezer(self.frozen, self.store, lambda: "now", self.rows)
        self.examples = ExamplesFreezer(self.frozen, self.rows)

    def register(self, text: str) -> Dataset:
        path = self.folder / "table.csv"
        path.write_text(text)
        return register(self.store, "default", path, DataProps.model_validate(SCHEMA), "now")


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(tmp_path)


def table(rows: int = 60, gap: int = 3) -> str:
    ages = (f"{'' if row == gap else row / 8},{'abc'[row % 3]},{row % 50}" for row in range(rows))
    return "\n".join(["age,ward,days", *ages]) + "\n"


def spec(*, validates: bool = False) -> ModelSpec:
    found = spec_of(SCHEMA)
    training = found.training.model_copy(update={"evaluate_every": 1})
    return found.model_copy(update={"training": training}) if validates else found


def test_a_job_is_joined_with_the_rows_that_count(owner: Owner) -> None:
    frozen = owner.examples.freeze_job(JOB_ID, owner.register(table()), spec())
    assert (frozen.examples.training_rows, frozen.examples.validation_rows, frozen.table.rows) == (59, 0, 59)
    X, Y = (array(frozen.examples.folder / f"training-{name}.npy") for name in "xy")
    ages = np.delete(np.arange(60), 3)
    np.testing.assert_allclose(X[:, 0], ages / 400 - 1, atol=1e-7)
    np.testing.assert_allclose(Y[:, 0], (ages % 50) / 25, atol=1e-7)
    assert frozen.table.whole is not None
    assert len(owner.rows.get(frozen.table.whole)) == 59


ARRAYS = {
    "features": [
        {"name": "scan", "type": "vector", "shape": [2, 2], "range": [0, 8], "missing": "drop"},
        {"name": "note", "type": "text", "vocabulary": 50, "tokens": 3},
        *SCHEMA["features"],
    ],
    "target": SCHEMA["target"],
}


def register_arrays(owner: Owner) -> Dataset:
    """Register 60 records of a Parquet table, of which one lacks its scan and another its age."""
    scans = [None if row == 5 else [row % 9, 0, 4, 8] for row in range(60)]
    columns = {
        "scan": pa.array(scans, pa.list_(pa.int64())),
        "note": pa.array([f"record {'ab'[row % 2]}" for row in range(60)]),
        "age": pa.array([None if row == 3 else row / 8 for row in range(60)]),
        "ward": pa.array(["abc"[row % 3] for row in range(60)]),
        "days": pa.array([float(row % 50) for row in range(60)]),
    }
    path = owner.folder / "table.parquet"
    pq.write_table(pa.table(columns), path)
    return register(owner.store, "default", path, DataProps.model_validate(ARRAYS), "now")


def network_spec(*names: str) -> ModelSpec:
    """A network on those features, whose layers join them and make one score."""
    features = [feature for name in names for feature in ARRAYS["features"] if feature["name"] == name]
    layers: list[dict[str, Any]] = []
    for feature in features:
        layers.append({"name": f"flat_{feature['name']}", "type": "Flatten", "inputs": [feature["name"]]})
        if feature["type"] == "text":
            ids = {"num_embeddings": feature["vocabulary"], "embedding_dim": 2}
            layers[-1:] = [
                {"name": "embedded", "type": "Embedding", "inputs": [feature["name"]], **ids},
                {"name": f"flat_{feature['name']}", "type": "Flatten", "inputs": ["embedded"]},
            ]
    widths = {"scan": 4, "note": 6, "age": 1, "ward": 2}
    layers.append({"name": "all", "type": "Concat", "inputs": [f"flat_{name}" for name in names]})
    width = sum(widths[name] for name in names)
    layers.append({"name": "score", "type": "Linear", "inputs": ["all"], "in_features": width, "out_features": 1})
    props = {"features": features, "target": ARRAYS["target"]}
    document = {"model_type": "NEURAL_NETWORK", "data_props": props, "network": {"layers": layers, "output": "score"}}
    return ModelSpec.model_validate_json(json.dumps(document))


def test_a_network_is_given_its_own_columns_in_its_order_and_no_ones(owner: Owner) -> None:
    dataset = register_arrays(owner)
    spec = network_spec("ward", "note", "scan")
    frozen = owner.examples.freeze_job(JOB_ID, dataset, spec)
    X = array(frozen.examples.folder / "training-x.npy")
    rows = np.delete(np.arange(60), [3, 5])  # what lacks a value in any column of the schema counts for no job
    assert X.shape == (58, 2 + 3 + 4)
    np.testing.assert_array_equal(X[:, :2], np.eye(3)[rows % 3][:, 1:])
    np.testing.assert_array_equal(X[:, 2:5], [token_ids(f"record {'ab'[row % 2]}", 50, 3) for row in rows])
    np.testing.assert_array_equal(X[:, 5:], [[row % 9 / 4 - 1, -1, 0, 1] for row in rows])
    np.testing.assert_allclose(array(frozen.examples.folder / "training-y.npy")[:, 0], rows % 50 / 25, atol=1e-7)


def test_a_regression_on_the_same_dataset_leaves_arrays_alone_and_counts_the_same_rows(owner: Owner) -> None:
    dataset = register_arrays(owner)
    of_sums = owner.moments.freeze_job(JOB_ID, dataset, spec())
    network = owner.examples.freeze_job("cd" * 16, dataset, network_spec("scan", "age"))
    assert of_sums.moments.dimensions == 4
    assert of_sums.table == network.table
    assert of_sums.table.rows == 58


def test_the_same_rows_are_told_of_as_a_job_of_sums_tells(owner: Owner) -> None:
    dataset = owner.register(table())
    for validates in (False, True):
        frozen = owner.examples.freeze_job(JOB_ID, dataset, spec(validates=validates))
        assert frozen.table == owner.moments.freeze_job("cd" * 16, dataset, spec(validates=validates)).table


def test_held_out_rows_are_the_splits_and_stay_apart(owner: Owner) -> None:
    dataset = owner.register(table(400))
    frozen = owner.examples.freeze_job(JOB_ID, dataset, spec(validates=True)).examples
    moments = owner.moments.freeze_job("cd" * 16, dataset, spec(validates=True)).moments
    assert (frozen.training_rows, frozen.validation_rows) == tuple(part.rows for part in moments.parts())
    assert frozen.validation_rows > 30
    both = [array(frozen.folder / f"{part}-x.npy")[:, 0] for part in ("training", "validation")]
    assert not np.intersect1d(*both).size


def test_too_few_rows_of_a_part_are_refused_and_nothing_stays(owner: Owner) -> None:
    with pytest.raises(Problem, match=r"The validation part of the split has \d+ rows") as caught:
        owner.examples.freeze_job(JOB_ID, owner.register(table()), spec(validates=True), min_rows=40)
    assert caught.value.code is Code.TOO_FEW_ROWS
    assert not list((owner.folder / "moments").glob("*.examples"))


def test_examples_are_thawed_as_they_were_committed_to(owner: Owner) -> None:
    dataset = owner.register(table())
    frozen = owner.examples.freeze_job(JOB_ID, dataset, spec())
    assert owner.examples.thaw_job(JOB_ID, dataset, spec(), frozen.examples_hash) == frozen.examples
    (owner.folder / "table.csv").unlink()  # a round needs the table no more
    assert owner.examples.thaw_job(JOB_ID, dataset, spec(), frozen.examples_hash) == frozen.examples


@pytest.mark.parametrize("name", ["training-x.npy", "training-y.npy", "validation-x.npy"])
def test_one_altered_bit_ends_the_job_here(name: str, owner: Owner) -> None:
    dataset = owner.register(table(400))
    frozen = owner.examples.freeze_job(JOB_ID, dataset, spec(validates=True))
    path = frozen.examples.folder / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(Problem, match="not those that this owner committed to") as caught:
        owner.examples.thaw_job(JOB_ID, dataset, spec(validates=True), frozen.examples_hash)
    assert caught.value.code is Code.OWNER_LOST_ITS_KEY


def test_examples_that_a_backup_left_out_are_made_again_to_the_bit(owner: Owner) -> None:
    dataset = owner.register(table(400))
    frozen = owner.examples.freeze_job(JOB_ID, dataset, spec(validates=True))
    forget_examples(frozen.examples.folder)
    assert owner.examples.thaw_job(JOB_ID, dataset, spec(validates=True), frozen.examples_hash) == frozen.examples
    forget_examples(frozen.examples.folder)
    (owner.folder / "table.csv").write_text(table(401))
    with pytest.raises(Problem, match="has changed since") as caught:
        owner.examples.thaw_job(JOB_ID, dataset, spec(validates=True), frozen.examples_hash)
    assert caught.value.code is Code.INVALID_DATA


def test_a_lost_salt_ends_the_job_and_an_ended_job_is_forgotten(owner: Owner) -> None:
    dataset = owner.register(table())
    frozen = owner.examples.freeze_job(JOB_ID, dataset, spec())
    assert owner.frozen.forget_job(JOB_ID)
    assert not frozen.examples.folder.exists()
    assert not owner.frozen.forget_job(JOB_ID)
    with pytest.raises(Problem, match="salt of its commitment is gone"):
        owner.examples.thaw_job(JOB_ID, dataset, spec(), frozen.examples_hash)


def test_a_table_that_does_not_fit_is_refused_with_its_record(owner: Owner) -> None:
    dataset = owner.register(table(gap=99) + "7,d,1\n")
    with pytest.raises(Problem, match="ward: record 61 has 'd'") as caught:
        owner.examples.freeze_job(JOB_ID, dataset, spec())
    assert caught.value.code is Code.INVALID_DATA
    assert not list((owner.folder / "moments").glob("*.examples"))


@pytest.mark.parametrize("record", ["7,d,1", "seven,a,1", "7,a,", "7,,1"])
def test_a_job_with_privacy_leaves_out_what_does_not_fit(owner: Owner, record: str) -> None:
    claim = Privacy(epsilon=1.0, delta=1e-6, sampling_rate=0.1)
    without = owner.examples.freeze_job(JOB_ID, owner.register(table()), spec())
    dataset = owner.register(table() + record + "\n")
    found = owner.examples.freeze_job("cd" * 16, dataset, spec().model_copy(update={"privacy": claim}))
    assert found.table.whole == without.table.whole
    for name in ("training-x.npy", "training-y.npy"):
        np.testing.assert_array_equal(array(found.examples.folder / name), array(without.examples.folder / name))


def test_a_job_with_privacy_clips_targets(owner: Owner) -> None:
    claim = Privacy(epsilon=1.0, delta=1e-6, sampling_rate=0.1)
    dataset = owner.register(table() + "7,a,1000\n")
    found = owner.examples.freeze_job(JOB_ID, dataset, spec().model_copy(update={"privacy": claim}))
    targets = array(found.examples.folder / "training-y.npy")
    assert (found.table.rows, len(targets), float(targets[-1, 0])) == (60, 60, 2.0)  # 50 of 0 to 50, in half widths


def crashed_in_the_training_of_a_copy(owner: Owner) -> tuple[Path, Path, Path]:
    """Leave what a crash then leaves: a copy's records, some half written ones, and those of a job that goes on."""
    dataset = owner.register(table())
    kept = owner.examples.freeze_job(JOB_ID, dataset, spec()).examples.folder
    with owner.examples.personal("cd" * 16, dataset, spec()) as examples:
        personal = examples.folder
        half = personal.with_name(f".{'ef' * 16}{personal.suffix}.part")
        for left, source in ((half, personal), (personal.with_name("saved"), personal)):
            shutil.copytree(source, left)
    personal.with_name("saved").rename(personal)
    return kept, personal, half


def test_a_start_deletes_what_a_crash_left_of_a_copys_records_and_nothing_else(owner: Owner) -> None:
    kept, personal, half = crashed_in_the_training_of_a_copy(owner)
    owner.store.close()

    async def start() -> None:
        async with running(owner.folder, state_dir=owner.folder):
            pass

    asyncio.run(start())
    assert (kept.exists(), personal.exists(), half.exists()) == (True, False, False)


def test_a_pruning_beside_a_service_at_work_leaves_the_records_that_it_trains_a_copy_on(owner: Owner) -> None:
    left = crashed_in_the_training_of_a_copy(owner)
    again = Owner(owner.folder)  # as `fedtrain prune` opens the state folder
    assert not again.frozen.forget_job("cd" * 16)
    assert [folder.exists() for folder in left] == [True] * 3
