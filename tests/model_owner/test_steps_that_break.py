"""Nothing computed beside a model, and no step that breaks, keeps a job from ending."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from fedtrain.model_owner.methods.quadratic.method import QuadraticMethod
from tests.harness.facilitator.fake_facilitator import FakeFacilitator
from tests.harness.model_owner.peers import spec_document
from tests.harness.model_owner.running import running
from tests.harness.one_process import run_job
from tests.harness.one_process import training as job_training


def test_a_step_that_breaks_ends_its_job_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a statistic of 0 rows")

    monkeypatch.setattr(QuadraticMethod, "step", broken)

    async def scenario() -> None:
        async with running(tmp_path, FakeFacilitator()) as party:
            model_id = await party.deploy(spec_document())
            model = await party.until(model_id, lambda model: model["status"] == "FAILED")
            assert model["code"] == "internal"
            assert "ZeroDivisionError" in model["reason"]
            assert "0 rows" not in model["reason"]  # a message may have numbers in it

    asyncio.run(scenario())


@pytest.mark.parametrize("optimizer", ["newton", "conjugate_gradient"])
@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_values_of_extreme_size_end_in_a_model(tmp_path: Path, optimizer: str, size: float) -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, 60)
    y = 3 * x + rng.normal(size=60) * 0.1
    rows = [[float(a * size), float(b)] for a, b in zip(x, y, strict=True)]
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": 0, "type": "continuous", "range": [-size, size]}],
            "target": {"col_idx": 1, "range": [-5, 5]},
        },
        "training": {**job_training(1), "optimizer": optimizer},
    }
    outcome = run_job(tmp_path, spec, [rows[:50]], rows[50:])
    model, prediction = outcome["model"], outcome["prediction"]
    assert model["status"] == "FINISHED", model["reason"]
    assert next(iter(model["coefficients"].values())) * size == pytest.approx(3, rel=0.05)
    assert model["coefficient_table"] is not None or "double" in model["no_coefficient_table"]
    assert prediction["metrics"]["r2"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("size", [1e150, 1e200, 1e-200])
def test_targets_of_extreme_size_end_in_a_model_or_a_reason(tmp_path: Path, size: float) -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, 60)
    y = (3 * x + rng.normal(size=60) * 0.1) * size
    rows = [[float(a), float(b)] for a, b in zip(x, y, strict=True)]
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": 0, "type": "continuous", "range": [-1, 1]}],
            "target": {"col_idx": 1, "range": [-5 * size, 5 * size]},
        },
        "training": {**job_training(1), "optimizer": "newton"},
    }
    outcome = run_job(tmp_path, spec, [rows[:50]], rows[50:])
    if outcome["model"]["status"] == "FAILED":
        assert "double" in outcome["model"]["reason"]
        return
    assert next(iter(outcome["model"]["coefficients"].values())) / size == pytest.approx(3, rel=0.05)
    assert np.isfinite(outcome["prediction"]["cost"])
