"""Two NumPy files as one table, and the draft of a schema for lists and images."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from fedtrain.cli.main import app
from fedtrain.spec.model_spec import DataProps
from fedtrain.tabular import ColumnMismatch, UnreadableTable, check_table, describe_table, open_table
from fedtrain.tabular.arrays.numpy_pairs import write_pair

DRAW = np.random.default_rng(3)
X, Y = DRAW.integers(0, 256, (50, 1, 4, 3), dtype=np.uint8), np.arange(50) % 3


def saved(folder: Path, name: str, array: Any) -> Path:
    np.save(folder / name, array)
    return folder / name


def image(height: int, width: int, mode: str = "L") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (width, height), 7).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X, Y),
        (X.astype(">f4"), Y.astype(np.float64)[:, None]),
        (np.asfortranarray(X.reshape(50, 12)), Y.astype(str)),
        (X[:, 0, 0, 0] > 100, Y == 1),
        (np.array(["some words"] * 50), Y),
    ],
    ids=["bytes", "big-endian", "fortran", "booleans", "texts"],
)
def test_every_record_is_where_it_was(x: Any, y: Any, tmp_path: Path) -> None:
    path = write_pair(saved(tmp_path, "x.npy", x), saved(tmp_path, "y.npy", y), tmp_path / "made")
    table = pq.read_table(path)
    assert table.column_names == ["x", "y"]
    np.testing.assert_array_equal(np.array(table["x"].to_pylist()), x)
    np.testing.assert_array_equal(np.array(table["y"].to_pylist()), np.ravel(y))
    assert write_pair(tmp_path / "x.npy", tmp_path / "y.npy", tmp_path / "made") == path
    assert [one.name for one in (tmp_path / "made").iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X, Y[:49], "y.npy: has 49 targets, and"),
        (X, X[:, 0, 0], r"y.npy: has the shape \(50, 3\)"),
        (X, np.array([{}] * 50), "y.npy: cannot be read as a NumPy array"),
        (np.array([{}] * 50), Y, "x.npy: cannot be read as a NumPy array"),
        (X.astype(np.complex128), Y, "x.npy: is an array of complex128"),
        (X.reshape(50, 1, 1, 1, 4, 3), Y, "x.npy: has 6 axes"),
        (np.float64(3), Y, "x.npy: has 0 axes"),
        (X[:, :, :0], Y, r"x.npy: has the shape \(50, 1, 0, 3\)"),
    ],
)
def test_what_is_no_pair_is_refused_by_name(x: Any, y: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableTable, match=words):
        write_pair(saved(tmp_path, "x.npy", x), saved(tmp_path, "y.npy", y), tmp_path / "made")
    assert not (tmp_path / "made").exists() or not list((tmp_path / "made").iterdir())


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    y = saved(tmp_path, "y.npy", Y)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    np.savez(tmp_path / "x.npz", X)
    cut = tmp_path / "cut.npy"
    cut.write_bytes(saved(tmp_path, "x.npy", X).read_bytes()[:-1])
    for name, words in (
        ("x.csv", "cannot be read as a NumPy array"),
        ("x.npz", "is an archive of arrays"),
        ("cut.npy", "cannot be read as a NumPy array"),
        ("none.npy", "there is no such file"),
    ):
        with pytest.raises(UnreadableTable, match=words):
            write_pair(tmp_path / name, y, tmp_path / "made")
    with pytest.raises(UnreadableTable, match="give the array of its targets"):
        open_table(tmp_path / "x.npy")


def test_a_draft_has_vectors_with_their_shape_and_fits(tmp_path: Path) -> None:
    path = write_pair(saved(tmp_path, "x.npy", X), saved(tmp_path, "y.npy", Y), tmp_path)
    draft = describe_table(path)
    assert draft.as_dict()["features"] == [{"name": "x", "type": "vector", "shape": [1, 4, 3], "range": [0.0, 500.0]}]
    assert draft.schema.all_targets[0].label == "y"
    assert check_table(path, draft.schema, None).usable
    with pytest.raises(ColumnMismatch, match="x can be no target: each of its values is an array"):
        describe_table(path, target="x")


def test_a_draft_says_why_lists_and_images_are_left_out(tmp_path: Path) -> None:
    columns = {
        "even": pa.array([[1.0, 2.0], None, [4.0, 5.0]]),
        "ragged": pa.array([[1, 2], [3], [4, 5]]),
        "gaps": pa.array([[1.0, None], [3, 4], [4, 5]]),
        "texts": pa.array([["a"], ["b"], ["c"]]),
        "flat": pa.array([[1, 1], [1, 1], [1, 1]]),
        "scan": pa.array([image(4, 3), image(4, 3), image(4, 3)], pa.binary()),
        "scans": pa.array([image(4, 3), image(4, 4), image(4, 3)], pa.binary()),
        "blob": pa.array([b"1", b"2", b"3"], pa.binary()),
        "colour": pa.array([image(2, 5, "RGB")] * 3, pa.binary()),
        "note": pa.array([f"word {number}" for number in range(3)]),
        "y": pa.array([1.0, 2.0, 3.0]),
    }
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns), path)
    draft = describe_table(path)
    drafted = {one["name"]: one for one in draft.as_dict()["features"]}
    assert drafted["even"] == {
        "name": "even",
        "type": "vector",
        "shape": [2],
        "range": [0.0, 5.0],
        "missing": "drop",
    }
    assert drafted["scan"] == {"name": "scan", "type": "image", "shape": [1, 4, 3], "range": [0.0, 255.0]}
    assert drafted["colour"]["shape"] == [3, 2, 5]
    assert {one.column: one.why for one in draft.left_out} == {
        "ragged": "its lists have different lengths, from record 1 on",
        "gaps": "its lists hold numbers that are missing or not finite, from record 1 on",
        "texts": "its lists hold values of type string, and no numbers, from record 1 on",
        "flat": "its lists hold one number only",
        "scans": "its images have different sizes, from record 1 on",
        "blob": "it holds bytes that are no PNG or JPEG images, from record 1 on",
    }
    found = check_table(path, draft.schema, None)
    assert found.usable
    assert found.rows_dropped == 1


def test_the_commands_take_a_pair(tmp_path: Path) -> None:
    x, y = saved(tmp_path, "x.npy", X), saved(tmp_path, "y.npy", Y)
    schema = tmp_path / "schema.json"
    done = CliRunner().invoke(app, ["describe", str(x), "--target", str(y), "--out", str(schema)])
    assert done.exit_code == 0, done.output
    assert "shape [1, 4, 3]" in done.output
    assert DataProps.model_validate_json(schema.read_text()).features[0].array_shape == (1, 4, 3)
    done = CliRunner().invoke(app, ["check", str(schema), "--data", str(x), "--target", str(y), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["path"], report["rows"], report["usable"]) == (str(x), 50, True)
    done = CliRunner().invoke(app, ["check", str(schema), "--data", str(x)])
    assert done.exit_code == 1
    assert "give the array of its targets" in done.output
    done = CliRunner().invoke(app, ["describe", str(x), "--target", str(tmp_path / "z.npy")])
    assert done.exit_code == 1
    assert "there is no such file" in done.stderr
