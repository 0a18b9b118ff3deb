"""The validation loss of the whole federation, asked for under encryption during training, and early stopping on it.

Every `evaluate_every` rounds Enc(w⊗w) and Enc(w) go out, and wᵀA·w − 2bᵀw of all validation parts together comes
back. Where the loss has not fallen for PATIENCE evaluations, training ends with the weights of the least one.
"""

from __future__ import annotations

import numpy as np

from fedtrain.model_owner.methods.optimisers import Json, Quadratic
from fedtrain.model_owner.methods.optimisers.conjugate_gradient import GUARD_BITS, Progressing
from fedtrain.model_owner.methods.optimisers.quadratic import (
    Floats,
    Integers,
    floats_from_json,
    quantise,
    to_floats,
)
from fedtrain.spec.model_spec import Optimizer

PATIENCE = 3


def evaluated_weights(optimizer: Optimizer, problem: Quadratic, state: Json) -> Floats:
    """(d, k) float64: the weights, times the slope, that the optimiser's latest training loss belongs to."""
    if optimizer is Optimizer.CONJUGATE_GRADIENT:
        return to_floats(Progressing.from_json(state).weights, problem.weight_fraction_bits + GUARD_BITS)
    if not isinstance(state, dict):
        raise ValueError("this is not a state of an optimiser that is evaluated")
    return floats_from_json(state["previous"])


def products_and_weights(weights: Floats, fraction_bits: int) -> Integers:
    """(k·(d(d+1)/2 + d), 1): for each output w_i·w_j, i ≤ j, row by row, then w, rounded to 2^−fraction_bits."""
    upper = np.triu_indices(len(weights))
    columns = [np.concatenate([np.outer(column, column)[upper], column]) for column in np.ascontiguousarray(weights.T)]
    return quantise(np.concatenate(columns).reshape(-1, 1), fraction_bits)


def mean_squares(
    answer: Integers, fraction_bits: int, problem: Quadratic, squares: tuple[int, ...], rows: int
) -> tuple[float, ...]:
    """((vᵀA·v − 2bᵀv)/c + what completes the squares)/N of each output, in scaled units, from the decrypted sum."""
    crosses = to_floats(answer, fraction_bits).ravel() / float(problem.slope)
    completed = [square / (1 << problem.counts_fraction_bits) for square in squares]
    return tuple(max(0.0, float(cross) + square) / rows for cross, square in zip(crosses, completed, strict=True))
