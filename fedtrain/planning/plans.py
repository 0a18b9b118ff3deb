"""From a model spec to its plan: a pure function, so that every party plans the same job."""

from __future__ import annotations

from fedtrain.methods import method_of, schedule_of
from fedtrain.methods.plan import DoesNotFit, Plan
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem


def plan_spec(spec: ModelSpec) -> Plan:
    """Return the plan that the spec's method gives, proven to fit the key.

    Raises Problem(DOES_NOT_FIT), whose `fixes` lists the single changes that would be enough, each the smallest, and
    Problem(INVALID_SPEC) where the spec leaves open what the plan needs.
    """
    try:
        return method_of(spec).plan(spec)
    except DoesNotFit as error:
        raise Problem(
            Code.DOES_NOT_FIT,
            f"{error}.",
            fixes=list(error.fixes),
            needed_bits=error.needed_bits,
            available_bits=error.available_bits,
        ) from error


def rounds_of(spec: ModelSpec) -> int:
    """Return the most rounds of a job after the counts, evaluations apart."""
    return schedule_of(spec).rounds
