"""The Facilitator's side of a job as a pure function: (context, state, message, now) → (state, effects).

No I/O and no clock. Phases change by the table in `protocol.states` alone. A message that does not belong raises a
`Problem` and changes nothing; one that came before with the same bytes has no effect.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fedtrain.crypto.masks import ROUND_KEY_BYTES
from fedtrain.facilitator.job import (
    Add,
    AddingFailed,
    AppendLog,
    CancelRequested,
    ClockJumped,
    CloseTasks,
    CreateTask,
    DropEvidence,
    Effect,
    JoinAnswered,
    KeepBlob,
    Message,
    Outcome,
    OwnerLeft,
    OwnerOffers,
    RoundAnswered,
    SetSigned,
    StepAnswered,
    SumReady,
    TimePassed,
    Unmasked,
)
from fedtrain.facilitator.job_state import Answer, CurrentRound, JobContext, JobState
from fedtrain.facilitator.rounds.deadlines import clock_jumped, time_passed
from fedtrain.facilitator.rounds.ending import check_leaver, end_job, owner_left, took_seconds
from fedtrain.facilitator.rounds.going_on import answered, gone_for_good, set_signed, unmasked
from fedtrain.facilitator.rounds.joining import invite, join
from fedtrain.facilitator.rounds.moves import given_again, moved, step_task
from fedtrain.facilitator.rounds.order import check_answer, check_request
from fedtrain.planning.plans import rounds_of
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.pieces import hash_of
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    AnswerRecord,
    Compute,
    LogEntry,
    RoundRequest,
    SignedBytes,
    Step,
    to_cbor,
)
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Event as Transition
from fedtrain.protocol.states import Phase, Role, advance
from fedtrain.spec.problems import Code, Problem


def open_job(context: JobContext, now: datetime) -> JobState:
    """Return a job whose manifest has just been posted. Owners are invited by `OwnerOffers`."""
    return JobState(
        job_id=context.manifest.job_id,
        manifest_hash=context.manifest_hash,
        phase=Phase.JOINING,
        phase_since=now,
        created_at=now,
        deadline=now + timedelta(seconds=context.manifest.spec.training.join_timeout_s),
    )


def step(context: JobContext, state: JobState, message: Message, now: datetime) -> Outcome:
    """Return the state after `message` and what to do about it. Raises Problem where the message does not belong."""
    match message:
        case OwnerOffers():
            return invite(context, state, message, now)
        case JoinAnswered():
            return join(context, state, message, now)
        case StepAnswered():
            return _step_answered(context, state, message, now)
        case RoundAnswered():
            return _answer(context, state, message, now)
        case SetSigned():
            return set_signed(context, state, message, now)
        case Unmasked():
            return unmasked(state, message, now)
        case OwnerLeft():
            check_leaver(state, message)
            leave = gone_for_good if context.manifest.spec.training.goes_on else owner_left
            return leave(context, state, message, now)
        case SumReady():
            return _sum(context, state, message, now)
        case TimePassed():
            return time_passed(context, state, now)
        case ClockJumped():
            return clock_jumped(context, state, message, now)
        case CancelRequested():
            return _cancel(context, state, message, now)
        case AddingFailed():
            return end_job(context, state, Transition.FAIL, now, code=message.code.slug, reason=message.reason)


# The Model Owner's moves


def _step_answered(context: JobContext, state: JobState, message: StepAnswered, now: datetime) -> Outcome:
    result = message.result
    if result.job_id != state.job_id or result.step >= state.step:
        raise Problem(
            Code.MALFORMED_MESSAGE,
            f"The result is of step {result.step} of job {result.job_id}; "
            f"job {state.job_id} has reached step {state.step - 1}.",
        )
    if result.step < state.step - 1:
        raise Problem(Code.TASK_CLOSED, f"Step {result.step} is over; the job has reached step {state.step - 1}.")
    if state.step_result_hash is not None:
        return given_again(state, state.step_result_hash, message.answer_hash, f"step {result.step}")
    if state.ended:
        raise Problem(Code.TASK_CLOSED, f"The job is {state.phase}.")
    answered = state.model_copy(update={"step_result_hash": message.answer_hash})
    if result.finished == "FINISHED":
        return end_job(context, answered, Transition.FINISH, now)
    if result.finished == "FAILED" or result.request is None or message.request is None:
        code = result.code or Code.INTERNAL.slug
        return end_job(context, answered, Transition.FAIL, now, code=code[:64], reason=(result.reason or code)[:2000])
    check_request(context, state, message.request)
    return _ask_owners(
        context, answered, result.request, message.request, message.previous_entry, Transition.REQUEST_POSTED, now
    )


def _ask_owners(
    context: JobContext,
    state: JobState,
    signed: SignedBytes,
    request: RoundRequest,
    previous_entry: bytes,
    transition: Transition,
    now: datetime,
) -> Outcome:
    if sha256_hex(previous_entry) != state.log_head:
        raise ValueError(f"the entry handed in is {sha256_hex(previous_entry)}, the log's head {state.log_head}")
    evidence = to_cbor(signed)
    compute = to_cbor(Compute(job_id=state.job_id, request=signed, previous_entry=previous_entry))
    tasks = tuple(
        CreateTask(
            key=f"compute/{state.job_id}/{request.round}/{request.kind}/{owner.party}",
            kind=TaskKind.COMPUTE,
            recipient=owner.party,
            request=compute,
        )
        for owner in state.roster
        if owner.party not in state.left
    )
    after = moved(
        state,
        transition,
        now,
        deadline=now + timedelta(seconds=context.manifest.spec.training.round_timeout_s),
        rows_total=state.rows_total or request.rows_total,
        current=CurrentRound(
            round=request.round,
            kind=request.kind,
            request_hash=signed.hash,
            signed_request_hash=sha256_hex(evidence),
            log_head=request.log_head,
            window_step=request.window_step,
            started_at=now,
        ),
        last_answer_s=state.last_answers_s,
        **took_seconds(state, now),
    )
    return Outcome(after, (KeepBlob(signed.body), KeepBlob(evidence), *tasks))


# The owners' answers


def _answer(context: JobContext, state: JobState, message: RoundAnswered, now: datetime) -> Outcome:
    answer = message.answer
    current = check_answer(state, answer)
    known = current.answers.get(answer.party)
    if known is not None:
        return given_again(state, known.answer_hash, message.answer_hash, f"round {answer.round} ({answer.kind})")
    if state.ended or state.phase in (Phase.AGREEING, Phase.UNMASKING):
        raise Problem(Code.TASK_CLOSED, f"The job is {state.phase}.")
    self_masked = context.manifest.spec.self_masked
    committed = None if answer.commitments is None else len(answer.commitments.pair_keys)
    if committed != (ROUND_KEY_BYTES * (len(state.roster) - 1) if self_masked else None):
        raise Problem(Code.MALFORMED_MESSAGE, "The answer commits to no keys, or to other ones than this job's are.")
    kept = Answer(
        answer_hash=message.answer_hash,
        ciphertexts_hash=answer.vector.ciphertexts_hash,
        signature=answer.signature.hex(),
        after_s=max(0.0, (now - current.started_at).total_seconds()),
    )
    changes: dict[str, object] = {"answers": {**current.answers, answer.party: kept}}
    if answer.commitments is not None:
        changes["commitments"] = {**current.commitments, answer.party: answer.commitments.hash}
    after = state.model_copy(update={"current": current.model_copy(update=changes)})
    if self_masked:
        return answered(context, after, now)
    if after.awaited_owners:
        return Outcome(after)
    return Outcome(moved(after, Transition.LAST_ANSWER, now), (CloseTasks(frozenset({TaskKind.COMPUTE})), Add()))


def _sum(context: JobContext, state: JobState, message: SumReady, now: datetime) -> Outcome:
    advance(Role.FACILITATOR, state.phase, Transition.SUM_READY)
    current = state.current
    if current is None or state.roster_hash is None:
        raise ValueError("a job that is ADDING has a roster and a round")
    records = tuple(
        AnswerRecord(
            party=owner.party,
            answer_hash=current.answers[owner.party].answer_hash,
            ciphertexts_hash=current.answers[owner.party].ciphertexts_hash,
            commitments_hash=current.commitments.get(owner.party),
            signature=bytes.fromhex(current.answers[owner.party].signature),
        )
        for owner in state.summed
    )
    given = [message.request.hash, *(hash_of(answer) for answer in message.answers)]
    if given != [current.request_hash, *(record.answer_hash for record in records)]:
        raise Problem(Code.WRONG_STATE, f"The sum is not of round {current.round}'s request and answers.")
    told = [sha256_hex(unmasking) for unmasking in message.unmaskings or ()]
    if told != [current.unmaskings[party] for party in current.members]:
        raise Problem(Code.WRONG_STATE, f"The keys are not those that round {current.round}'s owners told.")
    entry = to_cbor(
        LogEntry(
            protocol=context.manifest.protocol,
            index=state.log_length,
            previous=state.log_head,
            manifest_hash=state.manifest_hash,
            roster_hash=state.roster_hash,
            round=current.round,
            kind=current.kind,
            request_hash=current.request_hash,
            answers=records,
            product_hash=message.total.ciphertexts_hash,
            set_signatures=tuple(bytes.fromhex(current.set_signatures[party]) for party in current.members) or None,
        )
    )
    logged = state.model_copy(update={"log_head": sha256_hex(entry), "log_length": state.log_length + 1})
    kept: tuple[Effect, ...] = (
        AppendLog(state.log_length, entry, current.signed_request_hash),
        KeepBlob(message.total.ciphertexts, "application/octet-stream"),
        *_dropped(context, state, current),
    )
    if message.weights is not None and not window_ends(context, current):
        return _continue_window(context, logged, message, entry, kept, now)
    step = Step(
        job_id=state.job_id,
        step=state.step,
        log_entry=entry,
        request=message.request,
        sum=message.total if message.weights is None else None,
        weights=message.weights,
        previous_weights=message.previous_weights,
        unmaskings=message.unmaskings,
    )
    after = moved(logged, Transition.SUM_READY, now, step=state.step + 1, step_result_hash=None)
    return Outcome(after, (*kept, step_task(context, step, message.answers)))


def _dropped(context: JobContext, state: JobState, current: CurrentRound) -> tuple[DropEvidence, ...]:
    """The evidence that is not kept any more, once this round's is."""
    keep = context.plan.keep_rounds
    if keep is None or current.round < keep:
        return ()
    # A round has at most two entries, its evaluation's with it, and what came before was dropped with the last sum.
    return (DropEvidence(max(1, state.log_length - 2 * (keep + 2)), current.round - keep),)


