"""The shared half of steps under a claim of privacy: every round a sum of clipped gradients, with noise.

Of networks, and of exact logistic regression, which is one layer of one.

There are no counts, and nothing is told beside the sums: neither a loss nor how many records were drawn. A record is
in a round with probability q and adds at most Δ = clip·2^f to the length of the sum, in integers; the owners' noise has
a standard deviation of z·Δ over `honest_owners` shares, z as (ε, δ), q and the number of rounds need it.
Sources: Abadi et al., "Deep learning with differential privacy", 2016; docs/privacy.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from fedtrain.methods.network.kinds import NetworkKind
from fedtrain.methods.network.one_layer import STEPS
from fedtrain.methods.network.plan import NetworkPlan, network_plan
from fedtrain.methods.network.settings import ROUNDS, clip_of, step_of, update_bits_of
from fedtrain.methods.noise_tail import covered_delta, tail_deviations
from fedtrain.methods.noised_moments import NoisedAnswer, claim_shown, epsilon_and_rho, noised, too_little_noise
from fedtrain.methods.plan import Round
from fedtrain.methods.schedule import Schedule
from fedtrain.neural import SampledGradients
from fedtrain.privacy.cost import Cost
from fedtrain.privacy.sampled_gaussian import noise_multiplier, sampled_gaussian
from fedtrain.spec.model_spec import ModelSpec, Optimizer, Privacy
from fedtrain.spec.privacy import MOST_EPSILON
from fedtrain.spec.problems import Code, Problem

#: Squared lengths of integers, and sums of 2^32 of them, stay within 63 bits.
_MOST_CLIP_BITS: Final = 30
#: Where a share has at least this variance, a sum of shares is one discrete Gaussian to within 10^−1000.
_LEAST_VARIANCE: Final = 1 << 10
#: Fields of `training` that a step of noised gradients has no place for.
_NOT_TAKEN: Final = ("local_optimizer", "local_epochs", "local_steps", "proximal")


@dataclass(frozen=True)
class GradientNoise:
    """The noise that a claim over so many rounds needs. `multiplier`: z. `variance`: of an owner's share of a number.

    `epsilon`: the claim's, as it was given or as it follows from its noise. `tail`: the largest share of noise.
    """

    privacy: Privacy
    epsilon: float
    honest_owners: int
    rounds: int
    multiplier: float
    variance: int
    tail: int

    @classmethod
    def of(cls, spec: ModelSpec, privacy: Privacy, numbers: int) -> GradientNoise:
        """Return the noise for updates of so many numbers.

        Raises Problem(INVALID_SPEC) for a claim that no noise keeps, and a scale too coarse for it.
        """
        epsilon, rounds = epsilon_of_gradients(spec, privacy), rounds_of(spec)
        if epsilon > MOST_EPSILON:
            raise _refused("privacy.noise_multiplier", too_little_noise(epsilon), privacy.noise_multiplier)
        if privacy.epsilon is None:
            multiplier = privacy.multiplier
        else:
            try:
                multiplier = noise_multiplier(epsilon, covered_delta(privacy), privacy.rate, rounds)
            except ValueError as error:
                raise _refused("privacy.epsilon", f"{error}: take a larger one, or fewer rounds", epsilon) from None
        shares = spec.honest_owners
        variance = math.ceil((Fraction(multiplier) * _sensitivity(spec)) ** 2 / shares)
        if variance < _LEAST_VARIANCE:
            bits = update_bits_of(spec.training)
            raise _refused("training.update_bits", "gradients and noise need a finer scale: take more", bits)
        tail = tail_deviations(epsilon, privacy.delta, numbers * shares * rounds) * (math.isqrt(variance) + 1)
        return cls(privacy, epsilon, shares, rounds, multiplier, variance, tail)

    @property
    def cost(self) -> Cost:
        """Rényi divergences of all rounds, void ones included: a round's number is used once."""
        return sampled_gaussian(self.privacy.rate, self.multiplier, self.rounds)


@dataclass(frozen=True)
class PrivateNetworkPlan(NetworkPlan):
    """`rows`: how many the federation is taken to have, by the spec alone. `batch`: what a sum is divided by."""

    noise: GradientNoise | None = field(default=None, kw_only=True)
    gradients: SampledGradients | None = field(default=None, kw_only=True)
    rows: int = field(default=1, kw_only=True)
    step: float = field(default=1.0, kw_only=True)

    @property
    def claim(self) -> GradientNoise | None:
        return self.noise

    @property
    def rows_supposed(self) -> int:
        return self.rows

    @property
    def update_factor(self) -> float:
        return -self.step

    @property
    def terms(self) -> SampledGradients:
        """Terms on which owners sum gradients."""
        if self.gradients is None:
            raise ValueError("a plan of noised gradients says how they are summed")
        return self.gradients

    def round(self, kind: str, window_step: int = 0, rows_total: int | None = None) -> Round:
        """Return the round without bounds from N, which nobody knows."""
        super().round(kind, window_step, rows_total)
        return noised(super().round(kind, window_step), self.answers[kind], self.max_rows)

    def to_dict(self) -> dict[str, object]:
        if (noise := self.noise) is None:
            return super().to_dict()
        claim = {
            **claim_shown(noise.privacy, noise.epsilon),
            "honest_owners": noise.honest_owners,
            "noise_multiplier": noise.multiplier,
            "rows_supposed": self.rows,
        }
        return {**super().to_dict(), "privacy": claim}


