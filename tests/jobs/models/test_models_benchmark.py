"""The benchmark's way around the parties comes to the weights of a whole job, and its claims hold on a split."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.models import (
    EXAMPLES,
    SHARED_TOLERANCE,
    Rows,
    measure,
    pooled_surrogate,
    read_example,
    read_table,
    shared_weights,
    surrogate_weights,
    write_tables,
)
from fedtrain.simulation.federation import federation
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.tabular import Encoder


@pytest.mark.slow
def test_the_weights_are_those_of_a_job(tmp_path: Path) -> None:
    paths = write_tables("credit", tmp_path / "data")
    document = json.loads((EXAMPLES / "credit" / "model.json").read_text())
    document["training"] |= {"key_bits": 768, "max_rows": 2000, "max_data_owners": 3}
    spec = ModelSpec.model_validate(document)
    owners = {path.stem: path for path in paths if path.name != "test.csv"}

    async def job() -> dict[str, float]:
        async with federation(tmp_path / "parties", owners, allow_small_keys=True) as parties:
            model = await parties.wait(await parties.deploy(document))
            assert model["status"] == "FINISHED", model["reason"]
            coefficients: dict[str, float] = model["coefficients"]
            return coefficients

    found = asyncio.run(job())
    encoder = Encoder.of_spec(spec)
    weights = surrogate_weights(spec, [read_table(path, spec) for path in owners.values()])
    expected = dict(zip(encoder.names, encoder.unscale(weights)[:, 0], strict=True))
    assert found == pytest.approx(expected, rel=1e-7)
    fewer = surrogate_weights(spec, [read_table(path, spec) for path in list(owners.values())[:2]])
    assert not np.allclose(fewer, weights, rtol=1e-3)


@pytest.mark.parametrize("name", ["credit", "breast_cancer", "digits"])
def test_the_pooled_surrogate_is_another_way_to_the_same_weights(name: str) -> None:
    spec, rows = read_example(name)
    found = surrogate_weights(spec, [rows])
    assert np.linalg.norm(found - pooled_surrogate(spec, rows)) < 1e-8 * np.linalg.norm(found)
    assert spec.training.l2 != "auto"
    more = spec.training.model_copy(update={"l2": 2 * spec.training.l2})
    another = pooled_surrogate(spec.model_copy(update={"training": more}), rows)
    assert np.linalg.norm(found - another) > 1e-4 * np.linalg.norm(found)


@pytest.mark.slow
def test_the_weights_that_owners_see_are_those_of_a_job(tmp_path: Path) -> None:
    paths = write_tables("credit", tmp_path / "data")
    document = json.loads((EXAMPLES / "credit" / "model.json").read_text())
    document["training"] |= {"key_bits": 768, "max_rows": 2000, "max_data_owners": 3}
    spec = ModelSpec.model_validate(document)
    document["training"] |= {"weights": "shared_with_owners", "optimizer": "lbfgs", "tolerance": SHARED_TOLERANCE}
    owners = {path.stem: path for path in paths if path.name != "test.csv"}

    async def job() -> Any:
        settings = {"share_weights": True}
        folder = tmp_path / "parties"
        async with federation(folder, owners, allow_small_keys=True, owner_settings=settings) as parties:
            return await parties.wait(await parties.deploy(document))

    model = asyncio.run(job())
    assert model["status"] == "FINISHED", model["reason"]
    tables = [read_table(path, spec) for path in owners.values()]
    pooled = Rows(*(np.concatenate([getattr(table, part) for table in tables]) for part in ("X", "Y")))
    weights, rounds = shared_weights(spec, pooled)
    assert rounds == model["round"]
    encoder = Encoder.of_spec(spec)
    expected = dict(zip(encoder.names, encoder.unscale(weights)[:, 0], strict=True))
    assert model["coefficients"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["credit", "breast_cancer"])
def test_a_split_is_measured_as_the_documentation_says(name: str) -> None:
    spec, rows = read_example(name)
    found = measure(spec, rows, seed=3)
    assert found["encrypted"]["auc"] > found["pooled_exact"]["auc"] - 0.02
    assert found["encrypted"]["log_loss"] < 1.5 * found["pooled_exact"]["log_loss"]
    assert found["shared"] == pytest.approx(found["pooled_exact"], abs=0.01)
    assert measure(spec, rows, seed=3) == found
    assert measure(spec, rows, seed=4) != found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["credit", "breast_cancer"])
def test_encrypted_weights_are_close_to_pooled_exact_over_ten_splits(name: str) -> None:
    """Medians, split by split: AUC within 0.005, calibrated log loss within 25%, on rows that calibrated nothing."""
    spec, rows = read_example(name)
    runs = [measure(spec, rows, seed) for seed in range(10)]
    aucs = [run["encrypted"]["auc"] - run["pooled_exact"]["auc"] for run in runs]
    ratios = [run["encrypted"]["log_loss"] / run["pooled_exact"]["log_loss"] for run in runs]
    assert abs(np.median(aucs)) < 0.005, aucs
    assert abs(np.median(ratios) - 1) < 0.25, ratios
