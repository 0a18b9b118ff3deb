"""The task desk: parties fetch their work here and bring their results back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from structlog.contextvars import bind_contextvars

from fedtrain.facilitator.job import Message, StepAnswered
from fedtrain.facilitator.job_state import JobState
from fedtrain.facilitator.rounds.incoming import (
    read_join_answer,
    read_round_answer,
    read_set_signature,
    read_step_result,
    read_unmasking,
    read_withdrawal,
)
from fedtrain.facilitator.runner import JobRunner, Resources
from fedtrain.facilitator.store import StoredBlob, StoredTask
from fedtrain.facilitator.store.results import Given, judge
from fedtrain.protocol.messages.pieces import size_of
from fedtrain.protocol.messages.task_sizes import STATEMENT_BYTES, most_result_bytes
from fedtrain.protocol.messages.tasks import CBOR_TYPE, JSON_TYPE, PASSED_ON, TaskHeader, TaskKind
from fedtrain.service.store.body_files import Body, BodyFile, bytes_of
from fedtrain.spec.problems import Code, Problem

_LISTED_TASKS = 500
_OF_OWNERS = (TaskKind.COMPUTE, TaskKind.SIGN_SET, TaskKind.UNMASK)
_RESULT_TYPES = {
    TaskKind.JOIN: (JSON_TYPE,),
    TaskKind.STEP: (CBOR_TYPE,),
    **dict.fromkeys(_OF_OWNERS, (CBOR_TYPE, JSON_TYPE)),  # what is asked for, or a signed Withdrawal
    TaskKind.END: (JSON_TYPE,),
    **dict.fromkeys(PASSED_ON, (CBOR_TYPE,)),
}


class TaskDesk:
    """Lists, hands out and takes back tasks. Each is there for its recipient alone."""

    def __init__(self, resources: Resources, runner: JobRunner) -> None:
        self._own = resources
        self._runner = runner

    async def tasks(self, party: str, *, after: int, wait_s: float, stop: asyncio.Event) -> Sequence[TaskHeader]:
        """The party's open tasks with a sequence above `after`, in order.

        While there is none, waits up to `wait_s` seconds for one, or until `stop` is set.
        """
        ends_at = self._own.clock.monotonic() + wait_s
        with self._own.doorbell.listen(party) as bell:
            while True:
                found = await asyncio.to_thread(self._open_tasks, party, after)
                left_s = ends_at - self._own.clock.monotonic()
                if found or left_s <= 0:
                    return found
                with self._own.metrics.polls_waiting.track_inprogress():
                    rung = await bell.wait(left_s, stop)
                if not rung:
                    return found

    def _open_tasks(self, party: str, after: int) -> Sequence[TaskHeader]:
        with self._own.store.read() as tx:
            return tx.open_tasks(party, after, _LISTED_TASKS)

    async def request(self, party: str, task_id: str) -> StoredBlob:
        """A task's request. Raises Problem(TASK_NOT_FOUND) for any party but its recipient."""
        job_id, found = await asyncio.to_thread(self._request, party, task_id)
        bind_contextvars(job=job_id)
        return found

    def _request(self, party: str, task_id: str) -> tuple[str | None, StoredBlob]:
        with self._own.store.read() as tx:
            task = tx.task(task_id)
            if task is None or task.header.recipient != party:
                raise Problem(Code.TASK_NOT_FOUND, f"There is no task {task_id[:64]} for {party[:16]}….")
            content = tx.blob(task.request_hash)
        if content is None:
            raise LookupError(f"the store has lost the request of task {task.header.key}")
        return task.header.job_id, StoredBlob(content, task.request_type)

    @asynccontextmanager
    async def received(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Body]:
        """Receive a result for the block: a large one is a file, which is removed after it unless it was kept."""
        bodies = self._own.store.bodies
        if bodies is None:
            yield b"".join([chunk async for chunk in chunks])
            return
        body = await bodies.receive(chunks)
        try:
            yield body
        except asyncio.CancelledError:
            raise  # the step that takes it goes on; what that leaves is removed at the next start
        except BaseException:
            _discard(body)
            raise
        _discard(body)

    async def give(self, given: Given) -> None:
        """Take a task's result: verify it, and let the job go on. The same bytes twice count once.

        Raises Problem: TASK_NOT_FOUND, ANSWER_CONFLICT, TASK_CLOSED, UNSUPPORTED_MEDIA_TYPE, and what
        `fedtrain.facilitator.rounds.incoming` and `fedtrain.facilitator.round` refuse.
        """
        try:
            await self._give(given)
        except Problem as problem:
            self._own.metrics.results_refused.labels(problem.code.slug).inc()
            raise

    async def _give(self, given: Given) -> None:
        task, state = await asyncio.to_thread(self._task_and_job, given)
        bind_contextvars(job=state.job_id, round=None if state.current is None else state.current.round)
        if judge(task, given) == "known":
            return
        kind = task.header.kind
        if given.content_type not in _RESULT_TYPES[kind]:
            taken = " or ".join(_RESULT_TYPES[kind])
            raise Problem(
                Code.UNSUPPORTED_MEDIA_TYPE,
                f"Content-Type is {given.content_type[:100] or 'missing'}; a {kind} result is {taken}.",
            )
        if kind is TaskKind.END or kind in PASSED_ON:
            await asyncio.to_thread(self._keep_result, given)
            self._own.doorbell.ring(given.task_id)
        else:
            message = await self._verified(kind, state, given)
            await self._runner.apply(state.job_id, message, given)
        self._own.metrics.result_bytes.labels(kind.value).inc(size_of(given.body))

    async def most_result_bytes(self, party: str, task_id: str) -> int:
        """Return the most bytes that the result of this party's task may have; of a task that it has not, the least."""
        return await asyncio.to_thread(self._most_result_bytes, party, task_id)

    def _most_result_bytes(self, party: str, task_id: str) -> int:
        with self._own.store.read() as tx:
            task = tx.task(task_id)
        if task is None or task.header.recipient != party or task.header.job_id is None:
            return STATEMENT_BYTES
        context = self._runner.context(task.header.job_id)
        return most_result_bytes(task.header.kind, context.manifest.spec, context.plan)

    def _task_and_job(self, given: Given) -> tuple[StoredTask, JobState]:
        with self._own.store.read() as tx:
            task = tx.task(given.task_id)
            judge(task, given)
            state = tx.job(task.header.job_id) if task is not None and task.header.job_id is not None else None
        if task is None or state is None:
            raise Problem(Code.TASK_NOT_FOUND, f"Task {given.task_id[:64]} belongs to no job.")
        return task, state

    def _keep_result(self, given: Given) -> None:
        with self._own.store.write() as tx:
            if judge(tx.task(given.task_id), given) == "new":
                tx.answer_task(given.task_id, given.body, given.content_type)

    async def _verified(self, kind: TaskKind, state: JobState, given: Given) -> Message:
        """Check the result in the executor, and return the message that it is."""
        message: Message
        if kind is TaskKind.JOIN:
            message = await self._opened(given, read_join_answer, given.party)
            return message
        if kind in _OF_OWNERS and given.content_type == JSON_TYPE:
            message = await self._opened(given, read_withdrawal, given.party)
            return message
        if kind is TaskKind.SIGN_SET or kind is TaskKind.UNMASK:
            read = read_set_signature if kind is TaskKind.SIGN_SET else read_unmasking
            message = await self._opened(given, read, given.party, state)
            return message
        context = await asyncio.to_thread(self._runner.context, state.job_id)
        if kind is TaskKind.COMPUTE:
            message = await self._opened(given, read_round_answer, given.party, state, context.modulus, context.plan)
            return message
        result, request = await self._opened(given, read_step_result, context.manifest, context.plan)
        # The log grows with sums alone, and none is added before this step is answered.
        previous = await asyncio.to_thread(self._last_entry, state)
        return StepAnswered(given.hash, result, request, previous)

    def _last_entry(self, state: JobState) -> bytes:
        with self._own.store.read() as tx:
            last = tx.log_entry(state.job_id, state.log_length - 1)
        if last is None:
            raise LookupError(f"the store has lost entry {state.log_length - 1} of the log of job {state.job_id}")
        return last.entry

    async def _opened(self, given: Given, read: Callable[..., Any], *arguments: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._own.executor, _read, read, given.body, *arguments)


def _discard(body: Body) -> None:
    if isinstance(body, BodyFile):
        body.discard()


def _read(read: Callable[..., Any], body: Body, *arguments: object) -> Any:
    """Open a result that may lie in a file: where it is read, so that memory has no more than executors at work."""
    return read(bytes_of(body), *arguments)
