"""The federation's validation loss during training: pooled float64's at every evaluation, and early stopping on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from fedtrain.client.evidence import fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.crypto import LocalEngine
from fedtrain.methods.regression.from_spec import MOST_VALIDATION_PRODUCTS
from fedtrain.model_owner.methods.quadratic import OPTIMISERS
from fedtrain.protocol.evidence.verification import Job, verify_log
from fedtrain.service.vault.identity_file import load_identity
from fedtrain.simulation.federation import FACILITATOR
from fedtrain.spec.model_spec import Optimizer
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.roomy import ROOMY
from tests.harness.one_process import (
    Floats,
    federation,
    give_salts,
    rows_of,
    run_job,
    split,
    training,
    write_table,
)
from tests.model_owner.methods.test_l2_auto import OWNER_SIZES, held_out, scaled


def spec_of(X: Floats, targets: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    d = X.shape[1]
    classes = "categories" in targets[0]
    declared = [{"col_idx": d + j, **target} for j, target in enumerate(targets)]
    return {
        "model_type": "LOGISTIC_REGRESSION" if classes else "LINEAR_REGRESSION",
        "data_props": {
            "features": [
                {"col_idx": j, "type": "continuous", "range": [float(X[:, j].min()), float(X[:, j].max())]}
                for j in range(d)
            ],
            **({"target": declared[0]} if len(targets) == 1 else {"targets": declared}),
        },
        "training": training(3, **more),
    }


def gradient_descent(A: Floats, b: Floats, rate: float, rows: int, rounds: int) -> list[Floats]:
    """The weights that each round's gradient is taken at."""
    w, asked = np.zeros(b.shape), []
    for _ in range(rounds):
        asked.append(w)
        w = w - rate / rows * (A @ w - b)
    return asked


@pytest.mark.slow
def test_both_losses_are_those_of_the_pooled_rows_at_every_evaluation(tmp_path: Path) -> None:
    data = load_diabetes()
    X, Y = data.data[:, :5], np.c_[data.target, data.data[:, 8] * 100]
    half = np.array([170.0, 15.0])
    targets = [{"range": [20.0, 360.0]}, {"range": [-15.0, 15.0]}]
    spec = spec_of(
        X, targets, optimizer="gradient_descent", rounds=9, learning_rate=0.5, tolerance=0.0, evaluate_every=2
    )
    rows = rows_of(X, Y[:, 0].tolist(), Y[:, 1].tolist())
    model = run_job(tmp_path, spec, split(rows, OWNER_SIZES), rows)["model"]
    assert model["status"] == "FINISHED", model
    held = held_out(tmp_path, OWNER_SIZES)
    D, T = np.column_stack([scaled(X), np.ones(442)]), Y / half
    weights = gradient_descent(D[~held].T @ D[~held], D[~held].T @ T[~held], 0.5, int((~held).sum()), 9)
    evaluated = [row["round"] for row in model["history"] if row["validation_loss"] is not None]
    assert evaluated == [2, 4, 6, 8]
    assert [row["round"] for row in model["history"]] == list(range(1, 10))
    for row in model["history"]:
        errors = (D @ weights[row["round"] - 1] - T) * half
        assert row["loss"] == pytest.approx(np.mean(errors[~held] ** 2), rel=1e-6)
        if row["validation_loss"] is not None:
            assert row["validation_loss"] == pytest.approx(np.mean(errors[held] ** 2), rel=1e-6)


def three_classes() -> tuple[Floats, Floats]:
    """Six pixels of the digits 0, 1 and 2."""
    data = load_digits()
    kept = np.flatnonzero(data.target < 3)[: sum(OWNER_SIZES)]
    return data.data[kept][:, [10, 20, 21, 28, 35, 43]], data.target[kept]


def two_classes() -> tuple[Floats, Floats]:
    data = load_breast_cancer()
    order = np.random.default_rng(5).permutation(len(data.data))[: sum(OWNER_SIZES)]
    return data.data[order][:, :6], data.target[order]


