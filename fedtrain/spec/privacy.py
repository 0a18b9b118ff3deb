"""A job's claim of its records' privacy: the spec's field `privacy`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from fedtrain.spec.columns import Strict

MOST_HONEST_OWNERS = 10_000


class Privacy(Strict):
    """(ε, δ)-differential privacy of each record of each owner, by noise that the owners add.

    `row_bound`: R, the length that a scaled row is clipped to, the intercept's 1 included. `honest_owners`: how many
    owners' noise the claim counts on, so that it holds against all others together; None for one fewer than
    `min_data_owners`, and 1 at least.
    """

    epsilon: Annotated[float, Field(strict=True, gt=0, le=100, allow_inf_nan=False)]
    delta: Annotated[float, Field(strict=True, gt=0, le=1e-3)]
    unit: Literal["record"] = "record"
    row_bound: Annotated[float, Field(strict=True, gt=1, le=100, allow_inf_nan=False)]
    honest_owners: Annotated[StrictInt, Field(ge=1, le=MOST_HONEST_OWNERS)] | None = None
