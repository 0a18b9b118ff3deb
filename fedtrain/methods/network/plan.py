"""The plan of a network's job: what a round of updates weighs, and its worst case.

Owner i answers (N_i/N)·Δ_i with ‖Δ_i‖ ≤ clip, at 2^−f, each number rounded up or down. Over all owners that is at most
clip·2^f, and 1 for the rounding of each: slots need no room for the number of owners. The loss and the share of hits
travel beside it, divided by powers of two that make them no larger than `clip`. Source: docs/networks.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from fedtrain.methods.network.kinds import NetworkKind
from fedtrain.methods.network.one_layer import ONE_LAYER_TAKEN, one_layer
from fedtrain.methods.network.settings import KEEP_ROUNDS, clip_of, local_settings, update_bits_of
from fedtrain.methods.plain import TAKEN, PlainAnswer, PlainPlan, check_takes
from fedtrain.methods.plan import Arrays, Round, SharedArrays
from fedtrain.neural import LocalSettings
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.network import CheckedNetwork
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.training import NETWORK_FIELDS

#: An owner's mean loss counts as at most this: what is larger says no more than that training went wrong.
LOSS_BOUND: Final = 64
VALIDATION_FRACTION_BITS: Final = 20
#: Ciphertexts of 48 bytes a weight and owner pass through each party's memory.
MOST_PARAMETERS: Final = 20_000_000
_WEIGHT_BOUND: Final = 1 << 20
_TAKEN: Final = TAKEN | {
    *NETWORK_FIELDS,
    "optimizer",
    "rounds",
    "learning_rate",
    "weights",
    "weight_bound",
    "evaluate_every",
}


@dataclass(frozen=True)
class MeanAnswer(PlainAnswer):
    """Shares of a mean: `largest` is what they can come to, whatever the number of rows."""

    largest: int = 0

    def bound(self, rows: int) -> int:  # noqa: ARG002
        return self.largest


@dataclass(frozen=True)
class NetworkPlan(PlainPlan):
    """`network`: with the shapes that the features' columns give it. `weight_bound`: of a weight that is sent.

    `tells_loss`: the loss and the hits travel beside the update, which they do not where rounds go on without an owner.
    """

    network: CheckedNetwork | None = field(default=None, kw_only=True)
    settings: LocalSettings | None = field(default=None, kw_only=True)
    weight_bound: Fraction = field(default=Fraction(_WEIGHT_BOUND), kw_only=True)
    loss_shift_bits: int = field(default=0, kw_only=True)
    hits_shift_bits: int = field(default=0, kw_only=True)
    evaluates: bool = field(default=False, kw_only=True)
    tells_loss: bool = field(default=True, kw_only=True)
    kept: int = field(default=KEEP_ROUNDS, kw_only=True)

    @property
    def may_go_on(self) -> bool:
        """Say that rounds may: each asks for updates from other weights."""
        return True

    @property
    def checked(self) -> CheckedNetwork:
        if self.network is None:
            raise ValueError("a network's plan has one")
        return self.network

    @property
    def local(self) -> LocalSettings:
        """Settings of the owners' training."""
        if self.settings is None:
            raise ValueError("a network's plan says how owners train")
        return self.settings

    @property
    def update_factor(self) -> float:
        """Factor by which the sum over owners becomes the step that is applied."""
        return 1.0

    @property
    def numbers_in_all(self) -> None:
        """There is no end: each round's mean is over updates from other weights."""
        return

    @property
    def holds_out(self) -> bool:
        return self.evaluates

    @property
    def keep_rounds(self) -> int:
        return self.kept

    def round(self, kind: str, window_step: int = 0, rows_total: int | None = None) -> Round:
        planned = super().round(kind, window_step, rows_total)
        if kind == NetworkKind.COUNTS:
            return planned
        return replace(planned, weights=SharedArrays(self.checked.parameters, self.weight_bound, once=True))

    def to_dict(self) -> dict[str, object]:
        return {
            **super().to_dict(),
            "parameters": self.checked.parameter_count,
            "loss_shift_bits": self.loss_shift_bits,
            "hits_shift_bits": self.hits_shift_bits,
        }


