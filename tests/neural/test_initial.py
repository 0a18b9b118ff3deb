"""Weights to begin with: the same for a seed, and distributed as PyTorch's are."""

from __future__ import annotations

import numpy as np

from fedtrain.neural.initial import initial_weights
from fedtrain.spec.network import CheckedNetwork, Network
from tests.spec.network.test_network import MNIST


def small() -> CheckedNetwork:
    layers = [
        {
            "name": "words",
            "type": "Embedding",
            "inputs": ["x"],
            "num_embeddings": 500,
            "embedding_dim": 20,
            "padding_idx": 0,
        },
        {"name": "gru", "type": "GRU", "inputs": ["words"], "input_size": 20, "hidden_size": 25},
        {"name": "norm", "type": "LayerNorm", "inputs": ["gru"], "normalized_shape": 25},
        {"name": "last", "type": "LastStep", "inputs": ["norm"]},
        {"name": "out", "type": "Linear", "inputs": ["last"], "in_features": 25, "out_features": 1},
    ]
    return Network.model_validate({"layers": layers, "output": "out"}).checked({"x": (30,)}, 1)


def test_a_seed_gives_the_same_weights_and_another_seed_others() -> None:
    network = small()
    one, again, other = (initial_weights(network, seed) for seed in (1, 1, 2))
    assert list(one) == list(network.parameters)
    assert all(np.array_equal(one[name], again[name]) for name in one)
    assert not np.array_equal(one["out.weight"], other["out.weight"])
    assert not np.array_equal(one["gru.weight_hh_l0"][:25], one["gru.weight_hh_l0"][25:50])


def test_the_numbers_are_pinned() -> None:
    """All parties and later versions begin at the same weights."""
    found = initial_weights(small(), 0)["out.weight"][0, :3]
    np.testing.assert_array_equal(found, np.float32([0.06131068617105484, 0.19647955894470215, -0.09547949582338333]))


def test_weights_are_float32_in_the_ranges_that_pytorch_has() -> None:
    found = initial_weights(Network.model_validate(MNIST).checked({"pixels": (28, 28)}, 10), 5)
    for name, incoming in (("conv1", 25), ("conv2", 500), ("fc1", 800), ("fc2", 500)):
        for values in (found[f"{name}.weight"], found[f"{name}.bias"]):
            assert values.dtype == np.float32
            assert np.abs(values).max() <= 1 / np.sqrt(incoming)
        assert np.isclose(found[f"{name}.weight"].std(), 1 / np.sqrt(3 * incoming), rtol=0.1)


def test_embeddings_are_normal_with_padding_at_zero_and_normalisation_does_nothing_yet() -> None:
    found = initial_weights(small(), 5)
    words = found["words.weight"]
    assert not words[0].any()
    assert abs(words[1:].mean()) < 0.05 and abs(words[1:].std() - 1) < 0.05
    assert found["norm.weight"].tolist() == [1] * 25 and not found["norm.bias"].any()
    assert np.abs(found["gru.weight_ih_l0"]).max() <= 1 / 5
