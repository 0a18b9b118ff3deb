"""Findings of the moments on columns, told by name, after newton and after conjugate gradient alike."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from fedtrain.model_owner.methods.quadratic import OPTIMISERS
from fedtrain.model_owner.methods.quadratic.conditioning import remarks_on_columns
from fedtrain.model_owner.results.classes import Classes, SurrogateClasses, remarks_on_classes
from fedtrain.model_owner.results.linear import Values
from fedtrain.spec.model_spec import ModelSpec, Optimizer
from tests.harness.model_owner.federation_sums import Federation, integers

CG = OPTIMISERS[Optimizer.CONJUGATE_GRADIENT]
NAMES = ("a", "b", "c", "intercept")


def moments(X):
    return integers(X.T @ X, 60)


def columns(seed=3, rows=400):
    return np.c_[np.random.default_rng(seed).uniform(-1, 1, (rows, 3)), np.ones(rows)]


def said(X):
    return [(each.code, each.column) for each in remarks_on_columns(moments(X), NAMES, [1.0] * 4)]


def test_columns_that_vary_and_differ_are_not_remarked_on():
    assert said(columns()) == []


@pytest.mark.parametrize("width", [0.0, 1e-7, 1e-4])
def test_a_column_that_hardly_varies_is_named(width):
    X = columns()
    X[:, 1] = 0.75 + width * X[:, 1]
    assert said(X) == [("column-hardly-varies", "b")]


def test_columns_that_go_together_are_named_together():
    X = columns()
    X[:, 2] = (X[:, 0] + X[:, 1]) / 2
    (only,) = remarks_on_columns(moments(X), NAMES, [1.0] * 4)
    assert only.code == "collinear"
    assert {only.column, *only.text.split("with them: ")[1].split(")")[0].split(", ")} == {"a", "b", "c"}
    X[:, 2] += 0.01 * columns(seed=4)[:, 2]
    assert said(X) == []


@pytest.mark.parametrize("kind", ["collinear", "constant"])
@pytest.mark.parametrize("l2", [0.0, 5.0])
def test_conjugate_gradient_knows_them_too(kind, l2):
    X = columns()
    X[:, 1] = X[:, 0] if kind == "collinear" else 0.5
    federation = Federation.of(X, X[:, [2]] + 0.1 * columns(seed=9)[:, [0]], l2=l2)
    _, _, states = federation.train(Optimizer.CONJUGATE_GRADIENT)
    A = CG.known_moments(federation.problem, states[-1])
    assert A is not None
    codes = [each.code for each in remarks_on_columns(A, NAMES, [1.0] * 4)]
    assert codes == ["collinear" if kind == "collinear" else "column-hardly-varies"]


def test_what_is_not_known_is_not_judged():
    federation = Federation.of(columns(), columns()[:, [2]], rounds=2)
    _, _, states = federation.train(Optimizer.CONJUGATE_GRADIENT)
    assert CG.known_moments(federation.problem, states[-1]) is None


def classifier(categories, **training):
    return ModelSpec.model_validate(
        {
            "model_type": "LOGISTIC_REGRESSION",
            "data_props": {
                "features": [{"name": "x", "type": "continuous", "range": [0, 1]}],
                "target": {"name": "y", "categories": categories},
            },
            "training": training,
        }
    )


@pytest.mark.parametrize("fitted", [Classes, SurrogateClasses])
@pytest.mark.parametrize(("slopes", "missing"), [((50,), (1,)), ((-50,), (0,)), ((49,), ())])
def test_of_two_classes_the_one_without_rows_is_found(fitted, slopes, missing):
    assert fitted.missing_classes(slopes, 100) == missing
    assert Values.missing_classes(slopes, 100) == ()


def test_of_several_classes_those_without_rows_are_named():
    spec = classifier(["low", "mid", "high"])
    assert SurrogateClasses.missing_classes((10, 50, -10), 100) == (1,)
    assert Classes.missing_classes((Fraction(3334, 100), -60, 30), 100) == (0,)
    (only,) = remarks_on_classes(spec, (1,))
    assert (only.code, only.column) == ("class-missing", "y")
    assert "mid" in only.text
