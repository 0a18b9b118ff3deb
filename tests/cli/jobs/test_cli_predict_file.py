"""`fedtrain predict --data --out`: a table of records scored, with its own columns and a word on those outside."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner, Result

from fedtrain import ModelOwner
from fedtrain.cli.jobs import scored_file
from fedtrain.cli.jobs.client import Service
from fedtrain.cli.main import app
from tests.harness.model_owner.served import Bridge, served
from tests.harness.one_process import training, write_table

pytestmark = pytest.mark.slow

FEATURES: list[dict[str, Any]] = [
    {"name": "age", "type": "continuous", "range": [0, 100], "missing": 40},
    {"name": "ward", "type": "nominal", "categories": ["x", "y", "z"]},
    {"name": "grade", "type": "ordinal", "categories": ["low", "high"]},
]
TARGETS: dict[str, dict[str, Any]] = {
    "values": {"target": {"name": "stay", "range": [-50, 50]}},
    "several": {"targets": [{"name": "stay", "range": [-50, 50]}, {"name": "cost", "range": [-50, 50]}]},
    "classes": {"target": {"name": "stay", "categories": ["short", "long"]}},
}
HEADER = "patient,grade,age,ward"
LINES = ["p1,low,20,x", 'p2,high,"80,5",y', "p3,low,,z", "p4,high,130,x", "p5,low,-7,y"]
ROWS = [[20.0, "x", "low"], [80.5, "y", "high"], [None, "z", "low"], [130.0, "x", "high"], [-7.0, "y", "low"]]


@pytest.fixture(scope="module", params=list(TARGETS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bridge, str]]:
    folder = tmp_path_factory.mktemp(request.param)
    targets = TARGETS[request.param]
    rng = np.random.default_rng(4)
    made: list[list[object]] = []
    for _ in range(260):
        age, ward, grade = float(rng.uniform(0, 100)), str(rng.choice(list("xyz"))), str(rng.choice(["low", "high"]))
        z = age / 10 - 3 * (ward == "y") + 2 * (grade == "high") + float(rng.normal())
        more: list[object] = (
            [z, -z] if "targets" in targets else [z if request.param == "values" else ("short", "long")[z > 4]]
        )
        made.append([age, ward, grade, *more])
    header = ["age", "ward", "grade", "stay", "cost"][: len(made[0])]
    kind = "LOGISTIC_REGRESSION" if request.param == "classes" else "LINEAR_REGRESSION"
    spec = {
        "model_type": kind,
        "data_props": {"features": FEATURES, **targets},
        "training": training(1, optimizer="newton", l2=1.0),
    }
    tables = {"a": write_table(folder / "a.csv", made[:200], header)}
    with served(folder, tables, write_table(folder / "test.csv", made[200:], header)) as bridge:
        owner = ModelOwner("http://model-owner.invalid", transport=bridge, sleep=lambda _: None)
        model_id = owner.deploy(spec)
        owner.wait(model_id, show_progress=False)
        yield bridge, model_id


@pytest.fixture
def predict(model: tuple[Bridge, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the command in an empty folder against the model's service."""
    monkeypatch.setattr("fedtrain.cli.jobs.client.Service", lambda url: Service(url, transport=model[0]))
    monkeypatch.chdir(tmp_path)
    # The service beside it may log to what an earlier command of this process had as its terminal.
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["predict", *arguments])

    return run


def expected(model: tuple[Bridge, str], rows: list[list[Any]]) -> dict[str, Any]:
    return ModelOwner("http://model-owner.invalid", transport=model[0]).predict(rows, model[1])


def predicted(table: Any, answer: dict[str, Any]) -> list[Any]:
    """Return what a scored table holds in the form of POST /prediction's `values`."""
    if "class_names" in answer:
        assert table["predicted stay"].to_pylist() == answer["classes"]
        for one, other in zip(table["probability of short"], table["probability of long"], strict=True):
            assert one.as_py() + other.as_py() == pytest.approx(1.0)
        return list(table["probability of long"].to_pylist())
    if isinstance(answer["values"][0], list):
        return [
            list(pair)
            for pair in zip(*(table[f"predicted {name}"].to_pylist() for name in ("stay", "cost")), strict=True)
        ]
    return list(table["predicted stay"].to_pylist())


