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
    return plan


@lru_cache(maxsize=256)
def numbers_revealed(spec: ModelSpec) -> tuple[int, int | None]:
    """Return how many numbers a training round's sum has, and how many there are in all; None where there is no end.

    The first is never more than the second. Raises Problem as `plan_spec`.
    """
    plan = plan_spec(spec)
    a_round, in_all = numbers_in(plan.round(schedule_of(spec).kind).answer.arrays), plan.numbers_in_all
    return (a_round, None) if in_all is None else (min(a_round, in_all), in_all)


def sign_off_in_words(spec: ModelSpec) -> str | None:
    """Return what the owners' sign-off holds back in such a job; None where nobody signs off."""
    if spec.signs_off:
        return "it opens only once people of every owner, this one too, have signed the result off"
    if spec.awaits_release:
        return (
            "the Model Owner opens sums on the way; it gives the finished model to others only once people of every "
            "owner, this one too, have signed it off, which rests on the Model Owner's word"
        )
    return None


def rounds_of(spec: ModelSpec) -> int:
    """Return the most rounds of a job after the counts, evaluations apart."""
    return schedule_of(spec).rounds
