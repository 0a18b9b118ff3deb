"""Local training is what PyTorch's own loop does on the same batches, clipped, and the same bits every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from fedtrain.neural import local_training
from fedtrain.neural.evaluation import evaluate, scores_of
from fedtrain.neural.examples_files import open_examples, x_file, y_file
from fedtrain.neural.initial import initial_weights
from fedtrain.neural.local_training import batches, clipped_update, rows_at_once, step_count, train
from fedtrain.neural.tasks import EvaluationTask, TrainingResult, TrainingTask
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.training import LocalOptimizer, Loss
from tests.neural.tasks import SETTINGS, classifier, task


def by_hand(task: TrainingTask) -> dict[str, np.ndarray]:
    """The update by a loop as one writes it, with the task's batches."""
    settings, found = task.settings, {name: torch.tensor(values) for name, values in task.weights.items()}
    given = {name: values.clone() for name, values in found.items()}
    weights = [values.requires_grad_() for values in found.values()]
    kind = torch.optim.Adam if settings.optimizer is LocalOptimizer.ADAM else torch.optim.SGD
    optimizer = kind(weights, lr=settings.learning_rate)
    X, Y = open_examples(task.examples)
    for rows in batches(settings, len(X), task.seed):
        x, y = torch.tensor(X[rows]), torch.tensor(Y[rows])
        hidden = torch.tanh(functional.linear(x, found["fc1.weight"], found["fc1.bias"]))
        scores = functional.linear(hidden, found["fc2.weight"], found["fc2.bias"])
        loss = functional.cross_entropy(scores, y.argmax(1))
        for name, values in found.items():
            loss = loss + settings.proximal / 2 * torch.square(values - given[name]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {name: (values.detach() - given[name]).numpy() for name, values in found.items()}


def same_bits(one: TrainingResult, other: TrainingResult) -> bool:
    return all(one.update[name].tobytes() == other.update[name].tobytes() for name in one.update)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"epochs": 2.5},
        {"steps": 7, "epochs": None},
        {"optimizer": LocalOptimizer.ADAM, "learning_rate": 0.01, "epochs": 3.0},
        {"proximal": 0.7, "epochs": 3.0},
    ],
)
def test_it_is_the_loop_that_one_writes_by_hand(tmp_path: Path, settings: dict[str, Any]) -> None:
    asked = task(tmp_path, **settings)
    expected, found = by_hand(asked), train(asked)
    assert list(found.update) == list(asked.network.parameters)
    for name, values in expected.items():
        np.testing.assert_allclose(found.update[name], values, rtol=1e-4, atol=1e-6)
        assert np.abs(values).max() > 1e-3


def test_a_proximal_term_keeps_weights_nearer(tmp_path: Path) -> None:
    free, held = (train(task(tmp_path, epochs=20.0, proximal=proximal)) for proximal in (0.0, 1.0))
    assert held.norm_before_clip < 0.8 * free.norm_before_clip


def test_one_step_over_all_rows_is_their_gradient(tmp_path: Path) -> None:
    """The update of `fedsgd`."""
    asked = task(tmp_path, steps=1, epochs=None, batch_size=None, learning_rate=1.0)
    found = train(asked)
    assert (found.rows, found.steps) == (30, 1)
    for name, values in by_hand(asked).items():
        np.testing.assert_allclose(found.update[name], values, rtol=1e-4, atol=1e-6)


def test_rows_that_do_not_fit_at_once_are_taken_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = task(tmp_path, batch_size=None, steps=2, epochs=None)
    whole = train(asked)
    monkeypatch.setattr(local_training, "_MOST_AT_ONCE", 60)
    parts = train(asked)
    assert rows_at_once(asked.network) < 5
    assert parts.loss_sum == pytest.approx(whole.loss_sum, rel=1e-6)
    for name, values in whole.update.items():
        np.testing.assert_allclose(parts.update[name], values, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("epochs", "steps", "rows", "expected"),
    [(1.0, None, 30, 4), (2.0, None, 32, 8), (0.5, None, 32, 2), (0.25, None, 300, 10), (0.001, None, 30, 1)],
)
def test_epochs_may_be_fractions(epochs: float, steps: int | None, rows: int, expected: int) -> None:
    settings = replace(SETTINGS, epochs=epochs, steps=steps)
    assert step_count(settings, rows) == expected == len(list(batches(settings, rows, b"seed")))


def test_an_epoch_goes_through_every_row_once_in_an_order_of_the_seed() -> None:
    def order(seed: bytes, epochs: float = 1.0) -> list[int]:
        return np.concatenate(list(batches(replace(SETTINGS, epochs=epochs), 30, seed))).tolist()

    assert sorted(order(b"a")) == list(range(30)) and order(b"a") != order(b"b")
    twice = order(b"a", 2.0)
    assert twice[:30] == order(b"a") and sorted(twice[30:]) == list(range(30)) and twice[30:] != twice[:30]


def test_the_same_task_gives_the_same_bits_with_dropout_too_and_another_seed_others(tmp_path: Path) -> None:
    asked = task(tmp_path, classifier(dropout=0.5), epochs=2.0)
    torch.manual_seed(1)
    one = train(asked)
    torch.manual_seed(2)
    assert same_bits(one, train(asked))
    assert not same_bits(one, train(replace(asked, seed=b"another")))


def test_dropout_is_at_work_in_training_alone(tmp_path: Path) -> None:
    asked = task(tmp_path, classifier(dropout=0.5))
    assert not same_bits(train(asked), train(replace(asked, network=classifier())))
    X = np.ones((2, 6), np.float32)
    assert np.array_equal(scores_of(asked.network, asked.weights, X), scores_of(classifier(), asked.weights, X))