@pytest.mark.slow
@pytest.mark.parametrize("classified", [two_classes, three_classes])
def test_both_losses_of_the_surrogate_are_those_of_the_pooled_rows_at_every_evaluation(
    tmp_path: Path, classified: Callable[[], tuple[Floats, Floats]]
) -> None:
    """ln 2 − (y − ½)·z + c·z²/2, over the outputs and rows; the ridge moves the weights and is no part of it."""
    (X, labels), slope, l2, rate = classified(), 0.153, 4.0, 2.0
    classes = [f"class {n}" for n in range(labels.max() + 1)]
    more = {"optimizer": "gradient_descent", "rounds": 7, "learning_rate": rate, "tolerance": 0.0, "l2": l2}
    spec = spec_of(X, [{"categories": classes}], evaluate_every=2, **more)
    rows = rows_of(X, [classes[label] for label in labels])
    model = run_job(tmp_path, spec, split(rows, OWNER_SIZES), rows)["model"]
    assert model["status"] == "FINISHED", model
    held = held_out(tmp_path, OWNER_SIZES)
    D = np.column_stack([scaled(X), np.ones(len(X))])
    T = np.eye(len(classes))[labels] if len(classes) > 2 else labels[:, None].astype(float)
    ridge = l2 * np.diag([*np.ones(X.shape[1]), 0.0])
    A, b = slope * D[~held].T @ D[~held] + ridge, D[~held].T @ (T[~held] - 0.5)
    weights = gradient_descent(A, b, rate, int((~held).sum()), 7)
    assert [row["round"] for row in model["history"]] == list(range(1, 8))
    assert [row["round"] for row in model["history"] if row["validation_loss"] is not None] == [2, 4, 6]
    for row in model["history"]:
        z = D @ weights[row["round"] - 1]
        losses = (np.log(2) - (T - 0.5) * z + slope * z**2 / 2).mean(axis=1)
        assert row["loss"] == pytest.approx(losses[~held].mean(), rel=1e-6)
        if row["validation_loss"] is not None:
            assert row["validation_loss"] == pytest.approx(losses[held].mean(), rel=1e-6)


@pytest.mark.slow
def test_both_losses_of_conjugate_gradient_are_those_of_the_pooled_rows_at_every_evaluation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[Floats] = []

    def recorded(*arguments: Any) -> Floats:
        times_slope = evaluated_weights(*arguments)
        evaluated.append(times_slope / 0.153)
        return times_slope

    optimiser = OPTIMISERS[Optimizer.CONJUGATE_GRADIENT]
    evaluated_weights = optimiser.evaluated_weights
    monkeypatch.setattr(optimiser, "evaluated_weights", recorded)
    data = load_breast_cancer()
    order = np.random.default_rng(5).permutation(len(data.data))[:442]
    X, y = data.data[order][:, :6], data.target[order]
    spec = spec_of(X, [{"categories": ["no", "yes"]}], evaluate_every=1, l2=2.0, tolerance=1e-9)
    rows = rows_of(X, [("no", "yes")[label] for label in y])
    model = run_job(tmp_path, spec, split(rows, OWNER_SIZES), rows)["model"]
    assert model["status"] == "FINISHED", model
    held = held_out(tmp_path, OWNER_SIZES)
    D = np.column_stack([scaled(X), np.ones(len(X))])
    rows_evaluated = [row for row in model["history"] if row["validation_loss"] is not None]
    assert [row["round"] for row in rows_evaluated] == list(range(1, len(evaluated) + 1))
    # Whichever records are held out, the intercept lowers the loss: three that do not cannot come before the fifth.
    assert len(evaluated) >= 5
    # At w = 0 every probability is ½, in both parts.
    assert not evaluated[0].any()
    for row, w in zip(rows_evaluated, evaluated, strict=True):
        z = (D @ w).ravel()
        losses = np.log(2) - (y - 0.5) * z + 0.153 * z**2 / 2
        assert row["loss"] == pytest.approx(losses[~held].mean(), rel=1e-6)
        assert row["validation_loss"] == pytest.approx(losses[held].mean(), rel=1e-6)


