"""`"l2": "auto"`: the l2 whose model, trained on the federation's training parts, fits its validation parts best.

With all moments of both parts known, every candidate costs one small linear system and no round. The model is then
fitted on both parts with that l2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import Floats, Integers, to_floats
from fedtrain.model_owner.methods.quadratic.newton import open_moments
from fedtrain.model_owner.methods.quadratic.objective import Quadratic
from fedtrain.spec.model_spec import Strict

#: l2 over the number of training rows.
CANDIDATES = (0.0, *(float(f"1e{exponent}") for exponent in range(-7, 1)), 3e-7, 3e-6, 3e-5, 3e-4, 3e-3, 3e-2, 3e-1)


class Candidate(Strict):
    """One l2, and what the model that the training parts give with it costs, in the units of the training loss."""

    l2: float
    training_loss: float
    validation_loss: float


class L2Choice(Strict):
    """The candidates in rising order, and the one with the least validation loss (of equals, the largest)."""

    l2: float
    training_rows: int
    validation_rows: int
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, eq=False)
class _Part:
    """One part's moments: integers at newton's scale, its rows, and Σy² as it completes the squares."""

    A: Integers
    b: Integers
    rows: int
    squares: tuple[int, ...]


#: (Σy² a target at newton's scale, rows) → what completes the squares, at the scale of the counts.
Complete = Callable[[tuple[int, ...], int], tuple[int, ...]]
#: (mean squares an output, in scaled units) → the loss in raw units.
Loss = Callable[[tuple[float, ...]], float]


def choose_l2(
    problem: Quadratic, answer: Integers, complete: Complete, loss: Loss
) -> tuple[L2Choice, Quadratic, Integers]:
    """The choice, and the problem and moments of both parts together, ready for newton.

    `answer`: ((tri + d·k)·2 + k, 1) integers: A's triangle and b of the training parts, of the validation parts, and
    Σy² of those. `problem` is that of the training parts.
    """
    d, k = problem.dimensions, problem.outputs
    size = d * (d + 1) // 2 + d * k
    entries = answer.ravel()
    A, b = open_moments(entries[:size], d, k)
    A_v, b_v = open_moments(entries[size : 2 * size], d, k)
    rows_v = round(Fraction(int(A_v[-1, -1]), 1 << problem.newton_fraction_bits))
    squares_v = complete(tuple(int(v) for v in entries[2 * size :]), rows_v)
    training = _Part(A, b, problem.rows_total, problem.targets_squared)
    validation = _Part(A_v, b_v, rows_v, squares_v)
    candidates = []
    for share in sorted(CANDIDATES):
        l2 = share * problem.rows_total
        weights = _minimum(problem, training, l2 / float(problem.slope))
        losses = [loss(_mean_squares(problem, part, weights)) for part in (training, validation)]
        candidates.append(Candidate(l2=l2, training_loss=losses[0], validation_loss=losses[1]))
    best = min(reversed(candidates), key=lambda candidate: candidate.validation_loss)
    choice = L2Choice(l2=best.l2, training_rows=training.rows, validation_rows=rows_v, candidates=tuple(candidates))
    both = replace(
        problem,
        rows_total=training.rows + rows_v,
        targets_squared=tuple(a + b for a, b in zip(training.squares, squares_v, strict=True)),
        l2=best.l2 / float(problem.slope),
    )
    return choice, both, (entries[:size] + entries[size : 2 * size]).reshape(-1, 1)


def _minimum(problem: Quadratic, part: _Part, l2: float) -> Floats:
    """(d, k) float64, times the slope; the shortest one where the columns depend on each other."""
    A, b = to_floats(part.A, problem.newton_fraction_bits), to_floats(part.b, problem.newton_fraction_bits)
    ridge = np.full(len(A), l2)
    ridge[-1] = 0.0
    weights: Floats = np.asarray(np.linalg.lstsq(A + np.diag(ridge), b, rcond=1e-14)[0], dtype=np.float64)
    return weights


def _mean_squares(problem: Quadratic, part: _Part, weights: Floats) -> tuple[float, ...]:
    """((vᵀAv − 2bᵀv)/c + squares)/N, an output each, of v = c·w."""
    A, b = to_floats(part.A, problem.newton_fraction_bits), to_floats(part.b, problem.newton_fraction_bits)
    completed = np.array([square / (1 << problem.counts_fraction_bits) for square in part.squares])
    totals = np.sum(weights * (A @ weights - 2 * b), axis=0) / float(problem.slope) + completed
    return tuple(float(max(0.0, total)) / max(1, part.rows) for total in totals)
