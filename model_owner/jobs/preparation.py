"""Steps of a job before its first round, and a cancelled one before it is settled: done again until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from structlog.contextvars import bind_contextvars

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.retry import until_done
from fedtrain.model_owner import job as j
from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.jobs.tasks import JobTasks
from fedtrain.model_owner.service import ModelService
from fedtrain.model_owner.store import ModelStore
from fedtrain.model_owner.sums.keys import KeyRing
from fedtrain.protocol.documents.signed import JobEnd, Manifest, open_document
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("model_owner")


T = TypeVar("T")


class Preparation:
    """Brings jobs to the Facilitator, and tells it of cancelled ones; one asyncio task a job."""

    def __init__(
        self,
        service: ModelService,
        tasks: JobTasks,
        store: ModelStore,
        keys: KeyRing,
        client: FacilitatorClient,
        *,
        facilitator_id: str | None,
        posted: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`facilitator_id`: whom the Facilitator must be; None for anyone. `posted` is told each job that is posted."""
        self._service = service
        self._tasks = tasks
        self._store = store
        self._keys = keys
        self._client = client
        self._facilitator_id = facilitator_id
        self._posted = posted
        self._sleep = sleep
        self._running: dict[str, asyncio.Task[None]] = {}

    async def resume(self) -> None:
        """Take up, after a start, every job that needs it; keys of jobs that ended meanwhile are destroyed."""
        unsettled = await asyncio.to_thread(self._store.unsettled)
        running = {state.job_id for state in unsettled if not state.ended}
        for job_id in await asyncio.to_thread(self._keys.jobs):
            if job_id not in running:
                await asyncio.to_thread(self._keys.destroy, job_id)
        for state in unsettled:
            self.start(state.job_id)

    def start(self, job_id: str) -> None:
        """Do, in the background, whatever the job needs now."""
        if job_id not in self._running:
            task = self._running[job_id] = asyncio.create_task(self._settle(job_id), name=f"preparation of {job_id}")
            task.add_done_callback(lambda _: self._running.pop(job_id, None))

    @property
    def busy(self) -> bool:
        """Say whether anything is under way."""
        return bool(self._running)

    async def cancel(self, job_id: str, reason: str) -> JobState:
        """Cancel a job here, and tell the Facilitator in the background. Raises Problem: MODEL_NOT_FOUND, JOB_OVER."""
        outcome = await self._service.apply(job_id, j.CancelAsked(reason))
        running = self._running.get(job_id)
        # A key that is being made cannot be interrupted: whoever waits for it will find the job ended, and destroy it.
        if running is not None and outcome.state.manifest is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self._running.pop(job_id, None)
        if not outcome.state.cancel_told:
            self.start(job_id)
        return outcome.state

    async def close(self) -> None:
        """Stop; what is not done is taken up at the next start."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _settle(self, job_id: str) -> None:
        """Do what the job needs, again for as long as this party's own store is away."""
        bind_contextvars(job=job_id)  # of this task alone
        await until_done(lambda: self._settle_once(job_id), sleep=self._sleep)

    async def _settle_once(self, job_id: str) -> None:
        """Raises Problem(STORE_UNAVAILABLE) and no other."""
        try:
            state = await self._service.job(job_id)
            if state.phase is Phase.PREPARING:
                state = (await self._service.make_key(state)).state
            if state.phase is Phase.DEPLOYING:
                await self._deploy(state)
            elif state.phase is Phase.CANCELLED and not state.cancel_told:
                await self._tell_cancelled(state)
            elif not state.ended:
                await self._compare(state)
        except Problem as problem:
            if problem.code is Code.STORE_UNAVAILABLE:
                raise
            if problem.code is Code.WRONG_STATE:  # the job was cancelled or ended meanwhile
                await self._forget_key(job_id)
            else:
                await self._fail(job_id, problem)
        except Exception as error:
            log.exception("a job could not be prepared", job=job_id)
            await self._fail(job_id, Problem(Code.INTERNAL, f"Preparing the job failed: {type(error).__name__}."))

    async def take_up(self, job_id: str) -> JobState:
        """Compare a job with the Facilitator's state of it and go on, in the background, as `fedtrain resume` asks.

        A job that was deployed after the backup that this party was restored from has lost its private key: it is
        cancelled at the Facilitator. Raises Problem: MODEL_NOT_FOUND, JOB_OVER, RESTORED_TOO_OLD for such a job.
        """
        try:
            state = await self._service.job(job_id)
        except Problem as problem:
            if problem.code is Code.MODEL_NOT_FOUND:  # and not where the store is away
                await self._cancel_lost(job_id)
            raise
        if state.ended and state.cancel_told:
            raise Problem(Code.JOB_OVER, f"Job {job_id} is {state.phase}: there is nothing to resume.")
        self.start(job_id)
        self._posted(job_id)
        return state

    async def _cancel_lost(self, job_id: str) -> None:
        """Raises Problem(RESTORED_TOO_OLD) once a job that is this party's, and lost here, is cancelled."""
        try:
            owner = open_document(await self._client.manifest(job_id), Manifest).model_owner
        except Problem as problem:
            if problem.code is Code.FACILITATOR_UNREACHABLE:
                raise
            return
        if owner != self._service.party_id:
            return
        why = f"Job {job_id} was deployed after the backup that its Model Owner was restored from: its key is lost."
        await self._client.cancel(job_id, why)
        raise Problem(Code.RESTORED_TOO_OLD, f"{why} It was cancelled at the Facilitator: deploy it again.")

    async def _compare(self, state: JobState) -> None:
        """Go on from what the other one has.

        A Facilitator that has lost the job gets its manifest again; a job that has ended there ends here, FINISHED
        only once its last steps were made again from the log.
        """
        job_id = state.job_id
        try:
            facilitator = await self._until_done(self._facilitator)
            if facilitator != state.facilitator:
                raise Problem(
                    Code.FORBIDDEN,
                    f"Job {job_id} runs at Facilitator {str(state.facilitator)[:16]}…, and "
                    f"{self._client.base_url} is {facilitator[:16]}…: give the right address, or cancel the job.",
                )
            end = JobEnd.told(job_id, await self._there(state))
            if end is not None and end.status == "FINISHED":
                await self._tasks.catch_up(job_id)
            elif end is not None:
                await self._service.apply(job_id, j.Ended(end))
        except Problem as problem:
            log.warning("job not compared", job=job_id, code=problem.code.slug, why=problem.detail)
            self._service.refuse(job_id, problem)

    async def _there(self, state: JobState) -> dict[str, object]:
        """Return what the Facilitator says of the job; it gets the manifest again where it knows nothing of it."""
        try:
            return await self._until_done(lambda: self._client.model(state.job_id))
        except Problem as problem:
            if problem.code is not Code.MODEL_NOT_FOUND or state.manifest is None:
                raise
        signed = state.manifest
        log.warning("the Facilitator has lost the job: it gets the manifest again", job=state.job_id)
        await self._until_done(lambda: self._client.post_manifest(state.job_id, signed))
        return {}

    async def _fail(self, job_id: str, problem: Problem) -> None:
        try:
            await self._service.apply(job_id, j.PreparationFailed(problem))
        except Problem as refused:
            if refused.code is Code.STORE_UNAVAILABLE:
                raise
            log.warning("job not failed", job=job_id, why=refused.detail)

    async def _forget_key(self, job_id: str) -> None:
        if (await self._service.job(job_id)).ended:
            await asyncio.to_thread(self._keys.destroy, job_id)

    async def _deploy(self, state: JobState) -> None:
        signed = state.manifest
        if signed is None:
            raise ValueError("a job that is DEPLOYING has a manifest")

        async def post() -> str:
            facilitator = await self._facilitator()
            await self._client.post_manifest(state.job_id, signed)
            return facilitator

        facilitator = await self._until_done(post)
        await self._service.apply(state.job_id, j.ManifestPosted(facilitator))
        self._posted(state.job_id)

    async def _facilitator(self) -> str:
        """Return the Facilitator's party id. Raises Problem where it is not one, or not the pinned one."""
        party = str((await self._client.identity())["party_id"])
        if self._facilitator_id not in (None, party):
            raise Problem(
                Code.FORBIDDEN,
                f"The Facilitator at {self._client.base_url} is {party[:16]}…, pinned is {self._facilitator_id}.",
            )
        return party

    async def _tell_cancelled(self, state: JobState) -> None:
        reason = state.ending.reason if state.ending is not None and state.ending.reason else "Cancelled."
        try:
            await self._until_done(lambda: self._cancel_there(state, reason))
        except Problem as problem:
            if problem.code is Code.STORE_UNAVAILABLE:
                raise
            # Whatever it says, it knows: the job has ended there, or is none that it would open.
            log.info("cancelling was refused", job=state.job_id, code=problem.code.slug)
        await self._service.apply(state.job_id, j.CancelTold())

    async def _cancel_there(self, state: JobState, reason: str) -> None:
        """Cancel a job at the Facilitator, which is given it where it has none.

        It may be checking the manifest still, from a call that was given up, and would open the job once this one was
        told that there is none; or it has lost the job, and the owners wait to be told of the end.
        """
        try:
            await self._client.cancel(state.job_id, reason)
        except Problem as problem:
            if problem.code is not Code.MODEL_NOT_FOUND or state.manifest is None:
                raise
            await self._facilitator()
            await self._client.post_manifest(state.job_id, state.manifest)
            await self._client.cancel(state.job_id, reason)

    async def _until_done(self, call: Callable[[], Awaitable[T]]) -> T:
        return await until_done(call, sleep=self._sleep)
