"""A task's result counts once: what that means, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from fedtrain.facilitator.store.records import StoredTask
from fedtrain.protocol.messages.pieces import hash_of
from fedtrain.service.store.body_files import Body
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True)
class Given:
    """A result as it came: who sent it, to which task, the exact bytes, in memory or in a file."""

    task_id: str
    party: str
    body: Body
    content_type: str

    @cached_property
    def hash(self) -> str:
        return hash_of(self.body)


def judge(task: StoredTask | None, given: Given) -> Literal["new", "known"]:
    """Return whether the result is new, or the very one that was given before.

    Raises Problem: TASK_NOT_FOUND where there is no such task for this party, ANSWER_CONFLICT where another result
    was given, TASK_CLOSED where the task takes none any more.
    """
    if task is None or task.header.recipient != given.party:
        raise Problem(Code.TASK_NOT_FOUND, f"There is no task {given.task_id[:64]} for {given.party[:16]}….")
    if task.result_hash == given.hash:
        return "known"
    if task.result_hash is not None:
        raise Problem(Code.ANSWER_CONFLICT, f"Task {task.header.key} has another result, and it stands.")
    if task.closed:
        raise Problem(Code.TASK_CLOSED, f"Task {task.header.key} is over; its job went on or ended.")
    return "new"
