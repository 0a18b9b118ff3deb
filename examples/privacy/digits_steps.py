"""DP-SGD over three owners on scikit-learn's digits: what owners and Model Owner compute, and the data.

1,797 images of 8×8 pixels (Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", 1998): 400 for the Model
Owner's test, the rest half, 30% and 20% at three owners, drawn from a fixed seed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import parquet
from sklearn.datasets import load_digits

from fedtrain.data_owner.release.noise import with_noise
from fedtrain.methods.network.private import PrivateNetworkPlan
from fedtrain.methods.plan import counts_of
from fedtrain.methods.schedule import COUNTS
from fedtrain.model_owner.methods import method_of
from fedtrain.model_owner.methods.method import Finished, JobFacts, Opened
from fedtrain.neural import ExamplesPart, GradientTask
from fedtrain.neural.evaluation import scores_of
from fedtrain.neural.examples_files import x_file, y_file
from fedtrain.neural.sampling.sampled_gradients import summed_gradients
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.tabular import Encoder, open_declared_table

TEST_ROWS, SHARES, SEED = 400, (0.5, 0.3, 0.2), 20260301


@dataclass(frozen=True, eq=False)
class Digits:
    """Images (rows, 64) float64 from 0 to 16, and what they show, (rows,)."""

    X: NDArray[np.float64]
    y: NDArray[np.int64]


def dealt() -> tuple[Digits, list[Digits]]:
    """Return the test set, and each owner's images."""
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(SEED).permutation(len(X))
    edges = TEST_ROWS + np.round(np.cumsum(SHARES) * (len(X) - TEST_ROWS)).astype(int)
    test, *owners = (Digits(X[rows], y[rows]) for rows in np.split(order, [TEST_ROWS, *edges[:-1]]))
    return test, owners


def write_digits(folder: Path) -> list[Path]:
    """Write test.parquet and a table an owner into `folder`, and return their paths."""
    test, owners = dealt()
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, digits in zip(
        ("test", *(f"owner-{place}" for place in range(len(owners)))), (test, *owners), strict=True
    ):
        paths.append(folder / f"{name}.parquet")
        parquet.write_table(pyarrow.table({"pixels": digits.X.tolist(), "digit": digits.y}), paths[-1])
    return paths


def encoded(spec: ModelSpec, path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features and targets of a table, as an owner freezes them."""
    encoder = Encoder.of_spec(spec)
    table = open_declared_table(path, spec.data_props)
    batches = list(encoder.encode_all(table.batches(encoder.columns)))
    X, Y = (np.concatenate([getattr(batch, name) for batch in batches]).astype(np.float32) for name in "XY")
    return X, Y


def frozen(spec: ModelSpec, paths: Sequence[Path], folder: Path) -> list[ExamplesPart]:
    """Write each owner's images as its worker process maps them into memory."""
    parts = []
    for path in paths:
        part = ExamplesPart(folder / path.stem, "training")
        part.folder.mkdir()
        X, Y = encoded(spec, path)
        np.save(x_file(part), X)
        np.save(y_file(part), Y)
        parts.append(part)
    return parts


def trained(document: dict[str, Any], owners: Sequence[ExamplesPart]) -> dict[str, NDArray[np.float32]]:
    """Return the weights of one job, with a sample and noise of its own in each step.

    By the owners' and the Model Owner's own stages, without the encryption in between, which adds up exactly.
    """
    spec = ModelSpec.model_validate(document)
    plan, method = plan_spec(spec), method_of(spec)
    if not isinstance(plan, PrivateNetworkPlan):
        raise TypeError("this spec trains no network with privacy")
    planned, noise = plan.round("update").answer, plan.noise
    facts = JobFacts(spec, plan, 0 if noise is None else noise.rounds, len(owners), plan.rows_supposed)
    taken = method.step(facts, None, Opened(COUNTS, 0, counts_of(plan, plan.rows_supposed), datetime.now(UTC)))
    while not isinstance(taken.next, Finished):
        weights, total = taken.next.arrays or {}, 0
        for part in owners:
            task = GradientTask(plan.checked, plan.terms, weights, part, secrets.token_bytes(32))
            summed = summed_gradients(task).astype(object).reshape(-1, 1)
            total = total + with_noise(summed, planned, (), secrets.token_bytes(32))
        opened = Opened("update", taken.round, np.asarray(total, dtype=object), datetime.now(UTC))
        taken = method.step(facts, taken.learning, opened)
    return {name: stored.singles for name, stored in taken.next.model.arrays.items()}


def accuracy(document: dict[str, Any], weights: dict[str, NDArray[np.float32]], test: Path) -> float:
    """Return the share of the test set's images that are recognised."""
    spec = ModelSpec.model_validate(document)
    plan = plan_spec(spec)
    if not isinstance(plan, PrivateNetworkPlan):
        raise TypeError("this spec trains no network with privacy")
    X, Y = encoded(spec, test)
    return float((scores_of(plan.checked, weights, X).argmax(axis=1) == Y.argmax(axis=1)).mean())
