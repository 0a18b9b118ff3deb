"""Training: the spec's fields beside its columns, and their defaults."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, StrictInt, StrictStr, model_serializer, model_validator

from fedtrain.spec.columns import Strict


class Optimizer(StrEnum):
    GRADIENT_DESCENT = "gradient_descent"
    MOMENTUM = "momentum"
    CONJUGATE_GRADIENT = "conjugate_gradient"
    NEWTON = "newton"
    ADAM = "adam"
    LBFGS = "lbfgs"
    FEDAVG = "fedavg"
    FEDSGD = "fedsgd"


class Loss(StrEnum):
    """The loss of a network. By default what its target asks for: two categories, more of them, or a range."""

    CROSS_ENTROPY = "cross_entropy"
    BINARY_CROSS_ENTROPY = "binary_cross_entropy"
    MEAN_SQUARED_ERROR = "mean_squared_error"


class LocalOptimizer(StrEnum):
    SGD = "sgd"
    ADAM = "adam"


class ServerOptimizer(StrEnum):
    """Rules by which the Model Owner applies the mean of the owners' updates."""

    AVERAGE = "average"
    MOMENTUM = "momentum"
    ADAM = "adam"


Auto = Literal["auto"]
#: Fields of jobs whose rounds go on without an owner. Left out of what is signed where they are not given.
_OF_ROUNDS_THAT_GO_ON: Final = ("quorum", "void_rounds")
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


NETWORK_OPTIMIZERS: Final = frozenset({Optimizer.FEDAVG, Optimizer.FEDSGD})
#: Fields of networks alone. Left out of what is signed where they are not given, so that manifests of all other jobs
#: keep their bytes; what stands in for them is in `fedtrain.methods.network.settings`.
NETWORK_FIELDS: Final = (
    "loss",
    "local_optimizer",
    "local_epochs",
    "local_steps",
    "batch_size",
    "proximal",
    "clip",
    "update_bits",
    "server_optimizer",
    "server_learning_rate",
    "server_momentum",
    "keep_rounds",
    "initial_weights",
    "seed",
)

#: Those of them that regressions take, too, where their owners tell gradients with noise.
GRADIENT_FIELDS: Final = ("batch_size", "clip", "update_bits", "keep_rounds")
_LEFT_OUT: Final = frozenset({*NETWORK_FIELDS, *_OF_ROUNDS_THAT_GO_ON})


class Training(Strict):
    """Fields of training, each with a default; those of `NETWORK_FIELDS` are None where they are not given."""

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
    on_dropout: Literal["wait", "end", "continue"] = "wait"
    quorum: Annotated[StrictInt, Field(ge=2, le=10_000)] | None = None
    void_rounds: Annotated[StrictInt, Field(ge=1, le=1000)] | None = None
    join_timeout_s: Annotated[float, Field(strict=True, gt=0, le=30 * 86400)] = 600
    round_timeout_s: Annotated[float, Field(strict=True, gt=0, le=30 * 86400)] = 600
    key_bits: Annotated[StrictInt, Field(ge=256, le=16384, multiple_of=64)] = 3072
    loss: Loss | None = None
    local_optimizer: LocalOptimizer | None = None
    local_epochs: Annotated[float, Field(strict=True, gt=0, le=1000)] | None = None
    local_steps: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    batch_size: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    proximal: Annotated[float, Field(strict=True, ge=0, le=1e6)] | None = None
    clip: Annotated[float, Field(strict=True, ge=1e-6, le=1e6)] | None = None
    update_bits: Annotated[StrictInt, Field(ge=4, le=40)] | None = None
    server_optimizer: ServerOptimizer | None = None
    server_learning_rate: Annotated[float, Field(strict=True, gt=0, le=1e6)] | None = None
    server_momentum: Annotated[float, Field(strict=True, ge=0, lt=1)] | None = None
    keep_rounds: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None
    initial_weights: Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None = None
    seed: Annotated[StrictInt, Field(ge=0, lt=1 << 53)] | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        return {name: value for name, value in fields.items() if value is not None or name not in _LEFT_OUT}

    @property
    def goes_on(self) -> bool:
        """Say whether a round goes on without an owner that is not there in time."""
        return self.on_dropout == "continue"

    @property
    def most_void_rounds(self) -> int:
        """Rounds in a row that may come to nothing; then the job waits."""
        return self.void_rounds or 5

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        for name in _OF_ROUNDS_THAT_GO_ON:
            if getattr(self, name) is not None and not self.goes_on:
                raise ValueError(f'{name} {getattr(self, name)} belongs to on_dropout "continue": leave it out')
        if self.goes_on and self.min_data_owners < 3:
            raise ValueError(f'on_dropout "continue" needs min_data_owners 3 at least, not {self.min_data_owners}')
        if self.quorum is not None and self.quorum > self.min_data_owners:
            raise ValueError(f"quorum {self.quorum} is above min_data_owners {self.min_data_owners}")
        if self.min_data_owners > self.max_data_owners:
            raise ValueError(f"min_data_owners {self.min_data_owners} is above max_data_owners {self.max_data_owners}")
        if self.reencrypt_every > 1 and self.optimizer not in (Optimizer.GRADIENT_DESCENT, Optimizer.MOMENTUM):
            raise ValueError(
                f"reencrypt_every {self.reencrypt_every}: {self.optimizer} needs numbers that only the Model Owner "
                "can decrypt, so it needs reencrypt_every 1; gradient_descent and momentum take larger ones"
            )
        if self.local_epochs is not None and self.local_steps is not None:
            raise ValueError("local_epochs and local_steps are both given: give one of them")
        return self
