"""Ends of a job at the Facilitator, whichever way: tasks closed, owners told, the reason kept."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, cast

from fedtrain.facilitator.job import CloseTasks, CreateTask, Effect, Outcome, OwnerLeft
from fedtrain.facilitator.job_state import Ending, Invited, JobContext, JobState
from fedtrain.protocol.documents.signed import JobEnd
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskKind
from fedtrain.protocol.states import Event, Phase, Role, advance
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.shown_text import shown

_WORK = frozenset({TaskKind.JOIN, TaskKind.COMPUTE, TaskKind.SIGN_SET, TaskKind.UNMASK, TaskKind.STEP})


def end_job(
    context: JobContext,
    state: JobState,
    transition: Event,
    now: datetime,
    *,
    code: str | None = None,
    reason: str | None = None,
) -> Outcome:
    """Return the ended job. Owners on the roster are told, so that they destroy their mask keys; while there is none,
    all that were asked and did not decline, since an acceptance may be on its way.

    The Model Owner is told where it does not know: when neither its own result nor its cancelling ended the job.
    Raises Problem(WRONG_STATE) where the table has no such end.
    """
    phase = advance(Role.FACILITATOR, state.phase, transition)
    told = [owner.party for owner in state.roster] or [owner.party for owner in not_declined(state)]
    if phase is Phase.FAILED and state.phase is not Phase.WAITING_FOR_MODEL_OWNER:
        told.append(context.manifest.model_owner)
    status = cast(Literal["FINISHED", "FAILED", "CANCELLED"], phase.value)
    # Owners sign it with what they decide about the model.
    head = state.log_head if phase is Phase.FINISHED and context.manifest.spec.awaits_release else None
    end = JobEnd(job_id=state.job_id, status=status, code=code, reason=reason, log_head=head)
    request = end.model_dump_json().encode()
    effects: list[Effect] = [CloseTasks(_WORK)]
    effects += [end_task(state.job_id, party, request) for party in told]
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


def end_task(job_id: str, party: str, request: bytes) -> CreateTask:
    """The END task that tells a party that the job is over for it; `request`: a JobEnd."""
    return CreateTask(f"end/{job_id}/{party}", TaskKind.END, party, request, content_type=JSON_TYPE)


def not_declined(state: JobState) -> tuple[Invited, ...]:
    """Owners that were asked to join and have accepted or not answered yet."""
    declined = {owner.party for owner in state.declined}
    return tuple(owner for owner in state.invited if owner.party not in declined)


def check_leaver(state: JobState, message: OwnerLeft) -> None:
    """Check that an owner that says it leaves is in the job.

    Raises Problem: FORBIDDEN for an owner that is not on the roster, MALFORMED_MESSAGE for another manifest,
    TASK_CLOSED where the job has ended.
    """
    said = message.statement
    if all(owner.party != said.party for owner in state.roster):
        raise Problem(Code.FORBIDDEN, f"{said.party[:16]}… is not on the roster of this job.")
    if said.manifest_hash != state.manifest_hash:
        raise Problem(
            Code.MALFORMED_MESSAGE,
            f"The withdrawal is from manifest {said.manifest_hash[:16]}…, this job's is {state.manifest_hash[:16]}….",
        )
    if state.ended:
        raise Problem(Code.TASK_CLOSED, f"The job is {state.phase}.")


def owner_left(context: JobContext, state: JobState, message: OwnerLeft, now: datetime) -> Outcome:
    """Fail the job whose owner answers no more: without it the others' masks do not cancel.

    People of an owner that do not sign the result off are told of with their reason.
    """
    said = message.statement
    if said.code == Code.SIGN_OFF_REFUSED.slug and said.reason is not None:
        reason = f"{said.name} did not sign the result off: {shown(said.reason)}"
        return end_job(context, state, Event.FAIL, now, code=Code.SIGN_OFF_REFUSED.slug, reason=reason)
    reason = f"{said.name} left the job ({said.code})."
    return end_job(context, state, Event.FAIL, now, code=Code.OWNER_LEFT.slug, reason=reason)


def took_seconds(state: JobState, now: datetime) -> dict[str, object]:
    """The changes that count the round which is over now, for the mean time of a round."""
    if state.current is None:
        return {}
    seconds = max(0.0, (now - state.current.started_at).total_seconds())
    return {"rounds_done": state.rounds_done + 1, "round_seconds": state.round_seconds + seconds}
