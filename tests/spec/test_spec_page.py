"""docs/spec.md against the spec's own fields, defaults and checks."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from fedtrain.cli.owner.data import _read_declaration
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import DataProps, Feature, FeatureType, ModelSpec, Optimizer, Target, Training
from fedtrain.tabular.reading.convert import MISSING_TEXTS

PAGE = (Path(__file__).parents[2] / "docs" / "spec.md").read_text(encoding="utf-8")
TABLES = re.findall(r"^\| field.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
EXAMPLE: dict[str, Any] = json.loads(PAGE.split("```json\n", 1)[1].split("```", 1)[0])


def rows_of(table: str) -> dict[str, str]:
    """Return what the page gives as the default of each field."""
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    return {row[0].strip("|` "): row[1] for row in cells}


def defaults_of(*models: type[BaseModel]) -> dict[str, Any]:
    """Each field's default as JSON text; None where there is none."""
    found: dict[str, Any] = {}
    for model in models:
        for name, field in model.model_fields.items():
            value = None if field.is_required() else field.get_default(call_default_factory=True)
            found[name] = None if field.is_required() or isinstance(value, BaseModel) else json.dumps(value)
    return found


@pytest.mark.parametrize(
    ("table", "models"),
    [(0, (ModelSpec,)), (1, (DataProps,)), (2, (Feature, Target)), (3, (Training,))],
    ids=["spec", "data_props", "columns", "training"],
)
def test_every_field_is_on_the_page_with_its_default(table: int, models: tuple[type[BaseModel], ...]) -> None:
    told, real = rows_of(TABLES[table]), defaults_of(*models)
    assert told.keys() == real.keys()
    for name, default in told.items():
        if default in ("must be given", "all defaults"):
            assert real[name] is None, name
        elif default == "one of the two":
            assert real[name] == "null", name
        else:
            assert default == f"`{real[name]}`", name


def test_the_example_is_a_spec_that_fits() -> None:
    spec = ModelSpec.model_validate_json(json.dumps(EXAMPLE))
    assert plan_spec(spec).slot_bits < spec.training.key_bits
    assert spec.data_props.dimensions == 3
    assert spec.training.optimizer is Optimizer.NEWTON


def test_data_props_alone_are_a_schema(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(EXAMPLE["data_props"]))
    props, _, _, spec = _read_declaration(path)
    assert spec is None
    assert [column.label for column in props.columns] == ["age", "smoker", "stay_days"]


def test_what_may_be_chosen_from_is_named_in_full() -> None:
    training, columns = TABLES[3], TABLES[2]
    for optimizer in Optimizer:
        assert f'"{optimizer}"' in training
    for kind in FeatureType:
        assert f"`{kind}`" in columns
    for name in ("slope", "scaling", "weights", "on_dropout"):
        for choice in Training.model_json_schema()["properties"][name]["enum"]:
            assert f'"{choice}"' in training, name
    named = set(
        re.findall(r"`([^`]*)`", PAGE.split("No value is an empty cell, or one of ")[1].split(" and the like")[0])
    )
    assert len(named) > 5
    assert named < MISSING_TEXTS
