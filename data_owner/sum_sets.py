"""Sets of owners whose answers are summed, at an owner: signed once a round, and keys told under a set that all signed.

Pure. Whatever the Facilitator shows, no two sets of one round are signed, and no key is told under another set than the
one that was, or before every owner in it has signed it.
"""

from __future__ import annotations

from fedtrain.data_owner import job as j
from fedtrain.data_owner.job import Outcome
from fedtrain.data_owner.job_state import JobContext, JobState, SignedSet
from fedtrain.data_owner.sign_off import keys_once_signed_off
from fedtrain.protocol.documents.quorum import least_in_set
from fedtrain.protocol.evidence.sum_set import SumSet, check_fully_signed, check_members
from fedtrain.spec.problems import Code, Problem


def set_asked(context: JobContext, state: JobState, message: j.SetAsked) -> Outcome:
    """Sign the set of the latest answer's round, if it is as it must be; the same one again gets the same signature.

    Raises Problem(SET_REFUSED): another round, request, log or answer than this owner's latest, this owner left out,
    fewer owners than the quorum, or another set than the one it signed in this round.
    """
    summed = message.request.sum_set
    _check_job(context, state, message.request.job_id, summed)
    last, roster = state.last, context.roster(state, state.roster).parties if state.roster else ()
    if last is None or _asked_of(summed) != (last.round, last.kind, last.request_hash, last.log_head):
        raise _refused(f"it is not of the round, request and log that this owner answered last: round {summed.round}")
    own = next((member for member in summed.members if member.party == context.party_id), None)
    if own is None:
        raise _refused(f"this owner is not in the set of round {summed.round} that it is to sign")
    if own.answer_hash != last.answer_hash:
        raise _refused(f"it names another answer of this owner to round {summed.round} than it gave")
    check_members(summed, roster, least_in_set(context.manifest(state).spec, len(roster)) or len(roster))
    signed = state.signed_set
    if signed is not None and signed.round >= summed.round and signed.set_hash != summed.hash:
        raise _refused(f"another set was signed in round {signed.round} before, and an owner signs one a round")
    after = state.model_copy(update={"signed_set": SignedSet(round=summed.round, set_hash=summed.hash)})
    return Outcome(after, (j.SignSet(summed),))


def keys_asked(context: JobContext, state: JobState, message: j.KeysAsked) -> Outcome:
    """Tell the keys of the set that was signed, once all of it have signed it.

    Where the result is signed off by people, not before they have. Raises Problem: SET_REFUSED for a set that this
    owner did not sign, or not the latest, or with a signature missing; BAD_SIGNATURE.
    """
    summed, last = message.request.sum_set, state.last
    _check_job(context, state, message.request.job_id, summed)
    if state.signed_set != SignedSet(round=summed.round, set_hash=summed.hash):
        raise _refused(f"this owner did not sign it, or has signed a later one: round {summed.round}")
    if last is None or last.round != summed.round:
        raise _refused(f"this owner has gone on to another round than {summed.round}")
    check_fully_signed(summed, message.request.signatures)
    if context.manifest(state).spec.signs_off:
        return keys_once_signed_off(context, state, summed)
    return Outcome(state, (j.TellKeys(summed),))


def _check_job(context: JobContext, state: JobState, job_id: str, summed: SumSet) -> None:
    if not context.manifest(state).spec.self_masked:
        raise _refused("nobody signs one in this job: its rounds do not go on without an owner, and no one signs off")
    if state.roster is None or job_id != state.job_id:
        raise _refused(f"it is of another job than {state.job_id}")
    if (summed.manifest_hash, summed.roster_hash) != (state.manifest_hash, state.roster.hash):
        raise _refused("it is of another manifest or roster than this job's")


def _asked_of(summed: SumSet) -> tuple[int, str, str, str]:
    return summed.round, summed.kind, summed.request_hash, summed.log_head


def _refused(why: str) -> Problem:
    return Problem(Code.SET_REFUSED, f"The set of owners whose answers are to be summed is refused: {why}.")
