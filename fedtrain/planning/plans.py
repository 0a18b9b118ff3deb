"""From a model spec to its plan: a pure function, so that every party plans the same job."""

from __future__ import annotations

from functools import lru_cache

from fedtrain.methods import method_of, schedule_of
from fedtrain.methods.plan import DoesNotFit, Plan, numbers_in
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem


def plan_spec(spec: ModelSpec) -> Plan:
    """Return the plan that the spec's method gives, proven to fit the key.

    Raises Problem(DOES_NOT_FIT), whose `fixes` lists the single changes that would be enough, each the smallest, and
    Problem(INVALID_SPEC) where the spec leaves open what the plan needs.
    """
    try:
        plan = method_of(spec).plan(spec)
    except DoesNotFit as error:
        raise Problem(
            Code.DOES_NOT_FIT,
            f"{error}.",
            fixes=list(error.fixes),
            needed_bits=error.needed_bits,
            available_bits=error.available_bits,
        ) from error
    if spec.training.goes_on and not plan.may_go_on:
        why = (
            f"{spec.model_type} answers every round from the same sums: the difference of two rounds, one without an "
            'owner, would be that owner\'s alone. Use "wait" or "end".'
        )
        errors = [{"field": "training.on_dropout", "message": why, "value": "continue"}]
        raise Problem(Code.INVALID_SPEC, f"training.on_dropout: {why}", errors=errors)
    if spec.signs_off and not plan.opens_at_once:
        why = (
            f"{spec.model_type} by {spec.training.optimizer} goes on from sums that the Model Owner opens round by "
            "round, so that there would be nothing left to hold back when owners sign off. Only what opens in one "
            'round is signed off: use training.optimizer "newton", or leave release out.'
        )
        errors = [{"field": "release", "message": why, "value": "sign_off"}]
        raise Problem(Code.INVALID_SPEC, f"release: {why}", errors=errors)
    return plan


@lru_cache(maxsize=256)
def numbers_revealed(spec: ModelSpec) -> tuple[int, int | None]:
    """Return how many numbers a training round's sum has, and how many there are in all; None where there is no end.

    The first is never more than the second. Raises Problem as `plan_spec`.
    """
    plan = plan_spec(spec)
    a_round, in_all = numbers_in(plan.round(schedule_of(spec).kind).answer.arrays), plan.numbers_in_all
    return (a_round, None) if in_all is None else (min(a_round, in_all), in_all)


def rounds_of(spec: ModelSpec) -> int:
    """Return the most rounds of a job after the counts, evaluations apart."""
    return schedule_of(spec).rounds
