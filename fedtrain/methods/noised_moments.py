"""The shared half of least squares under differential privacy: all second moments at once, with noise on each number.

Each row is scaled, its features clipped to a length of √(R² − 1), so that with the intercept's 1 it has at most R, its
targets centred within their ranges, and all of that rounded towards zero to 2^−GRID_BITS. What one row adds is then
within Δ, Δ² = R⁴ + R²·B² (+ B⁴), B² the largest sum of squared centred targets: its part of A = XᵀX has a length of at
most R², that of b = Xᵀy of R·B, that of Σy² of B². A is symmetric, so that in the length of its part each number off
the diagonal counts twice: it carries half the variance. Source: docs/privacy.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from fedtrain.methods.noise_tail import covered_delta, tail_deviations
from fedtrain.methods.plain import TAKEN, PlainAnswer, PlainPlan
from fedtrain.methods.plan import Noise, Round
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.methods.schedule import Schedule
from fedtrain.privacy.accounting import epsilon_of, rho_of, rho_of_sum, share_variance
from fedtrain.privacy.cost import Cost
from fedtrain.spec.model_spec import ModelSpec, Optimizer, Privacy, Training
from fedtrain.spec.privacy import MOST_EPSILON
from fedtrain.spec.problems import Code, Problem

GRID_BITS: Final = 24
#: Of what is told: products of two numbers of the grid.
FRACTION_BITS: Final = 2 * GRID_BITS
#: So many bits of ρ count, rounded down: mathematics libraries differ in the last ones, and parties must not.
_RHO_BITS: Final = 32
#: What of `training` goes with it, with optimizer newton.
_TAKEN: Final = TAKEN - {"scaling"} | {"optimizer", "l2", "slope", "rounds", "tolerance", "weight_bound"}


@dataclass(frozen=True)
class NoiseTerms:
    """The noise that a privacy claim needs. `squared_sensitivity`: Δ² in squared units of the told integers.

    `epsilon`: the claim's, as it was given or as it follows from its noise. `rho`: what the sum of `honest_owners`
    shares spends. `variance`: of an owner's share of a number; of A's numbers off the diagonal it is
    `variance_off_diagonal`. `tail`: the largest share of noise there is.
    """

    privacy: Privacy
    epsilon: float
    honest_owners: int
    squared_sensitivity: Fraction
    rho: float
    variance: int
    variance_off_diagonal: int
    tail: int

    @classmethod
    def of(cls, spec: ModelSpec, privacy: Privacy) -> NoiseTerms:
        row, targets = privacy.longest_row**2, squared_target_bound(spec)
        squares = targets**2 if spec.kind.least_squares else Fraction(0)
        sensitivity = (row**2 + row * targets + squares) * (1 << 2 * FRACTION_BITS)
        epsilon, rho = epsilon_and_rho(privacy)
        variance = share_variance(rho, sensitivity, spec.honest_owners)
        half = -(-variance // 2)
        numbers = sum(math.prod(shape) for shape in _arrays(spec).values())
        spent = rho_of_sum(sensitivity, min(variance, 2 * half), spec.honest_owners, numbers)
        deviations = tail_deviations(epsilon, privacy.delta, numbers * spec.honest_owners)
        tail = deviations * (math.isqrt(variance) + 1)
        return cls(privacy, epsilon, spec.honest_owners, sensitivity, spent, variance, half, tail)

    @property
    def cost(self) -> Cost:
        """Rényi divergences of a release."""
        return Cost(self.rho)

    @property
    def standard_deviation(self) -> float:
        """Of one owner's share of a number of b, in units of the scaled moments."""
        return math.sqrt(self.variance) / (1 << FRACTION_BITS)


@dataclass(frozen=True)
class NoisedAnswer(PlainAnswer):
    """`variances`: of a share of each number. `tail`: of a share that `most_owners` at most add.

    `per_answer`: as of `Noise`.
    """

    variances: tuple[int, ...] = ()
    tail: int = 0
    most_owners: int = 1
    per_answer: bool = False

    def bound(self, rows: int) -> int:
        return super().bound(rows) + self.most_owners * self.tail


@dataclass(frozen=True)
class NoisedPlan(PlainPlan):
    """A plan whose every number carries noise, that of the rows included."""

    terms: NoiseTerms | None = None

    @property
    def claim(self) -> NoiseTerms | None:
        return self.terms

    def round(self, kind: str, window_step: int = 0, rows_total: int | None = None) -> Round:
        """Return the round without bounds from N, which is noised; values of it that cannot be are refused."""
        super().round(kind, window_step, rows_total)
        return noised(super().round(kind, window_step), self.answers[kind], self.max_rows)

    def to_dict(self) -> dict[str, object]:
        if (terms := self.terms) is None:
            return super().to_dict()
        noise = {
            **claim_shown(terms.privacy, terms.epsilon),
            "honest_owners": terms.honest_owners,
            "share_standard_deviation": float(f"{terms.standard_deviation:.6g}"),
        }
        return {**super().to_dict(), "privacy": noise}


def noised(planned: Round, answer: PlainAnswer, max_rows: int) -> Round:
    """Return a round whose numbers carry their answer's noise. Raises TypeError for an answer without."""
    if not isinstance(answer, NoisedAnswer):
        raise TypeError(f"{planned.kind} carries no noise")
    own = PlainAnswer.bound(answer, max_rows) + answer.tail
    noise = Noise(answer.variances, answer.tail, answer.per_answer)
    return replace(planned, answer=replace(planned.answer, owner_bound=own, noise=noise))


