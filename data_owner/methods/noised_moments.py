"""All second moments of clipped and centred rows, each number under the name by which its noise is drawn.

A name says which columns of the dataset a number is of, and not which job asks, so that every job under one release is
told the same noised numbers. Source: docs/privacy.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fedtrain.data_owner.methods.answers import Answer, Places, Plain, PreparedData, Question
from fedtrain.methods.regression.kinds import RoundKind


class NoisedMoments:
    """Implements `fedtrain.data_owner.methods.answers.OwnerMethod`."""

    needs_rows = False
    needs_weights: frozenset[str] = frozenset()

    @property
    def answers(self) -> Mapping[str, Callable[[PreparedData, Question], Answer]]:
        return {RoundKind.COUNTS: self.rows, RoundKind.MOMENTS: self.moments}

    def rows(self, data: PreparedData, _question: Question) -> Plain:
        """(1, 1): A's last number, which is how many rows there are."""
        columns = _places(data).columns
        return Plain([data.moments.xtx[-1:, -1:]], _scale(data), (_name("A", columns[-1], columns[-1]),))

    def moments(self, data: PreparedData, _question: Question) -> Plain:
        """One column: A's upper triangle, b, and where the plan has them the squares of the targets."""
        places = _places(data)
        columns, outputs = places.columns, places.outputs
        d, training = len(columns), data.moments
        numbers = [training.xtx[np.triu_indices(d)], training.xty.ravel()]
        names = [_name("A", *sorted((columns[i], columns[j]))) for i in range(d) for j in range(i, d)]
        names += [_name("b", column, output) for column in columns for output in outputs]
        if "target_squares" in data.plan.round(RoundKind.MOMENTS).answer.arrays:
            numbers.append(training.yty)
            names += [_name("y", output, output) for output in outputs]
        return Plain([np.concatenate(numbers).reshape(-1, 1)], _scale(data), names)


def _places(data: PreparedData) -> Places:
    if data.places is None:
        raise ValueError("this job was prepared without the places of its columns")
    return data.places


def _name(what: str, row: int, column: int) -> bytes:
    return f"{what} {row} {column}".encode()


def _scale(data: PreparedData) -> int:
    return 2 * data.moments.fraction_bits