def network_plan(spec: ModelSpec) -> NetworkPlan:
    """Return the plan of a spec's job.

    Any key has room for an update: the bounds of the spec's own fields see to that. Raises Problem(INVALID_SPEC) for
    fields that networks do not take, and for a network that does not fit its columns, whose layer and field it names.
    """
    check_takes(spec, _TAKEN if spec.kind.has_network else ONE_LAYER_TAKEN)
    settings = local_settings(spec)
    training, network = spec.training, _checked(spec)
    clip, bits, owners = Fraction(clip_of(training)), update_bits_of(training), training.max_data_owners
    evaluates, tells_loss = training.evaluate_every > 0, not training.goes_on
    if evaluates and training.goes_on:
        why = (
            'with on_dropout "continue" owners evaluate nothing: losses over one set of owners after another would '
            "tell those of a single one. Leave it out, and give the Model Owner a test set."
        )
        errors = [{"field": "training.evaluate_every", "message": why, "value": training.evaluate_every}]
        raise Problem(Code.INVALID_SPEC, f"training.evaluate_every: {why}", errors=errors)
    rows: Arrays = {"rows": (1,), "validation_rows": (1,)} if evaluates else {"rows": (1,)}
    answers: dict[str, PlainAnswer] = {
        NetworkKind.COUNTS: PlainAnswer(rows, Fraction(1)),
        NetworkKind.UPDATE: MeanAnswer(
            update_arrays(network, tells_loss=tells_loss), clip, bits, _largest(clip, bits, owners)
        ),
    }
    if evaluates:
        arrays = {"loss": (1,), "hits": (1,)}
        answers[NetworkKind.VALIDATION] = PlainAnswer(arrays, Fraction(LOSS_BOUND), VALIDATION_FRACTION_BITS)
    return NetworkPlan(
        training.key_bits,
        training.max_rows,
        owners,
        answers,
        network=network,
        settings=settings,
        weight_bound=Fraction(_WEIGHT_BOUND if training.weight_bound == "auto" else training.weight_bound),
        loss_shift_bits=_shift_bits(LOSS_BOUND / clip),
        hits_shift_bits=_shift_bits(1 / clip),
        evaluates=evaluates,
        tells_loss=tells_loss,
        kept=KEEP_ROUNDS if training.keep_rounds is None else training.keep_rounds,
    )


def update_arrays(network: CheckedNetwork, *, tells_loss: bool = True) -> dict[str, tuple[int, ...]]:
    """Return the arrays of an update: those of the weights, then, where they are told, the loss and share of hits."""
    # No weights have these names: theirs have a dot in them.
    told: dict[str, tuple[int, ...]] = {"loss": (1,), "hits": (1,)} if tells_loss else {}
    return {**network.parameters, **told}


def _largest(clip: Fraction, bits: int, owners: int) -> int:
    """The worst case of a number of the sum. Shares add up to 1 but for float64's rounding, for which 1 is enough."""
    return math.ceil(clip * (1 << bits)) + owners + 1


def _checked(spec: ModelSpec) -> CheckedNetwork:
    if not spec.kind.has_network:
        return one_layer(spec)
    if spec.network is None:
        raise ValueError("a spec of this type has a network")
    shapes: Mapping[str, tuple[int, ...]] = {one.label: one.array_shape for one in spec.data_props.features}
    ids = {one.label: one.vocabulary for one in spec.data_props.features if one.vocabulary is not None}
    try:
        network = spec.network.checked(shapes, spec.outputs, ids)
    except ValueError as error:
        raise Problem(Code.INVALID_SPEC, f"network: {error}.") from None
    if not 1 <= network.parameter_count <= MOST_PARAMETERS:
        raise Problem(
            Code.INVALID_SPEC,
            f"network: it has {network.parameter_count:,} weights, 1 to {MOST_PARAMETERS:,} are taken.",
        )
    return network


def _shift_bits(ratio: Fraction) -> int:
    """The least e with ratio ≤ 2^e."""
    shift = math.ceil(math.log2(ratio)) - 1
    while ratio > Fraction(2) ** shift:
        shift += 1
    return shift


def network_plan_of(plan: object) -> NetworkPlan:
    """Return the plan of a network as what it is. Raises TypeError for another method's."""
    if not isinstance(plan, NetworkPlan):
        raise TypeError(f"a network's plan is a NetworkPlan, received {type(plan).__name__}")
    return plan
