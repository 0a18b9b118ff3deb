"""Noised gradients of exact logistic regression: an owner's sums, and what leaves of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import PreparedData
from fedtrain.data_owner.release.noised_release import NoisedRelease
from fedtrain.methods.network.one_layer import WEIGHTS
from fedtrain.methods.network.private import GradientNoise, PrivateNetworkPlan
from fedtrain.neural import ExamplesPart, GradientTask
from fedtrain.neural.examples_files import x_file, y_file
from fedtrain.neural.sampling.row_gradients import RowGradients
from fedtrain.neural.sampling.sampled_gradients import summed_gradients
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec, ModelType
from fedtrain.spec.model_types.row_loss import LogLoss
from fedtrain.spec.problems import Code, Problem
from tests.data_owner.release import test_private_network_answers as networks
from tests.harness.data_owner.owner_bench import OWNERS
from tests.harness.networks.small_trainer import ArrayExamples

SOURCE = RowGradients(LogLoss())
METHOD = method_of(ModelType.LOGISTIC_REGRESSION, shares_weights=True, noised=True)
ROWS, COLUMNS = 60, 30


def plan_of(classes: int, **privacy: Any) -> PrivateNetworkPlan:
    document = {
        "model_type": "LOGISTIC_REGRESSION",
        "data_props": {
            "features": [{"name": f"x{j}", "type": "continuous", "range": [0, 1]} for j in range(COLUMNS)],
            "target": {"name": "y", "categories": list(range(classes))},
        },
        "training": {
            "optimizer": "momentum",
            "weights": "shared_with_owners",
            "batch_size": 10,
            "rounds": 20,
            "clip": 1.0,
            "max_rows": 1000,
            "max_data_owners": 8,
            "key_bits": 512,
        },
        "privacy": {"epsilon": 1.0, "delta": 1e-5, "sampling_rate": 0.5, "honest_owners": 2, **privacy},
    }
    plan = plan_spec(ModelSpec.model_validate(document))
    assert isinstance(plan, PrivateNetworkPlan)
    return plan


def records(folder: Path, classes: int, seed: int = 7) -> ExamplesPart:
    """Scaled columns, a one at the end, of records of some of which the gradient is longer than the clip."""
    draw, examples = np.random.default_rng(seed), ExamplesPart(folder, "training")
    X = draw.uniform(-1, 1, (ROWS, COLUMNS)) * draw.uniform(0, 1, (ROWS, 1))
    classified = draw.integers(0, classes, ROWS)
    Y = classified.reshape(-1, 1) if classes == 2 else np.eye(classes)[classified]
    np.save(x_file(examples), np.column_stack([X, np.ones(ROWS)]).astype(np.float32))
    np.save(y_file(examples), Y.astype(np.float32))
    return examples


def task_of(folder: Path, classes: int, **privacy: Any) -> GradientTask:
    plan = plan_of(classes, **privacy)
    drawn = np.random.default_rng(3).normal(size=plan.checked.parameters[WEIGHTS]).astype(np.float32)
    return GradientTask(plan.checked, plan.terms, {WEIGHTS: drawn}, records(folder, classes), b"s" * 32)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_the_gradient_of_a_network_of_one_layer(tmp_path: Path, classes: int) -> None:
    asked = task_of(tmp_path, classes)
    found, by_torch = SOURCE.gradients(asked), summed_gradients(asked)
    assert found.dtype == np.int64 and found.shape == by_torch.shape
    # PyTorch's is in float32: some units of 2^−16 a record, of sums of half the records.
    assert np.abs(found - by_torch).max() <= 2 * ROWS // 2
    assert np.linalg.norm(found) > 1000 * ROWS // 2


@pytest.mark.parametrize("classes", [2, 3])
def test_a_records_gradient_is_the_same_to_the_bit_whatever_comes_with_it(tmp_path: Path, classes: int) -> None:
    asked = task_of(tmp_path, classes, sampling_rate=1.0)
    X, Y = (np.load(file(asked.examples)).astype(np.float64) for file in (x_file, y_file))
    weights = asked.weights[WEIGHTS].astype(np.float64)
    together = SOURCE.each(X, Y, weights)
    for row in range(ROWS):
        alone = SOURCE.each(X[row : row + 1], Y[row : row + 1], weights)
        assert np.array_equal(alone[0], together[row])
        others = np.roll(X, row, axis=0), np.roll(Y, row, axis=0)
        assert np.array_equal(SOURCE.each(*others, weights)[row], together[0])


@pytest.mark.parametrize("classes", [2, 3])
def test_one_record_more_changes_the_sum_by_no_more_than_the_clip(tmp_path: Path, classes: int) -> None:
    asked = task_of(tmp_path, classes, sampling_rate=1.0)
    before = SOURCE.gradients(asked)
    X, Y = np.load(x_file(asked.examples)), np.load(y_file(asked.examples))
    far = np.full((1, COLUMNS + 1), 1e6, np.float32)
    np.save(x_file(asked.examples), np.concatenate([X, far]))
    np.save(y_file(asked.examples), np.concatenate([Y, Y[:1]]))
    # Weights by which that record is classified wrongly, whichever class it has, would need a search: all of its length
    # is taken where its loss has a slope.
    change = SOURCE.gradients(asked) - before
    assert int(np.square(change).sum()) <= (1 << 16) ** 2
    turned = replace(asked, weights={WEIGHTS: -asked.weights[WEIGHTS]})
    more = SOURCE.gradients(turned)
    np.save(x_file(asked.examples), X)
    np.save(y_file(asked.examples), Y)
    other = more - SOURCE.gradients(turned)
    assert int(np.square(other).sum()) <= (1 << 16) ** 2
    assert max(int(np.square(one).sum()) for one in (change, other)) > 0.99 * (1 << 16) ** 2


def test_a_record_without_a_finite_gradient_counts_for_nothing(tmp_path: Path) -> None:
    asked = task_of(tmp_path, 2, sampling_rate=1.0)
    X, Y = np.load(x_file(asked.examples)), np.load(y_file(asked.examples))
    before = SOURCE.gradients(asked)
    np.save(x_file(asked.examples), np.concatenate([X, np.full((1, COLUMNS + 1), np.inf, np.float32)]))
    np.save(y_file(asked.examples), np.concatenate([Y, Y[:1]]))
    assert np.array_equal(SOURCE.gradients(asked), before)


def test_the_sum_over_owners_has_the_planned_noise_around_the_sum_of_their_gradients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(3, sampling_rate=1.0)
    noise = plan.noise
    assert isinstance(noise, GradientNoise)
    monkeypatch.setattr(networks, "PLAN", plan)
    jobs, tasks = {}, {}
    for place, name in enumerate(OWNERS):
        (tmp_path / name).mkdir()
        part = records(tmp_path / name, 3, seed=place)
        data = PreparedData(plan, None, examples=ArrayExamples(part.folder, ROWS), gradients=SOURCE)
        release = NoisedRelease("", "", noise, b"r" * 32)
        jobs[name] = networks.job_of(name, data=data, method=METHOD, release=release)
        weights = {WEIGHTS: np.full(plan.checked.parameters[WEIGHTS], 0.5, np.float32)}
        tasks[name] = GradientTask(plan.checked, plan.terms, weights, part, b"all records are drawn at rate 1.")
    exact = sum(SOURCE.gradients(task) for task in tasks.values())
    assert np.linalg.norm(exact) > 1 << 18
    sums = [sum(networks.told(job, networks.request_of(number)) for job in jobs.values()) for number in range(1, 16)]
    deviations = (np.array(sums) - exact) / math.sqrt(noise.variance * len(OWNERS))
    # 1,395 draws at fixed seeds: a variance within 20%, a mean within four of its deviations, none beyond six.
    assert deviations.size == 15 * 3 * (COLUMNS + 1)
    assert abs(float(np.square(deviations).mean()) - 1) < 0.2
    assert abs(float(deviations.mean())) < 4 / math.sqrt(deviations.size)
    assert float(np.abs(deviations).max()) < 6


def test_nothing_leaves_that_is_not_booked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(3)
    monkeypatch.setattr(networks, "PLAN", plan)
    data = PreparedData(plan, None, examples=ArrayExamples(records(tmp_path, 3).folder, ROWS), gradients=SOURCE)
    with pytest.raises(Problem) as raised:
        networks.told(networks.job_of(OWNERS[0], data=data, method=METHOD, release=None), networks.request_of())
    assert raised.value.code is Code.INTERNAL


def test_least_squares_has_no_such_answers() -> None:
    with pytest.raises(Problem) as raised:
        method_of(ModelType.LINEAR_REGRESSION, shares_weights=True, noised=True)
    assert raised.value.code is Code.POLICY_REFUSES
