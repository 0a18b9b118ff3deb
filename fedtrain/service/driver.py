"""Drives a job at any party: lock, load, step, commit, effects, again.

    message   →   round.step(context, state, message, now)   →   state and what it keeps, in one transaction
    message   ←   handlers[type(effect)](state, effect)      ←   effects, one after the other

Whatever happens to a job happens here, one message at a time. What takes long is an effect, done between two messages:
nothing of it is kept before it comes back as a message, so that it may be interrupted at any moment. What a crash
leaves undone after a commit each party finds again in its states, and drives on.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from fedtrain.client.agent.tasks import TaskAnswer
from fedtrain.protocol.outcome import EffectT, Outcome
from fedtrain.service.store.jobs import JobStore, StateT

ContextT = TypeVar("ContextT")
MessageT = TypeVar("MessageT")
T = TypeVar("T")


class Contexts(Generic[ContextT]):
    """Contexts of jobs, each made once and kept at hand for the jobs used last. Any thread may share it."""

    def __init__(self, kept: int = 64) -> None:
        self._most = kept
        self._kept: OrderedDict[str, ContextT] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()

    def of(self, job_id: str, make: Callable[[], ContextT]) -> ContextT:
        """Return a job's context, by `make` where it is not at hand. Raises what `make` raises."""
        context = self.at_hand(job_id)
        if context is None:
            with self._making:  # by one at a time: planning takes long, and two who want the same plan make it once
                context = self.at_hand(job_id)
                if context is None:
                    context = make()
                    self.keep(job_id, context)
        return context

    def keep(self, job_id: str, context: ContextT) -> None:
        """Have a job's context at hand."""
        with self._lock:
            self._kept[job_id] = context
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def at_hand(self, job_id: str) -> ContextT | None:
        """Return a job's context where it is kept."""
        with self._lock:
            if job_id in self._kept:
                self._kept.move_to_end(job_id)
            return self._kept.get(job_id)


@dataclass(frozen=True)
class Driven(Generic[StateT]):
    """A job once nothing is left to do: its state, and the answer to a task where an effect gave one."""

    state: StateT
    answer: TaskAnswer | None = None


@dataclass(frozen=True)
class Driver(Generic[ContextT, StateT, MessageT, EffectT]):
    """One party's jobs. Create it within the event loop that runs it.

    `context`: what never changes in a job, opened once and kept by the party. `run` calls what blocks, in a thread.
    `handlers`: by the type of an effect, what is done beyond the store; None, the answer to a task, or a message. An
    effect of no type that is listed needs nothing more. `took` is told, in a thread, of each step that changed a job.
    """

    step: Callable[[ContextT, StateT, MessageT, datetime], Outcome[StateT, EffectT]]
    store: JobStore[StateT, EffectT]
    context: Callable[[StateT], ContextT]
    now: Callable[[], datetime]
    run: Callable[[Callable[[], Any]], Awaitable[Any]]
    handlers: Mapping[type, Callable[[StateT, Any], Awaitable[MessageT | TaskAnswer | None]]]
    took: Callable[[StateT, StateT], None]
    #: There for as long as somebody holds them or waits for them: jobs come and go for months.
    locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def holding(self, job_id: str) -> asyncio.Lock:
        """Return the job's lock, the same one to all who use it at one time.

        For who has more to do with the job than one message: see `held`.
        """
        lock = self.locks.get(job_id)
        if lock is None:
            lock = self.locks[job_id] = asyncio.Lock()
        return lock

    async def drive(
        self, job_id: str, message: MessageT, *, held: bool = False, at: datetime | None = None, **of_store: Any
    ) -> Driven[StateT]:
        """Take a message, and those that its effects come back as, until nothing is left to do.

        Once an effect comes back as a message, that says how the job goes on, and what was to follow the effect is
        not done. `held`: the caller holds the job; without it the job is let go between messages. `at`: when the
        message came, by default now. `of_store`: what else the store's `step` is given with the first message.
        Raises Problem where a message does not belong; the job is then what it was.
        """
        answer: TaskAnswer | None = None
        while True:
            async with nullcontext() if held else self.holding(job_id):
                outcome = await self.take(job_id, message, at=at, **of_store)
            follows, given = await self.carry_out(outcome)
            answer = given or answer
            if follows is None:
                return Driven(outcome.state, answer)
            message, of_store = follows, {}

    async def take(
        self, job_id: str, message: MessageT, *, at: datetime | None = None, **of_store: Any
    ) -> Outcome[StateT, EffectT]:
        """Take one message, and keep what follows; nothing beyond the store is done. The caller holds the job."""

        def taken() -> Outcome[StateT, EffectT]:
            befores: list[StateT] = []

            def move(before: StateT) -> Outcome[StateT, EffectT]:
                befores.append(before)
                return self.step(self.context(before), before, message, at or self.now())

            outcome = self.store.step(job_id, move, **of_store)
            if befores and outcome.state is not befores[0]:
                self.took(befores[0], outcome.state)
            return outcome

        outcome: Outcome[StateT, EffectT] = await self.run(taken)
        return outcome

    async def carry_out(self, outcome: Outcome[StateT, EffectT]) -> tuple[MessageT | None, TaskAnswer | None]:
        """Do what an outcome asks for beyond the store, up to the first effect that comes back as a message."""
        answer = None
        for effect in outcome.effects:
            handler = self.handlers.get(type(effect))
            back = None if handler is None else await handler(outcome.state, effect)
            if isinstance(back, TaskAnswer):
                answer = back
            elif back is not None:
                return back, answer
        return None, answer
