"""An audit of the privacy claim: a record is in or out, and an adversary who knows all else guesses which.

What it finds bounds ε from below: with a share f of false alarms and d of detections, at 95% each by Clopper and
Pearson, ε is at least ln((d − δ)/f). The record is the most telling one there is, as long as rows may be and with the
largest target; the guess weighs every number as noise of known variance calls for (Neyman, Pearson).
Source: Jagielski, Ullman, Oprea, "Auditing differentially private machine learning", 2020.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, cast

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from scipy import stats

from fedtrain.data_owner.data.moments import Moments, moments_of
from fedtrain.data_owner.data.moments import Rows as MomentRows
from fedtrain.data_owner.data.rows.clip import RowClip
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import Places, PreparedData
from fedtrain.data_owner.release import answer as answering
from fedtrain.data_owner.release.noised_release import NoisedRelease
from fedtrain.methods.noised_moments import noise_terms
from fedtrain.methods.plan import Plan
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.messages.rounds import RoundRequest
from fedtrain.spec.model_spec import ModelSpec

RUNS = 500
EPSILON, DELTA = 1.0, 1e-4
HONEST = 2
DOCUMENT: dict[str, Any] = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [{"col_idx": at, "type": "continuous", "range": [0, 10]} for at in range(2)],
        "target": {"col_idx": 2, "range": [0, 100]},
    },
    "training": {"optimizer": "newton"},
    "privacy": {"epsilon": EPSILON, "delta": DELTA, "row_bound": 1.6, "honest_owners": HONEST},
}
SPEC = ModelSpec.model_validate(DOCUMENT)
PLAN: Plan = plan_spec(SPEC)
MASK_KEY = X25519PrivateKey.generate()
HASH = "a1" * 32
CANARY = np.array([[1.0, 1.0, 2.0]])  # features at the ends of their ranges, and so the target


def moments(rows: Any) -> Moments:
    clip = RowClip.of(SPEC, (1.0,))
    assert clip is not None
    X, Y = clip(np.column_stack([rows[:, :2], np.ones(len(rows))]), rows[:, 2:])
    return moments_of([MomentRows(X, Y)], np.ones(3), np.ones(1))


def told(of: Moments, seed: bytes, plan: Plan = PLAN) -> Any:
    """Return what one owner's answers are before they are masked, both rounds: by the release's own stages."""
    data = PreparedData.of(of, plan, places=Places([0, 1, 2], [0], ""))
    method = method_of(SPEC.model_type, noised=True)
    terms = noise_terms(plan)
    assert terms is not None
    release = NoisedRelease("", "", terms, seed)
    no = cast(Any, None)  # what only masks and signatures need
    job = answering.AnsweringJob("", "", 0, no, MASK_KEY, {}, plan, method, data, no, no, False, release=release)
    numbers = []
    for kind in plan.kinds:
        rows, number = (None, 0) if kind == "counts" else (plan.max_rows_total, 1)
        asked = RoundRequest(
            manifest_hash=HASH, roster_hash=HASH, round=number, kind=kind, log_head=HASH, rows_total=rows
        )
        integers, planned = answering.numbers_of(job, asked, "", None)
        numbers.append(np.array(integers, dtype=float).ravel() / 2.0**planned.fraction_bits)
    return np.concatenate(numbers)


def lower_bound_on_epsilon() -> float:
    draw = np.random.default_rng(0)
    others = np.column_stack([draw.uniform(-1, 1, (40, 2)), draw.uniform(0, 2, 40)])
    base, own, own_and_canary = moments(others), moments(others[:5]), moments(np.vstack([others[:5], CANARY]))
    exact = [np.concatenate([[float(m.rows)], _exact(m)]) for m in (own, own_and_canary)]
    direction = exact[1] - exact[0]
    variances = np.concatenate([_variances("counts"), _variances("moments")])
    # N is told twice, with the same noise: it counts once.
    weights = np.where(np.arange(len(direction)) == 0, 0.0, direction / variances)
    guesses = {}
    for name, table in (("out", own), ("in", own_and_canary)):
        found = []
        for run in range(RUNS):
            sums = told(table, _seed(name, run, 0)) + told(base, _seed(name, run, 1))
            known = exact[0] + np.concatenate([[float(base.rows)], _exact(base)])
            found.append(float(weights @ (sums - known)))
        guesses[name] = np.array(found)
    # Half way, which is known beforehand: nothing is chosen by what was found.
    return _bound(guesses["out"], guesses["in"], float(weights @ direction) / 2)


def _bound(outside: Any, inside: Any, threshold: float) -> float:
    alarms, hits = int((outside >= threshold).sum()), int((inside >= threshold).sum())
    most_alarms = 1.0 if alarms == RUNS else float(stats.beta.ppf(0.95, alarms + 1, RUNS - alarms))
    least_hits = 0.0 if hits == 0 else float(stats.beta.ppf(0.05, hits, RUNS - hits + 1))
    return math.log(max(least_hits - DELTA, 1e-12) / most_alarms)


def _exact(of: Moments) -> Any:
    scale = 2.0 ** (2 * of.fraction_bits)
    parts = (of.xtx[np.triu_indices(3)], of.xty.ravel(), of.yty)
    return np.concatenate([np.array(part, dtype=float) / scale for part in parts])


def _variances(kind: str) -> Any:
    planned = PLAN.round(kind).answer
    assert planned.noise is not None
    return HONEST * np.array(planned.noise.variances, dtype=float) / 4.0**planned.fraction_bits


def _seed(*what: object) -> bytes:
    return hashlib.sha256(repr(what).encode()).digest()


def test_a_record_cannot_be_told_apart_better_than_is_claimed() -> None:
    bound = lower_bound_on_epsilon()
    assert 0 < bound < EPSILON  # the adversary is no straw man, and does not win


def test_without_the_noise_stage_the_same_audit_breaks_the_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "with_noise", lambda integers, *_: integers)
    assert lower_bound_on_epsilon() > EPSILON


@pytest.mark.slow
def test_noise_that_is_too_small_breaks_the_claim_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    real = answering.with_noise

    def smaller(integers: Any, planned: Any, names: Any, seed: bytes) -> Any:
        return integers + (real(integers, planned, names, seed) - integers) // 8

    monkeypatch.setattr(answering, "with_noise", smaller)
    assert lower_bound_on_epsilon() > EPSILON


def test_a_job_with_room_for_hardly_a_row_leaves_the_noise_as_it_is() -> None:
    """A number that ended together with its noise would have none left where the rows alone fill its room."""
    least = plan_spec(ModelSpec.model_validate({**DOCUMENT, "training": {"optimizer": "newton", "max_rows": 1}}))
    many = moments(np.tile(CANARY, (10**6, 1)))  # by far beyond the room for rows and noise together
    room = least.round("moments").answer.owner_bound
    assert min(map(abs, many.xtx.ravel())) > 100 * room
    answers = np.array([told(many, _seed("least", run), least) for run in range(RUNS)])
    planned = np.concatenate([_variances("counts"), _variances("moments")]) / HONEST
    # χ² of so many draws at fixed seeds: half as much noise, or none, is far outside.
    ratios = answers.var(axis=0, ddof=1) / planned
    assert (np.abs(ratios - 1) < 0.25).all()
    # Rows ended where there is room for them, so that it is N = 1 that the noise is around.
    assert abs(answers[:, 0].mean() - 1) < 5 * math.sqrt(planned[0] / RUNS)
