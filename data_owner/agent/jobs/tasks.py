"""The Facilitator's tasks at an owner: JOIN, COMPUTE, the two of rounds that go on, and END."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext

import structlog
from structlog.contextvars import bound_contextvars

from fedtrain.client.agent.tasks import Handler, TaskAnswer
from fedtrain.data_owner import job as j
from fedtrain.data_owner.agent.jobs.owner_jobs import OwnerJobs, job_of
from fedtrain.data_owner.agent.own_answers import OwnAnswers, Taker, is_behind
from fedtrain.data_owner.agent.requests import decided
from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.round import new_job
from fedtrain.methods.plan import Plan
from fedtrain.protocol.documents.signed import Decline, JobEnd, SignedDocument, parse_json
from fedtrain.protocol.evidence.sum_set import SetRequest, UnmaskRequest
from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.rounds import Compute, RoundRequest, from_cbor
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskHeader, TaskKind
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.agent")

#: What no repetition mends, so that the job ends, or goes on without this owner; the same weights and draws diverge
#: again, though where rounds go on others are asked next.
_LEFT_FOR = frozenset({Code.OWNER_LOST_ITS_KEY, Code.BUDGET_SPENT, Code.DIVERGED})


class OwnerTasks:
    """Answers the tasks of one owner's jobs."""

    def __init__(self, jobs: OwnerJobs, answers: OwnAnswers) -> None:
        """`answers`: what a state that was restored from a backup is brought up to."""
        self._jobs = jobs
        self._first_answers = asyncio.Lock()
        self._taker = Taker(
            jobs.effects,
            answers,
            run=jobs.run,
            context=jobs.context,
            take=jobs.driver.take,
            roster=jobs.fetched_roster,
        )

    @property
    def handlers(self) -> Mapping[TaskKind, Handler]:
        """For the task agent."""
        return {
            TaskKind.JOIN: self.on_join,
            TaskKind.COMPUTE: self.on_compute,
            TaskKind.SIGN_SET: self.on_set,
            TaskKind.UNMASK: self.on_unmask,
            TaskKind.END: self.on_end,
        }

    async def plan_of(self, job_id: str) -> tuple[ModelSpec, Plan] | None:
        """Return a job's spec and plan, None where this owner has none that it agreed to."""
        jobs = self._jobs
        state = await jobs.run(jobs.store.job, job_id)
        if state is None:
            return None
        try:
            return await jobs.run(jobs.context(state).planned, state)
        except Problem as problem:
            if problem.code is Code.STORE_UNAVAILABLE:
                raise
            return None

    async def on_join(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """Answer a JOIN task; None while a person has yet to decide."""
        jobs, offer, job_id = self._jobs, parse_json(bytes(body), SignedDocument), job_of(header)
        async with jobs.driver.holding(job_id):
            state = await jobs.run(jobs.store.open_job, new_job(job_id, offer, jobs.now()))
            if state.offer != offer:
                decline = Decline(
                    manifest_hash=offer.hash,
                    party=jobs.identity.party_id,
                    name=jobs.name,
                    code=Code.JOB_EXISTS.slug,
                )
                answer = jobs.effects.sign(decline)
                return TaskAnswer(answer.model_dump_json().encode(), JSON_TYPE)
            datasets = {dataset.name: dataset.facts() for dataset in await jobs.run(jobs.store.datasets)}
            manifest = await jobs.run(jobs.manifest, state)
            request = None if manifest is None else manifest.request
            # Jobs of one request one after the other: the second has to find that the first was let in.
            async with nullcontext() if request is None else jobs.driver.holding(request):
                of_request = None if manifest is None else await jobs.run(decided, jobs.store, manifest)
                state = (await jobs.drive(job_id, j.Offered(datasets, of_request))).state
            if state.refusal is not None:
                log.warning("declined", job=job_id, code=state.refusal.code, why=f"GET /models/{job_id} has the reason")
            if state.join_answer is None:
                log.info("waits for a person", job=job_id, why=f"GET /models/{job_id} has the reason")
                return None
            return TaskAnswer(state.join_answer.model_dump_json().encode(), JSON_TYPE)

    async def on_compute(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """Answer a COMPUTE task. Raises Problem, which stays in view at GET /models, for a request it refuses."""
        compute = from_cbor(body, Compute)
        request = from_cbor(compute.request.body, RoundRequest)
        with bound_contextvars(round=request.round):
            return await self._computed(job_of(header), compute, request)

    async def _computed(self, job_id: str, compute: Compute, request: RoundRequest) -> TaskAnswer | None:
        jobs = self._jobs
        async with jobs.driver.holding(job_id):
            state = await self._joined(job_id)
            goes_on = jobs.context(state).manifest(state).spec.training.goes_on
            if is_behind(state, compute, goes_on=goes_on):
                try:
                    state = await self._taker.catch_up(state, compute)
                except Problem as problem:
                    if problem.code is not Code.STORE_UNAVAILABLE:
                        await jobs.note(job_id, problem)
                    raise
            answered = await jobs.run(jobs.store.answer, job_id, request.round, request.kind)
            try:
                if state.last is None:
                    # One after the other, so that each is held against those that were answered before it.
                    async with self._first_answers:
                        past = await jobs.run(jobs.effects.past, jobs.context(state), state)
                        driven = await jobs.drive(job_id, j.Asked(compute, answered, past))
                else:
                    driven = await jobs.drive(job_id, j.Asked(compute, answered))
            except Problem as problem:
                await self._leave_for(job_id, problem, goes_on=goes_on)
                driven = await jobs.drive(job_id, j.Asked(compute, answered))
            if driven.answer is None:
                log.warning("waits for a person", job=job_id, why=f"GET /models/{job_id} has the reason")
            return driven.answer

    async def on_set(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """Sign the set of owners whose answers are summed, or say that this owner leaves.

        Raises Problem, which stays in view, where it refuses.
        """
        return await self._of_set(job_of(header), j.SetAsked(from_cbor(body, SetRequest)))

    async def on_unmask(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """Tell the Model Owner keys of masks under the signed set. Raises Problem as `on_set`."""
        return await self._of_set(job_of(header), j.KeysAsked(from_cbor(body, UnmaskRequest)))

    async def _of_set(self, job_id: str, asked: j.SetAsked | j.KeysAsked) -> TaskAnswer | None:
        async with self._jobs.driver.holding(job_id):
            await self._joined(job_id)
            try:
                return (await self._jobs.drive(job_id, asked)).answer
            except Problem as problem:
                await self._leave_for(job_id, problem, goes_on=True)
                return (await self._jobs.drive(job_id, asked)).answer

    async def _leave_for(self, job_id: str, problem: Problem, *, goes_on: bool) -> None:
        """Leave a job that this owner can answer no more; what is asked is then answered by saying so.

        Raises `problem` where it is anything else, noted for this owner's people.
        """
        if problem.code is not Code.STORE_UNAVAILABLE:
            await self._jobs.note(job_id, problem)
        if problem.code not in _LEFT_FOR or (goes_on and problem.code is Code.DIVERGED):
            raise problem
        await self._jobs.drive(job_id, j.KeyLost(problem.detail, problem.code))

    async def _joined(self, job_id: str) -> JobState:
        """A job that the Facilitator has this owner on the roster of. Raises Problem(OWNER_LOST_ITS_KEY)."""
        state = await self._jobs.run(self._jobs.store.job, job_id)
        if state is None or state.join_answer is None:
            raise Problem(
                Code.OWNER_LOST_ITS_KEY,
                f"Job {job_id} was joined after the backup that this owner's state was restored from: its mask key is "
                "lost, and without it no round can be answered. Ask the Model Owner to cancel it and deploy it again.",
            )
        return state

    def on_listed(self, header: TaskHeader) -> None:
        """End the training of a job that is over: its END waits behind the task that trains."""
        if header.kind is TaskKind.END and header.job_id is not None:
            self._jobs.effects.stop_training(header.job_id)

    async def on_end(self, header: TaskHeader, body: Encoded) -> TaskAnswer:
        """Close a job; an END for one that is not known here is answered all the same."""
        end, job_id = parse_json(bytes(body), JobEnd), job_of(header)
        async with self._jobs.driver.holding(job_id):
            state = await self._jobs.run(self._jobs.store.job, job_id)
            if state is not None:
                state = (await self._jobs.drive(job_id, j.Ended(end))).state
                log.info("job over", job=job_id, phase=state.phase.value)
        return TaskAnswer(b"{}", JSON_TYPE)
