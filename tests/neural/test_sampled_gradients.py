"""Sums of clipped gradients of a sample, by PyTorch, against gradients one example at a time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedtrain.neural import ExamplesPart, GradientTask, SampledGradients
from fedtrain.neural.examples_files import open_examples, x_file, y_file
from fedtrain.neural.initial import initial_weights
from fedtrain.neural.losses import losses
from fedtrain.neural.module import build, features_of
from fedtrain.neural.sampling.clipped_sample import clipped, sampled
from fedtrain.neural.sampling.sampled_gradients import summed_gradients
from fedtrain.neural.worker_process import WorkerProcess
from fedtrain.spec.model_types.row_loss import LogLoss
from fedtrain.spec.network import CheckedNetwork, Network
from fedtrain.spec.training import Loss
from tests.neural.tasks import classifier, frozen

TERMS = SampledGradients(Loss.CROSS_ENTROPY, rate=0.4, clip=0.3, fraction_bits=16)


def task(folder: Path, network: CheckedNetwork | None = None, **terms: Any) -> GradientTask:
    network = network or classifier()
    (features,) = network.inputs["x"]
    examples = frozen(folder, 60, features, network.outputs)
    return GradientTask(network, replace(TERMS, **terms), initial_weights(network, 1), examples, b"s" * 32)


def one_by_one(asked: GradientTask) -> np.ndarray:
    """By autograd, an example at a time."""
    X, Y = open_examples(asked.examples)
    module = build(asked.network, asked.weights)
    rows = []
    for row in np.flatnonzero(sampled(asked.terms.rate, len(X), asked.seed)):
        module.zero_grad()
        scores = module(*features_of(asked.network, X[row : row + 1]))
        losses(asked.terms.loss, scores, torch.from_numpy(np.array(Y[row : row + 1]))).sum().backward()
        gradients = dict(module.named_parameters())
        rows.append(np.concatenate([gradients[name].grad.numpy().ravel() for name in asked.network.parameters]))
    return clipped(np.array(rows, dtype=np.float64), asked.terms.clip, asked.terms.fraction_bits)


def convolution() -> CheckedNetwork:
    layers: list[dict[str, Any]] = [
        {"name": "image", "type": "Reshape", "inputs": ["x"], "shape": [1, 4, 4]},
        {"name": "conv", "type": "Conv2d", "inputs": ["image"], "in_channels": 1, "out_channels": 2, "kernel_size": 3},
        {"name": "relu", "type": "ReLU", "inputs": ["conv"]},
        {"name": "flat", "type": "Flatten", "inputs": ["relu"]},
        {"name": "fc", "type": "Linear", "inputs": ["flat"], "in_features": 8, "out_features": 3},
    ]
    return Network.model_validate({"layers": layers, "output": "fc"}).checked({"x": (16,)}, 3)


def words() -> CheckedNetwork:
    layers: list[dict[str, Any]] = [
        {"name": "words", "type": "Embedding", "inputs": ["x"], "num_embeddings": 7, "embedding_dim": 4},
        {"name": "gru", "type": "GRU", "inputs": ["words"], "input_size": 4, "hidden_size": 3},
        {"name": "last", "type": "LastStep", "inputs": ["gru"]},
        {"name": "fc", "type": "Linear", "inputs": ["last"], "in_features": 3, "out_features": 3},
    ]
    return Network.model_validate({"layers": layers, "output": "fc"}).checked({"x": (5,)}, 3, {"x": 7})


@pytest.mark.parametrize("network", [classifier(), convolution()])
def test_it_is_the_sum_of_each_examples_clipped_gradient(tmp_path: Path, network: CheckedNetwork) -> None:
    asked = task(tmp_path, network)
    each, found = one_by_one(asked), summed_gradients(asked)
    assert found.dtype == np.int64
    assert 10 < len(each) < 40
    # The last bits of a batch's kernels, which rounding towards zero can make one unit of an example.
    assert np.abs(found - each.sum(axis=0)).max() <= 2 * len(each)
    assert np.linalg.norm(found) > 100 * len(each)
    assert (np.square(each).sum(axis=1) > 0.99 * (0.3 * 2**16) ** 2).any()  # some are as long as the clip


@pytest.mark.parametrize(("classes", "loss"), [(1, Loss.BINARY_CROSS_ENTROPY), (3, Loss.CROSS_ENTROPY)])
def test_one_linear_layer_is_exact_logistic_regression(tmp_path: Path, classes: int, loss: Loss) -> None:
    """Its gradients are those that owners of a job with shared weights compute of the log loss, clipped row by row."""
    layers = [{"name": "scores", "type": "Linear", "inputs": ["x"], "in_features": 6, "out_features": classes}]
    network = Network.model_validate({"layers": layers, "output": "scores"}).checked({"x": (6,)}, classes)
    examples = frozen(tmp_path, 60, 6, classes)
    if classes == 1:
        np.save(y_file(examples), (np.arange(60) % 2).astype(np.float32).reshape(-1, 1))
    asked = GradientTask(network, replace(TERMS, loss=loss), initial_weights(network, 1), examples, b"s" * 32)
    X, Y = (np.array(one, dtype=np.float64) for one in open_examples(examples))
    weight, bias = (asked.weights[name].astype(np.float64) for name in network.parameters)
    _, residuals = LogLoss().at(X @ weight.T + bias, Y)
    each = np.concatenate([(residuals[:, :, None] * X[:, None, :]).reshape(60, -1), residuals], axis=1)
    expected = clipped(each[sampled(0.4, 60, asked.seed)], 0.3, 16)
    assert np.abs(summed_gradients(asked) - expected.sum(axis=0)).max() <= 2 * len(expected)


def test_layers_that_know_no_batch_of_weights_are_done_one_at_a_time(tmp_path: Path) -> None:
    network = words()
    examples = ExamplesPart(tmp_path, "training")
    draws = np.random.default_rng(3)
    np.save(x_file(examples), draws.integers(0, 7, (20, 5)).astype(np.float32))
    np.save(y_file(examples), np.eye(3, dtype=np.float32)[draws.integers(0, 3, 20)])
    asked = GradientTask(network, TERMS, initial_weights(network, 1), examples, b"s" * 32)
    each = one_by_one(asked)
    assert np.abs(summed_gradients(asked) - each.sum(axis=0)).max() <= len(each)


def test_one_record_more_changes_the_sum_by_no_more_than_the_clip(tmp_path: Path) -> None:
    asked = task(tmp_path, rate=1.0)
    X, Y = (np.array(one) for one in open_examples(asked.examples))
    whole = summed_gradients(asked)
    np.save(x_file(asked.examples), np.concatenate([X, 1e6 * np.ones((1, X.shape[1]), np.float32)]))
    np.save(y_file(asked.examples), np.concatenate([Y, Y[:1]]))
    more = summed_gradients(asked)
    changed = float(np.linalg.norm((more - whole).astype(np.float64)))
    # Of the others' gradients the last bits may change with how many are computed together.
    assert 0.9 * 0.3 * 2**16 < changed <= 0.3 * 2**16 + len(X)


def test_dropout_is_drawn_from_the_seed(tmp_path: Path) -> None:
    asked = task(tmp_path, classifier(dropout=0.5))
    assert np.array_equal(summed_gradients(asked), summed_gradients(asked))
    assert not np.array_equal(summed_gradients(asked), summed_gradients(replace(asked, seed=b"t" * 32)))


def test_an_empty_sample_is_a_sum_like_any_other(tmp_path: Path) -> None:
    found = summed_gradients(task(tmp_path, rate=1e-12))
    assert found.tolist() == [0] * classifier().parameter_count


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess()
    yield process
    process.close()


@pytest.mark.slow
def test_a_worker_gives_the_same_bits_before_and_after_it_was_killed(worker: WorkerProcess, tmp_path: Path) -> None:
    asked = task(tmp_path, classifier(dropout=0.5))
    here = summed_gradients(asked)
    assert np.array_equal(worker.gradients(asked), here)
    killed = worker.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert np.array_equal(worker.gradients(asked), here)
    assert worker.pid != killed
