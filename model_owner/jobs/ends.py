"""Ends of this Model Owner's jobs, as it signs them."""

from __future__ import annotations

from fedtrain.client.agent.heads import EndedJob
from fedtrain.model_owner.job_state import JobState
from fedtrain.protocol.documents.signed import Roster, parse_json
from fedtrain.protocol.states import Phase


def end_of(state: JobState) -> EndedJob | None:
    """Return a job whose end is to be signed; None for one that goes on, or that ended before it had a log."""
    if not state.ended or state.roster is None or state.manifest is None:
        return None
    # It was verified when it came.
    owners = tuple(entry.signer for entry in parse_json(state.roster.document.encode(), Roster).entries)
    return EndedJob(
        job_id=state.job_id,
        manifest_hash=state.manifest.hash,
        roster_hash=state.roster.hash,
        ended_at=state.changed_at,
        owners=owners,
        others=(*owners, state.roster.signer),
        # Of a job that failed, the log may have an entry more than came here.
        log_head=state.log_head if state.phase is Phase.FINISHED else None,
    )
