"""Training: the spec's fields beside its columns, and their defaults."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StrictInt, model_validator

from fedtrain.spec.columns import Strict


class Optimizer(StrEnum):
    GRADIENT_DESCENT = "gradient_descent"
    MOMENTUM = "momentum"
    CONJUGATE_GRADIENT = "conjugate_gradient"
    NEWTON = "newton"
    ADAM = "adam"
    LBFGS = "lbfgs"


Auto = Literal["auto"]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class Training(Strict):
    """Fields of training, each with a default."""

    optimizer: Optimizer = Optimizer.CONJUGATE_GRADIENT
    rounds: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | Auto = "auto"
    tolerance: Annotated[float, Field(strict=True, ge=0, lt=1)] = 1e-6
    learning_rate: Positive | Auto = "auto"
    momentum: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.9
    reencrypt_every: Annotated[StrictInt, Field(ge=1, le=10_000)] = 1
    l2: Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)] | Auto = 0.0
    slope: Literal["minimax", "taylor"] = "minimax"
    scaling: Literal["range", "none"] = "range"
    weights: Literal["encrypted", "shared_with_owners"] = "encrypted"
    min_data_owners: Annotated[StrictInt, Field(ge=1, le=10_000)] = 3
    max_data_owners: Annotated[StrictInt, Field(ge=1, le=10_000)] = 64
    max_rows: Annotated[StrictInt, Field(ge=1, le=10**12)] = 10_000_000
    weight_bound: Positive | Auto = "auto"
    evaluate_every: Annotated[StrictInt, Field(ge=0)] = 0
    on_dropout: Literal["wait", "end"] = "wait"
    join_timeout_s: Annotated[float, Field(strict=True, gt=0, le=30 * 86400)] = 600
    round_timeout_s: Annotated[float, Field(strict=True, gt=0, le=30 * 86400)] = 600
    key_bits: Annotated[StrictInt, Field(ge=256, le=16384, multiple_of=64)] = 3072

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.min_data_owners > self.max_data_owners:
            raise ValueError(f"min_data_owners {self.min_data_owners} is above max_data_owners {self.max_data_owners}")
        if self.reencrypt_every > 1 and self.optimizer not in (Optimizer.GRADIENT_DESCENT, Optimizer.MOMENTUM):
            raise ValueError(
                f"reencrypt_every {self.reencrypt_every}: {self.optimizer} needs numbers that only the Model Owner "
                "can decrypt, so it needs reencrypt_every 1; gradient_descent and momentum take larger ones"
            )
        return self
