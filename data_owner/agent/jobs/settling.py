"""Jobs here held against the Facilitator's: what has ended there, while this owner was away, ends here."""

from __future__ import annotations

from typing import Protocol

import structlog

from fedtrain.data_owner import job as j
from fedtrain.data_owner.agent.jobs.owner_jobs import OwnerJobs, job_of
from fedtrain.data_owner.agent.registering import Registering
from fedtrain.data_owner.job_state import JobState
from fedtrain.protocol.documents.signed import JobEnd
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.agent")

#: What passes by itself: whether a job has ended is then asked once more.
_ASKED_AGAIN = frozenset({Code.FACILITATOR_UNREACHABLE, Code.STORE_UNAVAILABLE, Code.RATE_LIMITED})


class Models(Protocol):
    """The part that is asked of `fedtrain.client.facilitator.FacilitatorClient`."""

    async def model(self, job_id: str) -> dict[str, object]: ...


class Settling:
    """Settles one owner's jobs: at the first connection, where a task came too late, and where a person asks for it."""

    def __init__(self, jobs: OwnerJobs, facilitator: Models, registering: Registering) -> None:
        self._jobs = jobs
        self._facilitator = facilitator
        self._registering = registering
        self._settled = False

    async def connected(self) -> None:
        """Register, and the first time end what has ended at the Facilitator while this state did not know of it."""
        await self._registering.register()
        if self._settled:
            return
        jobs = self._jobs
        for state in await jobs.run(jobs.store.jobs):
            await jobs.run(jobs.effects.forget_what_is_left, jobs.context(state), state)
            await self._settle(state)
        self._settled = True

    async def on_dropped(self, header: TaskHeader) -> None:
        """A JOIN that came too late may be of a job whose END was answered before this owner knew of it."""
        state = await self._jobs.run(self._jobs.store.job, job_of(header))
        if header.kind is TaskKind.JOIN and state is not None:
            await self._settle(state)

    async def _settle(self, state: JobState) -> None:
        """End a job here that has ended at the Facilitator. Raises a Problem of `_ASKED_AGAIN`."""
        if state.phase not in (Phase.OFFERED, Phase.AWAITING_APPROVAL, Phase.JOINED):
            return
        try:
            await self.resume(state.job_id)
        except Problem as problem:
            if problem.code in _ASKED_AGAIN:
                raise
            log.warning("job not settled", job=state.job_id, code=problem.code.slug, why=problem.detail)

    async def resume(self, job_id: str) -> JobState:
        """Go on with a job: end it where it has ended at the Facilitator, else take its tasks up again.

        Raises Problem: MODEL_NOT_FOUND, JOB_OVER, and what the Facilitator says.
        """
        state = await self._jobs.known(job_id)
        if state.ended:
            raise Problem(Code.JOB_OVER, f"Job {job_id} is {state.phase} here: there is nothing to resume.")
        end = JobEnd.told(job_id, await self._facilitator.model(job_id))
        if end is not None:
            async with self._jobs.driver.holding(job_id):
                await self._jobs.drive(job_id, j.Ended(end))
        self._jobs.retry(job_id)
        return await self._jobs.known(job_id)
