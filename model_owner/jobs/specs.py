"""Specs that this Model Owner takes: what the spec's own rules allow, and this version can train."""

from __future__ import annotations

from pydantic import ValidationError

from fedtrain.crypto import LEAST_MODULUS_BITS
from fedtrain.methods.plan import Plan
from fedtrain.methods.regression.weights_travel import unfit_fields
from fedtrain.planning.plans import plan_spec
from fedtrain.service.web.validation import validation_problem
from fedtrain.spec.model_spec import ModelSpec, Optimizer
from fedtrain.spec.problems import Code, Problem


def spec_of(document: object) -> ModelSpec:
    """Return the spec that a JSON document is, read in one way wherever a spec comes in.

    Raises Problem(INVALID_SPEC), whose `errors` name every field that is at fault.
    """
    try:
        return ModelSpec.model_validate(document)
    except ValidationError as error:
        raise validation_problem(error, document, Code.INVALID_SPEC) from None


def plan_of(spec: ModelSpec, *, allow_small_keys: bool) -> Plan:
    """Return the budget of a spec that can be trained.

    Raises Problem: INVALID_SPEC, whose `errors` name every field that is at fault, DOES_NOT_FIT with `fixes`.
    """
    errors = _unsupported(spec, allow_small_keys)
    if errors:
        first = errors[0]
        raise Problem(Code.INVALID_SPEC, f"{first['field']}: {first['message']}", errors=errors)
    return plan_spec(spec)


def _unsupported(spec: ModelSpec, allow_small_keys: bool) -> list[dict[str, object]]:
    training = spec.training
    errors: list[dict[str, object]] = []

    def refuse(field: str, value: object, message: str) -> None:
        errors.append({"field": field, "message": message, "value": value})

    for unfit in () if spec.keeps_examples else unfit_fields(spec):
        refuse(unfit.field, unfit.value, unfit.message)
    if training.l2 == "auto" and training.optimizer is not Optimizer.NEWTON and not spec.shares_weights:
        message = "Only newton learns enough to choose l2 without further rounds: use it, or give a number."
        refuse("training.l2", "auto", message)
    if training.key_bits < LEAST_MODULUS_BITS and not allow_small_keys:
        message = f"A key of {training.key_bits} bits protects nothing: use at least {LEAST_MODULUS_BITS}."
        refuse("training.key_bits", training.key_bits, message)
    return errors
