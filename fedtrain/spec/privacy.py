"""A job's claim of its records' privacy: the spec's field `privacy`."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, StrictInt, model_serializer, model_validator

from fedtrain.spec.columns import Strict

MOST_HONEST_OWNERS = 10_000
MOST_EPSILON: Final = 100.0
_LEFT_OUT: Final = ("epsilon", "noise_multiplier", "row_bound", "sampling_rate")


class Privacy(Strict):
    """(ε, δ)-differential privacy of each record of each owner, by noise that the owners add.

    Either `epsilon` is given or `noise_multiplier`, from which ε follows: the standard deviation of the noise of all
    owners that the claim counts on, over the length by which one record changes what is told. `row_bound`: R, the
    length that a scaled row is clipped to, the intercept's 1 included; of jobs on moments. `sampling_rate`: q, the
    chance of each record to be in a step; of jobs on gradients. `honest_owners`: how many owners' noise the claim
    counts on, so that it holds against all others together; None for one fewer than `min_data_owners`, and 1 at least.
    What is not given is left out of what is signed.
    """

    epsilon: Annotated[float, Field(strict=True, gt=0, le=MOST_EPSILON, allow_inf_nan=False)] | None = None
    noise_multiplier: Annotated[float, Field(strict=True, ge=1e-3, le=1e6, allow_inf_nan=False)] | None = None
    delta: Annotated[float, Field(strict=True, gt=0, le=1e-3)]
    unit: Literal["record"] = "record"
    row_bound: Annotated[float, Field(strict=True, gt=1, le=100, allow_inf_nan=False)] | None = None
    sampling_rate: Annotated[float, Field(strict=True, ge=1e-9, le=1)] | None = None
    honest_owners: Annotated[StrictInt, Field(ge=1, le=MOST_HONEST_OWNERS)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.epsilon is None) == (self.noise_multiplier is None):
            raise ValueError("give exactly one of epsilon and noise_multiplier: the other follows from it")
        return self

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        return {name: value for name, value in fields.items() if value is not None or name not in _LEFT_OUT}

    @property
    def longest_row(self) -> Fraction:
        """R. Raises ValueError in a job on gradients, which has none."""
        if self.row_bound is None:
            raise ValueError("this claim is of gradients, and bounds no rows")
        return Fraction(self.row_bound)

    @property
    def rate(self) -> float:
        """q. Raises ValueError in a job on moments, which has none."""
        if self.sampling_rate is None:
            raise ValueError("this claim is of moments, and samples no rows")
        return self.sampling_rate

    @property
    def multiplier(self) -> float:
        """The noise as it was given. Raises ValueError for a claim by ε, from which it follows."""
        if self.noise_multiplier is None:
            raise ValueError("this claim gives its epsilon, and not its noise")
        return self.noise_multiplier
