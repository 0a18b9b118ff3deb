"""The accuracy that noise costs a job, before it runs: from the spec, the owners and the rows alone.

The noise e of b and E of A change the weights by A⁻¹(e − E·w). Over rows alike the trained ones that adds at least
σ²·tr(A⁻¹)/N to the mean squared error for e alone, and tr(A⁻¹) is at least d²/tr(A), tr(A) at most N·R². So much error
is there whatever the data are; more where columns go together, or the weights are large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from fedtrain.methods.network.private import GradientNoise, PrivateNetworkPlan
from fedtrain.methods.noised_moments import NoiseTerms
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec, Privacy

#: Of half a target's range; targets themselves vary by a third or half of that.
_TOO_MUCH: Final = 0.2
#: What a table shows beside the ε that a spec asks for.
_SHOWN: Final = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class NoiseCost:
    """`noise`: the standard deviation of a number of b, in scaled units. `least_error`: the root of the mean squared
    error that it adds at least, in halves of a target's range (for classes in units of the targets 0 and 1).
    `least_rows`: how many it takes for that error not to be too much.
    """

    epsilon: float
    delta: float
    noise: float
    least_error: float
    least_rows: int

    @property
    def dominates(self) -> bool:
        """True where the rows do not carry so much noise."""
        return self.least_error > _TOO_MUCH

    def to_dict(self) -> dict[str, Any]:
        shown = {name: float(f"{getattr(self, name):.4g}") for name in ("epsilon", "noise", "least_error")}
        return {**shown, "least_rows": self.least_rows, "dominates": self.dominates}


def noise_cost(spec: ModelSpec, owners: int, rows: int, epsilon: float | None = None) -> NoiseCost | None:
    """Return what the noise of so many owners does to a model of so many rows, with ε as the spec has it, or another.

    None for a spec that claims no privacy, or one of gradients, whose noise says nothing of a model's error.
    """
    if spec.privacy is None or spec.tells_gradients:
        return None
    privacy = spec.privacy if epsilon is None else _with_epsilon(spec.privacy, epsilon)
    terms = NoiseTerms.of(spec, privacy)
    noise = terms.standard_deviation * math.sqrt(owners)
    over_all_rows = noise * spec.data_props.dimensions / float(privacy.longest_row)
    return NoiseCost(terms.epsilon, privacy.delta, noise, over_all_rows / rows, math.ceil(over_all_rows / _TOO_MUCH))


def noise_forecast(spec: ModelSpec, owners: int, rows: int) -> dict[str, Any] | None:
    """Return the cost of a spec's noise, and a table of it against other ε; JSON types. None without privacy."""
    if spec.claims_gradients:
        return _gradient_forecast(spec, owners)
    cost = noise_cost(spec, owners, rows)
    if cost is None:
        return None
    others = (noise_cost(spec, owners, rows, epsilon) for epsilon in _SHOWN if epsilon != cost.epsilon)
    return {**cost.to_dict(), "delta": cost.delta, "by_epsilon": [one.to_dict() for one in others if one is not None]}


def _gradient_forecast(spec: ModelSpec, owners: int) -> dict[str, Any]:
    """Return the noise of a step of a network, and a table of it against other ε; JSON types.

    `noise_length`: that of a step's mean gradient, over the longest that a mean of clipped gradients can be.
    """
    claim, plan = spec.privacy, plan_spec(spec)
    if claim is None or not isinstance(plan, PrivateNetworkPlan):
        raise ValueError("this spec claims nothing of gradients")
    numbers, batch = plan.checked.parameter_count, spec.training.batch_size or 1

    def line(privacy: Privacy) -> dict[str, Any]:
        noise = GradientNoise.of(spec, privacy, numbers)
        length = noise.multiplier * math.sqrt(owners / noise.honest_owners * numbers) / batch
        told = {"epsilon": noise.epsilon, "noise_multiplier": noise.multiplier, "noise_length": length}
        return {name: float(f"{value:.4g}") for name, value in told.items()}

    others = [line(_with_epsilon(claim, epsilon)) for epsilon in _SHOWN if epsilon != claim.epsilon]
    return {**line(claim), "delta": claim.delta, "by_epsilon": others}


def _with_epsilon(privacy: Privacy, epsilon: float) -> Privacy:
    return privacy.model_copy(update={"epsilon": epsilon, "noise_multiplier": None})