def window_ends(context: JobContext, current: CurrentRound) -> bool:
    """Say whether the weights go to the Model Owner after this round's update: the window is full, or training over."""
    spec = context.manifest.spec
    return current.window_step + 1 >= spec.training.reencrypt_every or current.round >= rounds_of(spec)


def _continue_window(
    context: JobContext, state: JobState, message: SumReady, entry: bytes, kept: tuple[Effect, ...], now: datetime
) -> Outcome:
    current = state.current
    if current is None or state.roster_hash is None:
        raise ValueError("a window belongs to a round")
    request = RoundRequest(
        protocol=context.manifest.protocol,
        manifest_hash=state.manifest_hash,
        roster_hash=state.roster_hash,
        round=current.round + 1,
        kind=current.kind,
        log_head=state.log_head,
        rows_total=state.rows_total,
        window_step=current.window_step + 1,
        weights=message.weights,
        previous_weights=message.previous_weights,
    )
    signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, context.identity)
    asked = _ask_owners(context, state, signed, request, entry, Transition.WINDOW_CONTINUES, now)
    return Outcome(asked.state, (*kept, *asked.effects))


# Ends


def _cancel(context: JobContext, state: JobState, message: CancelRequested, now: datetime) -> Outcome:
    if state.phase is Phase.CANCELLED:
        return Outcome(state)
    if state.ended:
        raise Problem(Code.JOB_OVER, f"The job is {state.phase} already.")
    return end_job(context, state, Transition.CANCEL, now, code=Code.CANCELLED.slug, reason=message.reason[:2000])
