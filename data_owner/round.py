"""The Data Owner's side of a job as a pure function: (context, state, message, now) → (state, effects).

No network, no file, no clock. A message that must be refused raises Problem and leaves the state as it was; a job
that must be declined gets its answer by the `Sign` effect, with a catalogue code and nothing else for others.
"""

from __future__ import annotations

from datetime import datetime

from fedtrain.data_owner import checks
from fedtrain.data_owner import job as j
from fedtrain.data_owner.answering import answered, asked, must_be_joined, waiting, withdrawing
from fedtrain.data_owner.approval import by_request
from fedtrain.data_owner.job import Outcome
from fedtrain.data_owner.job_state import JobContext, JobState, Refusal
from fedtrain.data_owner.policy.budget import OVER_BUDGET
from fedtrain.data_owner.policy.differencing import (
    table_risks,
)
from fedtrain.data_owner.policy.rules import (
    ACCEPTED,
    Ruling,
    Verdict,
    judge,
    judge_rows,
    standing_out_risks,
)
from fedtrain.data_owner.release.decisions import decided_on
from fedtrain.data_owner.sign_off import (
    awaiting_release,
    check_decision,
    release_refused,
    signed_off,
    waits_for_sign_off,
)
from fedtrain.data_owner.sum_sets import keys_asked, set_asked
from fedtrain.planning.plans import rounds_of
from fedtrain.protocol.documents.offer import check_offered_key
from fedtrain.protocol.documents.quorum import size_band
from fedtrain.protocol.documents.signed import Acceptance, Decline, Manifest, SignedDocument
from fedtrain.protocol.states import Event, Phase, Role, advance
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

#: Reasons that depend on what the data hold: to others they are one.
_OF_THE_DATA = frozenset({Code.INVALID_DATA, Code.TOO_FEW_ROWS})


def step(context: JobContext, state: JobState, message: j.Message, now: datetime) -> Outcome:
    """Take one message. Raises Problem, by name, for one that is refused; the state then stays what it was."""
    after, effects = _take(context, state, message, now)
    decision = decided_on(state, message, now)
    if decision is not None:
        effects = (*effects, j.KeepDecision(decision))
    changes = after is not state and not isinstance(message, j.RequestRefused)
    return Outcome(after.model_copy(update={"changed_at": now}) if changes else after, effects)


def _take(context: JobContext, state: JobState, message: j.Message, now: datetime) -> Outcome:
    match message:
        case j.Offered():
            return _offered(context, state, message, now)
        case j.Approved() | j.Denied():
            _must_not_be_signed_off(context, state)
            return Outcome(_approved(state)) if isinstance(message, j.Approved) else _denied(context, state, message)
        case j.SignOffDecided():
            return _sign_off_decided(context, state, message, now)
        case j.Frozen():
            return _frozen(context, state, message)
        case j.DataRefused():
            return _declining(context, state, message.code, message.detail)
        case j.BudgetShort():
            return _budget_short(context, state, message)
        case j.Signed():
            return _signed(state, message)
        case j.RequestDecided():
            # What came to light in the table since is for a person to decide, whatever the request.
            return Outcome(state if state.summed is not None else _with(state, waits_because=None))
        case j.RosterFetched():
            return _roster_fetched(context, state, message, now)
        case j.Asked():
            return asked(context, state, message)
        case j.SetAsked() | j.KeysAsked():
            if state.left and state.refusal is not None:
                return withdrawing(context, state, state.refusal)
            must_be_joined(state)
            if isinstance(message, j.SetAsked):
                return set_asked(context, state, message)
            return keys_asked(context, state, message)
        case j.ConsentTaken():
            return Outcome(state if state.consent is None else _with(state, consent=None, waits_because=None))
        case j.Answered():
            return answered(context, state, message, now)
        case j.KeyLost():
            return _leaving(state, message.code, message.detail)
        case j.RequestRefused():
            return Outcome(_with(state, problem=message.refusal))
        case j.Ended():
            return _ended(context, state, message)


def verify_offer(context: JobContext, state: JobState) -> Manifest:
    """Return the manifest once its signature, its key and its plan hold, in this order.

    Raises Problem: BAD_SIGNATURE, PROTOCOL_VERSION, MALFORMED_MESSAGE, MALFORMED_KEY, DOES_NOT_FIT, PLAN_DIFFERS.
    """
    manifest = context.manifest(state)
    if manifest.job_id != state.job_id:
        raise Problem(
            Code.MALFORMED_MESSAGE, f"The manifest is of job {manifest.job_id}, the task says {state.job_id}."
        )
    check_offered_key(manifest, allow_small_keys=context.allow_small_keys)
    context.documents.plan(state.offer)
    return manifest


