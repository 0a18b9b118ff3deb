"""Requests to a joined job: what is checked before an answer is computed, and what is kept of it. Pure."""

from __future__ import annotations

from datetime import datetime

from fedtrain.data_owner import checks
from fedtrain.data_owner import job as j
from fedtrain.data_owner.job import Outcome
from fedtrain.data_owner.job_state import JobContext, JobState, Refusal
from fedtrain.data_owner.policy.differencing import (
    is_consented,
    roster_risks,
    rosters_to_consent,
    table_risks,
)
from fedtrain.data_owner.release.decisions import released
from fedtrain.methods import schedule_of
from fedtrain.protocol.documents.consent import RosterConsent
from fedtrain.protocol.documents.quorum import most_rows
from fedtrain.protocol.documents.signed import Withdrawal
from fedtrain.protocol.messages.rounds import REQUEST_TAG, RoundRequest, from_cbor
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

#: Reasons that depend on what the data hold: to others they are one.
_OF_THE_DATA = frozenset({Code.INVALID_DATA, Code.TOO_FEW_ROWS})


def asked(context: JobContext, state: JobState, message: j.Asked) -> Outcome:
    """Answer a request, or wait for people first. Raises Problem for one that does not belong."""
    if state.left and state.refusal is not None:
        return withdrawing(context, state, state.refusal)
    answered = message.answered
    if state.ending is not None and answered is not None and answered.request_hash == message.compute.request.hash:
        # A Facilitator that was restored from a backup collects again what it had: nothing that it has not seen.
        return Outcome(state, (j.SendStored(answered.round, answered.kind),))
    must_be_joined(state)
    if state.waits_because is not None:
        return Outcome(state, (j.AwaitApproval(),))
    compute = message.compute
    request = from_cbor(compute.request.body, RoundRequest)
    if compute.job_id != state.job_id or request.manifest_hash != state.manifest_hash:
        raise Problem(Code.MALFORMED_MESSAGE, f"The request belongs to another job or manifest than {state.job_id}.")
    manifest = context.manifest(state)
    # Inside a window the Facilitator updates the encrypted weights itself, and signs what it asks.
    compute.request.open(REQUEST_TAG, context.facilitator if request.window_step else manifest.model_owner)
    if state.roster is None:
        return Outcome(state, (j.FetchRoster(message),))
    if request.roster_hash != state.roster.hash:
        raise Problem(
            Code.ROSTER_INVALID,
            f"The request names roster {request.roster_hash[:16]}…, this job's is {state.roster.hash[:16]}….",
        )
    if message.answered is not None:
        if message.answered.request_hash != compute.request.hash:
            raise Problem(
                Code.REQUEST_DIFFERS,
                f"Round {request.round} ({request.kind}) was answered for request "
                f"{message.answered.request_hash[:16]}…, and now {compute.request.hash[:16]}… is asked: "
                "an owner answers a round once.",
            )
        return Outcome(state, (j.SendStored(request.round, request.kind),))
    _check_turn(state, request, manifest.spec)
    bands = context.roster(state, state.roster).size_bands
    if manifest.spec.training.goes_on and request.rows_total != sum(bands.values()):
        raise Problem(
            Code.ROWS_TOTAL_REFUSED,
            f"The request says {request.rows_total} rows in all, the roster's size bands are {sum(bands.values())}.",
        )
    if manifest.spec.signs_off or manifest.spec.kind.tells_thresholds:
        _check_rows_unknown(request, manifest.spec, len(context.roster(state, state.roster).parties))
    checks.check_log(context, state, request, compute.previous_entry)
    if state.last is None:
        waiting = _held_against_the_past(context, state, message.past)
        if waiting is not None:
            return Outcome(waiting, (j.AwaitApproval(),))
    return Outcome(_with_rows_total(state, request), (j.Answer(request, compute.request.hash),))


def answered(context: JobContext, state: JobState, message: j.Answered, now: datetime) -> Outcome:
    """Keep an answer, and of those to old rounds what the Facilitator keeps of them."""
    kept: tuple[j.Effect, ...] = (j.KeepAnswer(message.facts, message.body, released(state, message, now)),)
    keep = context.documents.plan(state.offer).keep_rounds
    if keep is not None and message.facts.round >= keep:
        kept = (j.DropAnswers(message.facts.round - keep), *kept)
    return Outcome(_with(state, last=message.facts, answers=state.answers + 1, problem=None), kept)


def must_be_joined(state: JobState) -> None:
    """Raise Problem, JOB_OVER or WRONG_STATE, unless the job is joined."""
    if state.ended:
        raise Problem(Code.JOB_OVER, f"Job {state.job_id} is {state.phase} at this owner: it answers no more.")
    if state.phase is not Phase.JOINED:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} is {state.phase} at this owner: it has not joined.")