@pytest.mark.slow
def test_training_stops_where_the_validation_loss_falls_no_more(tmp_path: Path) -> None:
    """Few rows and many columns: the weights are those of the least validation loss, not the last ones."""
    draw = np.random.default_rng(2)
    X = draw.uniform(-1, 1, (105, 45))  # enough rows for an owner's secret fifth of them not to be empty
    y = X[:, 0] + draw.normal(0, 1.0, 105)
    spec = spec_of(X, [{"range": [-6.0, 6.0]}], evaluate_every=1, tolerance=0.0)
    rows = rows_of(X, y.tolist())
    model = run_job(tmp_path, spec, split(rows, (35, 35, 35)), rows)["model"]
    assert model["status"] == "FINISHED", model
    losses = {row["round"]: row["validation_loss"] for row in model["history"]}
    best = min(losses, key=lambda number: losses[number])
    assert list(losses) == list(range(1, best + 4))
    assert f"of round {best}" in model["reason"]
    held = held_out(tmp_path, (35, 35, 35))
    errors = X @ list(model["coefficients"].values())[:-1] + model["coefficients"]["intercept"] - y
    assert losses[best] == pytest.approx(np.mean(errors[held] ** 2), rel=1e-6)


@pytest.mark.parametrize(
    ("columns", "more", "words"),
    [
        (MOST_VALIDATION_PRODUCTS // 60, {"key_bits": 3072}, "MB to every owner"),
        (2, {"optimizer": "newton"}, "newton has one round"),
        (2, {"optimizer": "momentum", "reencrypt_every": 3, "key_bits": 3072}, "does not know the weights"),
    ],
)
def test_evaluations_that_cannot_be_are_refused_with_the_reason(
    tmp_path: Path, columns: int, more: dict[str, Any], words: str
) -> None:
    async def scenario() -> None:
        tables = {"owner-0": write_table(tmp_path / "t.csv", [[0.5, 1.0], [0.25, 2.0]])}
        async with federation(tmp_path, tables, allow_small_keys=True) as parties:
            X = np.tile([[0.0], [1.0]], columns)
            with pytest.raises(Problem) as caught:
                await parties.deploy(spec_of(X, [{"range": [0.0, 3.0]}], evaluate_every=2, **more))
            assert caught.value.code is Code.INVALID_SPEC
            assert words in caught.value.detail

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_log_with_evaluations_is_verified_without_a_key(tmp_path: Path) -> None:
    async def scenario() -> None:
        data = load_diabetes()
        X, rows = data.data[:, :2], rows_of(data.data[:, :2], data.target.tolist())
        tables = {
            f"owner-{n}": write_table(tmp_path / f"owner-{n}.csv", part)
            for n, part in enumerate(split(rows, OWNER_SIZES))
        }
        settings = {"least_roster": 1}
        give_salts(tmp_path, 3)
        async with federation(tmp_path, tables, allow_small_keys=True, owner_settings=settings) as parties:
            spec = spec_of(X, [{"range": [20.0, 360.0]}], evaluate_every=1, rounds=3, tolerance=0.0)
            model_id = await parties.deploy(spec)
            model = await parties.wait(model_id)
            assert model["status"] == "FINISHED", model
            me = load_identity(parties.model_owner.state_dir)
            client = FacilitatorClient(
                FACILITATOR, party_id=me.party_id, transport=httpx.ASGITransport(parties.facilitator.app)
            )
            facilitator = str((await client.identity())["party_id"])
            job = Job.open(await client.manifest(model_id), await client.roster(model_id), facilitator)
            items = await fetch_log(client, model_id, ROOMY)
            await client.aclose()
            evaluated = [row for row in model["history"] if row["validation_loss"] is not None]
            verifier = verify_log(job, items, LocalEngine())
            # The opening entry, the counts, and every gradient and evaluation.
            assert verifier.length == 2 + len(model["history"]) + len(evaluated)
            assert evaluated
            with pytest.raises(Problem) as caught:
                verify_log(job, [*items[:3], *items[4:]], LocalEngine())
            assert caught.value.code in (Code.LOG_INCONSISTENT, Code.ADDITION_NOT_PROVEN)

    asyncio.run(scenario())
