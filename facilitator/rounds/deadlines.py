"""Effects of time on a job: deadlines that pass, set in `facilitator.round`, and a clock that is set while they run."""

from __future__ import annotations

from datetime import datetime, timedelta

from fedtrain.facilitator.job import ClockJumped, Outcome
from fedtrain.facilitator.job_state import JobContext, JobState
from fedtrain.facilitator.rounds.ending import end_job
from fedtrain.facilitator.rounds.going_on import time_is_over
from fedtrain.facilitator.rounds.joining import close_roster
from fedtrain.protocol.states import Event as Transition
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code


def time_passed(context: JobContext, state: JobState, now: datetime) -> Outcome:
    """Close the roster where the deadline is over, or end or wait on as the spec says. Nothing otherwise."""
    if state.ended or state.deadline is None or now < state.deadline:
        return Outcome(state)
    if state.phase is Phase.JOINING:
        return close_roster(context, state, now)
    training = context.manifest.spec.training
    if training.goes_on:
        return time_is_over(context, state, now)
    if training.on_dropout == "wait" or state.current is None:
        # The deadline has done its work: `GET /models/{id}` names who is late, and the job waits.
        return Outcome(state.model_copy(update={"deadline": None}))
    late = ", ".join(owner.name for owner in state.awaited_owners)
    what = "sign the set of" if state.phase is Phase.AGREEING else "answer"
    reason = f"{late} did not {what} round {state.current.round} within {training.round_timeout_s:g} s."
    return end_job(context, state, Transition.OWNER_TIMED_OUT, now, code=Code.OWNER_TIMED_OUT.slug, reason=reason)


def clock_jumped(context: JobContext, state: JobState, message: ClockJumped, now: datetime) -> Outcome:
    """Move the deadline with a clock that was set forward, and never leave more than the whole timeout.

    Two processes that both tell of one jump do no harm: at worst the deadline is a whole timeout from now.
    """
    if state.deadline is None:
        return Outcome(state)
    training = context.manifest.spec.training
    timeout_s = training.join_timeout_s if state.phase is Phase.JOINING else training.round_timeout_s
    moved = state.deadline + timedelta(seconds=max(0.0, message.by_s))
    return Outcome(state.model_copy(update={"deadline": min(moved, now + timedelta(seconds=timeout_s))}))
