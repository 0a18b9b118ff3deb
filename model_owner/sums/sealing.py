"""Weights that owners see: whom they are sealed to, and the boxes."""

from __future__ import annotations

from fedtrain.crypto import CryptoError
from fedtrain.model_owner import job as j
from fedtrain.model_owner.arithmetic.arrays import Integers, to_floats
from fedtrain.model_owner.job import JobContext, JobState
from fedtrain.protocol.messages.shared_weights import SealedWeights, SealingContext, seal_weights
from fedtrain.spec.problems import Code, Problem


def sealing_of(context: JobContext, state: JobState, number: int) -> j.Sealing | None:
    """Whom the weights of round `number` are sealed to; None where they are encrypted. Pure."""
    if not context.plan.shares_weights:
        return None
    roster = context.roster(state)
    return j.Sealing(roster.sealing_keys, SealingContext(context.manifest_hash(state), roster.hash, number))


def seal_point(point: Integers, weight_fraction_bits: int, sealing: j.Sealing) -> tuple[SealedWeights, ...]:
    """A box an owner of the (d, k) point. Raises Problem(ROSTER_INVALID) for a key that nothing can be sealed to."""
    try:
        return seal_weights({"weights": to_floats(point, weight_fraction_bits)}, sealing.recipients, sealing.context)
    except CryptoError as error:
        raise Problem(Code.ROSTER_INVALID, f"The roster is refused: {error}.") from None
