"""Weights in safetensors files, and files that hold no weights of the network."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from safetensors.numpy import save

from fedtrain.neural.initial import initial_weights
from fedtrain.neural.weights_file import network_from_bytes, weights_from_bytes, weights_to_bytes
from tests.neural.tasks import classifier

NETWORK = classifier()
WEIGHTS = initial_weights(NETWORK, 1)


def test_a_file_gives_the_same_bits_back_in_the_network_s_order() -> None:
    shuffled = dict(sorted(WEIGHTS.items(), reverse=True))
    found = weights_from_bytes(weights_to_bytes(NETWORK, shuffled), NETWORK)
    assert list(found) == list(NETWORK.parameters)
    assert all(found[name].tobytes() == values.tobytes() for name, values in WEIGHTS.items())


def test_doubles_and_halves_are_taken_as_float32() -> None:
    for dtype in (np.float16, np.float64):
        found = weights_from_bytes(save({name: values.astype(dtype) for name, values in WEIGHTS.items()}), NETWORK)
        np.testing.assert_allclose(found["fc1.weight"], WEIGHTS["fc1.weight"], rtol=1e-2)
        assert found["fc1.weight"].dtype == np.float32


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fc1.bias": None}, "fc1.bias is missing from the weights"),
        ({"fc1.bias": np.zeros(4, np.float32)}, r"fc1.bias has the shape \[4\], the network needs \[5\]"),
        ({"other": np.zeros(4, np.float32)}, "'other' is no array of the network"),
        ({"fc1.bias": np.full(5, np.nan, np.float32)}, "fc1.bias has a number that is not finite"),
        ({"fc1.bias": np.full(5, 1e300)}, "fc1.bias has a number that is not finite"),
        ({"fc1.bias": np.zeros(5, np.int64)}, "fc1.bias has numbers of type int64"),
    ],
)
def test_other_arrays_than_the_network_s_are_refused_by_name(change: dict[str, np.ndarray | None], said: str) -> None:
    arrays = {name: values for name, values in {**WEIGHTS, **change}.items() if values is not None}
    with pytest.raises(ValueError, match=said):
        weights_from_bytes(save(arrays), NETWORK)


@pytest.mark.parametrize(
    "file",
    [b"", b"{}", pickle.dumps(WEIGHTS), weights_to_bytes(NETWORK, WEIGHTS)[:-1], (2**40).to_bytes(8, "little") + b"{"],
)
def test_what_is_no_safetensors_file_is_refused_and_never_run(file: bytes) -> None:
    with pytest.raises(ValueError, match="no safetensors file"):
        weights_from_bytes(file, NETWORK)


def test_a_file_says_which_network_its_weights_are_of() -> None:
    found = network_from_bytes(weights_to_bytes(NETWORK, WEIGHTS))
    assert found.network == NETWORK.network
    assert (dict(found.inputs), found.outputs) == ({"x": (6,)}, 3)


@pytest.mark.parametrize(
    "metadata",
    [None, {"network": "{}"}, {"network": NETWORK.network.model_dump_json(), "inputs": '[["x", [7]]]', "outputs": "3"}],
)
def test_a_file_without_its_network_or_with_one_that_cannot_be_is_refused(metadata: dict[str, str] | None) -> None:
    with pytest.raises(ValueError, match="it is no exported network: "):
        network_from_bytes(save(WEIGHTS, metadata=metadata))


@pytest.mark.parametrize("file", [b"", b"{}", (2**60).to_bytes(8, "little"), (4).to_bytes(8, "little") + b"null"])
def test_a_file_of_another_kind_has_no_network(file: bytes) -> None:
    with pytest.raises(ValueError, match="it is no exported network: "):
        network_from_bytes(file)
