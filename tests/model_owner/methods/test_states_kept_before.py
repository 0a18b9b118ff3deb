"""States of optimisers as earlier versions kept them, with a job in mid-training: they are read, and kept the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedtrain.model_owner.arithmetic.arrays import from_json, to_json
from fedtrain.model_owner.methods.descent import first_order, lbfgs
from fedtrain.model_owner.methods.quadratic import conjugate_gradient, heavy_ball, windowed

STATES: dict[str, Any] = json.loads((Path(__file__).parent / "states_as_first_kept.json").read_text())
KINDS: dict[str, type] = {
    "encrypted gradient_descent": heavy_ball._State,
    "encrypted momentum": heavy_ball._State,
    "encrypted conjugate_gradient": conjugate_gradient.Progressing,
    "windows momentum": windowed._State,
    "shared gradient_descent": first_order._At,
    "shared momentum": first_order._At,
    "shared adam": first_order._At,
    "shared lbfgs": lbfgs._At,
}
#: Fields that came later than the optimiser: there are jobs in training without them.
LATER = {
    "encrypted gradient_descent": ("gradient", "steps", "varied"),
    "encrypted conjugate_gradient": ("probing",),
    "shared adam": ("first_loss", "before", "pairs"),
    "shared lbfgs": ("first_loss",),
}


def test_every_optimiser_that_is_asked_more_than_once_is_here() -> None:
    assert set(STATES) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_state_is_read_and_kept_to_the_last_bit(name: str) -> None:
    assert to_json(from_json(KINDS[name], STATES[name])) == STATES[name]


@pytest.mark.parametrize("name", LATER)
def test_a_state_from_before_a_field_was_added_is_read(name: str) -> None:
    older = {field: value for field, value in STATES[name].items() if field not in LATER[name]}
    kept = to_json(from_json(KINDS[name], older))
    assert isinstance(kept, dict)
    assert {field: kept[field] for field in older} == older


@pytest.mark.parametrize("name", KINDS)
def test_what_is_no_state_of_the_optimiser_is_refused(name: str) -> None:
    other = STATES["shared adam" if name == "encrypted conjugate_gradient" else "encrypted conjugate_gradient"]
    for wrong in (None, "state", {}, {**STATES[name], "weights": {"shape": [1]}, "point": 5}, other):
        with pytest.raises(ValueError, match=r"validation error|kept|stored"):
            from_json(KINDS[name], wrong)
