"""The long work of a step, for an executor: proving and decrypting a sum, encrypting the next point."""

from __future__ import annotations

from collections.abc import Sequence

from phe.paillier import PaillierPrivateKey

from fedtrain.crypto import (
    CryptoError,
    DecodedOutOfBound,
    EncryptedVector,
    Encryptor,
    Engine,
    decrypt_array,
    encrypt_array,
    key_id,
    sum_vectors,
)
from fedtrain.methods.plan import Answer, EncryptedWeights, Plan
from fedtrain.model_owner.arithmetic.arrays import Integers
from fedtrain.model_owner.job import OpenSum, OpenWindow, PointEncrypted, Replayed, Turn
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.sums import replay
from fedtrain.model_owner.sums.unmasking import unmasked, unmasking_key_of
from fedtrain.protocol.evidence.addition import check_sum
from fedtrain.protocol.evidence.verification import LogItem, LogVerifier
from fedtrain.protocol.messages.expected import planned_round
from fedtrain.protocol.messages.rounds import RoundRequest, SignedBytes, VectorMessage, from_cbor
from fedtrain.protocol.messages.shared_weights import Sealed
from fedtrain.spec.problems import Code, Problem


def open_sum(effect: OpenSum, private_key: PaillierPrivateKey, engine: Engine) -> Integers:
    """Return the decrypted sum, (rows, columns) integers, after every check; nothing is decrypted before.

    Raises Problem: ADDITION_NOT_PROVEN, LOG_INCONSISTENT, BAD_SIGNATURE, MALFORMED_CBOR, MALFORMED_MESSAGE,
    MALFORMED_CIPHERTEXT, SUM_OUT_OF_BOUND, SET_REFUSED, UNMASKING_REFUSED.
    """
    step = effect.arrived.step
    if step.sum is None:
        raise Problem(Code.ADDITION_NOT_PROVEN, "The step came without a sum.")

    def add(vectors: Sequence[EncryptedVector], modulus: int) -> EncryptedVector:
        for vector in vectors:
            _check_planned(vector, effect.expected, modulus)
        return sum_vectors(vectors, modulus, engine, effect.expected.sum_bound)

    try:
        checked = check_sum(effect.context, step.answers, step.log_entry, step.sum.ciphertexts, add)
        total = checked.total
        if effect.context.quorum is not None:
            total = unmasked(effect.context, checked, step.unmaskings or (), unmasking_key_of(private_key))
        return decrypt_array(total, private_key, engine)
    except DecodedOutOfBound as error:
        raise Problem(
            Code.SUM_OUT_OF_BOUND,
            f"The sum of round {effect.context.round} ({effect.context.kind}) is not used: {error}.",
        ) from None
    except CryptoError as error:
        raise Problem(Code.MALFORMED_CIPHERTEXT, f"An answer cannot be added: {error}.") from None


def open_window(
    effect: OpenWindow, evidence: Sequence[LogItem], private_key: PaillierPrivateKey, engine: Engine
) -> tuple[Integers, Integers | None]:
    """Return the decrypted weights at a window's end, and with momentum those before the last update.

    `evidence`: the log's entries since the window was opened. Every signature, sum and update is checked and
    recomputed first; what is decrypted is what was recomputed. Raises Problem as `open_sum`.
    """
    step = effect.arrived.step
    if len(evidence) != effect.rounds:
        raise Problem(
            Code.LOG_INCONSISTENT,
            f"The log has {len(evidence)} entries since the window began, {effect.rounds} are due.",
        )
    first, last = evidence[0], evidence[-1]
    if step.request is None or first.signed_request is None or last.signed_request is None:
        raise Problem(Code.LOG_INCONSISTENT, "The window's requests are missing from the log.")
    asked = from_cbor(first.signed_request, SignedBytes).hash
    if asked != effect.request_hash:
        raise Problem(
            Code.ADDITION_NOT_PROVEN,
            f"The window stands on request {asked[:16]}…, asked was {effect.request_hash[:16]}….",
        )
    if last.entry != step.log_entry or from_cbor(last.signed_request, SignedBytes).hash != step.request.hash:
        raise Problem(Code.LOG_INCONSISTENT, "The window's last entry is another one than the step shows.")
    verifier = LogVerifier(effect.job, engine, effect.start)
    for item in evidence:
        verifier.add(item)
    given = None if step.weights is None else step.weights.ciphertexts
    given_before = None if step.previous_weights is None else step.previous_weights.ciphertexts
    window = verifier.window
    if window is None or verifier.weights_after_window != (given, given_before):
        raise Problem(
            Code.ADDITION_NOT_PROVEN,
            "The weights are refused before decryption: the window's updates give other ciphertexts.",
        )
    try:
        weights = decrypt_array(window.weights, private_key, engine)
        return weights, None if window.previous is None else decrypt_array(window.previous, private_key, engine)
    except DecodedOutOfBound as error:
        raise Problem(
            Code.SUM_OUT_OF_BOUND, f"The weights after log entry {verifier.length - 1} are not used: {error}."
        ) from None


