"""Tasks that the Facilitator gives the Model Owner for its jobs: steps, and ends."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog
from structlog.contextvars import bound_contextvars

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.model_owner import job as j
from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.jobs.initial_weights import beginning
from fedtrain.model_owner.jobs.resources import JobContexts, Resources
from fedtrain.model_owner.service import ModelService
from fedtrain.model_owner.sums import replay, windows
from fedtrain.model_owner.sums.evidence import fetch_entries, fetch_roster
from fedtrain.protocol.documents.signed import JobEnd, parse_json
from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.rounds import REQUEST_TAG, SignedBytes, Step, from_cbor
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskHeader
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("model_owner")

_FINE = TaskAnswer(b"{}", JSON_TYPE)


class JobTasks:
    """Works tasks off, and makes the steps again that a restored state has lost."""

    def __init__(self, own: Resources, contexts: JobContexts, service: ModelService) -> None:
        self._own = own
        self._contexts = contexts
        self._service = service

    async def on_step(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """A STEP task. None while the job is not known to be posted yet; then the agent asks again."""
        step = await self._own.run(lambda: from_cbor(body, Step))
        if header.job_id is None or step.job_id != header.job_id:
            raise Problem(Code.MALFORMED_MESSAGE, f"The step is of job {step.job_id}, its task of {header.job_id}.")
        state = await self._service.job(step.job_id)
        if state.phase in (Phase.PREPARING, Phase.DEPLOYING):
            return None
        with bound_contextvars(round=state.round):
            try:
                if step.step > state.next_step and not state.ended:
                    await self.catch_up(step.job_id, step.step)
                return await self._stepped(step, len(body))
            except Problem:
                if state.ended or not (await self._service.job(step.job_id)).ended:
                    raise
                log.info("step no longer needed", job=step.job_id)  # the job ended meanwhile, and its key with it
                return None

    async def _stepped(self, step: Step, size_bytes: int, replayed: j.Replayed | None = None) -> TaskAnswer | None:
        learning = await asyncio.to_thread(self._own.store.learning, step.job_id)
        if learning is None:
            state = await self._service.job(step.job_id)
            plan = (await self._contexts.of(state)).plan
            learning = await self._own.run(lambda: beginning(self._own.data_folder, state.spec, plan))
        driven = await self._service.apply(step.job_id, j.StepArrived(step, size_bytes, learning, replayed))
        if driven.answer is None:
            raise LookupError("a step led to nothing")
        return driven.answer

    async def catch_up(self, job_id: str, until: int | None = None) -> JobState:
        """Make the steps again that this party's state has lost, from the Facilitator's log, and return the state.

        Up to step `until`, or to the end of a job that has finished. A replay that does not come to what was asked
        before ends the job as FAILED (RESTORED_TOO_OLD). Raises Problem where the evidence is not to be had.
        """
        state = await self._service.job(job_id)
        if state.spec.self_masked:
            raise Problem(
                Code.RESTORED_TOO_OLD,
                f"Job {job_id} has gone on since this state was backed up, and the masks' keys that owners told since "
                "then are in no log: cancel it, and deploy it again.",
            )
        log.warning("state older than the job: catching up from the log", job=job_id, step=state.next_step, until=until)
        roster = await fetch_roster(self._own.client, job_id)
        while not state.ended and (until is None or state.next_step < until):
            context = await self._contexts.of(state)
            length = state.log_length if state.next_step else 0
            due = windows.entries_due(context, state)
            # One entry more: its request is what this party answered with.
            items = await fetch_entries(self._own.client, state, context.plan, length, length + due + 1)
            if len(items) < due:
                raise Problem(Code.LOG_INCONSISTENT, f"The log ends at entry {length}, before step {state.next_step}.")
            follows = items[due].signed_request if len(items) > due else None
            request = None if follows is None else from_cbor(follows, SignedBytes)
            if request is not None:
                # Before anything in it is decrypted: nobody else may choose what this party's key is tried on.
                request.open(REQUEST_TAG, self._own.identity.party_id)
            rebuild = partial(replay.step_from_log, context, state, roster, items[:due], self._own.engine)
            step = await self._own.run(rebuild)
            await self._stepped(step, sum(item.size_bytes for item in items[:due]), j.Replayed(request))
            state = await self._service.job(job_id)
        return state

    async def on_end(self, header: TaskHeader, body: Encoded) -> TaskAnswer | None:
        """An END task."""
        end = parse_json(bytes(body), JobEnd)
        if end.job_id != header.job_id:
            raise Problem(Code.MALFORMED_MESSAGE, f"The end is of job {end.job_id}, its task of {header.job_id}.")
        await self._service.apply(end.job_id, j.Ended(end))
        return _FINE

    async def on_problem(self, header: TaskHeader, problem: Problem) -> None:
        """A task that was refused: its job waits, and its people are told why."""
        if header.job_id is not None:
            self._service.refuse(header.job_id, problem)