def noise_terms(plan: object) -> NoiseTerms | None:
    """Return what noise a plan's claim needs; None for a plan that claims nothing."""
    return plan.terms if isinstance(plan, NoisedPlan) else None


class NoisedMoments:
    """Implements `fedtrain.methods.method.Method` for regressions that a spec gives `privacy`."""

    def plan(self, spec: ModelSpec) -> NoisedPlan:
        if spec.privacy is None:
            raise ValueError("this spec has no privacy")
        check_goes_with(spec)
        terms, training = NoiseTerms.of(spec, spec.privacy), spec.training
        # N stands first, and by itself, as in every job; it is A's last number, and carries the same noise.
        told: dict[str, PlainAnswer] = {
            RoundKind.COUNTS: _answer({"rows": (1,)}, (terms.variance,), terms, training),
            RoundKind.MOMENTS: _answer(_arrays(spec), _variances(spec, terms), terms, training),
        }
        return NoisedPlan(training.key_bits, training.max_rows, training.max_data_owners, told, terms)

    def schedule(self, spec: ModelSpec) -> Schedule:  # noqa: ARG002
        return Schedule(RoundKind.MOMENTS, rounds=1)


def epsilon_and_rho(privacy: Privacy) -> tuple[float, float]:
    """Return a claim's ε at its δ and what its noise may spend: one was given, and the other follows."""
    if privacy.epsilon is not None:
        return privacy.epsilon, _rounded_down(rho_of(privacy.epsilon, covered_delta(privacy)))
    rho = _rounded_down(0.5 / privacy.multiplier**2)
    return epsilon_of(rho, covered_delta(privacy)), rho


def claim_shown(privacy: Privacy, epsilon: float) -> dict[str, Any]:
    """Return a claim as it was given, with the ε that follows where its noise was; JSON types."""
    given = privacy.model_dump(mode="json")
    return given if privacy.epsilon is not None else {**given, "epsilon": float(f"{epsilon:.6g}")}


def too_little_noise(epsilon: float) -> str:
    """Say why noise is refused that leaves a larger ε than may be claimed."""
    return f"it leaves epsilon {epsilon:.4g}, and up to {MOST_EPSILON:g} may be claimed: give more noise"


def squared_target_bound(spec: ModelSpec) -> Fraction:
    """B²: centred targets are within ±1 each, those of classes ±½."""
    return Fraction(spec.outputs, 4 if spec.kind.classifies else 1)


def check_goes_with(spec: ModelSpec) -> None:
    """Raise Problem(INVALID_SPEC) that names every field which does not go with `privacy`."""
    training, default = spec.training, Training()
    errors: list[tuple[str, str, object]] = []
    if training.optimizer is not Optimizer.NEWTON:
        why = "with privacy all moments are told once, with noise: use newton"
        errors.append(("training.optimizer", why, training.optimizer.value))
    if training.l2 == "auto":
        errors.append(("training.l2", "with privacy no rows are held out to choose it by: give a number, or 0", "auto"))
    for name in Training.model_fields:
        if name not in _TAKEN and (value := getattr(training, name)) != getattr(default, name):
            why = "it does not go with privacy: leave it out"
            errors.append((f"training.{name}", why, value))
    if not spec.kind.takes_privacy:
        why = f"{spec.model_type} adds no noise, so that it cannot be kept: leave it out"
        errors.append(("privacy", why, spec.model_type.value))
    elif spec.privacy is not None and (epsilon := epsilon_and_rho(spec.privacy)[0]) > MOST_EPSILON:
        errors.append(("privacy.noise_multiplier", too_little_noise(epsilon), spec.privacy.noise_multiplier))
    if errors:
        told = [{"field": field, "message": f"{why}.", "value": value} for field, why, value in errors]
        raise Problem(Code.INVALID_SPEC, " ".join(f"{field}: {why}." for field, why, _ in errors), errors=told)


def _arrays(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """A's upper triangle row by row, b row by row, and of least squares Σy² a target."""
    d, k = spec.data_props.dimensions, spec.outputs
    arrays: dict[str, tuple[int, ...]] = {"matrix": (d * (d + 1) // 2,), "vector": (d, k)}
    return {**arrays, "target_squares": (k,)} if spec.kind.least_squares else arrays


def _variances(spec: ModelSpec, terms: NoiseTerms) -> tuple[int, ...]:
    d = spec.data_props.dimensions
    found: list[int] = []
    for row in range(d):
        found += [terms.variance, *[terms.variance_off_diagonal] * (d - 1 - row)]
    rest = sum(math.prod(shape) for name, shape in _arrays(spec).items() if name != "matrix")
    return (*found, *[terms.variance] * rest)


def _answer(
    arrays: Mapping[str, tuple[int, ...]], variances: tuple[int, ...], terms: NoiseTerms, training: Training
) -> NoisedAnswer:
    # Every number of a row is within ±1 once it is scaled, and so is every product.
    return NoisedAnswer(arrays, Fraction(1), FRACTION_BITS, variances, terms.tail, training.max_data_owners)


def _rounded_down(rho: float) -> float:
    mantissa, exponent = math.frexp(rho)
    return math.ldexp(math.floor(math.ldexp(mantissa, _RHO_BITS)), exponent - _RHO_BITS)