def test_an_update_is_clipped_to_its_norm_over_all_arrays(tmp_path: Path) -> None:
    free = train(task(tmp_path, epochs=5.0))
    clip = free.norm_before_clip / 3
    held = train(task(tmp_path, epochs=5.0, clip=clip))
    assert held.norm_before_clip == free.norm_before_clip
    length = np.sqrt(sum(np.square(values.astype(np.float64)).sum() for values in held.update.values()))
    assert clip * (1 - 1e-5) < length <= clip
    for name, values in free.update.items():
        np.testing.assert_allclose(held.update[name], values / 3, rtol=1e-5)


def test_a_single_number_is_never_longer_than_clip_after_rounding() -> None:
    for clip in (0.1, 1 / 3, 5.0, 123.456):
        update, _ = clipped_update({"w": np.zeros(1, np.float32)}, {"w": np.full(1, 1e6, np.float32)}, clip)
        assert float(update["w"][0]) <= clip


def test_loss_and_hits_are_those_of_the_rows_that_were_seen(tmp_path: Path) -> None:
    asked = task(tmp_path, steps=1, epochs=None, batch_size=None)
    found = train(asked)
    told = evaluate(EvaluationTask(asked.network, Loss.CROSS_ENTROPY, asked.weights, asked.examples))
    assert (found.rows, found.hits) == (told.rows, told.hits) == (30, told.hits)
    assert found.loss_sum == pytest.approx(told.loss_sum, rel=1e-5)
    X, Y = open_examples(asked.examples)
    scores = torch.tensor(scores_of(asked.network, asked.weights, np.array(X)))
    labels = torch.tensor(np.array(Y)).argmax(1)
    assert told.loss_sum == pytest.approx(float(functional.cross_entropy(scores, labels, reduction="sum")), rel=1e-5)
    assert told.hits == int((scores.argmax(1) == labels).sum())


def test_progress_is_told_at_every_step(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    train(task(tmp_path), lambda step, steps: told.append((step, steps)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_training_that_diverges_is_a_named_problem_and_no_update(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="smaller learning_rate") as caught:
        train(task(tmp_path, loss=Loss.MEAN_SQUARED_ERROR, learning_rate=1e6, epochs=20.0))
    assert caught.value.code is Code.DIVERGED


def test_an_update_that_is_not_finite_is_refused_though_the_loss_was() -> None:
    with pytest.raises(Problem, match="the update became no finite number"):
        clipped_update({"w": np.zeros(2, np.float32)}, {"w": np.array([1, np.nan], np.float32)}, 5.0)


@pytest.mark.parametrize(
    ("loss", "scores", "targets", "loss_sum", "hits"),
    [
        (Loss.MEAN_SQUARED_ERROR, [[1.0, 2.0], [0.0, 0.0]], [[0.0, 2.0], [1.0, 1.0]], 0.5 + 1.0, 0),
        (Loss.BINARY_CROSS_ENTROPY, [[0.0, 0.0]], [[1.0, 0.0]], np.log(2), 0),
        (Loss.BINARY_CROSS_ENTROPY, [[3.0, -3.0]], [[1.0, 0.0]], np.log1p(np.exp(-3)), 1),
        (Loss.CROSS_ENTROPY, [[0.0, np.log(3)]], [[0.0, 1.0]], np.log(4 / 3), 1),
    ],
)
def test_losses_and_hits_by_hand(
    tmp_path: Path, loss: Loss, scores: list[list[float]], targets: list[list[float]], loss_sum: float, hits: int
) -> None:
    """A network that hands on its features has them as its scores."""
    network = classifier(features=2, hidden=2, classes=2)
    asked = task(tmp_path, network)
    layer = {"name": "out", "type": "Linear", "inputs": ["x"], "in_features": 2, "out_features": 2, "bias": False}
    same = type(network.network).model_validate({"layers": [layer], "output": "out"}).checked({"x": (2,)}, 2)
    np.save(x_file(asked.examples), np.array(scores, np.float32))
    np.save(y_file(asked.examples), np.array(targets, np.float32))
    found = evaluate(EvaluationTask(same, loss, {"out.weight": np.eye(2, dtype=np.float32)}, asked.examples))
    assert found.loss_sum == pytest.approx(loss_sum, rel=1e-5)
    assert found.hits == hits


def test_training_finds_what_there_is_to_find(tmp_path: Path) -> None:
    asked = task(tmp_path, epochs=60.0)
    X, _ = open_examples(asked.examples)
    np.save(y_file(asked.examples), np.eye(3, dtype=np.float32)[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0)])
    found = train(asked)
    weights = {name: values + found.update[name] for name, values in asked.weights.items()}
    told = evaluate(EvaluationTask(asked.network, Loss.CROSS_ENTROPY, weights, asked.examples))
    assert told.hits > 24


def test_files_that_are_no_frozen_examples_are_refused(tmp_path: Path) -> None:
    asked = task(tmp_path)
    np.save(y_file(asked.examples), np.zeros((29, 3), np.float32))
    with pytest.raises(ValueError, match="these are no frozen examples"):
        train(asked)
    np.save(y_file(asked.examples), np.array([{"a": 1}] * 30, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        train(asked)


def test_weights_without_a_task_s_network_are_refused(tmp_path: Path) -> None:
    asked = task(tmp_path)
    with pytest.raises(ValueError, match="has the shape"):
        train(replace(asked, weights=initial_weights(classifier(hidden=4), 1)))
