"""Rules that parties agree on about a model type whose gradient is linear in the weights.

Every owner reduces its rows to A = XᵀX and b = Xᵀ(y − shift), which meet the weights times a slope c, and everything
else follows: docs/adding-a-method.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, ClassVar

from numpy.typing import NDArray

from fedtrain.spec.columns import ARRAYS, Feature, Target
from fedtrain.spec.model_types.row_loss import RowLoss
from fedtrain.spec.training import GRADIENT_FIELDS, NETWORK_FIELDS, NETWORK_OPTIMIZERS, Training

Floats = NDArray[Any]


class ModelKind:
    """Base of the model types; a type is one subclass in a module of its own, and a line in the registry.

    `name`: as specs have it. `classifies`: targets have categories, not ranges.
    `least_squares`: ordinary ones, so that standard errors follow from the moments. `target_shift`: what is taken off
    every target before b is formed, with a power of two as its denominator. `row_loss`: what is minimised where weights
    are shared with owners; None for a type that is not trained in that way. `has_network`: a spec declares a network,
    whose features may be vectors, texts and images, too. `takes_privacy`: its moments, and the gradients of its
    `row_loss`, can carry noise, each row counting as one. `predicts`: a spec has targets. `tells_thresholds`: owners
    tell no sums of rows, but whether at least `min_cell` of them lie beyond public bounds, and nothing of fewer.
    `told`: what leaves an owner, in words, where its people have to know more than how many numbers.
    """

    name: ClassVar[str]
    classifies: ClassVar[bool] = False
    least_squares: ClassVar[bool] = False
    target_shift: ClassVar[Fraction] = Fraction(0)
    row_loss: ClassVar[RowLoss | None] = None
    has_network: ClassVar[bool] = False
    takes_privacy: ClassVar[bool] = False
    predicts: ClassVar[bool] = True
    tells_thresholds: ClassVar[bool] = False
    told: ClassVar[str] = ""

    def takes(self, feature: Feature) -> bool:
        """Say whether this type can learn from a feature's values."""
        return self.has_network or feature.type not in ARRAYS

    def check_features(self, features: Sequence[Feature]) -> None:
        """Raise ValueError, naming the feature, where this type cannot learn from its values."""
        for feature in features:
            if not self.takes(feature):
                raise ValueError(
                    f"{feature.label}: {self.name} learns from numbers and categories, and this is of type "
                    f"{feature.type}, which a network takes: leave the column out, or use model_type NEURAL_NETWORK"
                )

    def check_targets(self, targets: Sequence[Target]) -> None:
        """Raise ValueError, naming the target, where these are not what this type predicts."""
        for target in targets:
            if (target.categories is not None) != self.classifies:
                needs = "categories" if self.classifies else "a range"
                raise ValueError(f"{target.label}: {self.name} needs a target with {needs}")

    def check_training(self, training: Training, targets: Sequence[Target], *, noised_steps: bool = False) -> None:  # noqa: ARG002
        """Raise ValueError, naming the field, for what this type is not trained with.

        `noised_steps`: owners tell gradients with noise, so that it takes `GRADIENT_FIELDS`.
        """
        taken = GRADIENT_FIELDS if noised_steps else ()
        if training.optimizer in NETWORK_OPTIMIZERS:
            raise ValueError(f"training.optimizer: {training.optimizer} trains networks, not a {self.name}")
        given = [name for name in NETWORK_FIELDS if name not in taken and getattr(training, name) is not None]
        if given:
            fields = ", ".join(f"training.{name}" for name in given)
            raise ValueError(f"{fields}: {self.name} does not take it: leave it out")

    def fitted(self, targets: Sequence[Target]) -> tuple[Target, ...]:
        """Those of the declared targets that are predicted, the first ones; others only enter `row_weights`."""
        return tuple(targets)

    def row_weights(self, others: Floats) -> Floats | None:  # noqa: ARG002
        """(rows,) factors in [0, 1] that rows count with, from the targets (rows, m) that are not predicted.

        `others` are divided by the end of their range that is farther from 0. None where all rows count the same.
        """
        return None

    def outputs(self, targets: Sequence[Target]) -> int:
        """k: how many columns the weights have."""
        return len(self.fitted(targets))

    def slope(self, training: Training) -> Fraction:  # noqa: ARG002
        """c."""
        return Fraction(1)

    def square_sum(self, squares: Fraction, rows: int, training: Training) -> Fraction:  # noqa: ARG002
        """Return what completes wᵀAw − 2bᵀw to a sum of squares, so that `loss` gets a number of at least 0.

        `squares`: Σy² over the federation's rows.
        """
        return squares

    def loss(self, mean_square: float, half_width: float, training: Training) -> float:  # noqa: ARG002
        """The training loss of one output in raw units, from (wᵀAw − 2bᵀw + square_sum) / rows in scaled ones.

        inf, or OverflowError, where it is beyond a double.
        """
        if not math.isfinite(mean_square):
            return math.inf
        return float(Fraction(mean_square) * Fraction(half_width) ** 2)
