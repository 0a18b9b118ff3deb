"""Remarks that people must know of a result reach them wherever the result is shown."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.datasets import load_diabetes

from fedtrain import FederatedLinearRegression, ModelOwner, RemarkWarning
from fedtrain.cli.jobs.commands import print_prediction
from fedtrain.cli.jobs.remarks import print_remarks
from fedtrain.model_owner.results.fitted import TrainedModel
from fedtrain.model_owner.results.remarks import TEXTS, Finding, RemarkCode, remark, remarks_of
from tests.harness.model_owner.served import Bridge, served
from tests.harness.one_process import rows_of, training, write_table

PROPS = {
    "features": [{"col_idx": j, "type": "continuous", "range": [-0.2, 0.2]} for j in range(4)],
    "target": {"col_idx": 4, "range": [25, 346]},
}


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("remarks")
    data = load_diabetes()
    rows = rows_of(data.data[:, :4], data.target.tolist())
    table, test = write_table(folder / "a.csv", rows[:300]), write_table(folder / "test.csv", rows[300:])
    with served(folder, {"a": table}, test) as transport:
        yield transport


def connected(transport: Bridge) -> ModelOwner:
    return ModelOwner("http://model-owner.invalid", transport=transport, sleep=lambda _: None)


def fitted(owner: ModelOwner, **chosen: object) -> FederatedLinearRegression:
    job = {key: value for key, value in training(1).items() if key != "optimizer"}
    return FederatedLinearRegression(PROPS, training={**job, **chosen}, show_progress=False, client=owner).fit()


def test_a_model_that_stopped_early_says_so_everywhere(diabetes: Bridge, capsys: pytest.CaptureFixture[str]) -> None:
    with connected(diabetes) as owner:
        with pytest.warns(RemarkWarning, match="stopped before the minimum: all 2 rounds"):
            model = fitted(owner, rounds=2)
        said = model.model_["remarks"]
        assert [each["code"] for each in said] == ["not-converged"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # told once, not at every call
            prediction = owner.prediction(model.model_id_)
            rows = owner.predict(load_diabetes().data[:2, :4], model.model_id_)
            assert owner.predict([], model.model_id_)["remarks"] == said
        assert prediction["remarks"] == rows["remarks"] == said
        assert owner._call("GET", f"/predictions/{prediction['id']}").json()["remarks"] == said
        assert json.loads(owner.export(model.model_id_))["remarks"] == said
        events = owner._call("GET", f"/models/{model.model_id_}/events").text
        last = json.loads(events.strip().rsplit("data: ", 1)[1])
        assert last["remarks"] == said
    print_prediction(prediction, rows=1)
    assert f"note: {said[0]['text']} (not-converged)" in capsys.readouterr().out


@pytest.mark.slow
def test_a_model_at_its_minimum_has_nothing_to_remark(diabetes: Bridge) -> None:
    with connected(diabetes) as owner, warnings.catch_warnings():
        warnings.simplefilter("error", RemarkWarning)
        assert fitted(owner, tolerance=1e-10).model_["remarks"] == []


def test_findings_name_columns_and_are_told_once() -> None:
    found = [Finding(RemarkCode.NOT_CONVERGED, 1, {"why": "x"})] * 2
    (only,) = remarks_of(found, ("age", "income"))
    assert (only.column, only.code) == ("income", "not-converged")


def test_every_code_has_a_text() -> None:
    assert set(TEXTS) == set(RemarkCode)


def test_every_code_is_on_the_page_of_models() -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    assert [code for code in RemarkCode if f"| `{code}` |" not in page] == []


def test_a_remark_without_what_its_text_needs_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        remark(RemarkCode.NOT_CONVERGED)


def test_a_model_that_was_kept_before_there_were_remarks_is_read() -> None:
    kept = {"weights": [["0x1p+0"]], "coefficients": [[1.0]], "names": ["intercept"], "output_names": ["y"]}
    assert TrainedModel.model_validate_json(json.dumps(kept)).remarks == ()


def test_nothing_is_printed_where_there_is_nothing_to_remark(capsys: pytest.CaptureFixture[str]) -> None:
    print_remarks({"id": "ab"})
    assert capsys.readouterr().out == ""
