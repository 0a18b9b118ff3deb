"""Ends of a job at the Model Owner that are no model: failed, cancelled, ended by the Facilitator. Pure."""

from __future__ import annotations

from datetime import datetime

from fedtrain.model_owner import job as j
from fedtrain.model_owner.job import Outcome
from fedtrain.model_owner.job_state import Ending, JobState
from fedtrain.protocol.messages.rounds import (
    StepResult,
    to_cbor,
)
from fedtrain.protocol.states import Event, Phase, Role, advance
from fedtrain.spec.problems import Code, Problem

#: What no repetition mends: another party did wrong, or the job cannot go on.
FATAL = frozenset(
    {
        Code.ADDITION_NOT_PROVEN,
        Code.BAD_SIGNATURE,
        Code.DIVERGED,
        Code.DOES_NOT_FIT,
        Code.LOG_INCONSISTENT,
        Code.MALFORMED_CBOR,
        Code.MALFORMED_CIPHERTEXT,
        Code.MALFORMED_MESSAGE,
        Code.PROTOCOL_VERSION,
        Code.RESTORED_TOO_OLD,
        Code.ROSTER_INVALID,
        Code.SET_REFUSED,
        Code.SUM_OUT_OF_BOUND,
        Code.TOO_FEW_OWNERS,
        Code.UNMASKING_REFUSED,
    }
)


#: Ends that follow from decrypted numbers. An owner can multiply its answer by a power of an encrypted weight, so that
#: whether, and how, the job ends is a comparison with that weight: all of them are one to others.
ABOUT_VALUES = frozenset({Code.DIVERGED.slug, Code.SUM_OUT_OF_BOUND.slug})
TOLD = "The Model Owner could not use a sum of this job."


def code_told(code: str | None) -> str | None:
    """Return the code under which others are told of an end."""
    return Code.SUMS_UNUSABLE.slug if code in ABOUT_VALUES else code


def broken(state: JobState, message: j.Message, error: Exception, now: datetime) -> Outcome:
    """End the job whose step cannot be computed. Raises `error` again where no step would be answered by that."""
    arrived = message.turn.arrived if isinstance(message, j.PointEncrypted) else message
    if isinstance(arrived, j.RoundEvaluated):
        arrived = arrived.effect.arrived
    if isinstance(arrived, j.SumOpened):
        arrived = arrived.arrived
    if not isinstance(arrived, j.StepArrived) or state.ended or arrived.step.step != state.next_step:
        raise error
    why = f"The step's numbers cannot be computed with ({type(error).__name__}): the Model Owner's log says more."
    outcome = failed(state, arrived, Problem(Code.INTERNAL, why), now)
    return Outcome(outcome.state.changed_from(state, now), outcome.effects)


def failed(state: JobState, arrived: j.StepArrived, problem: Problem, now: datetime) -> Outcome:
    """End the job for what a step brought. Others are told no number that follows from a decrypted one."""
    outcome = over(state, Event.FAIL, problem.code, problem.detail, now)
    told = outcome.state.ending.told if outcome.state.ending is not None else None
    code = code_told(problem.code.slug)
    result = StepResult(job_id=state.job_id, step=arrived.step.step, finished="FAILED", code=code, reason=told)
    return answering(outcome.state, arrived, result, outcome.effects)


def over(state: JobState, event: Event, code: Code, reason: str, now: datetime) -> Outcome:
    """End the job by that event; what a reason tells of values stays with this party."""
    phase = advance(Role.MODEL_OWNER, state.phase, event)
    ending = Ending(at=now, code=code.slug, reason=reason, told=TOLD if code.slug in ABOUT_VALUES else reason)
    return Outcome(_with(state, phase=phase, ending=ending), (j.DestroyKey(),))


def ended(state: JobState, message: j.Ended, now: datetime) -> Outcome:
    """Take the Facilitator's word that the job is over. Raises Problem(WRONG_STATE) where it calls it finished."""
    if state.ended:
        return Outcome(state)
    end = message.end
    if end.status == "FINISHED":
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} is {state.phase} here: only its Model Owner finishes it.")
    code = Code.from_slug(end.code) if end.code else Code.CANCELLED
    event = Event.FAIL if end.status == "FAILED" else Event.CANCEL
    return over(state, event, code, end.reason or f"The Facilitator ended the job ({code.slug}).", now)


def cancelled(state: JobState, message: j.CancelAsked, now: datetime) -> Outcome:
    """Cancel the job; one that is cancelled is told of again, since a restored Facilitator may have forgotten."""
    if state.ended and state.phase is not Phase.CANCELLED:
        raise Problem(Code.JOB_OVER, f"Job {state.job_id} is {state.phase} already.")
    again = state.phase is Phase.CANCELLED
    outcome = Outcome(state) if again else over(state, Event.CANCEL, Code.CANCELLED, message.reason, now)
    if state.manifest is None:
        return outcome
    return Outcome(_with(outcome.state, cancel_told=False), (*outcome.effects, j.TellCancelled()))


def answering(state: JobState, arrived: j.StepArrived, result: StepResult, kept: tuple[j.Effect, ...]) -> Outcome:
    """Keep a step's result and hand it over."""
    body = to_cbor(result)
    after = _with(
        state,
        next_step=arrived.step.step + 1,
        bytes_sent=state.bytes_sent + len(body),
        bytes_received=state.bytes_received + arrived.size_bytes,
    )
    return Outcome(after, (*kept, j.GiveResult(arrived.step.step, body)))


def _with(state: JobState, **changes: object) -> JobState:
    return state.model_copy(update=changes)
