"""Messages held against the plan: which rounds there are, and what every vector of theirs must look like."""

from __future__ import annotations

from fedtrain.crypto import CryptoError, EncryptedVector, key_id
from fedtrain.methods.plan import Answer, EncryptedWeights, NotPlanned, Plan, Round, SharedArrays
from fedtrain.protocol.messages.rounds import RoundRequest, VectorMessage
from fedtrain.protocol.messages.shared_weights import blob_bytes, sealed_bytes
from fedtrain.spec.problems import Code, Problem


def planned_round(plan: Plan, kind: str, window_step: int = 0, rows_total: int | None = None) -> Round:
    """Return the plan's round. Raises Problem(MALFORMED_MESSAGE) for a kind or step that the plan does not have."""
    try:
        return plan.round(kind, window_step, rows_total)
    except NotPlanned as error:
        raise Problem(Code.MALFORMED_MESSAGE, str(error)) from None


def open_planned(
    message: VectorMessage, planned: Answer | EncryptedWeights, modulus: int, what: str
) -> EncryptedVector:
    """Return the vector. Weights are held against their bound, answers are not: masked ones have none.

    Raises Problem: MALFORMED_MESSAGE where key, scale, layout or bound are not the plan's, MALFORMED_CIPHERTEXT
    where a ciphertext is not one under the key.
    """
    differences = [
        f"{name} is {given}, the plan says {due}"
        for name, given, due in (
            ("key id", message.key_id, key_id(modulus)),
            ("fraction_bits", message.fraction_bits, planned.fraction_bits),
            ("layout", message.layout, planned.layout.to_dict()),
        )
        if given != due
    ]
    bound = int.from_bytes(message.bound, "big")
    if isinstance(planned, EncryptedWeights) and bound > planned.bound:
        most = planned.bound.bit_length()
        differences.append(f"bound has {bound.bit_length()} bits, the plan says {most} at most")
    if differences:
        raise Problem(Code.MALFORMED_MESSAGE, f"{what}: {'; '.join(differences)}.")
    try:
        return message.open(modulus)
    except CryptoError as error:
        raise Problem(Code.MALFORMED_MESSAGE, f"{what}: {error}") from None


def check_asks(plan: Plan, request: RoundRequest) -> Round:
    """Return the request's round, once it asks with what the plan says: nothing, encrypted weights, or boxes of theirs.

    Raises Problem(MALFORMED_MESSAGE).
    """
    planned = planned_round(plan, request.kind, request.window_step)
    weights, due = planned.weights, []
    if isinstance(weights, EncryptedWeights):
        due = ["weights", "previous_weights"] if weights.with_previous else ["weights"]
    elif weights is not None:
        due = ["sealed_weights", "weights_blob"] if weights.once else ["sealed_weights"]
    names = ("weights", "previous_weights", "sealed_weights", "weights_blob")
    given = [name for name in names if getattr(request, name) is not None]
    if given != due:
        raise Problem(
            Code.MALFORMED_MESSAGE,
            f"The request: a {request.kind} round of this job carries {' and '.join(due) or 'no weights'}, and it has "
            f"{' and '.join(given) or 'none'}.",
        )
    if isinstance(weights, SharedArrays):
        due_bytes = sealed_bytes(weights)
        if any(len(box.ciphertext) != due_bytes for box in request.sealed_weights or ()):
            raise Problem(
                Code.MALFORMED_MESSAGE, f"The request: a box of sealed weights has not the {due_bytes:,} bytes due."
            )
        due_blob, blob = blob_bytes(weights), request.weights_blob
        if blob is not None and len(blob) != due_blob:
            raise Problem(
                Code.MALFORMED_MESSAGE, f"The request: weights_blob has {len(blob):,} bytes, {due_blob:,} are due."
            )
    return planned


def check_request_vectors(plan: Plan, modulus: int, request: RoundRequest) -> None:
    """Check all that the Model Owner asks with. Raises Problem as `check_asks` and `open_planned`."""
    weights = check_asks(plan, request).weights
    if not isinstance(weights, EncryptedWeights):
        return
    for name, message in (("weights", request.weights), ("previous_weights", request.previous_weights)):
        if message is not None:
            open_planned(message, weights, modulus, f"The request's {name}")
