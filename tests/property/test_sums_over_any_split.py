"""However a federation's rows are dealt out to owners, their integers add up to those of one owner of all rows.

So that a sum tells nothing of the split: neither the slope of a surrogate, nor a scale of the plan, nor the rounding
of a quotient belongs to one owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedtrain.data_owner.data.moments import Moments, Rows, moments_of
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import Affine, OwnerMethod, PreparedData, Question
from fedtrain.data_owner.release.fixed_point import fixed_point
from fedtrain.methods.regression.budget import Budget
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.tabular.encode import EncodedBatch, Encoder
from fedtrain.tabular.reading.read import TableBatch

Integers = NDArray[Any]
RANGES = [(0.0, 1.0), (-0.1, 0.3), (1e9, 1e9 + 7), (0.2, 999.0), (-1e-9, 3e-7), (-1e200, 3e200)]
JOBS: list[dict[str, object]] = [
    {"optimizer": "conjugate_gradient"},
    {"optimizer": "gradient_descent", "reencrypt_every": 3},
    {"optimizer": "newton"},
    {"optimizer": "newton", "l2": "auto"},
    {"optimizer": "conjugate_gradient", "evaluate_every": 2},
]


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    features: list[dict[str, object]] = [
        {"name": f"x{j}", "type": "continuous", "range": draw(st.sampled_from(RANGES))}
        for j in range(draw(st.integers(1, 3)))
    ]
    features.append({"name": "grade", "type": "ordinal", "categories": ["a", "b", "c", "d"]})
    if draw(st.booleans()):
        classes = draw(st.sampled_from([["no", "yes"], ["p", "q", "r"]]))
        kind, targets = "LOGISTIC_REGRESSION", [{"name": "y", "categories": classes}]
    else:
        kind = "LINEAR_REGRESSION"
        targets = [{"name": f"y{j}", "range": draw(st.sampled_from(RANGES))} for j in range(draw(st.integers(1, 2)))]
    training = {"key_bits": 4096, "slope": draw(st.sampled_from(["minimax", "taylor"])), **draw(st.sampled_from(JOBS))}
    return ModelSpec.model_validate(
        {"model_type": kind, "data_props": {"features": features, "targets": targets}, "training": training}
    )


def encoded(spec: ModelSpec, draw: st.DrawFn, rows: int) -> EncodedBatch:
    """Random records of the spec, as an owner encodes them."""
    arrays = []
    for column in spec.data_props.columns:
        if column.categories is None:
            assert column.range is not None
            values = st.floats(*column.range)
            arrays.append(pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), pa.float64()))
        else:
            names = st.sampled_from(column.category_texts)
            arrays.append(pa.array(draw(st.lists(names, min_size=rows, max_size=rows))))
    return Encoder.of_spec(spec).encode(TableBatch(tuple(arrays), rows, 1))


def moments_over(spec: ModelSpec, batch: EncodedBatch, rows: NDArray[np.intp], held: NDArray[np.bool_]) -> Moments:
    """The moments of some of the rows; of both parts, side by side, where the job validates."""
    encoder = Encoder.of_spec(spec)
    parts = [np.asarray(part)[rows] for part in (batch.X, batch.Y, batch.X_rest, batch.Y_rest)]
    bounds, targets = encoder.feature_bounds, np.full(encoder.outputs, encoder.target_bound)
    if spec.validates:
        kept = held[rows][:, None]
        parts = [np.hstack([np.where(kept, 0.0, part), np.where(kept, part, 0.0)]) for part in parts]
        bounds, targets = np.tile(bounds, 2), np.tile(targets, 2)
    return moments_of([Rows(*parts)], bounds, targets)


def integers(method: OwnerMethod, data: PreparedData, budget: Budget) -> list[Integers]:
    """All that an owner puts into any of its answers."""
    assert (RoundKind.MOMENTS in budget.kinds) == (budget.newton is not None)
    assert (RoundKind.VALIDATION_LOSS in budget.kinds) == (budget.validation is not None)
    arrays = []
    for kind in budget.kinds:
        for step in range(len(budget.steps) if kind == RoundKind.GRADIENT else 1):
            numbers = fixed_point(method.answers[kind](data, Question(kind)), budget.round(kind, step).answer)
            arrays += [numbers.matrix, numbers.vector] if isinstance(numbers, Affine) else [numbers]
    return arrays


def total(parts: Sequence[list[Integers]]) -> list[Integers]:
    return [reduce(add, arrays) for arrays in zip(*parts, strict=True)]


@pytest.mark.slow
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_owners_integers_add_up_to_the_pooled_ones_to_the_bit(data: st.DataObject) -> None:
    spec = data.draw(specs())
    rows = data.draw(st.integers(1, 12))
    batch = encoded(spec, data.draw, rows)
    held = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    owner = np.array(data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)))
    budget, method = plan_spec(spec), method_of(spec.model_type)

    def of(chosen: NDArray[np.intp]) -> list[Integers]:
        data = PreparedData.of(moments_over(spec, batch, chosen, held), budget)
        return integers(method, data, budget)

    pooled = of(np.arange(rows))
    shared = total([of(np.flatnonzero(owner == each)) for each in range(4)])
    for one, other in zip(shared, pooled, strict=True):
        assert one.tolist() == other.tolist()
