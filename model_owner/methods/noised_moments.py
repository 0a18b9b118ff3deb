"""Least squares from noised moments: a ridge that is as large as the noise needs, and the minimum.

What comes is already differentially private, so that all here is post-processing, and costs nothing. The ridge is that
of AdaSSP: noise can leave A's smallest eigenvalue by itself, and a ridge brings it back to what the noise's own matrix
may have. Source: Wang, "Revisiting differentially private linear regression", 2018, algorithm 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from fedtrain.methods.noised_moments import FRACTION_BITS, NoiseTerms, claim_shown, noise_terms
from fedtrain.methods.plan import split
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.arithmetic.arrays import Floats, Integers, to_floats
from fedtrain.model_owner.methods.learning import Learning
from fedtrain.model_owner.methods.linear import trained_model
from fedtrain.model_owner.methods.method import Finished, JobFacts, Method, Opened, Taken
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.results.linear import LinearModel
from fedtrain.model_owner.results.remarks import Remark, RemarkCode, remark
from fedtrain.planning.noise_cost import noise_cost
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder

NO_TABLE = "the moments carry noise, of which standard errors would have to know"


@dataclass(frozen=True, eq=False)
class Ridge:
    """Weights (d, k) in scaled units of centred targets, and the ridge that they were found with."""

    weights: Floats
    ridge: float


def ridge_of(A: Floats, b: Floats, noise: float, l2: float) -> Ridge:
    """Return the minimum of ½wᵀ(A + ridge·I)w − bᵀw.

    `noise`: the standard deviation of A's numbers on the diagonal; those off it have 1/√2 of that, so that √(2d)·noise
    is what the largest eigenvalue of such noise comes to. `l2`: what the spec adds, to all weights as the ridge is.
    """
    largest = noise * math.sqrt(2 * len(A))
    ridge = l2 + max(0.0, largest - float(np.linalg.eigvalsh(A)[0]))
    weights: Floats = np.asarray(np.linalg.lstsq(A + ridge * np.eye(len(A)), b, rcond=None)[0], dtype=np.float64)
    return Ridge(weights, ridge)


class NoisedMoments(Method):
    """First N comes, then A, b and the targets' squares, all of them noised."""

    def __init__(self, fitted: type[LinearModel]) -> None:
        self.fitted = fitted

    def numbers_in_all(self, spec: ModelSpec, rounds: int) -> int:  # noqa: ARG002
        d, k = spec.data_props.dimensions, spec.outputs
        return d * (d + 1) // 2 + d * k + (k if spec.kind.least_squares else 0)

    def step(self, job: JobFacts, learning: Learning | None, opened: Opened) -> Taken:
        terms = noise_terms(job.plan)
        if terms is None:
            raise ValueError("this job's plan has no noise")
        if opened.kind == RoundKind.COUNTS:
            rows = _rows(job, int(opened.values[0, 0]))
            return Taken(Learning(), Ask(RoundKind.MOMENTS), 1, 0, rows_total=rows)
        if learning is None or job.rows_total is None or opened.kind != RoundKind.MOMENTS:
            raise Problem(Code.WRONG_STATE, f"An answer to {opened.kind} is not due.")
        d, rows = job.spec.data_props.dimensions, job.rows_total
        if job.spec.signs_off:  # it was not asked for by itself: it is A's last number
            rows = _rows(job, int(opened.values[d * (d + 1) // 2 - 1, 0]))
        return Taken(learning, self._finished(job, terms, rows, opened.values), 1, opened.values.size, rows_total=rows)

    def _finished(self, job: JobFacts, terms: NoiseTerms, rows: int, values: Integers) -> Finished:
        spec, encoder = job.spec, Encoder.of_spec(job.spec)
        told = split(to_floats(values, FRACTION_BITS), job.plan.round(RoundKind.MOMENTS).answer.arrays)
        A = np.zeros((encoder.dimensions, encoder.dimensions))
        A[np.triu_indices(encoder.dimensions)] = told["matrix"]
        A = A + np.triu(A, 1).T
        slope = float(spec.kind.slope(spec.training))
        noise = terms.standard_deviation * math.sqrt(job.owners)
        l2 = 0.0 if spec.training.l2 == "auto" else spec.training.l2
        found = ridge_of(A, told["vector"], noise, l2 / slope)
        weights = found.weights / slope
        if not spec.kind.classifies:
            weights[-1] += encoder.target_centres
        members: dict[str, Any] = {
            "no_coefficient_table": NO_TABLE,
            "privacy": {
                **claim_shown(terms.privacy, terms.epsilon),
                "honest_owners": terms.honest_owners,
                "noise_standard_deviation": noise,
                "ridge": found.ridge,
            },
        }
        model = trained_model(weights, encoder, _remarks(job, rows), **members)
        return Finished(
            model, True, "all noised moments are told, and the minimum was found with a ridge for the noise"
        )


def _rows(job: JobFacts, told: int) -> int:
    """N as it was told. Noise can take it anywhere; what is asked next must have one that a federation can have."""
    return max(job.owners, min(job.plan.max_rows_total, round(Fraction(told, 1 << FRACTION_BITS))))


def _remarks(job: JobFacts, rows: int) -> tuple[Remark, ...]:
    cost = noise_cost(job.spec, job.owners, rows)
    if cost is None:
        return ()
    made = [remark(RemarkCode.NOISED, epsilon=cost.epsilon, delta=cost.delta, rows=rows)]
    if cost.dominates:
        made.append(remark(RemarkCode.NOISE_DOMINATES, error=cost.least_error, rows=rows))
    return tuple(made)
