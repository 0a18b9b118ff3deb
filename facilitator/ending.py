"""How a job ends at the Facilitator, whichever way: tasks closed, owners told, the reason kept."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, cast

from facilitator.job import CloseTasks, CreateTask, Effect, Ending, JobContext, JobState, Outcome
from protocol.documents import JobEnd
from protocol.states import Event, Phase, Role, advance
from protocol.tasks import JSON_TYPE, TaskKind

_WORK = frozenset({TaskKind.JOIN, TaskKind.COMPUTE, TaskKind.STEP})


def end_job(
    context: JobContext,
    state: JobState,
    transition: Event,
    now: datetime,
    *,
    code: str | None = None,
    reason: str | None = None,
) -> Outcome:
    """Return the ended job. Owners that accepted are told, so that they destroy their mask keys.

    The Model Owner is told where it does not know: when neither its own result nor its cancelling ended the job.
    Raises Problem(WRONG_STATE) where the table has no such end.
    """
    phase = advance(Role.FACILITATOR, state.phase, transition)
    told = [owner.party for owner in state.accepted] + [owner.party for owner in state.roster]
    if phase is Phase.FAILED and state.phase is not Phase.WAITING_FOR_MODEL_OWNER:
        told.append(context.manifest.model_owner)
    status = cast(Literal["FINISHED", "FAILED", "CANCELLED"], phase.value)
    request = JobEnd(job_id=state.job_id, status=status, code=code, reason=reason).model_dump_json().encode()
    effects: list[Effect] = [CloseTasks(_WORK)]
    effects += [
        CreateTask(f"end/{state.job_id}/{party}", TaskKind.END, party, request, content_type=JSON_TYPE)
        for party in told
    ]
    after = state.model_copy(
        update={
            "phase": phase,
            "phase_since": now,
            "deadline": None,
            "accepted": (),
            "ending": Ending(at=now, code=code, reason=reason),
            **took_seconds(state, now),
        }
    )
    return Outcome(after, tuple(effects))


def took_seconds(state: JobState, now: datetime) -> dict[str, object]:
    """The changes that count the round which is over now, for the mean time of a round."""
    if state.current is None:
        return {}
    seconds = max(0.0, (now - state.current.started_at).total_seconds())
    return {"rounds_done": state.rounds_done + 1, "round_seconds": state.round_seconds + seconds}