def _offered(context: JobContext, state: JobState, message: j.Offered, now: datetime) -> Outcome:
    if state.join_answer is not None:
        return Outcome(state, (j.GiveJoinAnswer(),))
    if state.ended or state.waits_because is not None:
        return Outcome(state)
    try:
        manifest = verify_offer(context, state)
    except Problem as problem:
        return _declining(context, state, problem.code, problem.detail)
    return _judged(context, state, manifest, message, now)


def _judged(context: JobContext, state: JobState, manifest: Manifest, message: j.Offered, now: datetime) -> Outcome:
    dataset = message.datasets.get(manifest.spec.asked_dataset)
    rounds = rounds_of(manifest.spec)
    try:
        verdict = judge(context.policy, manifest, rounds, dataset, now)
    except Problem as problem:
        verdict = Verdict(Ruling.DECLINE, problem.code, problem.detail)
    verdict, as_approved = by_request(context.policy, manifest, message.decided, verdict, now)
    state = _with(
        state,
        model_owner=manifest.model_owner,
        model_owner_name=manifest.model_owner_name,
        dataset=dataset.name if dataset else manifest.spec.asked_dataset,
        dataset_version=dataset.version if dataset else None,
        rounds=rounds,
        request=manifest.request,
        asked_owners=message.decided.document.parties if as_approved and message.decided is not None else (),
    )
    if verdict.outcome is Ruling.DECLINE or dataset is None:
        return _declining(context, state, verdict.code or Code.DATASET_NOT_FOUND, verdict.detail)
    if verdict.outcome is Ruling.ASK and not state.approved:
        return Outcome(_with(state, phase=_awaiting(state), waits_because=verdict.detail))
    adopts = dataset.schema is None and not manifest.spec.kind.tells_thresholds
    return Outcome(_with(state, adopts=adopts), (j.Freeze(dataset.name, dataset.version),))


def _denied(context: JobContext, state: JobState, message: j.Denied) -> Outcome:
    _must_wait_for_a_person(state)
    if state.phase is Phase.JOINED:
        # It has joined, and what its first sum could be subtracted from came to light after that: it leaves.
        return _leaving(state, Code.DENIED, message.reason)
    return _declining(context, state, Code.DENIED, message.reason)


def _leaving(state: JobState, code: Code, detail: str, event: Event = Event.CANCEL) -> Outcome:
    """Out of a job that was joined, for good. The Facilitator is told when it asks next: see `withdrawing`."""
    must_be_joined(state)
    refusal = Refusal(code=code.slug, detail=detail)
    phase = advance(Role.DATA_OWNER, state.phase, event)
    return Outcome(
        _with(state, phase=phase, refusal=refusal, risks=(), consent=None, waits_because=None), (j.DestroyMaskKey(),)
    )


def _sign_off_decided(context: JobContext, state: JobState, message: j.SignOffDecided, now: datetime) -> Outcome:
    """A person signs the result off, or refuses it: with the mask's key it is then out of reach for good.

    Of a finished job there is no such key, and the Model Owner's word holds the model back.
    """
    if message.decision == "sign_off":
        return Outcome(signed_off(context, state, message, now))
    if state.phase is Phase.FINISHED:
        return Outcome(release_refused(context, state, message, now))
    check_decision(context, state, message)
    return _leaving(state, Code.SIGN_OFF_REFUSED, message.why or "no reason given", Event.FAIL)


def _approved(state: JobState) -> JobState:
    """A person lets the job in, or takes the risks that were shown; other risks are asked about again.

    Raises Problem: WRONG_STATE, CONSENT_MISSING where it is not for this owner alone to decide.
    """
    _must_wait_for_a_person(state)
    if state.consent is not None:
        raise Problem(
            Code.CONSENT_MISSING,
            f"Job {state.job_id} needs the consent of {len(state.consent.concerned)} owners, and to approve it here is "
            f"not theirs: sign it with fedtrain consent {state.job_id[:8]}, and hand in what the others signed.",
        )
    if state.risks:
        return _with(state, risks_taken=(*state.risks_taken, *state.risks), risks=(), waits_because=None)
    return _with(state, approved=True, waits_because=None)


def _must_wait_for_a_person(state: JobState) -> None:
    if state.waits_because is None:
        raise Problem(
            Code.WRONG_STATE, f"Job {state.job_id} is {state.phase} and waits for nobody: there is nothing to decide."
        )


def _must_not_be_signed_off(context: JobContext, state: JobState) -> None:
    if waits_for_sign_off(context, state):
        raise Problem(
            Code.WRONG_STATE,
            f"Job {state.job_id} has joined, and its result waits to be signed off or refused: "
            f"fedtrain sign-off {state.job_id[:8]}.",
        )


