"""Networks as data: what is taken, the shapes of it, and each thing that is refused, by layer, field and value."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from fedtrain.spec.network import LAYER_TYPES, MOST_LAYERS, CheckedNetwork, Network

MNIST: dict[str, Any] = {
    "layers": [
        {
            "name": "conv1",
            "type": "Conv2d",
            "inputs": ["pixels"],
            "in_channels": 1,
            "out_channels": 20,
            "kernel_size": 5,
        },
        {"name": "relu1", "type": "ReLU", "inputs": ["conv1"]},
        {"name": "pool1", "type": "MaxPool2d", "inputs": ["relu1"], "kernel_size": 2},
        {
            "name": "conv2",
            "type": "Conv2d",
            "inputs": ["pool1"],
            "in_channels": 20,
            "out_channels": 50,
            "kernel_size": 5,
        },
        {"name": "relu2", "type": "ReLU", "inputs": ["conv2"]},
        {"name": "pool2", "type": "MaxPool2d", "inputs": ["relu2"], "kernel_size": 2},
        {"name": "flat", "type": "Flatten", "inputs": ["pool2"]},
        {"name": "fc1", "type": "Linear", "inputs": ["flat"], "in_features": 800, "out_features": 500},
        {"name": "relu3", "type": "ReLU", "inputs": ["fc1"]},
        {"name": "fc2", "type": "Linear", "inputs": ["relu3"], "in_features": 500, "out_features": 10},
    ],
    "output": "fc2",
}


def linear(name: str, source: str, wide: int = 4, out: int = 4) -> dict[str, Any]:
    return {"name": name, "type": "Linear", "inputs": [source], "in_features": wide, "out_features": out}


def checked(
    *layers: dict[str, Any],
    inputs: Mapping[str, tuple[int, ...]] | None = None,
    outputs: int = 4,
    ids: Mapping[str, int] | None = None,
) -> CheckedNetwork:
    network = Network.model_validate({"layers": layers, "output": layers[-1]["name"]})
    return network.checked(inputs or {"x": (4,)}, outputs, ids)


def refusal(*layers: dict[str, Any], **given: Any) -> str:
    with pytest.raises(ValueError) as caught:
        checked(*layers, **given)
    return str(caught.value)


def test_the_mnist_net_has_its_431080_weights_in_torch_s_order() -> None:
    network = Network.model_validate(MNIST).checked({"pixels": (28, 28)}, 10)
    assert network.parameter_count == 431_080
    assert dict(network.parameters) == {
        "conv1.weight": (20, 1, 5, 5),
        "conv1.bias": (20,),
        "conv2.weight": (50, 20, 5, 5),
        "conv2.bias": (50,),
        "fc1.weight": (500, 800),
        "fc1.bias": (500,),
        "fc2.weight": (10, 500),
        "fc2.bias": (10,),
    }
    assert network.shapes["pool2"] == (50, 4, 4)
    assert network.outputs == 10


def test_a_network_survives_json_with_the_fields_that_were_given() -> None:
    network = Network.model_validate(MNIST)
    assert json.loads(network.model_dump_json()) == MNIST
    assert Network.model_validate_json(network.model_dump_json()) == network


def test_a_field_at_its_default_is_the_same_network_as_one_left_out() -> None:
    written = [
        {**layer, **({"stride": 1, "bias": True} if layer["type"] == "Conv2d" else {})} for layer in MNIST["layers"]
    ]
    network = Network.model_validate({**MNIST, "layers": written})
    assert network.model_dump_json() == Network.model_validate(MNIST).model_dump_json()


def test_features_go_into_one_network_by_their_labels() -> None:
    network = checked(
        {"name": "words", "type": "Embedding", "inputs": ["text"], "num_embeddings": 100, "embedding_dim": 6},
        {"name": "gru", "type": "GRU", "inputs": ["words"], "input_size": 6, "hidden_size": 5},
        {"name": "last", "type": "LastStep", "inputs": ["gru"]},
        {"name": "both", "type": "Concat", "inputs": ["last", "age"]},
        linear("out", "both", 6, 1),
        inputs={"text": (30,), "age": (1,)},
        ids={"text": 100},
        outputs=1,
    )
    assert network.shapes["both"] == (6,)
    assert network.parameters["gru.weight_hh_l0"] == (15, 5)


# What is refused, as a graph


def test_a_cycle_is_refused_by_name() -> None:
    said = refusal(linear("a", "b"), linear("b", "a"))
    assert said.startswith("layer 'a': its input 'b' does not come before it")


def test_a_layer_that_reads_itself_is_refused() -> None:
    assert "its input 'a' does not come before it" in refusal(linear("a", "a"))


def test_an_input_that_nobody_has_is_refused() -> None:
    assert refusal(linear("a", "y")) == "layer 'a': its input 'y' is neither a feature nor a layer"


def test_an_unused_layer_or_feature_is_refused() -> None:
    assert "the output 'b' does not depend on it" in refusal(linear("a", "x"), linear("b", "x"))
    assert "feature 'y' is the input of no layer" in refusal(linear("a", "x"), inputs={"x": (4,), "y": (1,)})


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a", "a"), "layer 'a': there are two of that name"),
        (("a", "a.b"), "layer 'a.b': it would be a part of 'a'"),
        (("x", "b"), "layer 'x': name is that of a feature"),
    ],
)
def test_names_are_distinct(names: tuple[str, str], said: str) -> None:
    assert said in refusal(linear(names[0], "x"), linear(names[1], names[0]))


@pytest.mark.parametrize("name", ["", "a b", "../a", "a..b", "a.", "é", "a" * 61])
def test_a_name_is_what_a_module_of_torch_can_have(name: str) -> None:
    assert "name is " in refusal(linear(name, "x"))


def test_the_output_is_a_layer_and_gives_what_the_targets_need() -> None:
    with pytest.raises(ValidationError, match="output is 'z', which is no layer"):
        Network.model_validate({"layers": [linear("a", "x")], "output": "z"})
    assert refusal(linear("a", "x"), outputs=3).endswith("gives 4, the targets need 3")


def test_a_network_without_weights_is_refused() -> None:
    assert "none has weights" in refusal({"name": "a", "type": "ReLU", "inputs": ["x"]})


# What is refused in a layer


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "BatchNorm1d"}, "layer 'a': type is 'BatchNorm1d', which is none of Conv1d, "),
        ({"type": None}, "layer 'a': type"),
        ({"in_feature": 3}, "layer 'a': in_feature is not known"),
        ({"in_features": "4"}, "layer 'a': in_features is '4': "),
        ({"in_features": 0}, "layer 'a': in_features is '0': "),
        ({"out_features": 10**12}, "layer 'a': out_features is '1000000000000': "),
        ({"inputs": ["x", "x"]}, "layer 'a': inputs is "),
        ({"inputs": []}, "layer 'a': inputs.0 is missing"),
    ],
)
def test_a_layer_s_form(change: dict[str, Any], said: str) -> None:
    assert said in refusal({**linear("a", "x"), **change})


def test_a_layer_without_a_type_or_a_field_is_refused() -> None:
    assert "layer 'a': type is missing: one of Conv1d" in refusal({"name": "a", "inputs": ["x"]})
    assert "layer 'a': out_features is missing" in refusal(
        {"name": "a", "type": "Linear", "inputs": ["x"], "in_features": 4}
    )


IMAGE = {"x": (3, 8, 8)}
SEQUENCE = {"x": (7, 5)}
CONV = {"in_channels": 3, "out_channels": 4, "kernel_size": 3}


@pytest.mark.parametrize(
    ("layer", "inputs", "said"),
    [
        ({"type": "Conv2d", **CONV, "in_channels": 1}, IMAGE, "in_channels is 1, 3 channels come in"),
        ({"type": "Conv2d", **CONV, "kernel_size": 9}, IMAGE, "kernel_size 9 × 9 does not fit into 8 × 8"),
        ({"type": "Conv2d", **CONV, "kernel_size": [3]}, IMAGE, "kernel_size is [3]: give one number, or 2"),
        ({"type": "Conv2d", **CONV, "groups": 2}, IMAGE, "groups is 2, which does not divide in_channels 3"),
        ({"type": "Conv2d", **CONV}, {"x": (4,)}, "takes (channels, height, width), 4 comes in"),
        ({"type": "MaxPool2d", "kernel_size": 2, "padding": 2}, IMAGE, "padding is 2 × 2, half of kernel_size 2 × 2"),
        ({"type": "Linear", "in_features": 192, "out_features": 4}, IMAGE, "is a Flatten missing before it?"),
        ({"type": "GRU", "input_size": 4, "hidden_size": 4}, SEQUENCE, "input_size is 4, steps of 5 numbers come in"),
        ({"type": "LSTM", "input_size": 4, "hidden_size": 4}, IMAGE, "takes a sequence (steps, input_size)"),
        ({"type": "LayerNorm", "normalized_shape": [7, 4]}, SEQUENCE, "normalized_shape is 7 × 4, 7 × 5 comes in"),
        ({"type": "GroupNorm", "num_groups": 1, "num_channels": 4}, IMAGE, "num_channels is 4, 3 channels come in"),
        ({"type": "GroupNorm", "num_groups": 2, "num_channels": 3}, IMAGE, "num_groups is 2, which does not divide 3"),
        ({"type": "Reshape", "shape": [5]}, {"x": (4,)}, "shape 5 has 5 numbers, 4 that comes in has 4"),
        ({"type": "Transpose", "dim0": 0, "dim1": 1}, SEQUENCE, "dim0 is 0: 7 × 5 has the axes 1 to 2"),
        ({"type": "LastStep"}, {"x": (4,)}, "takes a sequence (steps, width), 4 comes in"),
    ],
)
def test_what_comes_in_must_fit(layer: dict[str, Any], inputs: dict[str, tuple[int, ...]], said: str) -> None:
    told = refusal({"name": "a", "inputs": ["x"], **layer}, inputs=inputs)
    assert told.startswith("layer 'a': ")
    assert said in told


def test_only_arrays_of_one_shape_are_added_and_of_like_shape_joined() -> None:
    pair = {"x": (4, 3), "y": (4, 2)}
    assert "'y' is 4 × 2, 'x' 4 × 3" in refusal({"name": "a", "type": "Add", "inputs": ["x", "y"]}, inputs=pair)
    assert "may differ in axis 1 only" in refusal({"name": "a", "type": "Concat", "inputs": ["x", "y"]}, inputs=pair)


def test_ids_go_into_an_embedding_that_has_all_of_them_and_nowhere_else() -> None:
    words = {"name": "e", "type": "Embedding", "inputs": ["x"], "num_embeddings": 10, "embedding_dim": 4}
    assert "num_embeddings is 10, 'x' has 11 ids" in refusal(words, ids={"x": 11})
    assert "inputs has 'x', which are ids" in refusal(linear("a", "x"), ids={"x": 11})
    assert "inputs is 'x', which are no ids: an Embedding takes a vector with a vocabulary" in refusal(words, ids={})
    assert "an Embedding takes ids, which a feature has" in refusal(linear("a", "x"), {**words, "inputs": ["a"]})
    assert "padding_idx is 10, num_embeddings only 10" in refusal({**words, "padding_idx": 10})


# Limits


@pytest.mark.parametrize(
    ("layers", "inputs", "said"),
    [
        (
            [linear("a", "x", 10**6, 10**6)],
            {"x": (10**6,)},
            "in_features 1000000, out_features 1000000 the network has",
        ),
        (
            [{"name": "a", "type": "Reshape", "inputs": ["x"], "shape": [10**6]}, linear("b", "a", 10**6, 10**9)],
            {"x": (10**3, 10**3)},
            "weights, 100,000,000 at most",
        ),
        (
            [{"name": "a", "type": "Embedding", "inputs": ["x"], "num_embeddings": 10**9, "embedding_dim": 10**9}],
            {"x": (4,)},
            "1,000,000,000,000,000,000 weights",
        ),
        (
            [{"name": "a", "type": "GRU", "inputs": ["x"], "input_size": 5, "hidden_size": 10**6, "num_layers": 100}],
            SEQUENCE,
            "weights, 100,000,000 at most",
        ),
        (
            [{"name": "a", "type": "AdaptiveAvgPool2d", "inputs": ["x"], "output_size": 10**5}],
            IMAGE,
            "30,000,000,000 numbers for each record",
        ),
    ],
)
def test_too_large_a_network_is_refused_and_nothing_allocated(
    layers: list[dict[str, Any]], inputs: dict[str, tuple[int, ...]], said: str
) -> None:
    tracemalloc.start()
    told = refusal(*layers, inputs=inputs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert re.match(r"layer '[ab]': with ", told)
    assert said in told
    assert peak < 10**6


def test_weights_are_counted_over_all_layers() -> None:
    layers = [linear("a0", "x", 4, 7_000), linear("a1", "a0", 7_000, 7_000), linear("a2", "a1", 7_000, 7_000)]
    assert checked(*layers, outputs=7_000).parameter_count < 10**8
    assert "layer 'a3'" in refusal(*layers, linear("a3", "a2", 7_000, 7_000))


def test_too_many_layers_are_refused() -> None:
    layers = [linear(f"a{place}", f"a{place - 1}" if place else "x") for place in range(MOST_LAYERS + 1)]
    assert "at most 500 items" in refusal(*layers)
    assert checked(*layers[:-1]).parameter_count == MOST_LAYERS * 20


def test_every_layer_of_the_list_says_what_it_is() -> None:
    assert len(LAYER_TYPES) == 29
    assert all(layer.__doc__ for layer in LAYER_TYPES.values())
