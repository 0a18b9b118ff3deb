"""Owners' answers in the clear: exact integers from moments that several owners quantised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedtrain.crypto.packing.fixed_point import encode
from fedtrain.model_owner.arithmetic.arrays import Json
from fedtrain.model_owner.methods.moves import Ask, Done, Progress
from fedtrain.model_owner.methods.quadratic import OPTIMISERS
from fedtrain.model_owner.methods.quadratic.objective import Quadratic
from fedtrain.spec.model_spec import Optimizer


def integers(values: NDArray[np.float64], fraction_bits: int) -> NDArray[np.object_]:
    return encode(values, fraction_bits, 1 << 2000)


def scaled(X: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features to [−1, 1] with an intercept, targets by half of their range's width."""
    low, high = X.min(0), X.max(0)
    Y = y.reshape(len(y), -1).astype(float)
    half = (Y.max(0) - Y.min(0)) / 2
    return np.c_[2 * (X - low) / (high - low) - 1, np.ones(len(X))], Y / half


@dataclass
class Federation:
    """(A, b) summed over owners, each of which rounded its own."""

    A: NDArray[np.object_]
    b: NDArray[np.object_]
    problem: Quadratic

    @classmethod
    def of(cls, X, Y, *, owners=3, moment_bits=32, weight_bits=40, rounds=1000, tolerance=1e-6, **training):
        parts = [(X[i::owners], Y[i::owners]) for i in range(owners)]
        A = sum(integers(x.T @ x, moment_bits) for x, _ in parts)
        b = sum(integers(x.T @ y, moment_bits + weight_bits) for x, y in parts)
        squares = sum(integers((y * y).sum(0), 40) for _, y in parts)
        bounds = np.abs(X).max(0)
        l2 = training.pop("l2", 0.0)
        rate = training.pop("learning_rate", None) or 1 / ((bounds**2).sum() + l2 / len(X))
        problem = Quadratic(
            dimensions=X.shape[1],
            outputs=Y.shape[1],
            rows_total=len(X),
            owners=owners,
            moment_fraction_bits=moment_bits,
            weight_fraction_bits=weight_bits,
            targets_squared=tuple(int(v) for v in squares),
            counts_fraction_bits=40,
            rounds=rounds,
            tolerance=tolerance,
            learning_rate=rate,
            momentum=training.pop("momentum", 0.9),
            l2=l2,
            weight_limit=int(training.pop("weight_bound", 1e6)) << weight_bits,
        )
        assert not training
        return cls(A, b, problem)

    def answer(self, point: NDArray[np.object_]) -> NDArray[np.object_]:
        return self.A.dot(point) - self.b

    def train(self, name: Optimizer, *, between=lambda state: state) -> tuple[Done, list[Progress], list[Json]]:
        """Run to the end; `between` sees the state after each step, and gives the one to go on with."""
        optimiser = OPTIMISERS[name]
        move = optimiser.start(self.problem)
        history: list[Progress] = []
        states: list[Json] = []
        while isinstance(move.next, Ask):
            assert move.next.point is not None
            largest = max(abs(int(v)) for v in move.next.point.ravel())
            assert largest <= self.problem.weight_limit
            move = optimiser.step(self.problem, between(move.state), self.answer(move.next.point))
            assert move.progress is not None
            history.append(move.progress)
            states.append(move.state)
        return move.next, history, states
