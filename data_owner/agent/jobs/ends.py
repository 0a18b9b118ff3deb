"""Ends of jobs that this owner answered in, as it signs them."""

from __future__ import annotations

from fedtrain.client.agent.heads import WAITED_FOR, EndedJob
from fedtrain.data_owner.agent.jobs.owner_jobs import OwnerJobs
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


class Ends:
    """Ends of one owner's jobs, for the keeper of heads."""

    def __init__(self, jobs: OwnerJobs) -> None:
        self._jobs = jobs

    async def job(self, job_id: str) -> EndedJob | None:
        """Return a job as this owner signs its end, None where there is nothing to sign. Raises MODEL_NOT_FOUND."""
        return await self._jobs.run(self._end, await self._jobs.known(job_id))

    async def recent(self) -> list[EndedJob]:
        """Return the jobs of the last weeks whose ends this owner signs."""
        jobs = self._jobs
        states = await jobs.run(jobs.store.jobs)
        ended = [state for state in states if state.ended and jobs.now() - state.changed_at < WAITED_FOR]
        found = [await jobs.run(self._end, state) for state in ended]
        return [end for end in found if end is not None]

    def _end(self, state: JobState) -> EndedJob | None:
        return end_of(self._jobs.context(state), state)
