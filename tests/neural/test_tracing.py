"""Modules of PyTorch as data: the same weights, the same scores, and what has no place is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from fedtrain.neural.module import build
from fedtrain.neural.tracing import from_module
from tests.neural.test_module import Written


class Spam(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.words, self.gru = nn.Embedding(50, 8), nn.GRU(8, 6, batch_first=True)
        self.out = nn.Linear(6, 1)

    def forward(self, x: Any) -> Any:
        return self.out(self.gru(self.words(x))[0][:, -1]).squeeze(1)


class Residual(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.GroupNorm(1, 3), nn.ReLU())
        self.act, self.head = nn.GELU(), nn.Linear(27, 4)

    def forward(self, x: Any) -> Any:
        x = self.act(x + self.body(x))
        x = functional.adaptive_avg_pool2d(self.act(x), 3)
        x = functional.dropout(x, 0.2, self.training)
        return self.head(x.view(x.size(0), -1))


class Hidden(nn.Module):  # type: ignore[misc]
    """Takes h[-1] of an LSTM, and a second feature."""

    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.lstm, self.out = kind(5, 6, num_layers=2, batch_first=True), nn.Linear(8, 2)

    def forward(self, steps: Any, age: Any) -> Any:
        _, state = self.lstm(steps)
        h = state[0] if isinstance(self.lstm, nn.LSTM) else state
        return self.out(torch.cat([h[-1], age], dim=1))


class TextConvolution(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.words, self.conv = nn.Embedding(50, 8, padding_idx=0), nn.Conv1d(8, 5, 3, stride=2)
        self.out = nn.Linear(5, 3)

    def forward(self, x: Any) -> Any:
        x = self.words(x).permute(0, 2, 1)
        return self.out(functional.adaptive_max_pool1d(torch.tanh(self.conv(x)), 1).squeeze(2))


def sequential() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 4, (3, 2), bias=False),
        nn.LeakyReLU(0.2),
        nn.MaxPool2d(2, stride=1),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Identity(),
        nn.LayerNorm(24),
        nn.Linear(24, 10),
    )


IDS = torch.randint(0, 50, (4, 30))
MODULES: list[tuple[Callable[[], nn.Module], dict[str, Any]]] = [
    (Written, {"pixels": torch.randn(4, 1, 28, 28)}),
    (Spam, {"text": IDS}),
    (Residual, {"image": torch.randn(4, 3, 8, 8)}),
    (lambda: Hidden(nn.LSTM), {"steps": torch.randn(4, 7, 5), "age": torch.randn(4, 2)}),
    (lambda: Hidden(nn.GRU), {"steps": torch.randn(4, 7, 5), "age": torch.randn(4, 2)}),
    (TextConvolution, {"text": IDS}),
    (sequential, {"x": torch.randn(4, 64)}),
]


@pytest.mark.parametrize(("make", "features"), MODULES)
def test_what_is_built_from_a_traced_module_gives_its_scores(
    make: Callable[[], nn.Module], features: dict[str, Any]
) -> None:
    module = make()
    traced = from_module(module, features)
    expected = module.eval()(*features.values()).reshape(4, -1)
    inputs = {label: tuple(values.shape[1:]) for label, values in features.items()}
    network = traced.network.checked(inputs, expected.shape[1])
    assert dict(network.parameters) == {name: tuple(values.shape) for name, values in module.state_dict().items()}
    built = build(network, traced.weights).eval()
    assert torch.equal(built(*features.values()), expected)
    module.load_state_dict(built.state_dict())


def test_a_module_is_left_in_the_mode_it_was_in() -> None:
    module = Residual().eval()
    from_module(module, {"image": np.zeros((1, 3, 8, 8), np.float32)})
    assert not module.training


class Forward(nn.Module):  # type: ignore[misc]
    """A layer, and a function in its forward."""

    def __init__(self, function: Callable[[Any, Any], Any], **layers: nn.Module) -> None:
        super().__init__()
        self.function, self.fc = function, nn.Linear(4, 4)
        self.weight = nn.Parameter(torch.ones(4))
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def branch(module: Any, x: Any) -> Any:
    return module.fc(x) if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), r"1 \(BatchNorm1d\) .*take GroupNorm"),
        (nn.Sequential(nn.Linear(4, 4), nn.Softmax(1)), r"1 \(Softmax\) .*leave it out at the end"),
        (nn.Sequential(nn.Linear(4, 4), nn.Bilinear(4, 4, 4)), "Sequential does not run on such records"),
        (nn.Sequential(nn.Linear(4, 4), nn.Hardswish()), r"1 \(Hardswish\) has no place among .*Conv1d"),
        (Forward(lambda self, x: functional.log_softmax(self.fc(x), 1)), "log_softmax.*leave it out"),
        (Forward(lambda self, x: torch.sin(self.fc(x))), r"sin \(sin\) has no place"),
        (Forward(lambda self, x: self.fc(x) * self.weight), "weight: weights outside of a layer|mul"),
        (Forward(lambda self, x: self.fc(x) + 1), r"add \(add\) has no place"),
        (Forward(lambda self, x: self.fc(self.fc(x))), "fc: a layer with weights is used twice"),
        (Forward(lambda self, x: self.fc(x)[:, 0]), "only .* the last step"),
        (Forward(lambda self, x: self.fc(x).reshape(-1, 2)), "the first axis, that of records"),
        (Forward(lambda self, x: (self.fc(x), x)), "no single tensor"),
        (Forward(branch), "Forward: its forward cannot be followed"),
        (
            Forward(lambda self, x: self.c(x.unsqueeze(1)), c=nn.Conv1d(1, 2, 3, padding=1, padding_mode="circular")),
            "c: padding_mode 'circular' has no place: only 'zeros'",
        ),
        (
            Forward(lambda self, x: self.c(x.unsqueeze(1)), c=nn.Conv1d(1, 2, 3, padding="same")),
            "c: padding 'same' has no place: give it as a number",
        ),
        (Forward(lambda self, x: self.r(x.unsqueeze(1))[0], r=nn.GRU(4, 2)), "r: batch_first False has no place"),
        (
            Forward(lambda self, x: self.r(x.unsqueeze(1))[1], r=nn.GRU(4, 2, batch_first=True)),
            r"the output: the state of r has no place here: take h\[-1\]",
        ),
        (
            Forward(lambda self, x: self.r(x.unsqueeze(1))[1][1], r=nn.LSTM(4, 2, batch_first=True)),
            r"of the state of r, only the last layer's h has a place",
        ),
    ],
)
def test_what_has_no_place_is_named(module: nn.Module, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        from_module(module, {"x": torch.zeros(2, 4)})


def test_features_are_as_many_as_forward_takes() -> None:
    x = torch.zeros(2, 4)
    with pytest.raises(ValueError, match="forward does not take the feature 'age'"):
        from_module(nn.Sequential(nn.Linear(4, 4)), {"x": x, "age": x})
    with pytest.raises(ValueError, match="forward takes age, for which there is no feature"):
        from_module(Hidden(nn.GRU), {"steps": torch.zeros(2, 7, 5)})
