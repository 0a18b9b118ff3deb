"""Manifest, plan and roster are opened once at each party, and not at each step."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.planning import plans
from fedtrain.protocol.documents import signed
from tests.harness.one_process import rows_of, run_job, split, training

OWNERS = 3
#: The Facilitator, the Model Owner and the Data Owners.
PARTIES = OWNERS + 2
ROUNDS = 4
#: A forecast is planned for other numbers of owners and rows than the job's, whenever somebody looks at the job.
FORECASTS = ("fedtrain.protocol.messages.forecast", "fedtrain.planning.costs")


def test_each_party_verifies_each_document_once_and_plans_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: Counter[tuple[str, bytes]] = Counter()
    planned = []
    verify, plan_spec = signed.verify, plans.plan_spec

    def counted(signer: str, tag: str, document: bytes, signature: bytes) -> None:
        verified[tag, document] += 1
        verify(signer, tag, document, signature)

    def planning(spec: Any) -> Any:
        planned.append(spec)
        return plan_spec(spec)

    monkeypatch.setattr(signed, "verify", counted)
    for name, module in list(sys.modules.items()):
        if name.startswith("fedtrain.") and name not in FORECASTS and getattr(module, "plan_spec", None) is plan_spec:
            monkeypatch.setattr(module, "plan_spec", planning)
    draw = np.random.default_rng(20260112)
    X = draw.uniform(-1, 1, (90, 2))
    rows = rows_of(X, [float(value) for value in X @ [1.0, -2.0]])
    spec = {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": [-1, 1]} for j in range(2)],
            "target": {"col_idx": 2, "range": [-3, 3]},
        },
        "training": training(OWNERS, optimizer="gradient_descent", rounds=ROUNDS, tolerance=0.0),
    }
    done = run_job(tmp_path, spec, split(rows, [30] * OWNERS), rows[:10])
    assert (done["model"]["status"], done["model"]["round"]) == ("FINISHED", ROUNDS)
    assert len(planned) == PARTIES
    by_tag: dict[str, list[int]] = {}
    for (tag, _), times in verified.items():
        by_tag.setdefault(tag, []).append(times)
    # The Facilitator makes the roster itself, of acceptances that it has verified as they came.
    assert by_tag[signed.Manifest.tag()] == [PARTIES]
    assert by_tag[signed.Roster.tag()] == [PARTIES - 1]
    assert by_tag[signed.Acceptance.tag()] == [PARTIES] * OWNERS