@pytest.mark.parametrize("cells", [3, 10_000])
def test_a_csv_keeps_its_columns_and_gets_what_is_predicted(
    model: tuple[Bridge, str], predict: Any, monkeypatch: pytest.MonkeyPatch, cells: int
) -> None:
    """Semicolons and decimal commas as a test set may have them; in batches of one record, too."""
    monkeypatch.setattr(scored_file, "_CELLS", cells)
    text = "\n".join([HEADER, *LINES]).replace('"80,5"', "80.5").replace(",", ";").replace("80.5", "80,5") + "\n"
    Path("new.csv").write_text(text)
    done = predict("--data", "new.csv", "--out", "scored.csv")
    assert done.exit_code == 0, done.output
    assert "5 records scored" in done.stdout and "2 of them lie outside a declared range" in done.stdout
    table = pyarrow.csv.read_csv("scored.csv")
    assert table.column_names[:4] == HEADER.split(",")
    assert table["patient"].to_pylist() == ["p1", "p2", "p3", "p4", "p5"]
    answer = expected(model, ROWS)
    assert np.array(predicted(table, answer)) == pytest.approx(np.array(answer["values"]), rel=1e-12)
    assert table["outside range"].to_pylist() == ["", "", "", "age", "age"]
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["new.csv", "scored.csv"]


def test_parquet_in_and_out(model: tuple[Bridge, str], predict: Any) -> None:
    columns = dict(zip(("age", "ward", "grade"), zip(*ROWS, strict=True), strict=True))
    pyarrow.parquet.write_table(pa.table({name: list(values) for name, values in columns.items()}), "new.parquet")
    done = predict("--model-id", model[1][:12], "--data", "new.parquet", "--out", "scored.parquet", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout[done.stdout.index("{\n") :].split("\n}")[0] + "\n}")
    assert (told["rows"], told["rows_outside_range"], told["model_id"]) == (5, 2, model[1])
    table = pyarrow.parquet.read_table("scored.parquet")
    answer = expected(model, ROWS)
    assert np.array(predicted(table, answer)) == pytest.approx(np.array(answer["values"]), rel=1e-12)
    assert table["age"].to_pylist() == [20.0, 80.5, None, 130.0, -7.0]


@pytest.mark.parametrize(
    ("lines", "out", "said"),
    [
        (["patient,age,ward", "p1,20,x"], "scored.csv", "no column 'grade'"),
        ([HEADER, "p1,low,20,x", "p2,low,30,q"], "scored.csv", "ward"),
        ([HEADER, "p1,low,twenty,x"], "scored.csv", "age"),
        ([HEADER, "p1,,20,x"], "scored.csv", "grade"),
        ([HEADER + ",outside range", "p1,low,20,x,no"], "scored.csv", "'outside range' would be the name of two"),
        ([HEADER], "scored.csv", "no records"),
        ([HEADER, *LINES], "scored.xlsx", ".csv or .parquet"),
        ([HEADER, *LINES], "new.csv", "the table itself"),
    ],
)
def test_what_cannot_be_scored_is_named_and_leaves_nothing(predict: Any, lines: list[str], out: str, said: str) -> None:
    Path("new.csv").write_text("\n".join(lines) + "\n")
    before = Path("new.csv").read_bytes()
    done = predict("--data", "new.csv", "--out", out)
    assert done.exit_code == 1 and said in done.stderr, done.output
    assert len(done.stderr.splitlines()) == 1 and "internal error" not in done.stderr
    assert [path.name for path in Path.cwd().iterdir()] == ["new.csv"]
    assert Path("new.csv").read_bytes() == before


def test_data_and_out_go_together(predict: Any) -> None:
    assert "go together" in predict("--data", "new.csv").stderr
    assert "no such file" in predict("--data", "new.csv", "--out", "scored.csv").stderr
