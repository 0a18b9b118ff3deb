"""Moves that several steps of a job have in common."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fedtrain.facilitator.job import CreateTask, Outcome
from fedtrain.facilitator.job_state import JobContext, JobState
from fedtrain.protocol.messages.pieces import Filed, step_pieces
from fedtrain.protocol.messages.rounds import Step
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Event, Role, advance
from fedtrain.spec.problems import Code, Problem


def moved(state: JobState, transition: Event, now: datetime, **changes: object) -> JobState:
    """Return the state in its next phase. Raises Problem(WRONG_STATE) where the table has no such line."""
    phase = advance(Role.FACILITATOR, state.phase, transition)
    return state.model_copy(update={"phase": phase, "phase_since": now, "deadline": None, **changes})


def step_task(context: JobContext, step: Step, answers: Sequence[bytes | Filed] = ()) -> CreateTask:
    """The STEP task that hands `step`, with these answers, to the job's Model Owner."""
    return CreateTask(
        key=f"step/{step.job_id}/{step.step}",
        kind=TaskKind.STEP,
        recipient=context.manifest.model_owner,
        request=step_pieces(step, answers),
    )


def given_again(state: JobState, known_hash: str, given_hash: str, what: str) -> Outcome:
    """No effect, where the very same bytes came before. Raises Problem(ANSWER_CONFLICT) for other ones."""
    if known_hash != given_hash:
        raise Problem(Code.ANSWER_CONFLICT, f"Another answer was given to {what} before, and it stands.")
    return Outcome(state)
