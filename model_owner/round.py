"""The Model Owner's side of a job as a pure function: (context, state, message, now) → (state, effects).

No network, no file, no clock. A message that does not belong raises Problem and changes nothing. What proves that
another party did wrong, and training that diverges, ends the job: it is FAILED, and the Facilitator is told the code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from fedtrain.methods import schedule_of
from fedtrain.methods.plan import counts_of
from fedtrain.methods.schedule import COUNTS
from fedtrain.model_owner import job as j
from fedtrain.model_owner.ending import FATAL, answering, cancelled, ended, failed, over
from fedtrain.model_owner.job import Outcome
from fedtrain.model_owner.job_state import Asked, Ending, JobContext, JobState, Member, facts_of
from fedtrain.model_owner.methods import method_of
from fedtrain.model_owner.methods.method import Finished, Opened, Taken
from fedtrain.model_owner.release import with_statement
from fedtrain.model_owner.sums import replay, windows
from fedtrain.model_owner.sums.sealing import sealing_of
from fedtrain.model_owner.sums.unmasking import share_in_sum
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.quorum import least_in_set, most_rows
from fedtrain.protocol.documents.roster import OpenRoster
from fedtrain.protocol.documents.signed import Manifest, sign_document
from fedtrain.protocol.evidence.addition import SumContext
from fedtrain.protocol.messages.expected import planned_round
from fedtrain.protocol.messages.rounds import (
    NO_ENTRY,
    REQUEST_TAG,
    Kind,
    LogEntry,
    RoundRequest,
    SignedBytes,
    StepResult,
    VectorMessage,
    from_cbor,
    to_cbor,
)
from fedtrain.protocol.messages.shared_weights import Sealed
from fedtrain.protocol.states import Event, Phase, Role, advance
from fedtrain.spec.problems import Code, Problem


def step(context: JobContext, state: JobState, message: j.Message, now: datetime) -> Outcome:
    """Take one message. Raises Problem, by name, for one that does not belong; the state is then what it was."""
    outcome = _take(context, state, message, now)
    if outcome.state is not state:
        outcome = Outcome(outcome.state.changed_from(state, now), outcome.effects)
    return outcome


def _take(context: JobContext, state: JobState, message: j.Message, now: datetime) -> Outcome:
    match message:
        case j.KeyMade():
            return _key_made(context, state, message, now)
        case j.ManifestPosted():
            phase = advance(Role.MODEL_OWNER, state.phase, Event.MANIFEST_POSTED)
            return Outcome(_with(state, phase=phase, facilitator=message.facilitator))
        case j.StepArrived():
            return _judged(state, message, now, lambda: _step_arrived(context, state, message, now))
        case j.SumOpened():
            return _judged(state, message.arrived, now, lambda: _opened(context, state, message, now))
        case j.SumRefused():
            return failed(state, message.arrived, message.problem, now)
        case j.RoundEvaluated():
            return _judged(state, message.effect.arrived, now, lambda: _evaluated(context, state, message, now))
        case j.PointEncrypted():
            return _judged(state, message.turn.arrived, now, lambda: _encrypted(context, state, message))
        case j.Ended():
            return ended(state, message, now)
        case j.CancelAsked():
            return cancelled(state, message, now)
        case j.PreparationFailed():
            return over(state, Event.FAIL, message.problem.code, message.problem.detail, now)
        case j.CancelTold():
            return Outcome(_with(state, cancel_told=True))
        case j.StatementHandedIn():
            return Outcome(with_statement(context, state, message.signed))


# Before the first round


def _key_made(context: JobContext, state: JobState, message: j.KeyMade, now: datetime) -> Outcome:
    manifest = Manifest(
        job_id=state.job_id,
        created_at=now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        model_owner=context.identity.party_id,
        model_owner_name=context.name,
        spec=state.spec,
        plan=context.plan.to_dict(),
        modulus=_hex(message.modulus),
        key_proof=tuple(_hex(root) for root in message.key_proof),
        nonce=message.nonce,
        membership=context.membership,
        unmasking_key=message.unmasking_key,
        request=state.request,
    )
    signed = sign_document(manifest, context.identity)
    phase = advance(Role.MODEL_OWNER, state.phase, Event.KEY_MADE)
    sent = state.bytes_sent + len(signed.document)
    return Outcome(_with(state, phase=phase, manifest=signed, bytes_sent=sent), (j.PostManifest(signed),))


def _hex(number: int) -> str:
    return number.to_bytes((number.bit_length() + 7) // 8 or 1, "big").hex()


# Steps


def _step_arrived(context: JobContext, state: JobState, arrived: j.StepArrived, now: datetime) -> Outcome:
    step = arrived.step
    if step.job_id != state.job_id:
        raise Problem(Code.MALFORMED_MESSAGE, f"The step is of job {step.job_id}, the task of {state.job_id}.")
    if step.step < state.next_step:
        return Outcome(state, (j.SendStored(step.step),))
    if state.ended:
        return replay.still_over(state, step.step)
    if step.step > state.next_step or state.phase not in (Phase.JOINING, Phase.TRAINING):
        raise Problem(
            Code.WRONG_STATE,
            f"Step {step.step} came while step {state.next_step} is due and the job is {state.phase}.",
        )
    if step.step == 0:
        return _roster_closed(context, state, arrived, now)
    if step.void is not None:
        return _asked_in_vain(context, state, arrived, now)
    if windows.in_window(context, state):
        return Outcome(state, (windows.expect_window(context, state, arrived),))
    return Outcome(state, (_open_sum(context, state, arrived),))


def _roster_closed(context: JobContext, state: JobState, arrived: j.StepArrived, now: datetime) -> Outcome:
    step = arrived.step
    if step.roster is None or state.facilitator is None:
        raise Problem(Code.ROSTER_INVALID, "The first step came without a roster.")
    roster = context.roster(_with(state, roster=step.roster))
    entry = from_cbor(step.log_entry, LogEntry)
    given = (entry.index, entry.previous, entry.manifest_hash, entry.roster_hash, entry.answers, entry.product_hash)
    if given != (0, NO_ENTRY, context.manifest_hash(state), roster.hash, (), None):
        raise Problem(Code.LOG_INCONSISTENT, "The log does not begin with this job's manifest and roster.")
    _check_known(context, roster, now)
    after = _with(
        state,
        # The state is kept before the first point is sealed: the same step may come again.
        phase=state.phase
        if state.roster == step.roster
        else advance(Role.MODEL_OWNER, state.phase, Event.ROSTER_CLOSED),
        roster=step.roster,
        owners=tuple(Member(party=entry.party, name=entry.name) for entry in roster.acceptances),
        started_at=now,
        log_head=sha256_hex(step.log_entry),
        log_length=1,
    )
    if schedule_of(state.spec).counts:
        return _asking(context, after, arrived, _request(context, after, 0, COUNTS), ())
    # Everybody knows N, or nobody may before the result is signed off: no round asks for it.
    supposed = context.plan.rows_supposed or most_rows(state.spec.training, len(roster.parties))
    rows_total = sum(roster.size_bands.values()) or supposed
    after = _with(after, rows_total=rows_total)
    opened = Opened(COUNTS, 0, counts_of(context.plan, rows_total), now)
    return _moved_on(
        context,
        after,
        after,
        arrived,
        method_of(state.spec).step(facts_of(context, after), arrived.learning, opened),
        0,
        now,
    )


def _check_known(context: JobContext, roster: OpenRoster, now: datetime) -> None:
    """Raise Problem(ROSTER_INVALID) for an owner that this party does not know, once it has pinned any.

    Who is asked to join is up to the Facilitator, which could make owners, and their records, up.
    """
    if not context.trust.pins_data_owners:
        return
    for one in roster.acceptances:
        doubt = context.trust.doubt(one.party, "data-owner", one.membership, now)
        if doubt is not None:
            who = f"{one.name} ({one.party[:16]}…), which {doubt}"
            raise Problem(Code.ROSTER_INVALID, f"The roster has {who}: `fedtrain trust` pins it, once checked.")


def _open_sum(context: JobContext, state: JobState, arrived: j.StepArrived) -> j.OpenSum:
    """Return what the sum must belong to. Raises Problem(ADDITION_NOT_PROVEN) for a step about another request."""
    step, asked = arrived.step, state.asked
    if asked is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has asked nothing yet.")
    if step.request is None or step.sum is None:
        raise Problem(Code.ADDITION_NOT_PROVEN, "The step came without a sum, or without the request it answers.")
    if step.request.hash != asked.request_hash:
        raise Problem(
            Code.ADDITION_NOT_PROVEN,
            f"The sum is of request {step.request.hash[:16]}…, asked was {asked.request_hash[:16]}….",
        )
    if from_cbor(step.log_entry, LogEntry).index != state.log_length:
        raise Problem(Code.LOG_INCONSISTENT, f"The log's entry {state.log_length} is due, and another one came.")
    expected = planned_round(context.plan, asked.kind, rows_total=state.rows_total).answer
    sum_context = SumContext(
        manifest_hash=context.manifest_hash(state),
        roster=context.roster(state),
        modulus=int(context.manifest(state).modulus, 16),
        round=asked.round,
        kind=asked.kind,
        request_hash=asked.request_hash,
        previous_head=asked.log_head,
        quorum=_quorum(context, state),
    )
    return j.OpenSum(arrived, sum_context, expected)


def _opened(context: JobContext, state: JobState, message: j.SumOpened, now: datetime) -> Outcome:
    """The method's turn: the model, the next request, or first its encryption. Raises Problem(DIVERGED)."""
    asked, arrived = state.asked, message.arrived
    if asked is None or arrived.step.step != state.next_step or state.ended:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has gone on, or ended, without this sum.")
    entries = windows.entries_due(context, state)
    share = share_in_sum(arrived.step, context.roster(state).size_bands)
    opened = Opened(asked.kind, asked.round, message.values, now, message.previous, entries, share)
    taken = method_of(state.spec).step(facts_of(context, state), arrived.learning, opened)
    if taken.tested is not None:
        return Outcome(state, (j.EvaluateRound(arrived, taken, entries),))
    return _moved_on(context, state, _after(state, arrived, taken, entries), arrived, taken, entries, now)


