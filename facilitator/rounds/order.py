"""Requests and answers held against the job's order, which `fedtrain.methods.schedule` gives."""

from __future__ import annotations

from fedtrain.facilitator.job_state import CurrentRound, JobContext, JobState
from fedtrain.methods import schedule_of
from fedtrain.protocol.messages.rounds import RoundAnswer, RoundRequest
from fedtrain.protocol.messages.shared_weights import check_recipients
from fedtrain.spec.problems import Code, Problem


def check_request(context: JobContext, state: JobState, request: RoundRequest) -> None:
    """Hold the Model Owner's request against the job.

    Raises Problem: MALFORMED_MESSAGE for another manifest, roster, row count or a step inside a window;
    LOG_INCONSISTENT for another log head; WRONG_STATE for a round that is not next.
    """
    if (request.manifest_hash, request.roster_hash) != (state.manifest_hash, state.roster_hash):
        raise Problem(Code.MALFORMED_MESSAGE, "The request belongs to another manifest or roster than this job's.")
    if request.log_head != state.log_head:
        raise Problem(
            Code.LOG_INCONSISTENT,
            f"The request names log head {request.log_head[:16]}…, the log's head is {state.log_head[:16]}….",
        )
    spec, current = context.manifest.spec, state.current
    schedule = schedule_of(spec)
    due = schedule.following(None) if current is None else schedule.following(current.round, current.kind)
    if (request.round, request.kind) not in [(turn.round, turn.kind) for turn in due]:
        names = " or ".join(f"round {turn.round} ({turn.kind})" for turn in due)
        raise Problem(Code.WRONG_STATE, f"The request is for round {request.round} ({request.kind}); next is {names}.")
    if request.window_step != 0:
        raise Problem(
            Code.MALFORMED_MESSAGE,
            f"The request has window_step {request.window_step}; a window of the Model Owner's starts at 0.",
        )
    check_recipients(request.sealed_weights, [owner.party for owner in state.roster])
    if state.rows_total is not None and request.rows_total != state.rows_total:
        raise Problem(
            Code.MALFORMED_MESSAGE,
            f"The request says {request.rows_total} rows in all; this job's requests said {state.rows_total}.",
        )


def check_answer(state: JobState, answer: RoundAnswer) -> CurrentRound:
    """Return the round that the answer belongs to, which is the current one.

    Raises Problem: FORBIDDEN for an owner that is not on the roster, TASK_CLOSED for a round that is over,
    MALFORMED_MESSAGE for anything else that is not the current round's.
    """
    if all(owner.party != answer.party for owner in state.roster):
        raise Problem(Code.FORBIDDEN, f"{answer.party[:16]}… is not on the roster of this job.")
    current = state.current
    if current is None:
        raise Problem(Code.MALFORMED_MESSAGE, f"The answer is to round {answer.round}; none was asked for yet.")
    asked, given = (current.round, current.kind), (answer.round, answer.kind)
    if given != asked:
        if answer.round < current.round or (answer.round == current.round and answer.kind != current.kind):
            raise Problem(
                Code.TASK_CLOSED, f"Round {answer.round} ({answer.kind}) is over; the job is at round {current.round}."
            )
        raise Problem(
            Code.MALFORMED_MESSAGE, f"The answer is to round {answer.round}; the job is at round {current.round}."
        )
    belongs = (state.manifest_hash, state.roster_hash, current.request_hash, current.log_head)
    if (answer.manifest_hash, answer.roster_hash, answer.request_hash, answer.log_head) != belongs:
        raise Problem(Code.MALFORMED_MESSAGE, "The answer belongs to another manifest, roster, request or log.")
    return current
