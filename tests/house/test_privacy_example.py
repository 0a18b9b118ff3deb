"""The example of privacy: its tables, its spec, and a job that comes near what exact sums give."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.planning.noise_cost import noise_cost
from fedtrain.spec.model_spec import ModelSpec

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "privacy"


@pytest.fixture
def curve(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FEDTRAIN_ALLOW_SMALL_KEYS", "1")
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.delitem(sys.modules, "make_data", raising=False)
    yield importlib.import_module("curve")
    for name in ("curve", "make_data"):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_with_little_noise_a_job_predicts_nearly_as_well_as_from_exact_sums(curve: Any, tmp_path: Path) -> None:
    spec = json.loads((EXAMPLE / "model.json").read_text())
    cost = noise_cost(ModelSpec.model_validate(spec), 3, 16_190)
    assert cost is not None and not cost.dominates
    test_path, *tables = curve.write_data(tmp_path)
    test = np.loadtxt(test_path, delimiter=",", skiprows=1)
    assert [len(path.read_text().splitlines()) - 1 for path in (test_path, *tables)] == [4000, 8095, 4857, 3238]
    spec["training"]["key_bits"] = 512
    spec["privacy"]["epsilon"] = 30.0
    # The runs of the table leave the encryption out, and come to what a job comes to, each with noise of its own.
    for coefficients in (curve.whole_job(spec, tables), next(curve.runs_of(spec, tables))):
        assert 0.09 < curve.r2_of(spec, coefficients, test) < 0.1


def test_a_picture_is_drawn_of_a_table(curve: Any, tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [{"epsilon": None, "runs": 1, "r2": 0.1}]
    lines += [{"epsilon": e, "runs": 5, "r2": r, "low": r - 0.1, "high": r + 0.01} for e, r in ((0.3, 0.05), (1, 0.09))]
    curve.plot(lines, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
