"""Ends of jobs that this owner answered in, as it signs them."""

from __future__ import annotations

from fedtrain.client.agent.heads import EndedJob
from fedtrain.data_owner.job_state import JobContext, JobState
from fedtrain.protocol.documents.signed import Roster, parse_json
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Problem


def end_of(context: JobContext, state: JobState) -> EndedJob | None:
    """Return a job whose end is to be signed; None for one that goes on, or that this owner told nothing in."""
    if not state.ended or state.last is None or state.roster is None or state.model_owner is None:
        return None
    own_answer = limits = None
    try:
        spec, plan = context.planned(state)
        if state.phase is Phase.FINISHED and not spec.training.goes_on:
            # Its last answer is in the last sum, or before it.
            own_answer, limits = state.last.answer_hash, EvidenceLimits.of(spec, plan)
    except Problem:
        pass  # another version planned it: this one signs what it is shown, and cannot look into the log
    # It was verified when it came.
    owners = tuple(entry.signer for entry in parse_json(state.roster.document.encode(), Roster).entries)
    others = {*owners, state.model_owner, state.roster.signer} - {context.party_id}
    return EndedJob(
        job_id=state.job_id,
        manifest_hash=state.manifest_hash,
        roster_hash=state.roster.hash,
        ended_at=state.changed_at,
        owners=owners,
        others=tuple(sorted(others)),
        own_answer=own_answer,
        limits=limits,
    )
