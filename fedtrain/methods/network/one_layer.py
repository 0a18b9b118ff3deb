"""A regression whose owners tell noised gradients, as a network: one Linear layer, whose weights are the regression's.

Records come with the intercept's 1 as their last number, so that the layer needs no bias. All that networks have for
noised gradients holds of it as it stands; where the gradients come from, and what becomes of the weights, the model
type says.
"""

from __future__ import annotations

from typing import Final

from fedtrain.methods.plain import TAKEN
from fedtrain.spec.model_spec import ModelSpec, Optimizer, Training
from fedtrain.spec.network import CheckedNetwork, Network
from fedtrain.spec.training import GRADIENT_FIELDS, ServerOptimizer

#: (k, d) float32: of each output, the weights of the scaled columns, the intercept last.
WEIGHTS: Final = "scores.weight"
#: How the Model Owner steps along the noised mean, by the optimiser's name.
STEPS: Final = {
    Optimizer.GRADIENT_DESCENT: ServerOptimizer.AVERAGE,
    Optimizer.MOMENTUM: ServerOptimizer.MOMENTUM,
    Optimizer.ADAM: ServerOptimizer.ADAM,
}
#: What of `training` goes with it. Clipping is of scaled rows.
ONE_LAYER_TAKEN: Final = TAKEN - {"scaling"} | {
    *GRADIENT_FIELDS,
    "optimizer",
    "rounds",
    "learning_rate",
    "momentum",
    "weights",
    "weight_bound",
}
_ADAM_RATE: Final = 0.1


def one_layer(spec: ModelSpec) -> CheckedNetwork:
    """Return the layer from the scaled columns to the scores."""
    columns = spec.data_props.dimensions
    layer = {
        "name": "scores",
        "type": "Linear",
        "inputs": ["columns"],
        "in_features": columns,
        "out_features": spec.outputs,
        "bias": False,
    }
    network = Network.model_validate({"layers": [layer], "output": "scores"})
    return network.checked({"columns": (columns,)}, spec.outputs)


def gradient_rate(spec: ModelSpec) -> float:
    """Return the factor of the mean gradient in what the Model Owner steps along.

    `learning_rate`, or for "auto" one over a bound on the curvature of the mean loss: scaled columns are within ±1, and
    clipping makes no loss steeper. Adam's rate is of its step, not of the gradient.
    """
    training, loss = spec.training, spec.kind.row_loss
    if training.optimizer is Optimizer.ADAM:
        return 1.0
    if training.learning_rate != "auto":
        return training.learning_rate
    if loss is None:
        raise ValueError(f"{spec.model_type} is not trained by gradients of rows")
    return float(1 / (loss.curvature(spec.outputs) * spec.data_props.dimensions))


def adam_rate(training: Training) -> float:
    """Return the rate of Adam's step."""
    return _ADAM_RATE if training.learning_rate == "auto" else training.learning_rate
