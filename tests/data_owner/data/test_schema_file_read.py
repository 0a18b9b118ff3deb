"""The file that is given as a Data Owner's schema: read, or refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedtrain.data_owner.running.own_table import read_schema
from fedtrain.spec.problems import Problem

PROPS = {
    "features": [{"name": "dose", "type": "continuous", "range": [0, 10]}],
    "target": {"name": "effect", "range": [0, 100]},
}


def test_a_spec_is_refused_with_where_its_schema_is(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"model_type": "LINEAR_REGRESSION", "data_props": PROPS}))
    with pytest.raises(Problem, match="it is a model spec: take its data_props"):
        read_schema(path)
    path.write_text(json.dumps(PROPS))
    schema = read_schema(path)
    assert schema is not None and [column.label for column in schema.features] == ["dose"]


@pytest.mark.parametrize("text", ["[]", "{", '{"features": []}'])
def test_what_is_neither_is_not_called_a_spec(tmp_path: Path, text: str) -> None:
    path = tmp_path / "schema.json"
    path.write_text(text)
    with pytest.raises(Problem) as refused:
        read_schema(path)
    assert str(path) in refused.value.detail
    assert "data_props" not in refused.value.detail