def _evaluated(context: JobContext, state: JobState, message: j.RoundEvaluated, now: datetime) -> Outcome:
    """Go on with the turn whose weights were evaluated, its row of the history with what came of it."""
    effect, found = message.effect, message.result
    arrived, taken, entries = effect.arrived, effect.taken, effect.entries
    if arrived.step.step != state.next_step or state.ended:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has gone on, or ended, without this round's test.")
    if found is not None and taken.history is not None:
        accuracy = found.hits / found.rows if state.spec.classifies else None
        row = taken.history.model_copy(update={"test_loss": found.loss_sum / found.rows, "test_accuracy": accuracy})
        taken = replace(taken, history=row)
    return _moved_on(context, state, _after(state, arrived, taken, entries), arrived, taken, entries, now)


def _asked_in_vain(context: JobContext, state: JobState, arrived: j.StepArrived, now: datetime) -> Outcome:
    """Ask a new round in the place of one that has no sum, for want of owners.

    Raises Problem: WRONG_STATE, TOO_FEW_OWNERS after the last round where none had a sum.
    """
    asked = state.asked
    if asked is None or arrived.learning is None or not state.spec.training.goes_on:
        raise Problem(Code.WRONG_STATE, f"No round of job {state.job_id} can come to nothing.")
    taken = method_of(state.spec).again(facts_of(context, state), arrived.learning, asked.round)
    # Nobody signs that a round is void: a Facilitator that says so of all of them gets no untrained model called done.
    if isinstance(taken.next, Finished) and not _sums(state):
        raise Problem(
            Code.TOO_FEW_OWNERS,
            f"None of {taken.round} rounds had the answers of a quorum of owners, so that nothing was trained.",
        )
    return _moved_on(context, state, _after(state, arrived, taken, 0), arrived, taken, 0, now)


