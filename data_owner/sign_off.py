"""Results that people of this owner sign off before the key of its own mask is told: until then nobody can open them.

Pure. What is signed is the set of all owners' answers that every owner has signed: one a job. Where the job opens sums
on the way, people decide once it has finished, and a signed statement says so to the Model Owner, on whose word it then
rests that others get the model.
"""

from __future__ import annotations

from datetime import datetime

from fedtrain.data_owner import job as j
from fedtrain.data_owner.job import Outcome
from fedtrain.data_owner.job_state import AwaitedSignOff, JobContext, JobState, Refusal, Signatory
from fedtrain.protocol.documents.release import ReleaseStatement
from fedtrain.protocol.evidence.sum_set import SumSet
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem


def people_missing(context: JobContext, state: JobState) -> int:
    """Return how many people have yet to sign the result; 0 once it is signed off, and where none waits."""
    signed = state.sign_off
    return 0 if signed is None else max(0, context.policy.release.people - len(signed.signed))


def waits_for_sign_off(context: JobContext, state: JobState) -> bool:
    """Say whether a result waits for this owner's people."""
    if state.phase is Phase.FINISHED and state.sign_off is not None:
        if state.sign_off.refused is not None or not context.manifest(state).spec.awaits_release:
            return False
    elif state.phase is not Phase.JOINED:
        return False
    return people_missing(context, state) > 0


def keys_once_signed_off(context: JobContext, state: JobState, summed: SumSet) -> Outcome:
    """Tell the keys under a set that all owners have signed, once people of this owner have; until then it waits."""
    if state.sign_off is None:
        waiting = AwaitedSignOff(result=summed.hash, owners=len(summed.members))
        state = state.model_copy(update={"sign_off": waiting})
    told = people_missing(context, state) == 0 and state.sign_off is not None and state.sign_off.result == summed.hash
    return Outcome(state, (j.TellKeys(summed),) if told else (j.AwaitApproval(),))


def awaiting_release(context: JobContext, state: JobState) -> JobState:
    """Return a job that has just finished, its model waiting for this owner's people where others are to get it."""
    head = None if state.ending is None else state.ending.log_head
    if head is None or state.roster is None or not context.manifest(state).spec.awaits_release:
        return state
    waiting = AwaitedSignOff(result=head, owners=len(context.roster(state, state.roster).parties))
    return state.model_copy(update={"sign_off": waiting})


def release_refused(context: JobContext, state: JobState, message: j.SignOffDecided, now: datetime) -> JobState:
    """Return the finished job whose model others are not to get. Raises Problem as `check_decision`."""
    waiting = check_decision(context, state, message)
    who = _signatory(message, now)
    refusal = Refusal(code=Code.SIGN_OFF_REFUSED.slug, detail=message.why or "no reason given")
    return state.model_copy(update={"sign_off": waiting.model_copy(update={"refused": who}), "refusal": refusal})


def release_statement(context: JobContext, state: JobState) -> ReleaseStatement:
    """Return what this owner's people decided about a finished model, to be signed. Raises Problem(WRONG_STATE)."""
    manifest, decided = context.manifest(state), state.sign_off
    if not manifest.spec.awaits_release:
        raise Problem(
            Code.WRONG_STATE,
            f"Job {state.job_id} hands in no statement: what its people decide about, the parties' services tell.",
        )
    if decided is None or state.roster is None or waits_for_sign_off(context, state):
        raise Problem(Code.WRONG_STATE, f"People of this owner have not decided about job {state.job_id} yet.")
    people = decided.signed if decided.refused is None else (decided.refused,)
    return ReleaseStatement(
        protocol=manifest.protocol,
        job_id=state.job_id,
        manifest_hash=state.manifest_hash,
        roster_hash=state.roster.hash,
        log_head=decided.result,
        party=context.party_id,
        decision="released" if decided.refused is None else "refused",
        people=tuple(one.by or (f"token {one.token_id}" if one.token_id else "a person") for one in people),
        why=None if decided.refused is None else decided.refused.why or "no reason given",
    )


def _signatory(message: j.SignOffDecided, now: datetime) -> Signatory:
    return Signatory(by=message.by, signed_in=message.signed_in, token_id=message.token_id, why=message.why, at=now)


def signed_off(context: JobContext, state: JobState, message: j.SignOffDecided, now: datetime) -> JobState:
    """Return the job with one more person's signature under its result. Raises Problem as `check_decision`."""
    waiting = check_decision(context, state, message)
    signatory = _signatory(message, now)
    return state.model_copy(update={"sign_off": waiting.model_copy(update={"signed": (*waiting.signed, signatory)})})


def check_decision(context: JobContext, state: JobState, message: j.SignOffDecided) -> AwaitedSignOff:
    """Return the result that waits, where this person may decide about it.

    Raises Problem: WRONG_STATE where none waits; SIGN_OFF_INVALID for another result, for a person who has signed it
    before, and for one without a name where the policy wants several.
    """
    waiting = state.sign_off
    if waiting is None or not waits_for_sign_off(context, state):
        signed = "is signed off here already" if waiting is not None and waiting.signed else "waits for no sign-off"
        raise Problem(
            Code.WRONG_STATE, f"Job {state.job_id} is {state.phase} and {signed}: there is nothing to decide."
        )
    if message.result is not None and message.result != waiting.result:
        raise _invalid(f"it is under result {message.result[:16]}…, and {waiting.result[:16]}… of this job waits")
    people = context.policy.release.people
    if people > 1 and message.by is None and message.token_id is None:
        raise _invalid(f"the policy wants {people} people, so that each has to give a name, as --by NAME")
    for earlier in waiting.signed:
        if message.by is not None and earlier.by is not None and message.by.casefold() == earlier.by.casefold():
            raise _invalid(f"{message.by} has signed it before, and the policy wants {people} people")
        if message.token_id is not None and message.token_id == earlier.token_id:
            raise _invalid(
                f"token {message.token_id} has signed it before, as {earlier.by or 'the same person'}: each of the "
                f"{people} people that the policy wants needs a token of their own"
            )
    return waiting


def _invalid(why: str) -> Problem:
    return Problem(Code.SIGN_OFF_INVALID, f"The signature under the result is refused: {why}.")
