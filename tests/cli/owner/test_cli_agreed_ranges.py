"""`fedtrain schema ask-ranges` and `ranges`: from a dictionary with open ranges to one with agreed ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from fedtrain.cli.main import app
from fedtrain.spec.model_spec import DataProps, ModelSpec
from fedtrain.spec.model_types.ranges import OPEN_LIMITS

DICTIONARY: dict[str, Any] = {
    "features": [
        {"name": "age", "type": "discrete", "range": [-1000, 1000], "missing": 50},
        {"name": "sex", "type": "nominal", "categories": ["f", "m"]},
        {"name": "income", "type": "continuous"},
    ],
    "target": {"name": "days", "description": "in hospital"},
}


def found(name: str, limits: Any, range_: Any, inner: Any = None, bounds: Any = (0, 10, 20, 50, 100, 200)) -> Any:
    counts = [0] * len(bounds)
    return {
        "name": name,
        "col_idx": None,
        "limits": limits,
        "range": range_,
        "inner": inner,
        "bounds": bounds,
        "owners_below": counts,
        "owners_above": counts,
    }


RESULT = {
    "id": "ab" * 16,
    "ranges": [
        found("age", [-1000, 1000], [20, 100], [50, 50.5]),
        found("income", OPEN_LIMITS, [0, 100]),
        found("days", OPEN_LIMITS, [-50, 1e9], bounds=(-100, -50, 0)),
    ],
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    path = tmp_path / "wide.json"
    path.write_text(json.dumps(DICTIONARY))
    return path


def taken(folder: Path, dictionary: Path, result: Any = RESULT, *options: object) -> Result:
    (folder / "result.json").write_text(json.dumps(result))
    return run("schema", "ranges", folder / "result.json", "--schema", dictionary, *options)


def ranges_of(document: dict[str, Any]) -> dict[str, Any]:
    columns = [*document["features"], document["target"]]
    return {column["name"]: column.get("range") for column in columns}


def test_a_dictionary_with_open_ranges_is_asked_about_and_planned(tmp_path: Path, dictionary: Path) -> None:
    done = run("schema", "ask-ranges", dictionary, "--grid", "decades", "--out", tmp_path / "spec.json")
    assert done.exit_code == 0, done.output
    spec = ModelSpec.model_validate_json((tmp_path / "spec.json").read_text())
    assert (spec.model_type, spec.grid) == ("RANGES", "decades")
    asked = {feature.label: (feature.range, feature.missing) for feature in spec.data_props.features}
    assert asked == {"age": ((-1000, 1000), 50), "income": (OPEN_LIMITS, "error"), "days": (OPEN_LIMITS, "error")}
    planned = run("plan", tmp_path / "spec.json", "--owners", 3)
    assert planned.exit_code == 0, planned.output
    words = " ".join(planned.output.split())
    assert "how many owners have at least min_cell rows" in words and "Σy²" not in words


def test_some_of_the_columns_can_be_asked_about(dictionary: Path) -> None:
    done = run("schema", "ask-ranges", dictionary, "--columns", "days")
    assert [column["name"] for column in json.loads(done.output)["data_props"]["features"]] == ["days"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, ("--columns", "age,sex"), "'sex' is no column of numbers in the dictionary; there is age, income, days"),
        ({}, ("--columns", "weight"), "'weight' is no column of numbers"),
        ({"features": [DICTIONARY["features"][1]], "target": None}, (), "has no column of numbers to ask about"),
        ({"features": [{"name": "age", "type": "discrete", "range": 7}]}, (), "range"),
        ({"features": ["age"]}, (), "features"),
        ({"features": 3}, (), "features"),
    ],
)
def test_what_cannot_be_asked_about_is_refused_in_one_line(
    tmp_path: Path, change: dict[str, Any], options: tuple[str, ...], message: str
) -> None:
    (tmp_path / "d.json").write_text(json.dumps({**DICTIONARY, **change}))
    done = run("schema", "ask-ranges", tmp_path / "d.json", *options)
    assert done.exit_code == 1 and message in done.output, done.output
    assert str(tmp_path / "d.json") in done.output and len(done.output.splitlines()) == 1


def test_a_dictionary_that_is_no_object_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text("[]")
    done = run("schema", "ask-ranges", tmp_path / "d.json")
    assert done.exit_code == 1 and "a JSON object with `features`" in done.output


def test_agreed_ranges_are_written_one_bound_wider_and_zero_stays(tmp_path: Path, dictionary: Path) -> None:
    out = tmp_path / "schema.json"
    done = taken(tmp_path, dictionary, RESULT, "--out", out)
    assert done.exit_code == 0, done.output
    agreed = json.loads(out.read_text())
    assert ranges_of(agreed) == {"age": [10, 200], "sex": None, "income": [0, 200], "days": [-100, 1e9]}
    assert agreed["target"]["description"] == "in hospital"
    assert DataProps.model_validate(agreed)
    assert "20 to 100" in done.output and "50 to 50.5" in done.output
    assert "is there already" in taken(tmp_path, dictionary, RESULT, "--out", out).output


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--wider", 0), {"age": [20, 100], "income": [0, 100], "days": [-50, 1e9]}),
        (("--wider", 2), {"age": [0, 1000], "income": [0, 1e9], "days": [-1e9, 1e9]}),
    ],
)
def test_they_can_be_as_narrow_or_as_wide_as_people_want(
    tmp_path: Path, dictionary: Path, options: tuple[object, ...], expected: dict[str, Any]
) -> None:
    agreed = ranges_of(json.loads(taken(tmp_path, dictionary, RESULT, *options).output))
    assert {name: agreed[name] for name in expected} == expected


@pytest.mark.parametrize("range_", [[-0.001, 0.001], [0, 0.001]])
def test_a_range_of_nearly_one_value_is_written_with_a_warning(tmp_path: Path, dictionary: Path, range_: Any) -> None:
    bounds = (-0.002, -0.001, 0, 0.001, 0.002)
    collapsed = [*RESULT["ranges"][:1], found("income", OPEN_LIMITS, range_, bounds=bounds), RESULT["ranges"][2]]
    done = taken(tmp_path, dictionary, {**RESULT, "ranges": collapsed})
    assert done.exit_code == 0, done.output
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"income: {range_[0]:g} to 0.001 is between the bounds nearest to zero")
    assert json.loads(done.stdout)
    assert taken(tmp_path, dictionary, RESULT).stderr == ""


def test_inner_ranges_are_written_as_they_are_and_the_others_keep_theirs(tmp_path: Path, dictionary: Path) -> None:
    only_age = {**RESULT, "ranges": RESULT["ranges"][:1]}
    rest = {**DICTIONARY, "features": DICTIONARY["features"][:2], "target": None}
    dictionary.write_text(json.dumps(rest))
    agreed = json.loads(taken(tmp_path, dictionary, only_age, "--inner").output)
    assert agreed["features"][0]["range"] == [50, 50.5]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ranges": [found("age", [0, 130], [20, 100])]}, "age: it was asked about between 0 and 130"),
        ({"ranges": [found("weight", [0, 130], [20, 100])]}, "no column 'weight'"),
        ({"ranges": [found("income", OPEN_LIMITS, None)]}, "income: no range was found"),
        ({"ranges": [found("age", [-1000, 1000], [100, 200])]}, "missing is 50, outside the range"),
        ({"ranges": [{"name": "age"}]}, "limits"),
        ({"ranges": []}, "income"),
        ({"ranges": None}, "a finished job of model_type RANGES is needed"),
    ],
)
def test_a_result_that_does_not_fit_the_dictionary_is_refused_in_one_line(
    tmp_path: Path, dictionary: Path, changed: dict[str, Any], message: str
) -> None:
    options = ("--wider", 0)
    done = taken(tmp_path, dictionary, {**RESULT, **changed}, *options)
    assert done.exit_code == 1 and message in done.output, done.output
    assert len(done.output.splitlines()) == 1
