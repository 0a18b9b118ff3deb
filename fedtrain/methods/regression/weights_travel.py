"""Rules on how weights travel: what goes with encrypted ones, and with those that owners see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fedtrain.spec.model_spec import ModelSpec, Optimizer
from fedtrain.spec.problems import Code, Problem

#: Optimisers that need nothing but gradients and losses.
SHARED_OPTIMIZERS: Final = (Optimizer.GRADIENT_DESCENT, Optimizer.MOMENTUM, Optimizer.ADAM, Optimizer.LBFGS)
#: Those that are only there for gradients that are not linear in the weights.
SHARED_ALONE: Final = (Optimizer.ADAM, Optimizer.LBFGS)


@dataclass(frozen=True)
class Unfit:
    """A field of a spec that does not go with how its weights travel, and what to do about it."""

    field: str
    value: object
    message: str


def unfit_fields(spec: ModelSpec) -> list[Unfit]:
    """Return what keeps a spec from being trained with weights as it wants them to travel; nothing for a sound one."""
    training = spec.training
    if not spec.shares_weights:
        if training.optimizer not in SHARED_ALONE:
            return []
        message = (
            f'{training.optimizer} is for "weights": "shared_with_owners". With encrypted weights the gradient is '
            "linear, and conjugate_gradient or newton finds the minimum in fewer rounds: use one of them."
        )
        return [Unfit("training.optimizer", training.optimizer.value, message)]
    found = []
    if spec.kind.row_loss is None:
        message = f"{spec.model_type} is trained with encrypted weights, exactly: there is nothing to share them for."
        found.append(Unfit("training.weights", training.weights, message))
    if training.optimizer not in SHARED_OPTIMIZERS:
        message = (
            f"{training.optimizer} is for gradients that are linear in the weights, and with weights shared with "
            "owners they are not: use lbfgs, adam, momentum or gradient_descent."
        )
        found.append(Unfit("training.optimizer", training.optimizer.value, message))
    if training.reencrypt_every > 1:
        message = "Weights that owners see are not encrypted, and so never encrypted again: use 1."
        found.append(Unfit("training.reencrypt_every", training.reencrypt_every, message))
    if training.l2 == "auto":
        message = "l2 is chosen by newton's moments, which weights shared with owners do without: give a number."
        found.append(Unfit("training.l2", "auto", message))
    if training.evaluate_every:
        message = "The validation loss is asked for under encrypted weights alone: use 0."
        found.append(Unfit("training.evaluate_every", training.evaluate_every, message))
    return found


def check_fits(spec: ModelSpec) -> None:
    """Raise Problem(INVALID_SPEC), with every field of `unfit_fields` in `errors`."""
    found = unfit_fields(spec)
    if found:
        errors = [{"field": one.field, "message": one.message, "value": one.value} for one in found]
        raise Problem(Code.INVALID_SPEC, f"{found[0].field}: {found[0].message}", errors=errors)
