"""`fedtrain check` and `fedtrain describe` on small tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app

SPEC: dict[str, Any] = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [{"name": "dose", "type": "continuous", "range": [0, 10]}],
        "target": {"name": "effect", "range": [0, 100]},
    },
}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(SPEC))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def table(folder: Path, *lines: str) -> Path:
    path = folder / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_that_fits_is_accepted_with_its_clipped_values_counted(spec: Path, tmp_path: Path) -> None:
    many = ["5,10"] * 500 + ["11,20"] * 11 + ["-2,40"] * 12 + ["-3,41", "12,3"]
    data = table(tmp_path, "dose,effect", *many)
    result = run("check", spec, "--data", data, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["fits"] is True
    dose = next(column for column in report["columns"] if column["column"] == "dose")
    assert (dose["clipped_low"], dose["clipped_high"]) == (13, 12)


def test_a_mapping_is_applied_and_its_effects_are_counted(spec: Path, tmp_path: Path) -> None:
    data = table(tmp_path, "Dosis;effect", *["5,5;10"] * 20, *["0,5;11"] * 20, *["leer;12"] * 10)
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(
        "[columns.dose]\nfrom = 'Dosis'\ndecimal = ','\nrecode = {'leer' = 0}\nfactor = 0.5\n", encoding="utf-8"
    )
    assert "there is no column 'dose'" in run("check", spec, "--data", data).output
    result = run("check", spec, "--data", data, "--mapping", mapping)
    assert result.exit_code == 0, result.output
    assert "What the mapping does" in result.output and "times 0.5 plus 0" in result.output
    report = json.loads(run("check", spec, "--data", data, "--mapping", mapping, "--json").stdout)
    (effects,) = report["mapping"]
    assert (effects["column"], effects["source"], effects["values"], effects["missing"]) == ("dose", "Dosis", 50, 0)
    assert (effects["recoded"], effects["listed"]) == (10, [["leer", "0", 10]])
    mapping.write_text("[columns.dose]\nform = 'Dosis'\n")
    refused = run("check", spec, "--data", data, "--mapping", mapping)
    assert refused.exit_code == 1 and "columns.dose.form" in refused.output and "Traceback" not in refused.output


def test_of_a_job_with_privacy_nothing_is_declined_for_what_rows_there_are(spec: Path, tmp_path: Path) -> None:
    rows = ["dose,effect", *["5,10"] * 30, "8,20", "7,101", "much,3"]  # a cell of one row, a target beyond its range
    data = table(tmp_path, *rows)
    exact = json.loads(run("check", spec, "--data", data, "--json").stdout)
    assert {problem["code"] for problem in exact["problems"]} == {"target-out-of-range", "text-in-numeric-column"}
    fitting = table(tmp_path, *rows[:-2])
    declined = run("check", spec, "--data", fitting)
    assert declined.exit_code == 1 and "jobs without privacy would be declined" in declined.output

    training = {"optimizer": "newton", "max_rows": 20}
    claim = {"epsilon": 1.0, "delta": 1e-6, "row_bound": 2.0}
    spec.write_text(json.dumps({**SPEC, "training": training, "privacy": claim}))
    data = table(tmp_path, *rows)
    result = run("check", spec, "--data", data, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["problems"], report["waits"], report["rows_dropped"]) == ([], [], 1)
    asked = {one["code"]: one for one in report["questions"]}
    assert "counted at that end" in asked["target-out-of-range"]["message"]
    assert "left out" in asked["text-in-numeric-column"]["message"]
    assert asked["rows-beyond-plan"]["count"] == 12


@pytest.mark.slow
def test_a_dictionary_is_described_checked_planned_and_asked(tmp_path: Path) -> None:
    rows = (f"{row % 10},{'yes' if row % 2 else 'no'},{row % 21}" for row in range(400))
    data, dictionary, spec = table(tmp_path, "dose,relapse,days", *rows), tmp_path / "s.json", tmp_path / "m.json"
    described = run("describe", data, "--open-target", "--out", dictionary)
    assert described.exit_code == 0 and "The target is" not in described.output, described.output
    assert "target" not in json.loads(dictionary.read_text())
    checked = run("check", dictionary, "--data", data)
    assert checked.exit_code == 0 and "The table fits." in checked.output, checked.output
    refused = run("plan", dictionary)
    assert refused.exit_code == 1 and "name a column with --target" in refused.output
    assert json.loads(run("plan", dictionary, "--target", "days", "--json").stdout)["dimensions"] == 3
    for target, kind in (("days", "LINEAR_REGRESSION"), ("relapse", "LOGISTIC_REGRESSION")):
        asked = run("schema", "ask", dictionary, "--target", target, "--features", "dose", "--out", spec)
        assert asked.exit_code == 0, asked.output
        document = json.loads(spec.read_text())
        assert document["model_type"] == kind and document["data_props"]["target"]["name"] == target
        assert run("check", spec, "--data", data).exit_code == 0
        assert run("plan", spec).exit_code == 0
        assert "a model spec names its own" in run("plan", spec, "--target", "dose").output
        spec.unlink()
    unknown = run("schema", "ask", dictionary, "--target", "weight")
    assert unknown.exit_code == 1 and "'weight' is no column of the dictionary" in unknown.output
    assert run("describe", data, "--open-target", "--target", "days").exit_code == 1


def test_a_group_that_a_job_would_be_declined_for_is_told_as_the_service_tells_it(spec: Path, tmp_path: Path) -> None:
    data = table(tmp_path, "dose,effect", *["5,10"] * 20, "99,20")
    result = run("check", spec, "--data", data)
    assert result.exit_code == 1
    assert "The table fits." not in result.output
    assert "min_cell (10)" in result.output
    assert "dose above its range: 1, dose other" in result.output
    report = json.loads(run("check", spec, "--data", data, "--json").stdout)
    assert (report["fits"], [problem["code"] for problem in report["problems"]]) == (False, ["too-few-rows"])


@pytest.mark.parametrize("rows", [9, 10])
def test_a_category_below_min_cell_is_told_of_a_schema_too(tmp_path: Path, rows: int) -> None:
    colour = {"name": "colour", "type": "nominal", "categories": ["red", "blue", "green"]}
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({**SPEC["data_props"], "features": [colour]}))
    data = table(tmp_path, "colour,effect", *["red,1"] * 20, *["blue,2"] * rows)
    result = run("check", schema, "--data", data)
    assert result.exit_code == (0 if rows == 10 else 1), result.output
    assert ("colour = blue: 9, effect other than its most common value: 9." in result.output) is (rows == 9)


def test_the_owners_own_policy_counts_in_place_of_the_default(spec: Path, tmp_path: Path) -> None:
    data = table(tmp_path, "dose,effect", *["5,10"] * 20, "99,20")
    policy = tmp_path / "policy.toml"
    policy.write_text("min_cell = 0\n")
    assert run("check", spec, "--data", data, "--policy", policy).exit_code == 0
    policy.write_text("min_cell = 0\nmin_rows = 22\n")
    strict = run("check", spec, "--data", data, "--policy", policy)
    assert strict.exit_code == 1
    assert "the policy's min_rows is 22" in strict.output


def test_more_rows_than_the_plan_covers_are_told(spec: Path, tmp_path: Path) -> None:
    spec.write_text(json.dumps({**SPEC, "training": {"max_rows": 20}}))
    assert run("check", spec, "--data", table(tmp_path, "dose,effect", *["5,10"] * 20)).exit_code == 0
    over = run("check", spec, "--data", table(tmp_path, "dose,effect", *["5,10"] * 21))
    assert over.exit_code == 1
    assert "21 rows are in use" in over.output


@pytest.mark.parametrize(
    ("training", "low", "high", "code", "why"),
    [
        ({"scaling": "none"}, 0, 2.0**-25, "invalid-spec", 'Use scaling "range", or give the column in a smaller unit'),
        ({"scaling": "none"}, 0, 2.0**-24, None, ""),
        ({"scaling": "range"}, 0, 2.0**-25, None, ""),
        ({"reencrypt_every": 4, "l2": "auto", "optimizer": "gradient_descent"}, 0, 10, "invalid-spec", "Give l2 a"),
        ({"reencrypt_every": 60, "optimizer": "gradient_descent"}, 0, 10, "does-not-fit", "key_bits"),
    ],
    ids=["digits lost", "digits enough", "scaled", "no such training", "no room in the key"],
)
def test_a_spec_that_no_job_can_be_deployed_with_is_told_beside_what_the_table_holds(
    training: dict[str, Any], low: float, high: float, code: str | None, why: str, spec: Path, tmp_path: Path
) -> None:
    dose = {"name": "dose", "type": "continuous", "range": [low, high]}
    props = {**SPEC["data_props"], "features": [dose]}
    spec.write_text(json.dumps({**SPEC, "data_props": props, "training": training}))
    values = [f"{(row % 4) * (high - low) / 4!r},{row}" for row in range(60)]
    checked = run("check", spec, "--data", table(tmp_path, "dose,effect", *values), "--json")
    found = json.loads(checked.stdout)["problems"]
    assert [problem["code"] for problem in found] == ([] if code is None else [code]), found
    assert checked.exit_code == (0 if code is None else 1)
    for problem in found:
        assert "no such job can be deployed" in problem["message"] and why in problem["message"]


def test_every_column_that_does_not_fit_is_named(spec: Path, tmp_path: Path) -> None:
    data = table(tmp_path, "dose,effect", "much,10", "2,200")
    result = run("check", spec, "--data", data, "--json")
    assert result.exit_code == 1
    problems = {problem["column"]: problem["code"] for problem in json.loads(result.stdout)["problems"]}
    assert problems == {"dose": "text-in-numeric-column", "effect": "target-out-of-range"}


def test_a_consortium_schema_is_taken_in_place_of_a_spec(tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SPEC["data_props"]))
    good = run("check", schema, "--data", table(tmp_path, "dose,effect", *(f"{row % 10},{row}" for row in range(50))))
    assert good.exit_code == 0
    assert "The table fits." in good.output
    bad = run("check", schema, "--data", table(tmp_path, "dose,other", "1,10", "2,20"))
    assert bad.exit_code == 1
    assert "effect" in bad.output


def test_a_missing_table_is_named(spec: Path, tmp_path: Path) -> None:
    result = run("check", spec, "--data", tmp_path / "absent.csv")
    assert result.exit_code == 1
    assert "absent.csv" in result.stderr


def test_a_table_that_raises_questions_is_usable_and_is_not_said_to_fit(spec: Path, tmp_path: Path) -> None:
    data = table(tmp_path, "dose,effect", *(f"{dose / 10},10" for dose in range(100)), *["-999,5"] * 12)
    result = run("check", spec, "--data", data)
    assert result.exit_code == 0, result.output
    assert "question: dose: 12 records have -999, the only value below the range" in result.output
    assert "The table fits." not in result.output
    report = json.loads(run("check", spec, "--data", data, "--json").stdout)
    assert (report["usable"], report["fits"]) == (True, False)
    assert [(question["code"], question["column"]) for question in report["questions"]] == [
        ("may-mean-missing", "dose")
    ]


def test_a_draft_is_what_plan_and_check_take(tmp_path: Path) -> None:
    rows = (f"p{row},{row / 10},{'red' if row % 2 else 'blue'},{row}" for row in range(60))
    data, draft = table(tmp_path, "id,dose,colour,days", *rows), tmp_path / "schema.json"
    described = run("describe", data, "--json", "--out", draft, "--target", "days", "--counts")
    assert described.exit_code == 0, described.output
    schema = json.loads(described.stdout)
    assert schema == json.loads(draft.read_text())
    assert schema == {
        "features": [
            {"name": "dose", "type": "continuous", "range": [0, 10]},
            {"name": "colour", "type": "nominal", "categories": ["blue", "red"]},
        ],
        "target": {"name": "days", "range": [0, 100]},
    }
    assert "left out: id: it holds more than 50 different texts" in described.stderr
    assert "60 records" in described.stderr
    checked = run("check", draft, "--data", data)
    assert checked.exit_code == 0, checked.output
    assert "The table fits." in checked.output
    planned = run("plan", draft, "--json")
    assert planned.exit_code == 0, planned.output
    assert json.loads(planned.stdout)["dimensions"] == 3


def test_a_draft_of_classes_is_planned_as_their_model(tmp_path: Path) -> None:
    data, draft = (
        table(tmp_path, "dose,ill", *(f"{row},{(row % 2 and 'yes') or 'no'}" for row in range(40))),
        tmp_path / "s",
    )
    assert run("describe", data, "--out", draft).exit_code == 0
    assert run("check", draft, "--data", data).exit_code == 0
    assert run("plan", draft).exit_code == 0


def test_describe_tells_counts_only_where_asked(tmp_path: Path) -> None:
    data = table(tmp_path, "dose,colour", "1.5,red", "2.5,blue", "2,")
    plain, counted = run("describe", data), run("describe", data, "--counts")
    assert "records" not in plain.output
    assert "3 records; colour: 1 without a value" in counted.output
    assert "The target is 'colour', the last column that can be used; choose another with --target." in plain.output


def test_describe_takes_ranges_from_the_data_when_asked(tmp_path: Path) -> None:
    data = table(tmp_path, "dose,colour", "1.5,red", "2.5,blue", "2,red")
    (hidden,) = json.loads(run("describe", data, "--json").stdout)["features"]
    (shown,) = json.loads(run("describe", data, "--with-ranges", "--json").stdout)["features"]
    assert (hidden["range"], shown["range"]) == ([1, 3], [1.5, 2.5])


def test_describe_overwrites_nothing(tmp_path: Path) -> None:
    data, draft = table(tmp_path, "dose,colour", "1.5,red", "2.5,blue"), tmp_path / "schema.json"
    draft.write_text("mine")
    result = run("describe", data, "--out", draft)
    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert draft.read_text() == "mine"


def test_describe_asks_for_a_mark_and_takes_it(tmp_path: Path) -> None:
    data = table(tmp_path, "amount;x;y", "1.234;1;2", "950;2;3")
    assert "(here with --decimal)" in run("describe", data).output
    schema = json.loads(run("describe", data, "--decimal", ",", "--json").stdout)
    assert schema["decimal"] == ","
    assert schema["features"][0]["range"] == [500, 1500]


def test_describe_of_something_that_is_no_table_fails_in_one_line(tmp_path: Path) -> None:
    result = run("describe", tmp_path / "absent.csv")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
