"""Weights that owners see: whom they are sealed to, and the boxes."""

from __future__ import annotations

from fedtrain.crypto import CryptoError
from fedtrain.methods.plan import Plan
from fedtrain.methods.regression.budget import budget_of
from fedtrain.model_owner import job as j
from fedtrain.model_owner.arithmetic.arrays import to_floats
from fedtrain.model_owner.job_state import JobContext, JobState
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.protocol.messages.shared_weights import Sealed, SealingContext, seal_weights, seal_weights_once
from fedtrain.spec.problems import Code, Problem


def sealing_of(context: JobContext, state: JobState, number: int) -> j.Sealing | None:
    """Whom the weights of round `number` are sealed to; None where they are encrypted. Pure."""
    if not context.plan.shares_weights:
        return None
    roster = context.roster(state)
    return j.Sealing(roster.sealing_keys, SealingContext(context.manifest_hash(state), roster.hash, number))


def seal_point(ask: Ask, plan: Plan, sealing: j.Sealing) -> Sealed:
    """Seal the weights of a question to each owner.

    Raises Problem(ROSTER_INVALID) for a key that nothing can be sealed to.
    """
    try:
        if ask.arrays is not None:
            return seal_weights_once(ask.arrays, sealing.recipients, sealing.context)
        if ask.point is None:
            raise ValueError(f"a {ask.kind} question without weights has nothing to seal")
        weights = to_floats(ask.point, budget_of(plan).inputs.weight_fraction_bits)
        return Sealed(seal_weights({"weights": weights}, sealing.recipients, sealing.context))
    except CryptoError as error:
        raise Problem(Code.ROSTER_INVALID, f"The roster is refused: {error}.") from None
