"""The kinds of rounds of a regression, as they stand on the wire."""

from __future__ import annotations

from enum import StrEnum


class RoundKind(StrEnum):
    """Kind of a round."""

    COUNTS = "counts"  # rows and Σ y² a column, once, before anything else
    GRADIENT = "gradient"  # A·w − b; where owners see the weights, the true gradient and the loss
    MOMENTS = "moments"  # all of (A, b), for newton
    VALIDATION_LOSS = "validation_loss"
