"""Scoring by routes: the test set, given rows, and what is wrong with either."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from fedtrain.model_owner.methods.linear import trained_model
from fedtrain.model_owner.methods.quadratic.method import raw_loss
from fedtrain.model_owner.results.linear import metrics_of_values
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder
from tests.harness.facilitator.fake_facilitator import FakeFacilitator
from tests.harness.model_owner.peers import pooled, rows_of, spec_document
from tests.harness.model_owner.running import Running, running

JSON = {"Content-Type": "application/json"}


def run(scenario: Any) -> None:
    asyncio.run(scenario())


def table(seed: int = 99, count: int = 20) -> str:
    X, y = rows_of(seed, count)
    lines = [",".join(repr(float(value)) for value in (*row, target)) for row, target in zip(X, y, strict=True)]
    return "\n".join(["x0,x1,x2,y", *lines]) + "\n"


def written(folder: Path, name: str = "test.csv", text: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text or table())
    return folder / name


async def problem_of(party: Running, method: str, path: str, **arguments: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        await party.call(method, path, **arguments)
    return caught.value


async def trained(party: Running, **training: Any) -> str:
    model = await party.ended(await party.deploy(spec_document(**training)))
    assert model["status"] == "FINISHED"
    return str(model["id"])


def test_the_test_set_is_scored_as_scikit_learn_would(tmp_path: Path) -> None:
    async def scenario() -> None:
        facilitator = FakeFacilitator()
        async with running(tmp_path / "s", facilitator, test_data=written(tmp_path)) as party:
            model_id = await trained(party)
            prediction = await party.call("GET", "/prediction")
            fitted = LinearRegression().fit(*pooled(facilitator.sizes))
            X, y = rows_of(99, 20)
            expected = fitted.predict(X)
            assert prediction["model_id"] == model_id
            assert prediction["values"] == pytest.approx(expected, rel=1e-7)
            assert prediction["targets"] == pytest.approx(y, rel=1e-14)
            assert prediction["cost"] == pytest.approx(mean_squared_error(y, expected), rel=1e-6)
            assert prediction["metrics"] == {
                "mse": prediction["cost"],
                "mae": pytest.approx(mean_absolute_error(y, expected), rel=1e-6),
                "r2": pytest.approx(r2_score(y, expected), rel=1e-6),
            }
            assert await party.call("GET", f"/prediction?model_id={model_id}") == prediction
            assert await party.call("GET", f"/predictions/{prediction['id']}") == prediction
            (line,) = await party.call("GET", "/predictions")
            assert line["id"] == prediction["id"]
            assert (await problem_of(party, "GET", "/predictions/none")).code is Code.PREDICTION_NOT_FOUND

    run(scenario)


def test_the_model_that_finished_last_is_the_default(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path / "s", FakeFacilitator(), test_data=written(tmp_path)) as party:
            first = await trained(party)
            second = await trained(party, l2=5.0)
            assert (await party.call("GET", "/prediction"))["model_id"] == second
            assert (await party.call("GET", f"/prediction?model_id={first}"))["model_id"] == first

    run(scenario)


def test_before_anything_is_finished_there_is_no_prediction(tmp_path: Path) -> None:
    async def scenario() -> None:
        facilitator = FakeFacilitator()
        facilitator.hold_after = 0
        async with running(tmp_path / "s", facilitator, test_data=written(tmp_path)) as party:
            response = await party.http.get("/prediction")
            assert (response.status_code, response.json()["status"]) == (409, 409)
            assert (await problem_of(party, "POST", "/prediction", json={"rows": []})).code is Code.NO_FINISHED_MODEL
            model_id = await party.deploy(spec_document())
            problem = await problem_of(party, "GET", f"/prediction?model_id={model_id}")
            assert problem.code is Code.MODEL_NOT_FINISHED

    run(scenario)


def test_without_a_test_set_there_is_no_cost(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, FakeFacilitator()) as party:
            await trained(party)
            assert (await problem_of(party, "GET", "/prediction")).code is Code.NO_TEST_DATA

    run(scenario)


def test_rows_are_scored_as_objects_and_as_lists(tmp_path: Path) -> None:
    async def scenario() -> None:
        facilitator = FakeFacilitator()
        async with running(tmp_path, facilitator) as party:
            model_id = await trained(party)
            rows = [{"x2": 0.5, "x0": -1, "x1": 2}, [-1, 2, 0.5], {"x0": -1, "x1": "2", "x2": 0.5, "y": 3}]
            answer = await party.call("POST", "/prediction", json={"rows": rows})
            fitted = LinearRegression().fit(*pooled(facilitator.sizes))
            assert answer["model_id"] == model_id
            assert answer["values"] == pytest.approx([fitted.predict([[-1, 2, 0.5]])[0]] * 3, rel=1e-7)
            assert (await party.call("POST", "/prediction", json={"rows": []}))["values"] == []

    run(scenario)


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        ({"x0": 1, "x1": 1}, "rows.1.x2", "missing-values"),
        ({"x0": 1, "x1": 1, "x2": 1, "x9": 1}, "rows.1.x9", "unknown-field"),
        ([1, 2], "rows.1", "row-malformed"),
        ([1, "many", 2], "rows.1.x1", "text-in-numeric-column"),
        ("row", "rows.1", "row-malformed"),
        ([1, [2], 3], "rows.1.x1", "row-malformed"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named(tmp_path: Path, row: Any, field: str, code: str) -> None:
    async def scenario() -> None:
        async with running(tmp_path, FakeFacilitator()) as party:
            await trained(party)
            problem = await problem_of(party, "POST", "/prediction", json={"rows": [[1, 1, 1], row]})
            assert problem.code is Code.INVALID_ROWS
            (error,) = problem.extra["errors"]
            assert (error["field"], error["code"]) == (field, code)

    run(scenario)


def test_an_unknown_field_beside_rows_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, FakeFacilitator()) as party:
            problem = await problem_of(party, "POST", "/prediction", json={"rows": [], "colour": 1})
            assert problem.extra["errors"][0]["field"] == "colour"

    run(scenario)


# Test sets


def test_a_file_in_the_data_folder_is_registered_and_current(tmp_path: Path) -> None:
    async def scenario() -> None:
        data = tmp_path / "data"
        written(data, "other.csv", table(7, 4))
        written(tmp_path, "outside.csv")
        (data / "link.csv").symlink_to(tmp_path / "outside.csv")
        async with running(tmp_path / "s", FakeFacilitator(), data_dir=data, test_data=written(tmp_path)) as party:
            await trained(party)
            posted = await party.call("POST", "/datasets", json={"path": "other.csv"})
            assert posted["current"] is True
            assert len((await party.call("GET", "/prediction"))["values"]) == 4
            assert [item["current"] for item in await party.call("GET", "/datasets")] == [True, False]
            for path in ("../outside.csv", str(tmp_path / "outside.csv"), "link.csv", "absent.csv", "."):
                problem = await problem_of(party, "POST", "/datasets", json={"path": path})
                assert problem.code is Code.INVALID_REQUEST, path
            problem = await problem_of(party, "POST", "/datasets", content=b"{", headers=JSON)
            assert problem.code is Code.MALFORMED_JSON
            problem = await problem_of(party, "POST", "/datasets", json={"file": "other.csv"})
            assert {error["field"] for error in problem.extra["errors"]} == {"file", "path"}

    run(scenario)


def test_an_upload_is_kept_and_one_that_is_no_table_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, FakeFacilitator(), upload_limit_bytes=4096) as party:
            await trained(party)
            csv = {"Content-Type": "text/csv; charset=utf-8"}
            posted = await party.call("POST", "/datasets?name=june", content=table(3, 6).encode(), headers=csv)
            assert posted["name"] == "june"
            assert len((await party.call("GET", "/prediction"))["values"]) == 6
            uploads = tmp_path / "data" / "uploads"
            assert len(list(uploads.iterdir())) == 1
            problem = await problem_of(party, "POST", "/datasets", content=b"a\0b", headers=csv)
            assert problem.code is Code.INVALID_DATA
            problem = await problem_of(party, "POST", "/datasets", content=b"x" * 5000, headers=csv)
            assert problem.code is Code.BODY_TOO_LARGE
            problem = await problem_of(party, "POST", "/datasets", content=b"x", headers={"Content-Type": "text/x"})
            assert problem.code is Code.UNSUPPORTED_MEDIA_TYPE

            async def chunks() -> Any:
                for _ in range(5):
                    yield b"1,2\n" * 500

            problem = await problem_of(party, "POST", "/datasets", content=chunks(), headers=csv)
            assert problem.code is Code.BODY_TOO_LARGE
            assert len(list(uploads.iterdir())) == 1

    run(scenario)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["x0,x1,y\n1,1,2\n", "x0,x1,x2,y\n1,1,many,2\n", "x0,x1,x2,y\n1,1,1,9999\n", "x0,x1,x2,y\n1,,1,2\n"],
    ids=["column missing", "text", "target out of range", "value missing"],
)
def test_a_test_set_that_does_not_fit_the_model_is_refused(tmp_path: Path, text: str) -> None:
    async def scenario() -> None:
        async with running(tmp_path / "s", FakeFacilitator(), test_data=written(tmp_path, text=text)) as party:
            await trained(party)
            assert (await problem_of(party, "GET", "/prediction")).code is Code.INVALID_DATA

    run(scenario)


def test_a_test_set_that_changed_on_disk_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = written(tmp_path)
        async with running(tmp_path / "s", FakeFacilitator(), test_data=path) as party:
            await trained(party)
            path.write_text(table(5, 3))
            problem = await problem_of(party, "GET", "/prediction")
            assert problem.code is Code.INVALID_DATA
            assert "has changed" in problem.detail

    run(scenario)


# Model types


def two_targets_spec() -> ModelSpec:
    document = spec_document()
    props = document["data_props"]
    targets = [{"name": "y", "range": [0, 10]}, {"name": "z", "range": [-1, 3]}]
    props = {"features": props["features"], "targets": targets}
    return ModelSpec.model_validate({**document, "data_props": props})


def two_targets() -> Encoder:
    return Encoder.of_spec(two_targets_spec())


def test_coefficients_of_several_targets_are_named_by_both() -> None:
    encoder = two_targets()
    model = trained_model(np.arange(8.0).reshape(4, 2), encoder)
    assert model.arrays["weights"].values.tolist() == np.arange(8.0).reshape(4, 2).tolist()
    by_name = model.report["coefficients"]
    assert list(by_name) == ["x0", "x1", "x2", "intercept"]
    # 2 of a scaled weight, in a feature of half-width 2 and a target of half-width 5.
    assert by_name["x1"] == {"y": 5.0, "z": 3.0}


def test_the_loss_is_averaged_over_targets_in_raw_units() -> None:
    assert raw_loss((0.5, 0.25), two_targets_spec()) == (0.5 * 25 + 0.25 * 4) / 2
    with pytest.raises(Problem) as caught:
        raw_loss((float("inf"), 0.25), two_targets_spec())
    assert caught.value.code is Code.DIVERGED


def test_a_constant_target_has_no_r2() -> None:
    values, targets = np.array([[1.0], [3.0]]), np.array([[2.0], [2.0]])
    assert metrics_of_values(values, targets) == {"mse": 1.0, "mae": 1.0, "r2": None}
    assert metrics_of_values(values, np.array([[1.0], [3.0]]))["r2"] == 1.0
