"""Defaults of the fields of `training` that a network's spec leaves out: the same at every party."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fedtrain.methods.network.one_layer import STEPS, adam_rate, gradient_rate
from fedtrain.neural import LocalSettings
from fedtrain.spec.model_spec import ModelSpec, Optimizer, Training
from fedtrain.spec.model_types.network import loss_of
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.training import LocalOptimizer, ServerOptimizer

ROUNDS: Final = 30
CLIP: Final = 5.0
UPDATE_BITS: Final = 16
KEEP_ROUNDS: Final = 2
SGD_RATE: Final = 0.05
_LOCAL_RATES: Final = {LocalOptimizer.SGD: SGD_RATE, LocalOptimizer.ADAM: 0.001}
_SERVER_RATES: Final = {ServerOptimizer.AVERAGE: 1.0, ServerOptimizer.MOMENTUM: 1.0, ServerOptimizer.ADAM: 0.01}
_BATCH_SIZE: Final = 32
_SERVER_MOMENTUM: Final = 0.9
#: fedsgd is one step along one gradient, so that these have no place in it.
_NOT_OF_FEDSGD: Final = ("local_optimizer", "local_epochs", "local_steps", "proximal")


@dataclass(frozen=True)
class ServerSettings:
    """Rules by which the Model Owner applies the mean of the owners' updates."""

    optimizer: ServerOptimizer
    learning_rate: float
    momentum: float


def local_settings(spec: ModelSpec) -> LocalSettings:
    """Return how owners train. Raises Problem(INVALID_SPEC) for a field that does not go with `fedsgd`."""
    training = spec.training
    loss = loss_of(spec.data_props.all_targets)
    if training.optimizer is Optimizer.FEDSGD:
        given = [name for name in _NOT_OF_FEDSGD if getattr(training, name) is not None]
        if given:
            fields = ", ".join(f"training.{name}" for name in given)
            why = "fedsgd takes one gradient a round: leave it out, or use fedavg"
            raise Problem(Code.INVALID_SPEC, f"{fields}: {why}.")
    epochs, steps, batch_size = training.local_epochs, training.local_steps, training.batch_size
    if training.optimizer is Optimizer.FEDSGD:
        steps = 1
    else:
        epochs = 1.0 if epochs is None and steps is None else epochs
        batch_size = batch_size or _BATCH_SIZE
    optimizer = training.local_optimizer or LocalOptimizer.SGD
    return LocalSettings(
        loss=loss,
        optimizer=optimizer,
        learning_rate=_LOCAL_RATES[optimizer] if training.learning_rate == "auto" else training.learning_rate,
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        proximal=training.proximal or 0.0,
        clip=clip_of(training),
    )


def server_settings(training: Training) -> ServerSettings:
    """Return how the mean update is applied."""
    if training.optimizer in STEPS:
        step = STEPS[training.optimizer]
        if step is ServerOptimizer.ADAM:
            return ServerSettings(step, adam_rate(training), _SERVER_MOMENTUM)
        return ServerSettings(step, 1.0, training.momentum)
    optimizer = training.server_optimizer or ServerOptimizer.AVERAGE
    rate, momentum = training.server_learning_rate, training.server_momentum
    return ServerSettings(
        optimizer,
        _SERVER_RATES[optimizer] if rate is None else rate,
        _SERVER_MOMENTUM if momentum is None else momentum,
    )


def step_of(spec: ModelSpec) -> float:
    """Return the factor of a noised mean gradient in what the server optimizer is given."""
    if not spec.kind.has_network:
        return gradient_rate(spec)
    rate = spec.training.learning_rate
    return SGD_RATE if rate == "auto" else rate


def clip_of(training: Training) -> float:
    """Return the largest L2 norm of an owner's update."""
    return CLIP if training.clip is None else training.clip


def update_bits_of(training: Training) -> int:
    """Return f: updates travel as integers at 2^−f."""
    return UPDATE_BITS if training.update_bits is None else training.update_bits
