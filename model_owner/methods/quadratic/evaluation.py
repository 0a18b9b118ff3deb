"""The validation loss of the whole federation, asked for under encryption during training, and early stopping on it.

Every `evaluate_every` rounds Enc(w⊗w) and Enc(w) go out, and wᵀA·w − 2bᵀw of all validation parts together comes
back. Where the loss has not fallen for PATIENCE evaluations, training ends with the weights of the least one.
"""

from __future__ import annotations

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import Floats, Integers, quantise, to_floats
from fedtrain.model_owner.methods.quadratic.objective import Quadratic

PATIENCE = 3


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
