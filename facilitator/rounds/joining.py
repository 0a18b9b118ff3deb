"""Joining: owners are invited, answer, and the roster closes."""

from __future__ import annotations

from datetime import datetime

from fedtrain.facilitator.job import AppendLog, CloseTasks, CreateTask, JoinAnswered, KeepRoster, Outcome, OwnerOffers
from fedtrain.facilitator.job_state import Accepted, Declined, Invited, JobContext, JobState, Member
from fedtrain.facilitator.rounds.ending import end_job, end_task, not_declined
from fedtrain.facilitator.rounds.moves import given_again, moved, step_task
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.roster import check_belongs
from fedtrain.protocol.documents.signed import Acceptance, JobEnd, Roster, sign_document
from fedtrain.protocol.messages.rounds import LogEntry, Step, to_cbor
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskKind
from fedtrain.protocol.states import Event as Transition
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem


def invite(context: JobContext, state: JobState, message: OwnerOffers, now: datetime) -> Outcome:
    """Hand the manifest to an owner of the dataset, once, while the roster is open."""
    if state.phase is not Phase.JOINING or any(owner.party == message.party for owner in state.invited):
        return Outcome(state)
    invited = (*state.invited, Invited(party=message.party, name=message.name, since=now))
    task = CreateTask(
        key=f"join/{state.job_id}/{message.party}",
        kind=TaskKind.JOIN,
        recipient=message.party,
        request=context.signed_manifest.model_dump_json().encode(),
        content_type=JSON_TYPE,
    )
    return Outcome(state.model_copy(update={"invited": invited}), (task,))


def join(context: JobContext, state: JobState, message: JoinAnswered, now: datetime) -> Outcome:
    """Note an owner's answer; the last one missing, or the last one there is room for, closes the roster.

    Raises Problem: TASK_NOT_FOUND for an owner that was not invited, ANSWER_CONFLICT for a second answer, TASK_CLOSED
    once the roster is closed, MALFORMED_MESSAGE for another manifest, ROSTER_INVALID for a mask key already in
    use, or a sealing key that is missing or not asked for.
    """
    said = message.statement
    if all(owner.party != said.party for owner in state.invited):
        raise Problem(Code.TASK_NOT_FOUND, f"{said.name} ({said.party[:16]}…) was not asked to join this job.")
    if said.party in state.join_answers:
        return given_again(state, state.join_answers[said.party], message.answer_hash, f"the invitation of {said.name}")
    if state.phase is not Phase.JOINING:
        raise Problem(Code.TASK_CLOSED, f"The roster of this job is closed; the job is {state.phase}.")
    if said.manifest_hash != state.manifest_hash:
        raise Problem(
            Code.MALFORMED_MESSAGE,
            f"The answer is about manifest {said.manifest_hash[:16]}…, this job's is {state.manifest_hash[:16]}….",
        )
    changes: dict[str, object] = {"join_answers": {**state.join_answers, said.party: message.answer_hash}}
    if isinstance(said, Acceptance):
        check_belongs(said, context.manifest)
        twin = next((owner for owner in state.accepted if owner.mask_key == said.mask_key), None)
        if twin is not None:
            raise Problem(Code.ROSTER_INVALID, f"{said.name} sent the mask key of {twin.name}: make a fresh one.")
        one = Accepted(party=said.party, name=said.name, mask_key=said.mask_key, signed=message.signed)
        changes["accepted"] = (*state.accepted, one)
    else:
        changes["declined"] = (*state.declined, Declined(party=said.party, name=said.name, code=said.code))
    after = state.model_copy(update=changes)
    full = len(after.accepted) >= context.manifest.spec.training.max_data_owners
    return close_roster(context, after, now) if full or not after.awaited_owners else Outcome(after)


def close_roster(context: JobContext, state: JobState, now: datetime) -> Outcome:
    """Sign the roster, open the log with it and hand both to the Model Owner; or fail for want of owners.

    Owners that are too late are told, whether their answer is on its way or a person there has yet to decide.
    """
    least = context.manifest.spec.training.min_data_owners
    if len(state.accepted) < least:
        reason = _who_is_missing(state, least, context.manifest.spec.dataset)
        return end_job(context, state, Transition.ROSTER_TOO_SMALL, now, code=Code.TOO_FEW_OWNERS.slug, reason=reason)
    accepted = sorted(state.accepted, key=lambda owner: owner.party)
    entries = tuple(owner.signed for owner in accepted)
    roster = sign_document(Roster(manifest_hash=state.manifest_hash, entries=entries), context.identity)
    entry = to_cbor(
        LogEntry(
            protocol=context.manifest.protocol,  # a job speaks one version, also when this side is upgraded meanwhile
            index=0,
            previous=state.log_head,
            manifest_hash=state.manifest_hash,
            roster_hash=roster.hash,
        )
    )
    step = Step(job_id=state.job_id, step=0, log_entry=entry, roster=roster)
    on_roster = {owner.party for owner in accepted}
    too_late = JobEnd(
        job_id=state.job_id,
        status="CANCELLED",
        code=Code.ROSTER_CLOSED.slug,
        reason="The roster was closed without this owner: its answer had not come, or there was no room left.",
    )
    left_out = tuple(
        end_task(state.job_id, owner.party, too_late.model_dump_json().encode())
        for owner in not_declined(state)
        if owner.party not in on_roster
    )
    after = moved(
        state,
        Transition.ROSTER_CLOSED,
        now,
        accepted=(),
        roster=tuple(Member(party=owner.party, name=owner.name) for owner in accepted),
        roster_hash=roster.hash,
        started_at=now,
        log_head=sha256_hex(entry),
        log_length=1,
        step=1,
    )
    return Outcome(
        after,
        (
            CloseTasks(frozenset({TaskKind.JOIN})),
            KeepRoster(roster),
            AppendLog(0, entry),
            step_task(context, step),
            *left_out,
        ),
    )


def _who_is_missing(state: JobState, least: int, dataset: str | None) -> str:
    if not state.invited:
        return f"No registered Data Owner offers the dataset {dataset or 'default'}; {least} are needed."
    names = [f"{owner.name} declined ({owner.code})" for owner in state.declined]
    names += [f"{owner.name} did not answer in time" for owner in state.awaited_owners]
    joined = f"{len(state.accepted)} of {len(state.invited)} Data Owners joined, {least} are needed (min_data_owners)"
    return f"{joined}: {'; '.join(names)}." if names else f"{joined}."