def withdrawing(context: JobContext, state: JobState, why: Refusal) -> Outcome:
    """Say, in place of whatever is asked, that this owner has left."""
    withdrawal = Withdrawal(
        manifest_hash=state.manifest_hash,
        party=context.party_id,
        name=context.name,
        code=why.code,
        # Of all reasons only that of people who were told so goes to others.
        reason=why.detail if why.code == Code.SIGN_OFF_REFUSED.slug else None,
    )
    return Outcome(state, (j.Withdraw(withdrawal),))


def waiting(state: JobState, risks: tuple[str, ...]) -> JobState:
    """Return the job as it waits for a person to take these risks."""
    return _with(state, risks=risks, waits_because=f"Sums over these rows could single somebody out. {' '.join(risks)}")


def _waiting_for_consent(state: JobState, statement: RosterConsent) -> JobState:
    why = (
        f"{Code.CONSENT_MISSING.title}. Sums of the same rows went to other owners before "
        f"({len(statement.earlier)} other rosters), and sums over both can be combined to fewer owners than either "
        f"has: each of the {len(statement.concerned)} owners concerned has to sign, with fedtrain consent."
    )
    return _with(state, consent=statement, waits_because=why)


def _held_against_the_past(context: JobContext, state: JobState, past: j.Past | None) -> JobState | None:
    """The job as it waits for people, before its first number leaves; None where nothing is to be decided."""
    if not context.policy.compares_sums:
        return None
    if state.roster is None or past is None:
        raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has no roster yet, or was not held against the past.")
    roster = context.roster(state, state.roster).parties
    found = (*table_risks(past.compared, context.policy.min_rows), *roster_risks(past.compared, roster))
    risks = tuple(risk for risk in found if risk not in state.risks_taken)
    if risks:
        return waiting(state, risks)
    earlier = rosters_to_consent(past.compared, roster, past.told, context.party_id, past.consents)
    if earlier is None or is_consented(past.consents, state.manifest_hash, roster, earlier):
        return None
    statement = RosterConsent(job_id=state.job_id, manifest_hash=state.manifest_hash, roster=roster, earlier=earlier)
    return _waiting_for_consent(state, statement)


def _with_rows_total(state: JobState, request: RoundRequest) -> JobState:
    """Keep the job's N from the first request that says it, before it is known whether it can be answered.

    An owner refuses an N below its own count: one N a job, and nobody can search for the count.
    """
    if request.rows_total is None or request.rows_total == state.rows_total:
        return state
    if state.rows_total is not None:
        raise Problem(
            Code.ROWS_TOTAL_REFUSED,
            f"The request says {request.rows_total} rows in all, this job's requests said {state.rows_total} before.",
        )
    return _with(state, rows_total=request.rows_total)


def _check_rows_unknown(request: RoundRequest, spec: ModelSpec, owners: int) -> None:
    """Nobody knows N before a result is signed off, or where bits need none: a request has the public bound instead."""
    most = most_rows(spec.training, owners)
    if request.rows_total != most:
        raise Problem(
            Code.ROWS_TOTAL_REFUSED,
            f"The request says {request.rows_total} rows in all. Where nobody is asked for them that is the most "
            f"there can be, {most}: max_rows times {owners} owners.",
        )


def _check_turn(state: JobState, request: RoundRequest, spec: ModelSpec) -> None:
    """Rounds come in the order of the job's method, no more than its plan has."""
    schedule, last = schedule_of(spec), state.last
    due = schedule.following(None) if last is None else schedule.following(last.round, last.kind)
    turn = next((turn for turn in due if (turn.round, turn.kind) == (request.round, request.kind)), None)
    # Rounds that came to nothing, or were without this owner, it has not seen.
    turn = turn or schedule.skips_to(request.round, request.kind, None if last is None else last.round)
    if turn is None:
        names = " or ".join(f"round {turn.round} ({turn.kind})" for turn in due)
        raise Problem(
            Code.WRONG_STATE,
            f"Round {request.round} ({request.kind}) is asked, {names} is due: rounds come in order.",
        )
    if state.rounds is not None and request.round > state.rounds:
        raise Problem(Code.WRONG_STATE, f"Round {request.round} is beyond the {state.rounds} that the job's plan has.")
    if request.window_step != turn.window_step:
        raise Problem(
            Code.WRONG_STATE,
            f"Round {request.round} is step {request.window_step} of a window, step {turn.window_step} is due "
            f"with reencrypt_every {schedule.window}.",
        )


def _with(state: JobState, **changes: object) -> JobState:
    return state.model_copy(update=changes)
