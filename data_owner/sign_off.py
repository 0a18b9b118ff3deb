"""Results that people of this owner sign off before the key of its own mask is told: until then nobody can open them.

Pure. What is signed is the set of all owners' answers that every owner has signed: one a job.
"""

from __future__ import annotations

from datetime import datetime

from fedtrain.data_owner import job as j
from fedtrain.data_owner.job import JobContext, JobState, Outcome
from fedtrain.protocol.evidence.sum_set import SumSet
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem


def people_missing(context: JobContext, state: JobState) -> int:
    """Return how many people have yet to sign the result; 0 once it is signed off, and where none waits."""
    signed = state.sign_off
    return 0 if signed is None else max(0, context.policy.release.people - len(signed.signed))


def waits_for_sign_off(context: JobContext, state: JobState) -> bool:
    """Say whether a result waits for this owner's people."""
    return state.phase is Phase.JOINED and people_missing(context, state) > 0


def keys_once_signed_off(context: JobContext, state: JobState, summed: SumSet) -> Outcome:
    """Tell the keys under a set that all owners have signed, once people of this owner have; until then it waits."""
    if state.sign_off is None:
        waiting = j.AwaitedSignOff(result=summed.hash, owners=len(summed.members))
        state = state.model_copy(update={"sign_off": waiting})
    told = people_missing(context, state) == 0 and state.sign_off is not None and state.sign_off.result == summed.hash
    return Outcome(state, (j.TellKeys(summed),) if told else (j.AwaitApproval(),))


def signed_off(context: JobContext, state: JobState, message: j.SignOffDecided, now: datetime) -> JobState:
    """Return the job with one more person's signature under its result. Raises Problem as `check_decision`."""
    waiting = check_decision(context, state, message)
    signatory = j.Signatory(by=message.by, token_id=message.token_id, why=message.why, at=now)
    return state.model_copy(update={"sign_off": waiting.model_copy(update={"signed": (*waiting.signed, signatory)})})


def check_decision(context: JobContext, state: JobState, message: j.SignOffDecided) -> j.AwaitedSignOff:
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
