"""A party's tasks at GET /metrics: how long they take, how they fail, whether the Facilitator is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fedtrain.client.agent.tasks import AgentEvent, Handler, TaskAnswer
from fedtrain.protocol.messages.cbor import Encoded
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.spec.problems import Code, Problem

_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class AgentMetrics:
    """Counters of one task agent."""

    def __init__(self, registry: CollectorRegistry, perf_counter: Callable[[], float] = time.perf_counter) -> None:
        self._perf_counter = perf_counter
        self._seconds = Histogram(
            "fedtrain_task_seconds", "Time to work a task off", ("kind",), buckets=_BUCKETS_S, registry=registry
        )
        self._failures = Counter(
            "fedtrain_task_failures",
            "Tasks that could not be answered, by kind and problem",
            ("kind", "code"),
            registry=registry,
        )
        self._connected = Gauge(
            "fedtrain_facilitator_connected", "1 while the Facilitator is reached", registry=registry
        )
        self._lost = Counter("fedtrain_facilitator_losses", "Times that the Facilitator was lost", registry=registry)

    def on_event(self, event: AgentEvent, _header: TaskHeader | None) -> None:
        """For the task agent."""
        if event is AgentEvent.CONNECTED:
            self._connected.set(1)
        elif event is AgentEvent.DISCONNECTED:
            self._connected.set(0)
            self._lost.inc()

    def timed(self, handlers: Mapping[TaskKind, Handler]) -> dict[TaskKind, Handler]:
        """Return the same handlers, timed, with their failures counted."""
        return {kind: self._timed(kind, handler) for kind, handler in handlers.items()}

    def _timed(self, kind: TaskKind, handler: Handler) -> Handler:
        async def timed(header: TaskHeader, request: Encoded) -> TaskAnswer | None:
            began = self._perf_counter()
            try:
                answer = await handler(header, request)
            except Exception as error:
                code = error.code if isinstance(error, Problem) else Code.INTERNAL
                self._failures.labels(kind.value, code.slug).inc()
                raise
            self._seconds.labels(kind.value).observe(self._perf_counter() - began)
            return answer

        return timed
