"""An owner's part of a step under a claim of privacy: gradients of a sample, clipped example by example and summed.

Each example is in the sample by itself, with the public rate; its gradient is clipped, rounded towards zero to integers
and held against its largest length as integers, which are summed exactly. So one example changes the sum by no more
than `clip`, whatever the others are, but for the last bits of its own gradient, which depend on how many are computed
at a time. Source: Abadi et al., "Deep learning with differential privacy", 2016, algorithm 1.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from fedtrain.neural.examples_files import open_examples
from fedtrain.neural.local_training import be_repeatable, dropout_seed, rows_at_once
from fedtrain.neural.losses import losses
from fedtrain.neural.module import NetworkModule, build, features_of
from fedtrain.neural.sampling.clipped_sample import clipped, sampled
from fedtrain.neural.tasks import GradientTask, SampledGradients

#: Numbers of gradients that are held at a time; with their roundings some 200 MB.
_MOST_AT_ONCE: Final = 1 << 23
#: Layers that torch.vmap has no rule for: their gradients are computed one example at a time.
_ONE_AT_A_TIME: Final = frozenset({"GRU", "LSTM"})


def summed_gradients(task: GradientTask, device: str = "cpu") -> NDArray[np.int64]:
    """Return the sum over the sample, (numbers of the weights,) in the network's order, at 2^−fraction_bits.

    The same task gives the same bits. An example whose gradient is no finite number counts for nothing. Raises
    ValueError for weights or examples that are not the network's.
    """
    terms, network = task.terms, task.network
    be_repeatable(terms.threads)
    torch.manual_seed(dropout_seed(task.seed))
    X, Y = open_examples(task.examples)
    module = build(network, task.weights).to(device).train()
    total = np.zeros(network.parameter_count, dtype=np.int64)
    rows = np.flatnonzero(sampled(terms.rate, len(X), task.seed))
    alone = any(layer.type in _ONE_AT_A_TIME for layer in network.network.layers)
    most = 1 if alone else max(1, min(rows_at_once(network), _MOST_AT_ONCE // network.parameter_count))
    for start in range(0, len(rows), most):
        part = rows[start : start + most]
        features, targets = features_of(network, X[part], device), torch.from_numpy(np.array(Y[part])).to(device)
        found = _gradients(module, terms, features, targets, alone=alone)
        columns = [found[name].reshape(len(part), -1).cpu().numpy() for name in network.parameters]
        total += clipped(np.concatenate(columns, axis=1).astype(np.float64), terms.clip, terms.fraction_bits).sum(
            axis=0
        )
    return total


def _gradients(
    module: NetworkModule, terms: SampledGradients, features: list[Any], targets: Any, *, alone: bool
) -> Any:
    """Return a gradient an example by the parameters' names, (examples, *shape) each."""
    parameters = {name: one.detach() for name, one in module.named_parameters()}

    def loss(weights: Any, target: Any, *of_example: Any) -> Any:
        scores = torch.func.functional_call(module, weights, tuple(one.unsqueeze(0) for one in of_example))
        return losses(terms.loss, scores, target.unsqueeze(0)).sum()

    gradient = torch.func.grad(loss)
    if alone:
        found = gradient(parameters, targets[0], *(one[0] for one in features))
        return {name: one.unsqueeze(0) for name, one in found.items()}
    in_dims = (None, 0, *(0 for _ in features))
    return torch.func.vmap(gradient, in_dims=in_dims, randomness="different")(parameters, targets, *features)
