"""Shapes and weights that the spec says a layer has are those that PyTorch gives it, for every type there is."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fedtrain.neural.module import build
from fedtrain.spec.network import LAYER_TYPES, CheckedNetwork, Network, Shape, numbers

IMAGE, SIGNAL, SEQUENCE, ROW = (3, 9, 7), (3, 11), (7, 5), (6,)
CONV: dict[str, Any] = {"in_channels": 3, "out_channels": 6, "kernel_size": 3}
#: A layer's type and fields, and what comes in.
CASES: list[tuple[str, dict[str, Any], Shape]] = [
    ("Conv1d", CONV, SIGNAL),
    ("Conv1d", {**CONV, "stride": 2, "padding": 1, "dilation": 2, "groups": 3, "bias": False}, SIGNAL),
    ("Conv1d", {**CONV, "in_channels": 1}, (11,)),
    ("Conv2d", CONV, IMAGE),
    ("Conv2d", {**CONV, "kernel_size": (3, 2), "stride": (2, 1), "padding": (0, 1), "dilation": (1, 2)}, IMAGE),
    ("Conv2d", {**CONV, "in_channels": 1}, (9, 7)),
    ("Linear", {"in_features": 6, "out_features": 4}, ROW),
    ("Linear", {"in_features": 5, "out_features": 4, "bias": False}, SEQUENCE),
    ("Embedding", {"num_embeddings": 12, "embedding_dim": 4}, (7,)),
    ("Embedding", {"num_embeddings": 12, "embedding_dim": 4, "padding_idx": 0}, (7, 2)),
    ("GRU", {"input_size": 5, "hidden_size": 4}, SEQUENCE),
    ("GRU", {"input_size": 5, "hidden_size": 4, "num_layers": 3, "bidirectional": True, "dropout": 0.5}, SEQUENCE),
    ("LSTM", {"input_size": 5, "hidden_size": 4}, SEQUENCE),
    ("LSTM", {"input_size": 5, "hidden_size": 4, "num_layers": 2, "bidirectional": True, "bias": False}, SEQUENCE),
    ("LayerNorm", {"normalized_shape": 5}, SEQUENCE),
    ("LayerNorm", {"normalized_shape": (7, 5), "bias": False}, SEQUENCE),
    ("LayerNorm", {"normalized_shape": 5, "elementwise_affine": False, "eps": 1e-3}, SEQUENCE),
    ("GroupNorm", {"num_groups": 3, "num_channels": 3}, IMAGE),
    ("GroupNorm", {"num_groups": 1, "num_channels": 3, "affine": False}, SIGNAL),
    *(
        (f"{kind}Pool{axes}d", fields, shape)
        for axes, shape in ((1, SIGNAL), (2, IMAGE), (2, (9, 7)))
        for kind, fields in (
            ("Max", {"kernel_size": 2}),
            ("Max", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
            ("Max", {"kernel_size": 2, "stride": 1, "dilation": 2}),
            ("Avg", {"kernel_size": 2}),
            ("Avg", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}),
            ("AdaptiveAvg", {"output_size": 3}),
            ("AdaptiveMax", {"output_size": 1}),
        )
    ),
    ("MaxPool2d", {"kernel_size": (2, 3), "stride": (3, 1)}, IMAGE),
    ("AdaptiveAvgPool2d", {"output_size": (2, 5)}, IMAGE),
    ("Dropout", {"p": 0.3}, IMAGE),
    ("Flatten", {}, IMAGE),
    *((name, {}, SEQUENCE) for name in ("ReLU", "LeakyReLU", "GELU", "SiLU", "Tanh", "Sigmoid")),
    ("LeakyReLU", {"negative_slope": 0.2}, SEQUENCE),
    ("GELU", {"approximate": "tanh"}, SEQUENCE),
    ("Reshape", {"shape": (7, 3, 9)}, IMAGE),
    ("Transpose", {"dim0": 1, "dim1": -1}, IMAGE),
    ("LastStep", {}, SEQUENCE),
    ("Add", {}, SEQUENCE),
    ("Concat", {}, SEQUENCE),
    ("Concat", {"dim": -1}, SEQUENCE),
]


def network_around(type_: str, fields: dict[str, Any], shape: Shape) -> CheckedNetwork:
    """The layer, and behind it what makes one score of whatever it gives."""
    sources = ["x", "x"] if type_ in ("Add", "Concat") else ["x"]
    layer = {"name": "a.layer", "type": type_, "inputs": sources, **fields}
    given = LAYER_TYPES[type_].model_validate(layer).output(*[shape] * len(sources))
    layers = [
        layer,
        {"name": "flat", "type": "Flatten", "inputs": ["a.layer"]},
        {"name": "out", "type": "Linear", "inputs": ["flat"], "in_features": numbers(given), "out_features": 1},
    ]
    return Network.model_validate({"layers": layers, "output": "out"}).checked({"x": shape}, 1)


@pytest.mark.parametrize(("type_", "fields", "shape"), CASES)
def test_a_layer_is_what_pytorch_makes_of_it(type_: str, fields: dict[str, Any], shape: Shape) -> None:
    network = network_around(type_, fields, shape)
    module = build(network)
    assert {name: tuple(values.shape) for name, values in module.state_dict().items()} == dict(network.parameters)
    seen = {}
    module.get_submodule("flat").register_forward_pre_hook(lambda _, args: seen.update(shape=tuple(args[0].shape)))
    x = torch.randint(0, 12, (2, *shape)).float()
    assert module.eval()(x).shape == (2, 1)
    assert seen["shape"] == (2, *network.shapes["a.layer"])


def test_every_type_has_a_case() -> None:
    assert {type_ for type_, _, _ in CASES} == set(LAYER_TYPES)


@pytest.mark.parametrize("kernel", range(1, 6))
@pytest.mark.parametrize("stride", range(1, 5))
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_windows_are_counted_as_pytorch_counts_them(kernel: int, stride: int, ceil_mode: bool) -> None:
    for length in range(kernel, 14):
        for padding in range(kernel // 2 + 1):
            fields = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
            layer = LAYER_TYPES["MaxPool1d"].model_validate(
                {"name": "a", "type": "MaxPool1d", "inputs": ["x"], **fields}
            )
            given = torch.nn.MaxPool1d(**fields)(torch.zeros(1, 1, length))
            assert layer.output((1, length)) == tuple(given.shape[1:])