def _sums(state: JobState) -> int:
    """Return how many rounds had a sum: every entry of the log but the one that opens it is of one."""
    return state.log_length - 1


def _quorum(context: JobContext, state: JobState) -> int | None:
    return least_in_set(state.spec, len(context.roster(state).parties))


def _moved_on(
    context: JobContext,
    state: JobState,
    after: JobState,
    arrived: j.StepArrived,
    taken: Taken,
    entries: int,
    now: datetime,
) -> Outcome:
    """Follow the method's turn. `state`: what is kept until the next point is encrypted, `after`: once it is."""
    if isinstance(taken.next, Finished):
        if arrived.replayed is not None and arrived.replayed.request is not None:
            raise replay.differs(arrived.step.step, None, arrived.replayed)
        # From here on the round is the last one that was answered.
        if after.asked is not None:
            after = _with(after, asked=after.asked.model_copy(update={"round": taken.round}))
        return _finished(after, arrived, taken, taken.next, now)
    if not taken.next.has_weights:
        return _asking(context, after, arrived, _request(context, after, taken.round, taken.next.kind), _kept(taken))
    turn = j.Turn(arrived, taken, taken.next, entries)
    return Outcome(state, (j.EncryptPoint(turn, sealing_of(context, state, taken.round)),))


def _after(state: JobState, arrived: j.StepArrived, taken: Taken, entries: int) -> JobState:
    """The state that an answer leads to. The log has so many more entries, the last of which came with the step."""
    return _with(
        state,
        log_head=sha256_hex(arrived.step.log_entry) if entries else state.log_head,
        log_length=state.log_length + entries,
        rows_total=state.rows_total if taken.rows_total is None else taken.rows_total,
        numbers_decrypted=state.numbers_decrypted + taken.numbers_decrypted,
        loss=state.loss if taken.history is None else taken.history.loss,
        gradient=state.gradient if taken.history is None else taken.history.gradient,
    )


