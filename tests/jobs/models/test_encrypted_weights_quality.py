"""Loss of quality by the quadratic surrogate: breast cancer with encrypted weights against the exact one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

from tests.harness.one_process import rows_of, run_job, split, training
from tests.jobs.models.test_logistic_jobs import NAMES, design_of, logistic_spec


@pytest.mark.slow
def test_breast_cancer_is_close_to_pooled_exact_logistic_regression(tmp_path: Path) -> None:
    """Medians over ten splits: AUC within 0.005, calibrated log loss within 25%, on rows not used to calibrate."""
    data = load_breast_cancer()
    X, y = data.data, data.target
    differences, ratios = [], []
    for seed in range(10):
        train, test = train_test_split(np.arange(len(X)), test_size=0.3, stratify=y, random_state=seed)
        rows = rows_of(X, [NAMES[label] for label in y])
        parts = split([rows[i] for i in train], (90, 85, 80, 75, len(train) - 330))
        folder = tmp_path / str(seed)
        folder.mkdir()
        spec = logistic_spec(X, NAMES, 5, optimizer="newton", l2=1.0)
        # Few rows of a class in the smallest cells are the policy's matter, not this test's.
        spec["training"] = training(5, optimizer="newton", l2=1.0)
        prediction = run_job(folder, spec, parts, [rows[i] for i in test])["prediction"]
        kept = np.setdiff1d(np.arange(len(test)), prediction["calibration"]["rows"])
        D = design_of(X, X)[:, :-1]
        exact = LogisticRegression(C=1.0, max_iter=5000).fit(D[train], y[train])
        p = exact.predict_proba(D[test])[kept, 1]
        differences.append(prediction["metrics"]["auc"] - roc_auc_score(y[test][kept], p))
        ratios.append(prediction["metrics"]["log_loss"] / log_loss(y[test][kept], p))
    assert np.median(differences) > -0.005, differences
    assert np.median(ratios) < 1.25, ratios