class PrivateNetwork:
    """Implements `fedtrain.methods.method.Method` for specs whose `privacy` is of gradients."""

    def plan(self, spec: ModelSpec) -> PrivateNetworkPlan:
        if spec.privacy is None:
            raise ValueError("this spec has no privacy")
        batch = _check_goes_with(spec)
        plain, training = network_plan(spec), spec.training
        numbers, bits = plain.checked.parameter_count, update_bits_of(training)
        noise = GradientNoise.of(spec, spec.privacy, numbers)
        answer = NoisedAnswer(
            plain.checked.parameters,
            Fraction(clip_of(training)),
            bits,
            (noise.variance,) * numbers,
            noise.tail,
            training.max_data_owners,
            per_answer=True,
        )
        rows = math.ceil(batch / spec.privacy.rate)
        return PrivateNetworkPlan(
            plain.key_bits,
            plain.max_rows,
            plain.max_owners,
            {NetworkKind.UPDATE: answer},
            network=plain.network,
            settings=plain.settings,
            weight_bound=plain.weight_bound,
            tells_loss=False,
            kept=plain.kept,
            noise=noise,
            gradients=SampledGradients(plain.local.loss, spec.privacy.rate, clip_of(training), bits),
            rows=max(training.max_data_owners, min(rows, plain.max_rows_total)),
            step=step_of(spec) / batch,
        )

    def schedule(self, spec: ModelSpec) -> Schedule:
        return Schedule(NetworkKind.UPDATE, rounds_of(spec), counts=False)


def epsilon_of_gradients(spec: ModelSpec, privacy: Privacy) -> float:
    """Return the claim's ε at its δ: as it was given, or as it follows from its noise, q and the rounds."""
    if privacy.epsilon is not None:
        return privacy.epsilon
    cost = sampled_gaussian(privacy.rate, privacy.multiplier, rounds_of(spec))
    return cost.epsilon(covered_delta(privacy))


def claimed_epsilon(spec: ModelSpec, privacy: Privacy) -> float:
    """Return the ε of a spec's claim, at its δ, whichever kind of job it is and whichever of ε and noise is given."""
    return epsilon_of_gradients(spec, privacy) if spec.tells_gradients else epsilon_and_rho(privacy)[0]


def rounds_of(spec: ModelSpec) -> int:
    """Return how many rounds a job of noised steps has."""
    return ROUNDS if spec.training.rounds == "auto" else spec.training.rounds


def _sensitivity(spec: ModelSpec) -> Fraction:
    """Δ, in integers: the length that no record's gradient is beyond."""
    return Fraction(clip_of(spec.training)) * (1 << update_bits_of(spec.training))


def _check_goes_with(spec: ModelSpec) -> int:
    """Return the public number of records that a step is taken to draw.

    Raises Problem(INVALID_SPEC) that names the first field which does not go with `privacy`, or is missing.
    """
    training = spec.training
    taken = (Optimizer.FEDSGD,) if spec.kind.has_network else tuple(STEPS)
    if training.optimizer not in taken:
        use = " or ".join(taken)
        why = f"{training.optimizer} needs more than the one noised sum of gradients a round of privacy: use {use}"
        raise _refused("training.optimizer", why, training.optimizer.value)
    for name in _NOT_TAKEN:
        if (value := getattr(training, name)) is not None:
            raise _refused(f"training.{name}", "it does not go with privacy: leave it out", value)
    if training.evaluate_every:
        why = "losses that owners tell are no noised gradients: leave it out, and give the Model Owner a test set"
        raise _refused("training.evaluate_every", why, training.evaluate_every)
    if training.batch_size is None:
        why = "give how many records a step is taken to draw from all owners together, by which their sum is divided"
        raise _refused("training.batch_size", why, None)
    if _sensitivity(spec) > 1 << _MOST_CLIP_BITS:
        why = f"clip times 2^update_bits is beyond 2^{_MOST_CLIP_BITS}: take a smaller clip, or fewer update_bits"
        raise _refused("training.clip", why, clip_of(training))
    return training.batch_size


def _refused(name: str, why: str, value: object) -> Problem:
    errors = [{"field": name, "message": f"{why}.", "value": value}]
    return Problem(Code.INVALID_SPEC, f"{name}: {why}.", errors=errors)