def _frozen(context: JobContext, state: JobState, message: j.Frozen) -> Outcome:
    manifest = context.manifest(state)
    # Where sums carry noise, neither an answer nor its absence is to tell what rows there are.
    inspection, verdict = message.inspection, ACCEPTED
    if manifest.spec.privacy is None:
        verdict = judge_rows(context.policy, manifest.spec, message.compared.table.rows, inspection)
    if verdict.outcome is Ruling.DECLINE and verdict.code is not None:
        return _declining(context, state, verdict.code, verdict.detail)
    state = _with(state, summed=message.compared.table)
    risks = table_risks(message.compared, context.policy.min_rows) if context.policy.compares_sums else ()
    risks = tuple(risk for risk in risks if risk not in state.risks_taken)
    if inspection is not None:
        found = standing_out_risks(context.policy, inspection, validates=manifest.spec.validates)
        # What a person took for the same version is not asked again.
        taken = {*state.risks_taken, *message.taken_before}
        risks = (*risks, *(risk for risk in found if risk not in taken))
    if risks:
        return _asking(state, risks)
    acceptance = Acceptance(
        manifest_hash=state.manifest_hash,
        party=context.party_id,
        name=context.name,
        mask_key=message.mask_key,
        moments_hash=message.moments_hash,
        membership=context.membership,
        sealing_key=message.sealing_key,
        noise_share=message.noise_share,
        size_band=_size_band(manifest.spec, message.compared.table.rows),
    )
    after = _with(state, moments_hash=message.moments_hash)
    first: tuple[j.Effect, ...] = ()
    if message.noise_share is not None:
        first = (j.Reserve(message.noise_share),)
    if state.adopts and state.dataset is not None and state.dataset_version is not None:
        first = (*first, j.Adopt(state.dataset, state.dataset_version, manifest.spec.data_props))
    return Outcome(after, (*first, j.Sign(acceptance)))


def _asking(state: JobState, risks: tuple[str, ...]) -> Outcome:
    """Wait for a person, before this owner has joined."""
    return Outcome(waiting(_with(state, phase=_awaiting(state)), risks), (j.DestroyMaskKey(),))


def _awaiting(state: JobState) -> Phase:
    waits = state.phase is Phase.AWAITING_APPROVAL
    return state.phase if waits else advance(Role.DATA_OWNER, state.phase, Event.NEEDS_APPROVAL)


def _budget_short(context: JobContext, state: JobState, message: j.BudgetShort) -> Outcome:
    if context.policy.privacy.at_end == "ask" and message.detail.startswith(OVER_BUDGET):
        return _asking(state, (message.detail,))
    return _declining(context, state, Code.BUDGET_SPENT, message.detail)


def _size_band(spec: ModelSpec, rows: int) -> int | None:
    return size_band(rows, spec.training.max_rows) if spec.training.goes_on else None


def _declining(context: JobContext, state: JobState, code: Code, detail: str) -> Outcome:
    # A code of its own for each reason would tell others something of the data.
    told = Code.DATA_REFUSED if code in _OF_THE_DATA or state.risks else code
    decline = Decline(manifest_hash=state.manifest_hash, party=context.party_id, name=context.name, code=told.slug)
    return Outcome(_with(state, refusal=Refusal(code=code.slug, detail=detail)), (j.Sign(decline),))


def _signed(state: JobState, message: j.Signed) -> Outcome:
    accepts = message.answer.answer == "accept"
    phase = advance(Role.DATA_OWNER, state.phase, Event.ACCEPT if accepts else Event.DECLINE)
    after = _with(state, phase=phase, join_answer=message.answer, waits_because=None)
    return Outcome(after, (j.GiveJoinAnswer(),) if accepts else (j.DestroyMaskKey(), j.GiveJoinAnswer()))


def _roster_fetched(context: JobContext, state: JobState, message: j.RosterFetched, now: datetime) -> Outcome:
    """Pin the roster for the job, after every check. Raises Problem: ROSTER_INVALID, BAD_SIGNATURE."""
    if state.roster is not None:
        return Outcome(state)
    must_be_joined(state)
    checks.check_roster(context, state, message.signed, now)
    return Outcome(_with(state, roster=message.signed))


def _ended(context: JobContext, state: JobState, message: j.Ended) -> Outcome:
    if state.ended:
        return Outcome(state, (j.DestroyMaskKey(),))
    event = {"FINISHED": Event.FINISH, "FAILED": Event.FAIL, "CANCELLED": Event.CANCEL}[message.end.status]
    if event is Event.FINISH and state.phase is not Phase.JOINED:
        # It went on, and ended, without this owner.
        event = Event.CANCEL
    phase = advance(Role.DATA_OWNER, state.phase, event)
    after = _with(state, phase=phase, ending=message.end, consent=None, waits_because=None)
    if event is Event.FINISH:
        after = awaiting_release(context, after)
    return Outcome(after, (j.DestroyMaskKey(),))


def _with(state: JobState, **changes: object) -> JobState:
    return state.model_copy(update=changes)


def new_job(job_id: str, offer: SignedDocument, now: datetime) -> JobState:
    """The state of a job that has just been offered."""
    return JobState(job_id=job_id, offer=offer, created_at=now, changed_at=now)
