"""The rows of a job are those that it was joined with, and what is wrong with others is told without a value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedtrain.data_owner.data import training_rows
from fedtrain.data_owner.data.datasets import content_version
from fedtrain.data_owner.data.training_rows import TrainingRows
from fedtrain.data_owner.store.records import Dataset
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.attackers.shared_jobs import shared_spec

GOOD = "a,b,y\n0.5,-0.5,0\n1,0,1\n"


def joined(path: Path) -> TrainingRows:
    path.write_text(GOOD)
    dataset = Dataset(
        name="default", version=content_version(path), path=str(path), columns=("a", "b", "y"), registered_at="now"
    )
    return TrainingRows(dataset, ModelSpec.model_validate(shared_spec(np.zeros((1, 2)), 2)))


def test_every_row_is_there_each_time(tmp_path: Path) -> None:
    rows = joined(tmp_path / "table.csv")
    for _ in range(2):
        (batch,) = rows
        assert batch.X.tolist() == [[0.5, -0.5, 1.0], [1.0, 0.0, 1.0]]
        assert batch.Y.tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_table_that_was_changed_is_refused_and_no_value_of_it_is_told(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    rows = joined(path)
    version = content_version(path)
    path.write_text(GOOD.replace("-0.5", "diabetic"))
    if when == "meanwhile":
        seen = iter([version])
        monkeypatch.setattr(training_rows, "content_version", lambda path: next(seen, None) or content_version(path))
    with pytest.raises(Problem, match="is not what this owner joined with") as caught:
        list(rows)
    assert caught.value.code is Code.INVALID_DATA
    assert "diabetic" not in caught.value.detail


def test_a_table_that_cannot_be_read_again_is_told_of_by_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    rows = joined(path)
    version = content_version(path)
    path.write_text(GOOD.replace("-0.5", "diabetic"))
    monkeypatch.setattr(training_rows, "content_version", lambda _path: version)
    with pytest.raises(Problem, match="text-in-numeric-column") as caught:
        list(rows)
    assert "diabetic" not in caught.value.detail
