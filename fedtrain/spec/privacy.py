"""A job's claim of its records' privacy: the spec's field `privacy`."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SerializerFunctionWrapHandler, StrictInt, model_serializer

from fedtrain.spec.columns import Strict

MOST_HONEST_OWNERS = 10_000
_OF_ONE_KIND: Final = ("row_bound", "sampling_rate")


class Privacy(Strict):
    """(ε, δ)-differential privacy of each record of each owner, by noise that the owners add.

    `row_bound`: R, the length that a scaled row is clipped to, the intercept's 1 included; of jobs on moments.
    `sampling_rate`: q, the chance of each record to be in a step; of jobs on gradients. `honest_owners`: how many
    owners' noise the claim counts on, so that it holds against all others together; None for one fewer than
    `min_data_owners`, and 1 at least. Fields of the other kind of job are left out of what is signed.
    """

    epsilon: Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]
    delta: Annotated[float, Field(strict=True, gt=0, le=1e-3)]
    unit: Literal["record"] = "record"
    row_bound: Annotated[float, Field(strict=True, gt=1, le=100, allow_inf_nan=False)] | None = None
    sampling_rate: Annotated[float, Field(strict=True, ge=1e-9, le=1)] | None = None
    honest_owners: Annotated[StrictInt, Field(ge=1, le=MOST_HONEST_OWNERS)] | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        return {name: value for name, value in fields.items() if value is not None or name not in _OF_ONE_KIND}

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
