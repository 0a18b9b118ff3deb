"""Messages that other parties send, opened and verified: bytes in, a message for `fedtrain.facilitator.round` out.

Pure, and heavy where ciphertexts are checked one by one: the service runs these in its executor, so arguments and
results can be pickled.
"""

from __future__ import annotations

from fedtrain.facilitator.job import JoinAnswered, OwnerLeft, RoundAnswered, SetSigned, Unmasked
from fedtrain.facilitator.job_state import JobState
from fedtrain.facilitator.rounds.going_on import sum_set_of
from fedtrain.facilitator.rounds.order import check_answer
from fedtrain.methods.plan import Plan
from fedtrain.protocol.documents.identity import sha256_hex, verify
from fedtrain.protocol.documents.signed import (
    Acceptance,
    Decline,
    JoinAnswer,
    Manifest,
    Registration,
    SignedDocument,
    Withdrawal,
    open_document,
    parse_json,
)
from fedtrain.protocol.evidence.sum_set import SET_TAG, SetSignature, SumSet, Unmasking
from fedtrain.protocol.messages.expected import check_request_vectors, open_planned, planned_round
from fedtrain.protocol.messages.rounds import REQUEST_TAG, RoundAnswer, RoundRequest, StepResult, from_cbor
from fedtrain.spec.problems import Code, Problem


def open_registration(body: bytes, party: str) -> tuple[SignedDocument, Registration]:
    """Return a Data Owner's registration. Raises Problem: MALFORMED_MESSAGE, BAD_SIGNATURE, PROTOCOL_VERSION."""
    signed = parse_json(body, SignedDocument)
    registration = open_document(signed, Registration, signer=party)
    if registration.party != party:
        raise Problem(
            Code.MALFORMED_MESSAGE, f"The registration is of {registration.party[:16]}…, not of {party[:16]}…."
        )
    return signed, registration


def open_manifest(body: bytes, job_id: str, caller: str) -> tuple[SignedDocument, Manifest]:
    """Return a job's manifest, signed by its Model Owner, who is the caller.

    Raises Problem: MALFORMED_MESSAGE (another id, Model Owner or form), BAD_SIGNATURE, PROTOCOL_VERSION.
    """
    signed = parse_json(body, SignedDocument)
    manifest = open_document(signed, Manifest, signer=caller)
    if manifest.model_owner != caller:
        raise Problem(
            Code.MALFORMED_MESSAGE,
            f"The manifest names the Model Owner {manifest.model_owner[:16]}…; {caller[:16]}… sent it.",
        )
    if manifest.job_id != job_id:
        raise Problem(Code.MALFORMED_MESSAGE, f"The manifest is of job {manifest.job_id}, the address of {job_id}.")
    return signed, manifest


def read_join_answer(body: bytes, party: str) -> JoinAnswered:
    """Return an owner's answer to its JOIN task. Raises Problem: MALFORMED_MESSAGE, BAD_SIGNATURE."""
    answer = parse_json(body, JoinAnswer)
    statement: Acceptance | Decline
    if answer.answer == "accept":
        statement = open_document(answer.signed, Acceptance, signer=party)
    else:
        statement = open_document(answer.signed, Decline, signer=party)
    if statement.party != party:
        raise Problem(Code.MALFORMED_MESSAGE, f"The answer is of {statement.party[:16]}…; {party[:16]}… sent it.")
    return JoinAnswered(answer_hash=sha256_hex(body), signed=answer.signed, statement=statement)


def read_step_result(body: bytes, manifest: Manifest, plan: Plan) -> tuple[StepResult, RoundRequest | None]:
    """Return the Model Owner's result and the request in it, its signature and ciphertexts verified.

    Raises Problem: MALFORMED_CBOR, MALFORMED_MESSAGE, BAD_SIGNATURE, MALFORMED_CIPHERTEXT.
    """
    result = from_cbor(body, StepResult)
    if result.request is None:
        return result, None
    request = from_cbor(result.request.open(REQUEST_TAG, manifest.model_owner), RoundRequest)
    check_request_vectors(plan, int(manifest.modulus, 16), request)
    return result, request


def read_withdrawal(body: bytes, party: str) -> OwnerLeft:
    """Return an owner's word that it leaves. Raises Problem: MALFORMED_MESSAGE, BAD_SIGNATURE, FORBIDDEN."""
    statement = open_document(parse_json(body, SignedDocument), Withdrawal, signer=party)
    if statement.party != party:
        raise Problem(Code.FORBIDDEN, f"The withdrawal is of {statement.party[:16]}…; {party[:16]}… sent it.")
    return OwnerLeft(statement)


def read_set_signature(body: bytes, party: str, state: JobState) -> SetSigned:
    """Return a member's signature on the current round's set, verified.

    Raises Problem: MALFORMED_CBOR, MALFORMED_MESSAGE, FORBIDDEN, TASK_CLOSED, BAD_SIGNATURE.
    """
    signed = from_cbor(body, SetSignature)
    if signed.party != party:
        raise Problem(Code.FORBIDDEN, f"The signature is of {signed.party[:16]}…; {party[:16]}… sent it.")
    summed = _current_set(state)
    if signed.set_hash != summed.hash:
        raise Problem(Code.MALFORMED_MESSAGE, f"The signature is on another set than round {summed.round}'s.")
    verify(party, SET_TAG, summed.statement(), signed.signature)
    return SetSigned(signed)


def read_unmasking(body: bytes, party: str, state: JobState) -> Unmasked:
    """Return a member's keys for the Model Owner, its signature verified. Raises Problem as `read_set_signature`."""
    unmasking = from_cbor(body, Unmasking)
    if unmasking.party != party:
        raise Problem(Code.FORBIDDEN, f"The keys are of {unmasking.party[:16]}…; {party[:16]}… sent them.")
    unmasking.check(_current_set(state), party)
    return Unmasked(sha256_hex(body), unmasking)


def _current_set(state: JobState) -> SumSet:
    if state.current is None or not state.current.members:
        raise Problem(Code.TASK_CLOSED, f"No set is to be signed now; the job is {state.phase}.")
    return sum_set_of(state)


def read_round_answer(body: bytes, party: str, state: JobState, modulus: int, plan: Plan) -> RoundAnswered:
    """Return an owner's answer to the current round, its signature and ciphertexts verified.

    Raises Problem: MALFORMED_CBOR, MALFORMED_MESSAGE, FORBIDDEN, TASK_CLOSED, BAD_SIGNATURE, MALFORMED_CIPHERTEXT.
    """
    answer = from_cbor(body, RoundAnswer)
    if answer.party != party:
        raise Problem(Code.FORBIDDEN, f"The answer is of {answer.party[:16]}…; {party[:16]}… sent it.")
    current = check_answer(state, answer)
    answer.check_signature()
    open_planned(answer.vector, planned_round(plan, current.kind, current.window_step).answer, modulus, "The answer")
    return RoundAnswered(answer_hash=sha256_hex(body), answer=answer)
