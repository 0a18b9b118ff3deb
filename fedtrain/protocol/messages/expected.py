"""What the plan says every vector of a job must look like."""

from __future__ import annotations

from dataclasses import dataclass

from fedtrain.crypto import CryptoError, EncryptedVector, SlotLayout, key_id
from fedtrain.planning.budget import Budget
from fedtrain.protocol.messages.rounds import RoundKind, RoundRequest, VectorMessage
from fedtrain.protocol.messages.shared_weights import check_boxes
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True)
class ExpectedVector:
    """Layout and scale of one vector. `largest_bound`: the largest magnitude it may claim, where that says anything.

    An owner's answer is masked, so that only the sum has a bound: its `largest_bound` is None.
    """

    layout: SlotLayout
    fraction_bits: int
    largest_bound: int | None

    def open(self, message: VectorMessage, modulus: int, what: str) -> EncryptedVector:
        """Return the vector.

        Raises Problem: MALFORMED_MESSAGE where key, scale, layout or bound are not the plan's, MALFORMED_CIPHERTEXT
        where a ciphertext is not one under the key.
        """
        own = key_id(modulus)
        differences = [
            f"{name} is {given}, the plan says {planned}"
            for name, given, planned in (
                ("key id", message.key_id, own),
                ("fraction_bits", message.fraction_bits, self.fraction_bits),
                ("layout", message.layout, self.layout.to_dict()),
            )
            if given != planned
        ]
        bound_bits = int.from_bytes(message.bound, "big").bit_length()
        if self.largest_bound is not None and int.from_bytes(message.bound, "big") > self.largest_bound:
            differences.append(f"bound has {bound_bits} bits, the plan says {self.largest_bound.bit_length()} at most")
        if differences:
            raise Problem(Code.MALFORMED_MESSAGE, f"{what}: {'; '.join(differences)}.")
        try:
            return message.open(modulus)
        except CryptoError as error:
            raise Problem(Code.MALFORMED_MESSAGE, f"{what}: {error}") from None


def expected_answer(budget: Budget, kind: RoundKind, window_step: int) -> ExpectedVector:
    """What an owner answers to a round. Raises Problem(MALFORMED_MESSAGE) for a kind that the plan does not have."""
    if kind is RoundKind.COUNTS:
        return ExpectedVector(budget.counts_layout, budget.counts_fraction_bits, None)
    if kind is RoundKind.GRADIENT and window_step < len(budget.steps):
        return ExpectedVector(budget.answer_layout, budget.steps[window_step].answer_fraction_bits, None)
    if kind is RoundKind.VALIDATION_LOSS and budget.validation is not None:
        return ExpectedVector(budget.validation.answer_layout, budget.validation.answer_fraction_bits, None)
    if kind is RoundKind.MOMENTS and budget.newton is not None:
        return ExpectedVector(budget.newton.layout, budget.newton.fraction_bits, None)
    raise _not_planned(kind, window_step)


def expected_weights(budget: Budget, kind: RoundKind, window_step: int) -> ExpectedVector:
    """What a request asks with. Raises Problem as `expected_answer`, also for a kind that asks with nothing."""
    if kind is RoundKind.GRADIENT and window_step < len(budget.steps) and not budget.shares_weights:
        step = budget.steps[window_step]
        return ExpectedVector(budget.weights_layout, step.weight_fraction_bits, step.weight_bound)
    if kind is RoundKind.VALIDATION_LOSS and budget.validation is not None:
        validation = budget.validation
        return ExpectedVector(validation.weights_layout, validation.weight_fraction_bits, validation.weight_bound)
    raise _not_planned(kind, window_step)


def sum_bound(budget: Budget, kind: RoundKind, window_step: int) -> int:
    """The largest magnitude of any entry of all owners' sum. Raises Problem as `expected_answer`."""
    if kind is RoundKind.COUNTS:
        return budget.counts_sum_bound
    if kind is RoundKind.GRADIENT and window_step < len(budget.steps):
        return budget.steps[window_step].sum_bound
    if kind is RoundKind.VALIDATION_LOSS and budget.validation is not None:
        return budget.validation.sum_bound
    if kind is RoundKind.MOMENTS and budget.newton is not None:
        return budget.newton.sum_bound
    raise _not_planned(kind, window_step)


def check_request_vectors(budget: Budget, modulus: int, request: RoundRequest) -> None:
    """Check the weights that the Model Owner asks with, or their boxes. Raises Problem as `ExpectedVector.open`."""
    expected_answer(budget, request.kind, request.window_step)
    if request.kind is RoundKind.GRADIENT:
        check_boxes(request.sealed_weights, budget)
    with_momentum = budget.inputs.reencrypt_every > 1 and budget.inputs.heavy_ball > 0
    if with_momentum != (request.previous_weights is not None) and request.kind is RoundKind.GRADIENT:
        takes = "needs" if with_momentum else "takes no"
        raise Problem(Code.MALFORMED_MESSAGE, f"The request: a round of this job {takes} previous_weights.")
    if request.weights is None:
        return
    weights = expected_weights(budget, request.kind, 0)
    weights.open(request.weights, modulus, "The request's weights")
    if request.previous_weights is not None:
        weights.open(request.previous_weights, modulus, "The request's previous_weights")


def _not_planned(kind: RoundKind, window_step: int) -> Problem:
    return Problem(Code.MALFORMED_MESSAGE, f"This job's plan has no {kind} round at step {window_step} of a window.")
