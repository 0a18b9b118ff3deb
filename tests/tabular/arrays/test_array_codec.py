"""Vectors, texts and images: the numbers that they become, and what is refused by name."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fedtrain.spec.model_spec import DataProps, Feature
from fedtrain.tabular import BadValues, TableReport, check_table, open_declared_table
from fedtrain.tabular.arrays.codec import ArrayCodec
from fedtrain.tabular.arrays.texts import MOST_TEXT_BYTES, token_ids, words
from fedtrain.tabular.findings import Reading
from fedtrain.tabular.reading.marks import NumberMarks

VECTOR = {"name": "x", "type": "vector", "shape": [2, 3], "range": [0, 10]}
IDS = {"name": "x", "type": "vector", "shape": [3], "vocabulary": 100}
TEXT = {"name": "x", "type": "text", "vocabulary": 50, "tokens": 4}
GREY = {"name": "x", "type": "image", "shape": [1, 2, 3], "range": [-255, 255]}
COLOUR = {"name": "x", "type": "image", "shape": [3, 2, 3], "range": [0, 255]}
FLAT = [[0, 1, 2, 3, 4, 5], [5, 10, 10, 10, 10, 20]]
NESTED = [[[0, 1, 2], [3, 4, 5]], [[5, 10, 10], [10, 10, 20]]]


def codec(fields: dict[str, Any], scaling: Any = "range") -> ArrayCodec:
    return ArrayCodec(Feature.model_validate_json(json.dumps(fields)), scaling)


def read(fields: dict[str, Any], array: pa.Array, scaling: Any = "range") -> Reading:
    return codec(fields, scaling).read(array, NumberMarks(".", ""))


def written(fields: dict[str, Any], array: pa.Array, scaling: Any = "range") -> np.ndarray[Any, Any]:
    """(rows, width), as a network is given them."""
    one = codec(fields, scaling)
    found = one.read(array, NumberMarks(".", ""))
    assert found.findings == ()
    out = np.empty((len(one.names), len(array)))
    one.write(found.values, out)
    assert (np.abs(out.T) <= one.bounds).all()
    return out.T


def refused(fields: dict[str, Any], array: pa.Array, scaling: Any = "range") -> str:
    """Return what its owner is told of the first finding."""
    findings = read(fields, array, scaling).findings
    assert len(findings) == 1
    error = findings[0].error(first_row=1)
    return f"{error.code}: {error.message}"


def file_of(pixels: Any, kind: str = "PNG", mode: str | None = None) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(np.asarray(pixels, dtype=np.uint8))
    (image if mode is None else image.convert(mode)).save(stream, kind, **({"quality": 100} if kind == "JPEG" else {}))
    return stream.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels, and has none."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


# Vectors


@pytest.mark.parametrize(
    "array",
    [
        pa.array(FLAT, pa.list_(pa.int64())),
        pa.array(FLAT, pa.list_(pa.float32(), 6)),
        pa.array(NESTED, pa.list_(pa.list_(pa.float64()))),
        pa.array(NESTED, pa.large_list(pa.list_(pa.uint8(), 3))),
        pa.array([[[9] * 3] * 2, *NESTED], pa.list_(pa.list_(pa.int16(), 3), 2)).slice(1),
        pa.array([[9] * 6, *FLAT], pa.list_(pa.int16(), 6)).slice(1),
    ],
    ids=["flat", "fixed size", "nested", "large and fixed", "a slice", "a flat slice"],
)
def test_lists_flat_and_nested_are_scaled_by_the_range_and_clipped_to_it(array: pa.Array) -> None:
    expected = np.clip((np.array(FLAT) - 5) / 5, -1, 1)
    np.testing.assert_array_equal(written(VECTOR, array), expected)
    found = read(VECTOR, array)
    assert found.high is not None
    assert found.low is not None
    assert found.high.tolist() == [False, True]
    assert not found.low.any()


def test_ids_are_given_as_they_are() -> None:
    array = pa.array([[0, 99, 7], [1, 2, 3]], pa.list_(pa.float64()))
    np.testing.assert_array_equal(written(IDS, array), [[0, 99, 7], [1, 2, 3]])


@pytest.mark.parametrize(
    ("fields", "array", "words"),
    [
        (VECTOR, pa.array([FLAT[0], FLAT[1][:5]]), "wrong-shape: x: record 2 has a list of 5 numbers; a list of 6"),
        (VECTOR, pa.array([NESTED[0], [[1, 2, 3]]]), "wrong-shape: x: record 2 has a list of 1 × 3"),
        (VECTOR, pa.array([NESTED[0], [[1, 2], [3, 4, 5]]]), "wrong-shape: x: record 2 has a list of 2 × 2 and of oth"),
        (VECTOR, pa.array([[[1, 2, 3], None], NESTED[0]]), "wrong-shape: x: record 1 has a list of 2 × 3"),
        (VECTOR, pa.array([[]], pa.list_(pa.int64())), "wrong-shape: x: record 1 has a list of 0 numbers"),
        (VECTOR, pa.array(["1, 2"]), "wrong-type: x: record 1 has a string; a list of 6 numbers is expected"),
        (VECTOR, pa.array([1.5]), "wrong-type: x: record 1 has a double"),
        (VECTOR, pa.array([["a"] * 6]), "wrong-type: x: record 1 has a list<"),
        (VECTOR, pa.array([[[[1.0]]]]), "wrong-type: x: record 1 has a list<"),
        (
            VECTOR,
            pa.array([FLAT[0], [1, 2, 3, float("nan"), 5, 6]]),
            "value-not-finite: x: record 2 has nan at place 3",
        ),
        (VECTOR, pa.array([[1, 2, 3, float("-inf"), 5, 6]]), "value-not-finite: x: record 1 has -inf at place 3"),
        (VECTOR, pa.array([[1, 2, None, 4, 5, 6]]), "value-not-finite: x: record 1 has nan at place 2"),
        (VECTOR, pa.array([FLAT[0], None]), "missing-values: x: record 2 has no value; set"),
        (IDS, pa.array([[0, 1, 100]]), "id-not-in-vocabulary: x: record 1 has 100 at place 2"),
        (IDS, pa.array([[0, -1, 1]]), "id-not-in-vocabulary: x: record 1 has -1 at place 1"),
        (IDS, pa.array([[0.5, 1, 1]]), "id-not-in-vocabulary: x: record 1 has 0.5 at place 0"),
        (IDS, pa.array([[0, 1, None]]), "id-not-in-vocabulary: x: record 1 has nan at place 2"),
    ],
)
def test_a_vector_that_is_none_is_refused_with_its_record(fields: dict[str, Any], array: pa.Array, words: str) -> None:
    assert refused(fields, array).startswith(words)


def test_unscaled_a_number_beyond_the_range_is_refused_and_one_within_is_given_as_it_is() -> None:
    fields, array = VECTOR | {"shape": [2]}, pa.array([[1, 2], [3, 11]])
    np.testing.assert_array_equal(written(fields, array.slice(0, 1), "none"), [[1, 2]])
    assert refused(fields, array, "none").startswith("value-out-of-range: x: record 2 has 11 among its numbers")


def test_a_missing_array_drops_its_record_where_that_is_declared() -> None:
    found = read(VECTOR | {"missing": "drop"}, pa.array([FLAT[0], None]))
    assert found.findings == ()
    assert found.dropped is not None
    assert found.dropped.tolist() == [False, True]


# Texts


def test_words_are_runs_of_letters_or_digits_in_lower_case() -> None:
    assert words("Win £1,000 NOW! Call 0800-123", 99) == ["win", "0", "000", "now", "call", "0000", "000"]
    assert words("Größe_cm cafe\u0301", 99) == ["größe", "cm", "café"]
    assert words("one two three", 2) == ["one", "two"]
    assert words("", 3) == []


def test_ids_are_the_crc_of_each_word_padded_left_and_cut_right() -> None:
    spam, win = (1 + zlib.crc32(word) % 49 for word in (b"spam", b"win"))
    assert token_ids("Win SPAM", 50, 4) == [0, 0, win, spam]
    assert token_ids("win spam win spam spam", 50, 3) == [win, spam, win]
    np.testing.assert_array_equal(written(TEXT, pa.array(["Win spam", "!?"])), [[0, 0, win, spam], [0] * 4])
    ids = [token_ids("w" * number, 50, 1)[0] for number in range(1, 500)]
    assert (min(ids), max(ids)) == (1, 49)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (pa.array(["a", "b" * 10_000_000]), "text-too-long: x: record 2 has a text of 10,000,000 bytes; 1,048,576 at"),
        (pa.array([1]), "wrong-type: x: record 1 has a int64; a text is expected"),
        (pa.array(["a", "  "]), "missing-values: x: record 2 has no value"),
        (pa.array(["a", None]), "missing-values: x: record 2 has no value"),
    ],
)
def test_a_text_that_is_none_is_refused_with_its_record(array: pa.Array, words: str) -> None:
    assert refused(TEXT, array).startswith(words)


def test_a_text_of_as_much_as_is_read_counts() -> None:
    assert read(TEXT, pa.array(["a " * (MOST_TEXT_BYTES // 2)])).findings == ()


# Images

PIXELS = [[0, 51, 102], [153, 204, 255]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_grey_image_is_its_pixels_row_by_row(kind: str) -> None:
    found = written(GREY, pa.array([file_of(PIXELS, kind)], pa.binary()))
    np.testing.assert_allclose(found[0], np.ravel(PIXELS) / 255, atol=0 if kind == "PNG" else 0.03)


def test_a_colour_image_is_its_channels_one_after_the_other() -> None:
    colours = np.arange(18).reshape(2, 3, 3) * 15
    found = written(COLOUR, pa.array([file_of(colours)], pa.binary()))
    np.testing.assert_allclose(found[0], np.moveaxis(colours, -1, 0).ravel() / 127.5 - 1, rtol=0, atol=1e-15)
    grey = written(COLOUR, pa.array([file_of(PIXELS)], pa.binary()))
    np.testing.assert_array_equal(grey[0, :6], grey[0, 12:])


@pytest.mark.parametrize(
    ("fields", "content", "words"),
    [
        (GREY, file_of([[1, 2], [3, 4]]), "wrong-shape: x: record 1 has an image of 2 × 2 pixels; 3 × 2 pixels are"),
        (GREY, file_of(np.zeros((2, 3, 3))), "wrong-shape: x: record 1 has an image of mode RGB; grey of 8 bits is"),
        (COLOUR, file_of(np.zeros((2, 3, 4))), "wrong-shape: x: record 1 has an image of mode RGBA; colour of 3 × 8"),
        (GREY, bomb(20_000, 20_000), "wrong-shape: x: record 1 has an image of "),
        (GREY, bomb(9_000, 9_000), "wrong-shape: x: record 1 has an image of 9000 × 9000 pixels"),
        (GREY, bomb(3, 2), "unreadable-image: x: record 1 has a damaged image; a whole PNG or JPEG"),
        (GREY, file_of(PIXELS)[:-30], "unreadable-image: x: record 1 has a damaged image"),
        (GREY, file_of(PIXELS, "GIF"), "unreadable-image: x: record 1 has a file that is no PNG or JPEG"),
        (GREY, b"", "unreadable-image: x: record 1 has a file that is no PNG or JPEG"),
        (GREY, bytes(2_000_000), "wrong-shape: x: record 1 has a file of 2,000,000 bytes; one of 3 × 2 pixels has"),
    ],
    ids=["size", "colour", "transparency", "bomb", "large", "no pixels", "cut", "GIF", "empty", "file too large"],
)
def test_an_image_that_is_none_is_refused_with_its_record(fields: dict[str, Any], content: bytes, words: str) -> None:
    assert refused(fields, pa.array([content], pa.binary())).startswith(words)


def test_no_image_of_another_size_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_self: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    assert refused(GREY, pa.array([file_of(np.zeros((400, 400)))], pa.binary())).startswith("wrong-shape")
    with pytest.raises(AssertionError, match="decoded"):  # what stands in for decoding is on the way
        read(GREY, pa.array([file_of(PIXELS)], pa.binary()))


# Tables


def declared(*features: dict[str, Any]) -> DataProps:
    return DataProps.model_validate_json(json.dumps({"features": features, "target": {"name": "y", "range": [0, 9]}}))


def report(path: Path, *features: dict[str, Any]) -> TableReport:
    return check_table(path, declared(*features), None)


def test_a_parquet_table_of_all_three_fits(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    columns = {
        "v": pa.array(FLAT, pa.list_(pa.int64(), 6)),
        "t": pa.array(["win a prize", "see you"]),
        "i": pa.array([file_of(PIXELS)] * 2, pa.binary()),
        "y": pa.array([1.0, 2.0]),
    }
    pq.write_table(pa.table(columns), path)
    features = (VECTOR | {"name": "v"}, TEXT | {"name": "t"}, GREY | {"name": "i"})
    found = report(path, *features)
    assert found.usable
    assert [(column.column, column.clipped_high) for column in found.columns] == [
        ("v", 1),
        ("t", 0),
        ("i", 0),
        ("y", 0),
    ]
    found = report(path, VECTOR | {"name": "v", "shape": [7]}, TEXT | {"name": "i"}, IDS | {"name": "t"})
    assert {(problem.column, problem.code, problem.count) for problem in found.problems} >= {
        ("v", "wrong-shape", 2),
        ("i", "wrong-type", 2),
        ("t", "wrong-type", 2),
    }


def test_a_csv_names_image_files_below_its_folder(tmp_path: Path) -> None:
    table = tmp_path / "tables" / "t.csv"
    (table.parent / "scans").mkdir(parents=True)
    (table.parent / "scans" / "a.png").write_bytes(file_of(PIXELS))
    (tmp_path / "outside.png").write_bytes(file_of(PIXELS))
    (table.parent / "scans" / "link.png").symlink_to(tmp_path / "outside.png")
    props = declared(GREY)
    table.write_text("x,y\nscans/a.png,1\n scans/a.png ,2\n")
    batch = next(open_declared_table(table, props).batches(props.columns))
    assert batch.arrays[0].to_pylist() == [file_of(PIXELS)] * 2
    assert report(table, GREY).usable
    table.write_text("x,y\nscans/a.png,1\n,2\n")
    assert [problem.code for problem in report(table, GREY).problems] == ["missing-values"]
    for path, why in (
        ("scans/b.png", "and there is no such file"),
        ("../outside.png", "which is not below the table's folder"),
        ("scans/link.png", "which is not below the table's folder"),
        (str(tmp_path / "outside.png"), "which is not below the table's folder"),
        ("scans", "and there is no such file"),
        ("a" * 300 + ".png", "which cannot be read"),
    ):
        table.write_text(f"x,y\nscans/a.png,1\n{path},2\n")
        with pytest.raises(BadValues, match=r"^x: record 2 names") as caught:
            list(open_declared_table(table, props).batches(props.columns))
        assert why in caught.value.message
        assert [problem.code for problem in report(table, GREY).problems] == ["unreadable-image"]


@pytest.mark.slow
def test_records_of_large_arrays_come_in_smaller_batches(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    width = 1 << 19
    numbers = np.random.default_rng(0).integers(0, 256, 100 * width, dtype=np.uint8)
    rows = pa.FixedSizeListArray.from_arrays(pa.array(numbers), width)
    pq.write_table(pa.table({"x": rows, "y": pa.array(np.zeros(100))}), path)
    props = declared(VECTOR | {"shape": [width]})
    sizes = [batch.rows for batch in open_declared_table(path, props).batches(props.columns)]
    assert sum(sizes) == 100
    assert max(sizes) <= (256 << 20) // (8 * width)
