"""A network in ONNX's runtime gives the scores that it has in PyTorch, for every type of layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from fedtrain.neural.initial import initial_weights
from fedtrain.neural.module import build
from fedtrain.neural.onnx_graph import onnx_of
from fedtrain.spec.network import CheckedNetwork, Network, Shape
from fedtrain.spec.training import Loss
from tests.neural.tasks import classifier
from tests.neural.test_shapes_against_torch import CASES, network_around


def run(network: CheckedNetwork, weights: Any, features: dict[str, Any], loss: Loss) -> list[Any]:
    session = onnxruntime.InferenceSession(onnx_of(network, weights, loss), providers=["CPUExecutionProvider"])
    return session.run(None, features)


def has_uneven_pooling(type_: str, fields: dict[str, Any], shape: Shape) -> bool:
    if not type_.startswith("Adaptive"):
        return False
    places = fields["output_size"]
    places = (places,) * int(type_[-2]) if isinstance(places, int) else places
    return any(size % place for size, place in zip(shape[-len(places) :], places, strict=True))


@pytest.mark.parametrize(("type_", "fields", "shape"), CASES)
def test_every_layer_is_the_same_in_onnx(type_: str, fields: dict[str, Any], shape: Shape) -> None:
    network = network_around(type_, fields, shape)
    draws = np.random.default_rng(3)
    weights = {
        name: (values + draws.uniform(-0.1, 0.1, values.shape)).astype(np.float32)
        for name, values in initial_weights(network, 1).items()
    }
    if has_uneven_pooling(type_, fields, shape):
        with pytest.raises(ValueError, match=r"layer 'a.layer': ONNX has no pooling of"):
            onnx_of(network, weights, Loss.MEAN_SQUARED_ERROR)
        return
    ids = type_ == "Embedding"
    x = draws.integers(0, 12, (3, *shape)) if ids else draws.standard_normal((3, *shape)).astype(np.float32)
    (scores,) = run(network, weights, {"x": x}, Loss.MEAN_SQUARED_ERROR)
    expected = build(network, weights).eval()(torch.from_numpy(x))
    np.testing.assert_allclose(scores, expected.detach().numpy(), rtol=1e-3, atol=1e-5)


def test_scores_of_categories_come_with_probabilities() -> None:
    network = classifier()
    weights = initial_weights(network, 1)
    x = np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32)
    scores, probabilities = run(network, weights, {"x": x}, Loss.CROSS_ENTROPY)
    np.testing.assert_allclose(probabilities, torch.softmax(torch.from_numpy(scores), 1).numpy(), rtol=1e-5)
    scores, probabilities = run(network, weights, {"x": x}, Loss.BINARY_CROSS_ENTROPY)
    np.testing.assert_allclose(probabilities, torch.sigmoid(torch.from_numpy(scores)).numpy(), rtol=1e-5)


def test_features_are_inputs_by_their_names() -> None:
    layers = [
        {"name": "both", "type": "Concat", "inputs": ["blood pressure", "age"]},
        {"name": "out", "type": "Linear", "inputs": ["both"], "in_features": 3, "out_features": 1},
    ]
    inputs = {"age": (1,), "blood pressure": (2,)}
    network = Network.model_validate({"layers": layers, "output": "out"}).checked(inputs, 1)
    weights = {"out.weight": np.array([[1, 2, 4]], np.float32), "out.bias": np.zeros(1, np.float32)}
    features = {"age": np.float32([[3]]), "blood_pressure": np.float32([[5, 7]])}
    (scores,) = run(network, weights, features, Loss.MEAN_SQUARED_ERROR)
    assert scores.tolist() == [[5 + 14 + 12]]


def test_features_and_outputs_have_names_of_their_own() -> None:
    labels = ["a b", "a_b", "scores"]
    layers = [
        {"name": "both", "type": "Concat", "inputs": labels},
        {"name": "out", "type": "Linear", "inputs": ["both"], "in_features": 3, "out_features": 1},
    ]
    network = Network.model_validate({"layers": layers, "output": "out"}).checked(dict.fromkeys(labels, (1,)), 1)
    weights = {"out.weight": np.array([[1, 2, 4]], np.float32), "out.bias": np.zeros(1, np.float32)}
    features = {"a_b": np.float32([[1]]), "a_b_": np.float32([[10]]), "scores_": np.float32([[100]])}
    (scores,) = run(network, weights, features, Loss.MEAN_SQUARED_ERROR)
    assert scores.tolist() == [[421]]
