"""The Python client against whole services: calls, waiting, and estimators with scikit-learn's manners."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import Ridge

from fedtrain import (
    FederatedLinearRegression,
    FederatedLogisticRegression,
    JobEnded,
    ModelOwner,
)
from fedtrain.client.retry import ATTEMPTS_OF_A_MINUTE
from fedtrain.spec.problems import Code, Problem
from tests.harness.model_owner.served import Bridge, served
from tests.harness.one_process import rows_of, training, write_table

FEATURES = [{"col_idx": j, "type": "continuous", "range": [-0.2, 0.2]} for j in range(4)]
PROPS = {"features": FEATURES, "target": {"col_idx": 4, "range": [25, 346]}}
TRAINING = {key: value for key, value in training(1).items() if key != "optimizer"}
NAMES = ["malignant", "benign"]


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("diabetes")
    data = load_diabetes()
    rows = rows_of(data.data[:, :4], data.target.tolist())
    table, test = write_table(folder / "a.csv", rows[:300]), write_table(folder / "test.csv", rows[300:])
    with served(folder, {"a": table}, test) as transport:
        yield transport


@pytest.fixture
def owner(diabetes: Bridge) -> Iterator[ModelOwner]:
    with ModelOwner("http://model-owner.invalid", transport=diabetes, sleep=lambda _: None) as owner:
        yield owner


def linear(owner: ModelOwner, **parameters: Any) -> FederatedLinearRegression:
    chosen = {"optimizer": "newton", "training": TRAINING, "show_progress": False, "client": owner, **parameters}
    return FederatedLinearRegression(PROPS, **chosen)


@pytest.fixture(scope="module")
def fitted(diabetes: Bridge) -> FederatedLinearRegression:
    owner = ModelOwner("http://model-owner.invalid", transport=diabetes, sleep=lambda _: None)
    return linear(owner, l2=2.0).fit()


def test_deploy_wait_and_predict(owner: ModelOwner, capsys: pytest.CaptureFixture[str]) -> None:
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": PROPS,
        "training": {**TRAINING, "optimizer": "conjugate_gradient", "tolerance": 1e-10},
    }
    model_id = owner.deploy(spec)
    model = owner.wait(model_id)
    assert model["status"] == "FINISHED"
    assert f"model {model_id[:8]}" in capsys.readouterr().err
    prediction = owner.prediction(model_id)
    assert len(prediction["values"]) == 142
    again = owner.predict(load_diabetes().data[300:, :4], model_id)
    assert again["values"] == pytest.approx(prediction["values"])
    assert json.loads(owner.export(model_id))["model_id"] == model_id


def test_what_the_service_refuses_comes_as_its_problem(owner: ModelOwner) -> None:
    with pytest.raises(Problem) as caught:
        owner.deploy({"model_type": "LINEAR_REGRESSION"})
    assert caught.value.code is Code.INVALID_SPEC
    with pytest.raises(Problem) as caught:
        owner.model("none")
    assert caught.value.code is Code.MODEL_NOT_FOUND
    with pytest.raises(Problem) as caught:
        owner.predict([[1, 2]])
    assert caught.value.code in (Code.INVALID_ROWS, Code.NO_FINISHED_MODEL)


def test_a_job_without_a_model_is_an_error_that_says_why(owner: ModelOwner) -> None:
    model_id = owner.deploy(
        {
            "model_type": "LINEAR_REGRESSION",
            "data_props": {**PROPS, "target": {"col_idx": 4, "range": [25, 26]}},
            "training": TRAINING,
        }
    )
    with pytest.raises(JobEnded, match="is FAILED") as caught:
        owner.wait(model_id, show_progress=False)
    assert caught.value.model["id"] == model_id


def coming_and_going(answers: list[int]) -> tuple[ModelOwner, list[float]]:
    """A client of a service that answers so, 0 for nothing, which it does for ever then; and the pauses it makes."""
    slept: list[float] = []

    def answer(_request: httpx.Request) -> httpx.Response:
        status = answers.pop(0) if answers else 0
        if not status:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, json={"id": "ab" * 16, "status": "FINISHED"})

    return ModelOwner("http://model-owner.invalid", transport=httpx.MockTransport(answer), sleep=slept.append), slept


def test_waiting_goes_on_over_a_restart_of_the_service() -> None:
    owner, slept = coming_and_going([0, 503, 200])
    assert owner.wait("ab" * 16, show_progress=False)["status"] == "FINISHED"
    assert len(slept) == 2 and 0.125 <= slept[0] <= 0.25 <= slept[1] <= 0.5


def test_waiting_ends_where_the_service_stays_away_or_knows_nothing_of_the_model() -> None:
    owner, slept = coming_and_going([])
    with pytest.raises(Problem, match="Nothing answers") as caught:
        owner.wait("ab" * 16, show_progress=False)
    assert (caught.value.code, len(slept)) == (Code.SERVICE_UNREACHABLE, ATTEMPTS_OF_A_MINUTE - 1)
    owner, slept = coming_and_going([404])
    with pytest.raises(Problem):
        owner.wait("ab" * 16, show_progress=False)
    assert slept == []


def test_it_works_where_an_event_loop_is_running_as_in_a_notebook(owner: ModelOwner) -> None:
    async def cell() -> FederatedLinearRegression:
        return linear(owner).fit()

    assert asyncio.run(cell()).coef_.shape == (4,)


def test_a_linear_model_is_fitted_as_scikit_learn_fits_ridge(fitted: FederatedLinearRegression) -> None:
    data = load_diabetes()
    X, y = data.data[:, :4], data.target
    # l2 is on features that are scaled to [−1, 1].
    pooled = Ridge(alpha=2.0).fit(X[:300] / 0.2, y[:300])
    np.testing.assert_allclose(fitted.coef_, pooled.coef_ / 0.2, rtol=1e-7)
    assert fitted.intercept_ == pytest.approx(pooled.intercept_)
    np.testing.assert_allclose(fitted.predict(X[300:]), pooled.predict(X[300:] / 0.2), rtol=1e-7)
    assert fitted.score(X[300:], y[300:]) == pytest.approx(pooled.score(X[300:] / 0.2, y[300:]))
    assert fitted.n_rows_ == 300
    assert list(fitted.feature_names_in_) == [f"column {j}" for j in range(4)]
    with pytest.raises(ValueError, match="is expected"):
        fitted.score(X[300:], y[301:])


def test_parameters_are_those_of_a_scikit_learn_estimator(fitted: FederatedLinearRegression) -> None:
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    assert not hasattr(copied, "coef_")
    assert copied.set_params(l2=7.0) is copied
    assert (copied.l2, fitted.l2) == (7.0, 2.0)
    assert copied.spec()["training"]["l2"] == 7.0
    with pytest.raises(ValueError, match="'alpha' is no parameter"):
        copied.set_params(alpha=1)
    with pytest.raises(ValueError, match="not fitted"):
        copied.predict([[0, 0, 0, 0]])
    assert copy.deepcopy(fitted).client is fitted.client


def test_rows_to_fit_and_missing_columns_are_refused(owner: ModelOwner) -> None:
    with pytest.raises(ValueError, match="fit takes no rows"):
        linear(owner).fit([[1, 2, 3, 4]], [1])
    with pytest.raises(ValueError, match="data_props"):
        FederatedLinearRegression(client=owner).fit()


def test_a_token_is_not_shown_and_does_not_travel_in_the_clear() -> None:
    assert "secret" not in repr(FederatedLogisticRegression(token="secret"))
    with pytest.raises(Problem, match="in the clear"):
        ModelOwner("http://model-owner.example", token="secret")
    ModelOwner("https://model-owner.example", token="secret").close()


def test_nobody_there_is_a_problem_that_names_the_address() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with (
        ModelOwner("http://127.0.0.1:9", transport=httpx.MockTransport(refuse)) as owner,
        pytest.raises(Problem, match=r"127\.0\.0\.1:9") as caught,
    ):
        owner.prediction()
    assert caught.value.code is Code.SERVICE_UNREACHABLE


def test_classes_probabilities_and_accuracy(tmp_path: Path) -> None:
    data = load_breast_cancer()
    X, labels = data.data[:, :6], [NAMES[code] for code in data.target]
    rows = rows_of(X, labels)
    tables = {"a": write_table(tmp_path / "a.csv", rows[:400])}
    features = [
        {"col_idx": j, "type": "continuous", "range": [float(column.min()), float(column.max())]}
        for j, column in enumerate(X.T)
    ]
    props = {"features": features, "target": {"col_idx": 6, "categories": NAMES}}
    test = write_table(tmp_path / "test.csv", rows[400:])
    with (
        served(tmp_path, tables, test) as transport,
        ModelOwner("http://model-owner.invalid", transport=transport, sleep=lambda _: None) as owner,
    ):
        model = FederatedLogisticRegression(
            props, optimizer="newton", l2=1.0, training=TRAINING, show_progress=False, client=owner
        ).fit()
        probabilities = model.predict_proba(X[400:])
        prediction = owner.prediction(model.model_id_)
        assert list(model.classes_) == NAMES
        assert (model.coef_.shape, model.intercept_.shape) == ((1, 6), (1,))
        np.testing.assert_allclose(probabilities[:, 1], prediction["values"])
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        predicted = model.predict(X[400:])
        assert list(predicted) == prediction["classes"]
        assert model.score(X[400:], labels[400:]) == np.mean(predicted == np.array(labels[400:])) > 0.8


def test_scikit_learn_is_not_needed() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import fedtrain as c; c.FederatedLinearRegression()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
