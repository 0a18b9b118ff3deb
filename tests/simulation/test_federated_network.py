"""A module of PyTorch across owners in one process: what people hand in, what comes of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import fedtrain
from fedtrain.neural.worker_process import WorkerProcess
from fedtrain.simulation import federated_network
from fedtrain.simulation.arrays_given import records_of, split_among

SMALL = {"key_bits": 512, "show_progress": False}


class Kept(WorkerProcess):
    """One worker for all tests of this file, each of which closes it: importing PyTorch takes seconds."""

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    worker = Kept()
    yield worker
    WorkerProcess.close(worker)


@pytest.fixture(autouse=True)
def one_worker(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federated_network, "WorkerProcess", lambda: kept)


@pytest.fixture(autouse=True)
def small_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDTRAIN_ALLOW_SMALL_KEYS", "1")


def blobs(rows: int = 120, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(2)
    y = draws.integers(0, classes, rows)
    return draws.normal(3 * np.eye(classes, 4)[y], 1.0), y


def network(outputs: int = 3) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, outputs))


@pytest.mark.slow
def test_a_module_is_trained_across_owners_from_the_weights_that_it_has() -> None:
    X, y = blobs()
    module = network()
    before = {name: values.clone() for name, values in module.state_dict().items()}
    model = fedtrain.FederatedNetwork(module, rounds=3, learning_rate=0.2, **SMALL)
    assert model.fit(split_among(["bob", "alice"], X, y)) is model
    assert model.score(X, y) > 0.8
    assert [row["round"] for row in model.history_] == [1, 2, 3]
    assert model.model_["status"] == "FINISHED" and len(model.model_["owners"]) == 2
    assert model.classes_ is not None and model.classes_.tolist() == [0, 1, 2]
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert np.array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X))
    moved = max(float((values - before[name]).abs().max()) for name, values in module.state_dict().items())
    assert 0.01 < moved < 5, "three rounds from the given weights, not from others"


@pytest.mark.slow
def test_numbers_to_come_near_to_and_owners_by_hand() -> None:
    X, _ = blobs()
    y = (X @ [1.0, -2.0, 0.5, 0.0] + 10).astype(np.float32)
    owners = {"bob": TensorDataset(torch.tensor(X[:70]), torch.tensor(y[:70])), "alice": (pd.DataFrame(X[70:]), y[70:])}
    model = fedtrain.FederatedNetwork(
        nn.Sequential(nn.Linear(4, 1)), rounds=3, learning_rate=0.05, local_epochs=25, **SMALL
    )
    model.fit(owners)
    assert model.score(X, y) > 0.99
    assert np.abs(model.predict(X) - y).max() < 3
    assert model.classes_ is None and model.predict(X).shape == (120,)
    with pytest.raises(ValueError, match="targets are numbers"):
        model.predict_proba(X)


class Words(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.x, self.gru, self.out = nn.Embedding(9, 4), nn.GRU(4, 3, batch_first=True), nn.Linear(3, 1)

    def forward(self, ids: Any) -> Any:
        return self.out(self.gru(self.x(ids))[0][:, -1]).squeeze(1)


@pytest.mark.slow
def test_ids_and_two_categories_that_are_texts() -> None:
    draws = np.random.default_rng(3)
    X = draws.integers(0, 9, (80, 5))
    y = np.where(X[:, -1] > 4, "spam", "ham")
    torch.manual_seed(1)
    model = fedtrain.FederatedNetwork(
        Words(), rounds=3, local_optimizer="adam", learning_rate=0.05, local_epochs=6, **SMALL
    )
    model.fit(split_among(["bob", "alice"], torch.tensor(X), y))
    assert model.score(torch.tensor(X), y) > 0.9
    assert set(model.predict(X[:9])) <= {"ham", "spam"} and model.predict_proba(X).shape == (80, 2)


# What is handed in


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor, lambda X: pd.DataFrame(np.asarray(X))])
def test_arrays_tensors_and_frames_are_the_same_records(make: Callable[[Any], Any]) -> None:
    X, y = blobs(9)
    found = records_of((make(X), make(y[:, None]) if make is not np.asarray else y))
    np.testing.assert_array_equal(found.X, X)
    assert found.Y[:, 0].tolist() == y.tolist() and found.classifies


def test_records_are_shared_out_once_each_and_the_same_way_again() -> None:
    X, y = blobs(25)
    parts = split_among(["a", "b", "c"], X, y)
    again = split_among(["a", "b", "c"], TensorDataset(torch.tensor(X), torch.tensor(y)))
    assert [len(part[0]) for part in parts.values()] == [9, 8, 8]
    assert sorted(np.concatenate([part[0][:, 0] for part in parts.values()])) == sorted(X[:, 0])
    assert all(np.array_equal(parts[name][0], again[name][0]) for name in parts)
    assert not np.array_equal(parts["a"][0], split_among(["a", "b", "c"], X, y, seed=1)["a"][0])


X, Y = blobs(12)
FIT: list[tuple[Any, str]] = [
    ({}, "there are no owners"),
    ({"bob": X}, "has to have pairs of features and target"),
    ({"bob": 3}, r"bob: records are a pair \(X, y\)"),
    ({"bob": (X, Y[:5])}, r"bob: X has 12 records, y the shape \(5, 1\)"),
    ({"bob": (X[0], Y)}, r"bob: X has the shape \(4,\)"),
    ({"bob": (X.astype(str), Y)}, "bob: X has values of type"),
    ({"bob": (np.where(X > 0, np.nan, X), Y)}, "bob: X has a value that is not finite"),
    ({"bob": (X, np.where(Y > 0, np.nan, 1.0))}, "bob: y has a value that is not finite"),
    ({"model-owner": (X, Y)}, "model-owner: that is the name of another party"),
    ({"bob": (X, Y), "alice": (X[:, :3], Y)}, "alice: its records are"),
    ({"bob": (X, Y), "alice": (X, X[:, 0])}, "alice: its targets are of another kind"),
    ({"bob": (X, np.column_stack([Y, Y]))}, "bob: y has 2 columns of categories"),
    ({"bob": (X, X[:, :2])}, "layer '2': it is the output and gives 3, the targets need 2"),
]


@pytest.mark.parametrize(("owners", "said"), FIT)
def test_what_cannot_be_trained_on_is_refused_by_its_owner(owners: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        fedtrain.FederatedNetwork(network(), **SMALL).fit(owners)


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.spare = nn.Linear(4, 3), nn.Linear(4, 3, bias=False)
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.used(X)
        return found


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))
    module[2].weight = module[0].weight
    return module


@pytest.mark.parametrize(
    ("make", "said"),
    [(Unused, "seen, spare.weight: forward uses no layer"), (tied, "0.weight and 2.weight are the same weights")],
)
def test_weights_that_would_not_fit_back_are_refused_before_anything_is_trained(
    make: Callable[[], nn.Module], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(federated_network, "run_whole_job", None)
    X, y = blobs(30)
    module = make()
    before = {name: values.clone() for name, values in module.state_dict().items()}
    with pytest.raises(ValueError, match=said):
        fedtrain.FederatedNetwork(module, **SMALL).fit(split_among(["bob", "alice", "carol"], X, y))
    assert all(torch.equal(values, before[name]) for name, values in module.state_dict().items())


def test_owners_are_named_once_and_have_records() -> None:
    with pytest.raises(ValueError, match="give at least one, and each once"):
        split_among(["bob", "bob"], X, Y)
    with pytest.raises(ValueError, match="1 records for 2 owners"):
        split_among(["bob", "alice"], X[:1], Y[:1])


def test_scores_need_a_training_and_ids_whole_numbers() -> None:
    with pytest.raises(ValueError, match="call fit"):
        fedtrain.FederatedNetwork(network()).predict(X)
    with pytest.raises(ValueError, match="bob: X has values of type float64: a network with an Embedding"):
        fedtrain.FederatedNetwork(Words()).fit({"bob": (X, Y)})


@pytest.mark.slow
def test_the_example_has_ten_lines_and_trains() -> None:
    path = Path(__file__).resolve().parents[2] / "examples" / "ten_lines" / "ten_lines.py"
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith(('"""', "if "))]
    assert len(lines) <= 10
    source = path.read_text().replace("rounds=20", "rounds=2, key_bits=512, show_progress=False")
    found: list[str] = []
    exec(compile(source, str(path), "exec"), {"__name__": "__main__", "print": found.append})  # noqa: S102
    assert float(found[0].removeprefix("right: ")) > 0.6
