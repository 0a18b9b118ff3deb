"""A built network computes what the same module written by hand computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from fedtrain.neural.initial import initial_weights
from fedtrain.neural.loading import load
from fedtrain.neural.module import build, features_of, set_weights, weights_of
from fedtrain.neural.weights_file import weights_to_bytes
from fedtrain.spec.network import CheckedNetwork, Network
from tests.spec.network.test_network import MNIST


class Written(torch.nn.Module):  # type: ignore[misc]
    """The MNIST net, as its authors wrote it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = torch.nn.Conv2d(1, 20, 5), torch.nn.Conv2d(20, 50, 5)
        self.fc1, self.fc2 = torch.nn.Linear(800, 500), torch.nn.Linear(500, 10)

    def forward(self, x: Any) -> Any:
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        return self.fc2(functional.relu(self.fc1(x.flatten(1))))


def mnist() -> CheckedNetwork:
    return Network.model_validate(MNIST).checked({"pixels": (28, 28)}, 10)


def test_the_mnist_net_gives_the_scores_of_the_module_written_by_hand() -> None:
    network = mnist()
    weights = initial_weights(network, 3)
    written = Written()
    written.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    x = torch.randn(4, 28, 28)
    assert torch.equal(build(network, weights)(x), written(x.unsqueeze(1)))


def test_weights_come_back_as_they_were_given() -> None:
    network = mnist()
    weights = initial_weights(network, 3)
    found = weights_of(build(network, weights))
    assert list(found) == list(network.parameters)
    assert all(np.array_equal(found[name], values) for name, values in weights.items())


def test_other_weights_than_the_network_s_are_refused_by_name() -> None:
    network = mnist()
    module, weights = build(network), initial_weights(network, 3)
    with pytest.raises(ValueError, match=r"^fc2.bias is missing"):
        set_weights(module, {name: values for name, values in weights.items() if name != "fc2.bias"})
    with pytest.raises(ValueError, match=r"^fc2.bias has the shape \[9\], the network needs \[10\]"):
        set_weights(module, {**weights, "fc2.bias": np.zeros(9, np.float32)})
    with pytest.raises(ValueError, match=r"^'fc3.bias' is no array of the network"):
        set_weights(module, {**weights, "fc3.bias": np.zeros(10, np.float32)})


def test_two_features_are_taken_out_of_a_row_in_their_order() -> None:
    layers = [
        {"name": "words", "type": "Embedding", "inputs": ["text"], "num_embeddings": 9, "embedding_dim": 2},
        {"name": "flat", "type": "Flatten", "inputs": ["words"]},
        {"name": "both", "type": "Concat", "inputs": ["flat", "age"]},
        {"name": "out", "type": "Linear", "inputs": ["both"], "in_features": 7, "out_features": 1},
    ]
    network = Network.model_validate({"layers": layers, "output": "out"}).checked({"age": (1,), "text": (3,)}, 1)
    X = np.array([[0.5, 8, 0, 1], [0.25, 2, 2, 2]], dtype=np.float32)
    age, text = features_of(network, X)
    assert age.tolist() == [[0.5], [0.25]]
    assert text.tolist() == [[8, 0, 1], [2, 2, 2]]
    module = build(network)
    by_hand = torch.cat([module.get_submodule("words")(text.long()).flatten(1), age], 1)
    assert torch.equal(module(age, text), module.get_submodule("out")(by_hand))


@pytest.mark.parametrize("name", ["type", "train", "forward", "state_dict", "0", "a.type.b"])
def test_a_layer_may_have_a_name_that_a_module_has_for_something_else(name: str) -> None:
    layer = {"name": name, "type": "Linear", "inputs": ["x"], "in_features": 2, "out_features": 1}
    network = Network.model_validate({"layers": [layer], "output": name}).checked({"x": (2,)}, 1)
    assert list(build(network, initial_weights(network, 0)).state_dict()) == [f"{name}.weight", f"{name}.bias"]
    assert build(network).train()(torch.zeros(3, 2)).shape == (3, 1)


def test_an_exported_network_is_loaded_as_a_module_with_its_scores(tmp_path: Path) -> None:
    network = mnist()
    weights = initial_weights(network, 3)
    path = tmp_path / "model.safetensors"
    path.write_bytes(weights_to_bytes(network, weights))
    module, x = load(path), torch.randn(2, 28, 28)
    assert not module.training
    assert torch.equal(module(x), build(network, weights).eval()(x))
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"model.safetensors: it is no safetensors file"):
        load(path)
