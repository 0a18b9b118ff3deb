"""Sets of owners whose answers are summed: who has signed that, and what is told under it.

Of rounds that go on without an owner, and of results that are signed off before they open, whose set is the roster.

    WAITING_FOR_DATA_OWNERS → AGREEING → UNMASKING → ADDING
              └──────────────────┴───────────┴─────────▶ void: the Model Owner asks a new round

A round is void where it goes on without owners, and nowhere else. The Facilitator names the set; it is the owners who
see to it that there is one of them a round.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fedtrain.facilitator.job import Add, CloseTasks, CreateTask, DropVoidRound, Outcome, OwnerLeft, SetSigned, Unmasked
from fedtrain.facilitator.job_state import CurrentRound, JobContext, JobState
from fedtrain.facilitator.rounds.ending import end_job
from fedtrain.facilitator.rounds.moves import given_again, moved, step_task
from fedtrain.protocol.documents.quorum import least_in_set
from fedtrain.protocol.evidence.sum_set import SetMember, SetRequest, SumSet, UnmaskRequest
from fedtrain.protocol.messages.rounds import Step, to_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Event as Transition
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem

_OF_OWNERS = frozenset({TaskKind.COMPUTE, TaskKind.SIGN_SET, TaskKind.UNMASK})


def sum_set_of(state: JobState) -> SumSet:
    """Return the set of the current round, once its members are named."""
    current = _current(state)
    if state.roster_hash is None:
        raise ValueError("a round has a roster")
    return SumSet(
        manifest_hash=state.manifest_hash,
        roster_hash=state.roster_hash,
        round=current.round,
        kind=current.kind,
        request_hash=current.request_hash,
        log_head=current.log_head,
        members=tuple(
            SetMember(party=party, answer_hash=current.answers[party].answer_hash) for party in current.members
        ),
    )


def answered(context: JobContext, state: JobState, now: datetime) -> Outcome:
    """Name the set where every owner has answered that may; or the quorum has, and the time for the others is over."""
    enough = len(_current(state).answers) >= _quorum(context, state)
    waits_no_more = not state.awaited_owners or state.deadline is None
    return _name_set(context, state, now) if enough and waits_no_more else Outcome(state)


def time_is_over(context: JobContext, state: JobState, now: datetime) -> Outcome:
    """Go on without those who are late; where too few are left the round is void, or after many of those it waits."""
    if state.phase is Phase.WAITING_FOR_DATA_OWNERS:
        on = answered(context, state.model_copy(update={"deadline": None}), now)
        if on.effects:
            return on
    if state.voids >= context.manifest.spec.training.most_void_rounds:
        return Outcome(state.model_copy(update={"deadline": None}))
    late = ", ".join(owner.name for owner in state.awaited_owners)
    doing = {Phase.AGREEING: "sign whose answers are summed", Phase.UNMASKING: "tell the keys of their masks"}
    what = doing.get(state.phase, f"answer, and the quorum is {_quorum(context, state)}")
    return _void(context, state, f"{late} did not {what} in time.", now)


def set_signed(context: JobContext, state: JobState, message: SetSigned, now: datetime) -> Outcome:
    """Take a member's signature; with the last one the keys are asked for.

    Raises Problem: TASK_CLOSED for a set that is not the current one, FORBIDDEN for an owner that is not in it.
    """
    signed = message.signed
    current = _of_set(state, signed.party, signed.set_hash)
    known = current.set_signatures.get(signed.party)
    if known is not None:
        return given_again(state, known, signed.signature.hex(), f"the set of round {current.round}")
    _must_be(state, Phase.AGREEING)
    signatures = {**current.set_signatures, signed.party: signed.signature.hex()}
    after = state.model_copy(update={"current": current.model_copy(update={"set_signatures": signatures})})
    if after.awaited_owners:
        return Outcome(after)
    request = to_cbor(
        UnmaskRequest(
            protocol=context.manifest.protocol,
            job_id=state.job_id,
            sum_set=sum_set_of(after),
            signatures=tuple(bytes.fromhex(signatures[party]) for party in current.members),
        )
    )
    # People take the time that they need.
    deadline = None if context.manifest.spec.signs_off else _deadline(context, now)
    unmasking = moved(after, Transition.SET_SIGNED, now, deadline=deadline)
    return Outcome(
        unmasking, (CloseTasks(frozenset({TaskKind.SIGN_SET})), *_to_members(after, TaskKind.UNMASK, request))
    )


def unmasked(state: JobState, message: Unmasked, now: datetime) -> Outcome:
    """Take a member's keys, which only the Model Owner can open; with the last ones the answers are added.

    Raises Problem as `set_signed`.
    """
    unmasking = message.unmasking
    current = _of_set(state, unmasking.party, unmasking.set_hash)
    known = current.unmaskings.get(unmasking.party)
    if known is not None:
        return given_again(state, known, message.answer_hash, f"the keys of round {current.round}")
    _must_be(state, Phase.UNMASKING)
    told = {**current.unmaskings, unmasking.party: message.answer_hash}
    after = state.model_copy(update={"current": current.model_copy(update={"unmaskings": told})})
    if after.awaited_owners:
        return Outcome(after)
    adding = moved(after, Transition.LAST_UNMASKING, now, voids=0)
    return Outcome(adding, (CloseTasks(frozenset({TaskKind.UNMASK})), Add()))


def gone_for_good(context: JobContext, state: JobState, message: OwnerLeft, now: datetime) -> Outcome:
    """Go on without an owner that has left, as long as there are as many others as the quorum.

    Where it has answered, and what it is to sign or tell is awaited, the round is void: it cannot come any more.
    """
    said = message.statement
    after = state if said.party in state.left else state.model_copy(update={"left": (*state.left, said.party)})
    if len(state.roster) - len(after.left) < _quorum(context, state):
        reason = f"{said.name} left the job ({said.code}), and fewer owners than its quorum are left."
        return end_job(context, state, Transition.FAIL, now, code=Code.OWNER_LEFT.slug, reason=reason)
    if state.phase is Phase.WAITING_FOR_DATA_OWNERS:
        return answered(context, after, now)
    if any(owner.party == said.party for owner in after.awaited_owners):
        return _void(context, after, f"{said.name} answered, and then left the job ({said.code}).", now)
    return Outcome(after)


def _name_set(context: JobContext, state: JobState, now: datetime) -> Outcome:
    current = _current(state)
    members = tuple(owner.party for owner in state.roster if owner.party in current.answers)
    absent = [owner.party for owner in state.roster if owner.party not in current.answers]
    named = moved(
        state,
        Transition.SET_NAMED,
        now,
        deadline=_deadline(context, now),
        current=current.model_copy(update={"members": members}),
        absences={**state.absences, **{party: state.absences.get(party, 0) + 1 for party in absent}},
    )
    request = to_cbor(SetRequest(protocol=context.manifest.protocol, job_id=state.job_id, sum_set=sum_set_of(named)))
    return Outcome(named, (CloseTasks(frozenset({TaskKind.COMPUTE})), *_to_members(named, TaskKind.SIGN_SET, request)))


def _void(context: JobContext, state: JobState, why: str, now: datetime) -> Outcome:
    """Tell the Model Owner that the round has no sum. Its number is used: what comes next is a new round."""
    step = Step(
        protocol=context.manifest.protocol, job_id=state.job_id, step=state.step, log_entry=b"", void=why[:2000]
    )
    after = moved(state, Transition.ROUND_VOID, now, step=state.step + 1, step_result_hash=None, voids=state.voids + 1)
    current = _current(state)
    dropped = () if context.plan.keep_rounds is None else (DropVoidRound(current.round, current.signed_request_hash),)
    return Outcome(after, (CloseTasks(_OF_OWNERS), step_task(context, step), *dropped))


def _to_members(state: JobState, kind: TaskKind, request: bytes) -> tuple[CreateTask, ...]:
    current = _current(state)
    return tuple(
        CreateTask(f"{kind.value}/{state.job_id}/{current.round}/{party}", kind, party, request)
        for party in current.members
    )


def _of_set(state: JobState, party: str, set_hash: str) -> CurrentRound:
    current = state.current
    if current is None or not current.members or sum_set_of(state).hash != set_hash:
        raise Problem(Code.TASK_CLOSED, f"The set {set_hash[:16]}… is not of the round that the job is at.")
    if party not in current.members:
        raise Problem(Code.FORBIDDEN, f"{party[:16]}… is not in the set of round {current.round}.")
    return current


def _must_be(state: JobState, phase: Phase) -> None:
    if state.phase is not phase:
        raise Problem(Code.TASK_CLOSED, f"The job is {state.phase}.")


def _current(state: JobState) -> CurrentRound:
    if state.current is None:
        raise ValueError("no round was asked for yet")
    return state.current


def _quorum(context: JobContext, state: JobState) -> int:
    owners = len(state.roster)
    return least_in_set(context.manifest.spec, owners) or owners


def _deadline(context: JobContext, now: datetime) -> datetime:
    return now + timedelta(seconds=context.manifest.spec.training.round_timeout_s)
