"""Above which probability of the second class a row is better called that class than at ½, as rare classes need.

The threshold is the one of largest recall + specificity − 1 on given rows. Source: W. J. Youden, "Index for rating
diagnostic tests", 1950.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import Floats

Json = dict[str, Any]


def threshold_of(probabilities: Floats, positive: Floats) -> float | None:
    """Return the threshold of (n,) probabilities of rows that are `positive` (n,) or not; None without both classes.

    It lies half-way between two neighbouring probabilities, so that rounding moves no row across it.
    """
    ones = float(positive.sum())
    zeros = len(positive) - ones
    if not ones or not zeros:
        return None
    order = np.argsort(probabilities, kind="stable")
    ranked, labels = probabilities[order], positive[order]
    # After row i: so many of either class are at or below it, and called the first class.
    above = ranked[:-1] < ranked[1:]
    if not above.any():
        return None
    missed, spared = np.cumsum(labels)[:-1], np.cumsum(1 - labels)[:-1]
    index = np.where(above, spared / zeros - missed / ones, -1.0)
    best = int(np.argmax(index))
    return float((ranked[best] + ranked[best + 1]) / 2)


def decision_of(threshold: float, probabilities: Floats, positive: Floats, chosen_on: int) -> Json:
    """Return the threshold, and how the rows (n,) fare that it is reported on. None where there is nothing to divide
    by. `chosen_on`: how many rows the threshold was chosen on.
    """
    called, true = probabilities > threshold, positive > 0
    hits = int((called & true).sum())
    return {
        "threshold": threshold,
        "chosen_on": chosen_on,
        "recall": hits / int(true.sum()) if true.any() else None,
        "precision": hits / int(called.sum()) if called.any() else None,
        "accuracy": float(np.mean(called == true)),
    }