def opened_point(turn: Turn, replayed: Replayed, private_key: PaillierPrivateKey, engine: Engine) -> PointEncrypted:
    """Return the ciphertexts under which this party asked before, once they decrypt to the turn's point.

    Raises Problem: RESTORED_TOO_OLD where they hold another point, MALFORMED_MESSAGE, MALFORMED_CIPHERTEXT.
    """
    if replayed.request is None:
        raise replay.differs(turn.arrived.step.step, None, replayed)
    request = from_cbor(replayed.request.body, RoundRequest)
    if request.sealed_weights is not None:
        # Sealed to the owners, and to nobody else: that this party signed them is all that it can tell of them.
        return PointEncrypted(turn, None, sealed=Sealed(request.sealed_weights, request.weights_blob))
    modulus = int(private_key.public_key.n)
    pairs = ((request.weights, turn.ask.point), (request.previous_weights, turn.ask.previous))
    for message, point in pairs:
        if (message is None) != (point is None):
            raise replay.differs(turn.arrived.step.step, None, replayed)
        if message is None or point is None:
            continue
        try:
            held = decrypt_array(message.open(modulus), private_key, engine)
        except CryptoError as error:
            raise Problem(Code.MALFORMED_CIPHERTEXT, f"A request in the log cannot be opened: {error}.") from None
        if held.shape != point.shape or not (held == point).all():
            raise replay.differs(turn.arrived.step.step, None, replayed)
    if request.weights is None:
        raise replay.differs(turn.arrived.step.step, None, replayed)
    return PointEncrypted(turn, request.weights, request.previous_weights)


def _check_planned(vector: EncryptedVector, expected: Answer, modulus: int) -> None:
    given = (vector.key_id, vector.fraction_bits, vector.layout)
    planned = (key_id(modulus), expected.fraction_bits, expected.layout)
    if given != planned:
        raise Problem(Code.MALFORMED_MESSAGE, "An answer is under another key, scale or layout than the plan's.")


def planned_weights(plan: Plan, kind: str) -> EncryptedWeights:
    """Return what a request of that kind asks with. Raises Problem(WRONG_STATE) where that is not encrypted weights."""
    weights = planned_round(plan, kind).weights
    if not isinstance(weights, EncryptedWeights):
        raise Problem(Code.WRONG_STATE, f"A {kind} round of this job asks with no encrypted weights.")
    return weights


def encrypt_points(
    ask: Ask, planned: EncryptedWeights, encryptor: Encryptor, modulus: int
) -> tuple[VectorMessage | None, VectorMessage | None]:
    """Encrypt what a request asks with, and the point before it, in the plan's layout.

    Raises Problem(DIVERGED) for a weight beyond the planned bound.
    """
    shape, key = (planned.layout, planned.fraction_bits, planned.bound), key_id(modulus)

    def encrypted(point: Integers | None) -> VectorMessage | None:
        return None if point is None else VectorMessage.of(encrypt_array(point, *shape, encryptor, key), modulus)

    try:
        return encrypted(ask.point), encrypted(ask.previous)
    except CryptoError as error:
        raise Problem(Code.DIVERGED, f"The next weights cannot be encrypted: {error}.") from None
