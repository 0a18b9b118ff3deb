"""Tasks that one party has for another: the Facilitator passes it on, and reads none of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fedtrain.facilitator.job import CreateTask
from fedtrain.facilitator.runner import JobRunner, Resources
from fedtrain.facilitator.store import StoredBlob, WriteTransaction
from fedtrain.protocol.clock import timestamp
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.task_sizes import most_request_bytes
from fedtrain.protocol.messages.tasks import CBOR_TYPE, PASSED_ON, TaskHeader, TaskKind
from fedtrain.spec.problems import Code, Problem

MAX_OPEN_TASKS = 64


@dataclass(frozen=True)
class Sent:
    """A task as a party sends it: for whom, about which job, and the exact bytes. `nonce` makes it one task."""

    sender: str
    recipient: str
    kind: TaskKind
    job_id: str
    nonce: str
    body: bytes

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.job_id}/{self.sender}/{self.nonce}"

    @property
    def task_id(self) -> str:
        return sha256_hex(self.key.encode())[:32]


class Mailbox:
    """Takes tasks from parties, and gives their results back to them."""

    def __init__(self, resources: Resources, runner: JobRunner) -> None:
        self._own = resources
        self._runner = runner

    async def send(self, sent: Sent) -> TaskHeader:
        """Keep a task for its recipient, who polls. The same again is the same task.

        Raises Problem: FORBIDDEN for a kind that is the Facilitator's own, MODEL_NOT_FOUND, INVALID_REQUEST for a
        recipient that is not known here, RATE_LIMITED beyond MAX_OPEN_TASKS, ANSWER_CONFLICT for other bytes under
        the same nonce.
        """
        _check_passed_on(sent.kind)
        context = await asyncio.to_thread(self._runner.context, sent.job_id)
        header = await asyncio.to_thread(self._send, sent, context.manifest.model_owner)
        self._own.doorbell.ring(sent.recipient)
        return header

    async def most_bytes(self, kind: TaskKind, job_id: str) -> int:
        """Return the most bytes that a task of that kind may ask with. Raises Problem: FORBIDDEN, MODEL_NOT_FOUND."""
        _check_passed_on(kind)
        context = await asyncio.to_thread(self._runner.context, job_id)
        return most_request_bytes(kind, context.manifest.spec, context.plan)

    def _send(self, sent: Sent, model_owner: str) -> TaskHeader:
        with self._own.store.write() as tx:
            if sent.recipient != model_owner and tx.party(sent.recipient) is None:
                raise Problem(Code.INVALID_REQUEST, f"recipient {sent.recipient[:16]}… is no party that is known here.")
            known = tx.task(sent.task_id)
            if known is None:
                self._add(tx, sent)
                known = tx.task(sent.task_id)
        if known is None:
            raise LookupError(f"the store has lost task {sent.key}")
        if known.request_hash != sha256_hex(sent.body) or known.header.recipient != sent.recipient:
            raise Problem(Code.ANSWER_CONFLICT, f"Task {known.header.key} was sent before, with other contents.")
        return known.header

    def _add(self, tx: WriteTransaction, sent: Sent) -> None:
        if tx.open_tasks_from(sent.sender) >= MAX_OPEN_TASKS:
            raise Problem(
                Code.RATE_LIMITED, f"{MAX_OPEN_TASKS} tasks of {sent.sender[:16]}… are open: wait until some are done."
            )
        task = CreateTask(sent.key, sent.kind, sent.recipient, sent.body, CBOR_TYPE)
        tx.add_task(sent.task_id, sent.job_id, sent.sender, timestamp(self._own.clock), task)

    async def result(self, party: str, task_id: str, *, wait_s: float, stop: asyncio.Event) -> StoredBlob | None:
        """The result of a task that `party` sent, as soon as there is one; None after `wait_s` seconds without.

        Raises Problem(TASK_NOT_FOUND) for any party but its sender.
        """
        ends_at = self._own.clock.monotonic() + wait_s
        with self._own.doorbell.listen(task_id) as bell:
            while True:
                found = await asyncio.to_thread(self._result, party, task_id)
                left_s = ends_at - self._own.clock.monotonic()
                if found is not None or left_s <= 0 or not await bell.wait(left_s, stop):
                    return found

    def _result(self, party: str, task_id: str) -> StoredBlob | None:
        with self._own.store.read() as tx:
            task = tx.task(task_id)
            if task is None or task.header.sender != party:
                raise Problem(Code.TASK_NOT_FOUND, f"There is no task {task_id[:64]} from {party[:16]}….")
            if task.result_hash is None or task.header.job_id is None:
                return None
            return tx.job_blob(task.header.job_id, task.result_hash)


def _check_passed_on(kind: TaskKind) -> None:
    """Raises Problem(FORBIDDEN)."""
    if kind not in PASSED_ON:
        raise Problem(Code.FORBIDDEN, f"A {kind} task is the Facilitator's own to create.")