def _encrypted(context: JobContext, state: JobState, message: j.PointEncrypted) -> Outcome:
    turn = message.turn
    if state.roster is None or turn.arrived.step.step != state.next_step or state.ended:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has gone on, or ended, without this request.")
    after = _after(state, turn.arrived, turn.taken, turn.entries)
    request = _request(
        context, after, turn.taken.round, turn.ask.kind, message.weights, message.previous, message.sealed
    )
    return _asking(context, after, turn.arrived, request, _kept(turn.taken))


def _request(
    context: JobContext,
    state: JobState,
    number: int,
    kind: Kind,
    weights: VectorMessage | None = None,
    previous: VectorMessage | None = None,
    sealed: Sealed | None = None,
) -> RoundRequest:
    if state.roster is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has no roster to ask by.")
    return RoundRequest(
        protocol=context.manifest(state).protocol,
        manifest_hash=context.manifest_hash(state),
        roster_hash=state.roster.hash,
        round=number,
        kind=kind,
        log_head=state.log_head,
        rows_total=state.rows_total,
        weights=weights,
        previous_weights=previous,
        sealed_weights=None if sealed is None else sealed.boxes,
        weights_blob=None if sealed is None else sealed.blob,
    )


def _asking(
    context: JobContext, state: JobState, arrived: j.StepArrived, request: RoundRequest, kept: tuple[j.Effect, ...]
) -> Outcome:
    signed = SignedBytes.sign(to_cbor(request), REQUEST_TAG, context.identity)
    if arrived.replayed is not None and signed != arrived.replayed.request:
        raise replay.differs(arrived.step.step, signed, arrived.replayed)
    asked = Asked(round=request.round, kind=request.kind, request_hash=signed.hash, log_head=request.log_head)
    result = StepResult(job_id=state.job_id, step=arrived.step.step, request=signed)
    return answering(_with(state, asked=asked), arrived, result, (*kept, *_dropped(context, arrived.step.step)))


def _dropped(context: JobContext, step: int) -> tuple[j.DropResults, ...]:
    """Drop what was asked before the rounds that the job keeps: a round has two steps at most, the evaluation's too."""
    keep = context.plan.keep_rounds
    return () if keep is None or step < 2 * keep else (j.DropResults(step - 2 * keep),)


def _kept(taken: Taken) -> tuple[j.Effect, ...]:
    kept: tuple[j.Effect, ...] = (j.KeepLearning(taken.learning),)
    return kept if taken.history is None else (*kept, j.KeepHistory(taken.history))


# Ends


def _finished(state: JobState, arrived: j.StepArrived, taken: Taken, end: Finished, now: datetime) -> Outcome:
    why = f"{end.why}; {_sums(state)} of them had a sum" if state.spec.training.goes_on else end.why
    ending = Ending(at=now, reason=why, converged=end.converged)
    after = _with(state, phase=advance(Role.MODEL_OWNER, state.phase, Event.FINISH), ending=ending)
    result = StepResult(job_id=state.job_id, step=arrived.step.step, finished="FINISHED")
    return answering(after, arrived, result, (*_kept(taken), j.KeepModel(end.model), j.DestroyKey()))


def _judged(state: JobState, arrived: j.StepArrived, now: datetime, move: Callable[[], Outcome]) -> Outcome:
    """Make the move; a Problem that no repetition mends ends the job."""
    try:
        return move()
    except Problem as problem:
        if state.ended or problem.code not in FATAL:
            raise
        return failed(state, arrived, problem, now)


def _with(state: JobState, **changes: object) -> JobState:
    return state.model_copy(update=changes)
