"""What a finished optimiser knows of the federation's moments, exactly, where it knows all of them."""

from __future__ import annotations

import gmpy2
import numpy as np

from fedtrain.model_owner.methods.optimisers import Json, Quadratic
from fedtrain.model_owner.methods.optimisers.conjugate_gradient import GUARD_BITS, Progressing
from fedtrain.model_owner.methods.optimisers.newton import open_moments
from fedtrain.model_owner.methods.optimisers.normal_equations import PRECISION_BITS, reals
from fedtrain.model_owner.methods.optimisers.quadratic import Integers, integers_from_json
from fedtrain.model_owner.results.coefficient_table import NoTable, SummedMoments, inverted
from fedtrain.spec.model_spec import Optimizer

_MOST_DIMENSIONS = 256


def summed_moments(optimizer: Optimizer, problem: Quadratic, state: Json) -> SummedMoments:
    """(A, b) from newton's one message, or from d independent directions and the answers to them.

    Raises NoTable where the rounds did not tell them, and for so many columns that it would take minutes.
    """
    if problem.dimensions > _MOST_DIMENSIONS:
        raise NoTable(f"{problem.dimensions} coefficients are more than a table is made for, {_MOST_DIMENSIONS}")
    if optimizer is Optimizer.NEWTON and isinstance(state, dict):
        A, b = open_moments(integers_from_json(state["moments"]), problem.dimensions, problem.outputs)
        return _summed(problem, A, problem.newton_fraction_bits, b, problem.newton_fraction_bits)
    if optimizer is Optimizer.CONJUGATE_GRADIENT:
        known = Progressing.from_json(state)
        if known.pool.size == problem.dimensions and not problem.ridge.any():
            A = _from_directions(known.pool.P, known.pool.AP, problem)
            return _summed(problem, A, problem.moment_fraction_bits, known.b, problem.answer_fraction_bits)
    raise NoTable("the rounds did not tell all moments: newton does, and conjugate_gradient after d + 1 rounds")


def _from_directions(P: Integers, AP: Integers, problem: Quadratic) -> Integers:
    """A = AP·P⁻¹, whose entries are on the grid of 2^−f_A: the nearest point is it."""
    with gmpy2.context(gmpy2.get_context(), precision=PRECISION_BITS):
        scale = problem.weight_fraction_bits + GUARD_BITS
        A = reals(AP, scale) @ inverted(reals(P, scale))
        rounded = np.empty(A.size, dtype=object)
        rounded[:] = [int(gmpy2.rint(value)) for value in ((A + A.T) / 2).ravel()]
    return rounded.reshape(A.shape)


def _summed(problem: Quadratic, A: Integers, A_bits: int, b: Integers, b_bits: int) -> SummedMoments:
    return SummedMoments(
        A=A,
        A_fraction_bits=A_bits,
        b=b,
        b_fraction_bits=b_bits,
        squares=problem.targets_squared,
        squares_fraction_bits=problem.counts_fraction_bits,
        rows=problem.rows_total,
        roundings=problem.roundings,
    )
