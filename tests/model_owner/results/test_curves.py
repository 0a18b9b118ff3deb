"""Curves of a model on a test set, held against scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from fedtrain.model_owner.results.examined.curves import BINS, MOST_CLASSES, MOST_POINTS, curves_of

IDS = {"model_id": "0f" * 16, "dataset_id": "5c" * 16}


def classes(rows: int, digits: int, names: tuple[str, ...] = ("no", "yes"), seed: int = 7) -> dict[str, Any]:
    """A prediction of classes; with few `digits` many probabilities are equal."""
    draw = np.random.default_rng(seed)
    values = np.round(draw.dirichlet(np.ones(len(names)), rows), digits)
    targets = [names[draw.choice(len(names), p=row / row.sum())] for row in values]
    shown = values[:, 1] if len(names) == 2 else values
    return {**IDS, "values": shown.tolist(), "targets": targets, "class_names": list(names)}


@pytest.mark.parametrize("digits", [1, 12])
def test_curves_of_two_classes_are_scikit_learns(digits: int) -> None:
    document = classes(200, digits)
    found = curves_of(document, ["stays"])
    (one,) = found.classes
    scores, positive = np.array(document["values"]), np.array(document["targets"]) == "yes"
    false, true, _ = roc_curve(positive, scores, drop_intermediate=False)
    assert np.allclose(one.roc.x, false)
    assert np.allclose(one.roc.y, true)
    precision, recall, _ = precision_recall_curve(positive, scores)
    # Its curve falls, and ends with a point of its own at (0, 1).
    assert np.allclose(one.precision_recall.x, recall[:-1][::-1])
    assert np.allclose(one.precision_recall.y, precision[:-1][::-1])
    assert one.auc == pytest.approx(roc_auc_score(positive, scores))
    assert one.average_precision == pytest.approx(average_precision_score(positive, scores))
    assert (one.name, one.rows, found.rows, found.targets) == ("yes", int(positive.sum()), 200, [])


def test_the_share_that_came_is_scikit_learns() -> None:
    document = classes(300, 12)
    (one,) = curves_of(document, ["stays"]).classes
    came, said = calibration_curve(np.array(document["targets"]) == "yes", np.array(document["values"]), n_bins=10)
    assert np.allclose(one.calibration.x, said)
    assert np.allclose(one.calibration.y, came)
    assert sum(one.calibration_rows) == 300


def test_rows_that_a_calibration_was_fitted_on_are_left_out() -> None:
    document = classes(100, 12)
    fitted = {**document, "calibration": {"rows": list(range(60))}}
    kept = {**document, "values": document["values"][60:], "targets": document["targets"][60:]}
    assert curves_of(fitted, ["stays"]) == curves_of(kept, ["stays"])
    assert curves_of(fitted, ["stays"]) != curves_of(document, ["stays"])


def test_of_many_classes_those_that_most_rows_have_are_shown() -> None:
    names = tuple(f"class {at}" for at in range(MOST_CLASSES + 5))
    document = classes(400, 12, names)
    found = curves_of(document, ["kind"]).classes
    rows = {name: document["targets"].count(name) for name in names}
    assert len(found) == MOST_CLASSES
    left_out = set(names) - {one.name for one in found}
    assert max(rows[name] for name in left_out) <= min(one.rows for one in found)
    shown = found[3]
    at = names.index(shown.name)
    scores, positive = np.array(document["values"])[:, at], np.array(document["targets"]) == shown.name
    assert shown.auc == pytest.approx(roc_auc_score(positive, scores))


def test_a_class_without_rows_has_no_curve_and_neither_has_one_that_all_rows_have() -> None:
    document = {**IDS, "values": [0.2, 0.7], "targets": ["no", "no"], "class_names": ["no", "yes"]}
    (one,) = curves_of(document, ["stays"]).classes
    assert (one.rows, one.roc, one.auc, one.precision_recall, one.average_precision) == (0, None, None, None, None)
    (one,) = curves_of({**document, "targets": ["yes", "yes"]}, ["stays"]).classes
    assert (one.rows, one.roc, one.auc, one.average_precision) == (2, None, None, 1.0)


def test_a_curve_of_many_rows_has_few_points_and_both_ends() -> None:
    document = classes(5000, 12)
    (one,) = curves_of(document, ["stays"]).classes
    assert len(one.roc.x) == MOST_POINTS
    assert (one.roc.x[0], one.roc.y[0], one.roc.x[-1], one.roc.y[-1]) == (0.0, 0.0, 1.0, 1.0)
    exact = average_precision_score(np.array(document["targets"]) == "yes", np.array(document["values"]))
    assert one.average_precision == pytest.approx(exact)  # of all rows, not of those that are drawn


def test_errors_of_two_targets_are_true_minus_predicted() -> None:
    draw = np.random.default_rng(11)
    values, true = draw.normal(size=(1200, 2)), draw.normal(size=(1200, 2))
    document = {**IDS, "values": values.tolist(), "targets": true.tolist()}
    found = curves_of(document, ["days", "cost"])
    assert ([one.name for one in found.targets], found.rows, found.classes) == (["days", "cost"], 1200, [])
    for at, one in enumerate(found.targets):
        assert len(one.values) == MOST_POINTS
        assert one.values == sorted(one.values)
        assert np.allclose(np.array(one.targets) - one.values, one.residuals)
        errors = true[:, at] - values[:, at]
        assert (one.mean, one.deviation) == (pytest.approx(errors.mean()), pytest.approx(errors.std()))
        assert (len(one.counts), sum(one.counts)) == (BINS, 1200)


def test_a_row_without_a_finite_value_is_left_out() -> None:
    document = {**IDS, "values": [1.0, float("inf"), 2.0], "targets": [1.5, 1.0, 2.0]}
    found = curves_of(document, ["days"])
    assert (found.rows, found.targets[0].values, found.targets[0].residuals) == (2, [1.0, 2.0], [0.5, 0.0])
    assert curves_of({**document, "values": [float("nan")] * 3}, ["days"]).targets == []
