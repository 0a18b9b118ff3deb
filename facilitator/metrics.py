"""Metrics of the Facilitator at GET /metrics, beside the counts of requests and bytes that every service has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from fedtrain.crypto import Engine
from fedtrain.facilitator.job_state import JobState
from fedtrain.facilitator.store import Store
from fedtrain.service.metrics.service_metrics import ServiceMetrics
from fedtrain.service.metrics.window_metrics import WindowGauges
from fedtrain.spec.problems import Code, Problem

_CODES = frozenset(code.slug for code in Code)
_PHASE_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)


class Metrics:
    """Counters of one Facilitator."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.service = ServiceMetrics(registry)
        self.rounds = Counter("fedtrain_rounds", "Rounds added up", ("kind",), registry=registry)
        self.rounds_void = Counter(
            "fedtrain_rounds_void", "Rounds without a sum, for want of owners", registry=registry
        )
        self.answers_missed = Counter(
            "fedtrain_answers_missed", "Answers that were not in time for a sum that went on without", registry=registry
        )
        self.jobs_ended = Counter("fedtrain_jobs_ended", "Jobs ended", ("status", "code"), registry=registry)
        self.results_refused = Counter("fedtrain_results_refused", "Task results refused", ("code",), registry=registry)
        self.result_bytes = Counter("fedtrain_result_bytes", "Bytes of accepted results", ("kind",), registry=registry)
        self.adding_seconds = Histogram(
            "fedtrain_adding_seconds", "Time to multiply a round's answers", registry=registry
        )
        self.phase_seconds = Histogram(
            "fedtrain_phase_seconds",
            "How long jobs stayed in a phase that they left",
            ("phase",),
            buckets=_PHASE_BUCKETS_S,
            registry=registry,
        )
        self.polls_waiting = Gauge("fedtrain_polls_waiting", "Long polls that wait for a task", registry=registry)
        self.windows = WindowGauges(registry)

    def observe(self, before: JobState, after: JobState) -> None:
        """Count what one step changed."""
        if after.phase is not before.phase:
            seconds = (after.phase_since - before.phase_since).total_seconds()
            self.phase_seconds.labels(before.phase.value).observe(max(0.0, seconds))
        if after.voids > before.voids:
            self.rounds_void.inc()
        self.answers_missed.inc(sum(after.absences.values()) - sum(before.absences.values()))
        if after.ended and not before.ended and after.ending is not None:
            self.jobs_ended.labels(after.phase.value, _label(after.ending.code)).inc()

    @contextmanager
    def watching(self, store: Store, engine: Engine) -> Iterator[None]:
        """Within the block, count the store's jobs and open tasks at every scrape, and its writes as they come."""
        collector = _OpenTasks(store)
        self._registry.register(collector)
        self.service.watch(engine, store.engine)
        self.service.jobs.watch(store.phase_counts)
        try:
            yield
        finally:
            self.service.unwatch()
            self._registry.unregister(collector)


def _label(code: str | None) -> str:
    """A job's end has whatever code its Model Owner gave: a label for each would fill the memory."""
    return code if code in _CODES else "(other)" if code else ""


class _OpenTasks(Collector):
    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily("fedtrain_tasks_open", "Tasks without a result")]

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("fedtrain_tasks_open", "Tasks without a result", labels=["kind"])
        try:
            with self._store.read() as tx:
                counts = tx.open_task_counts()
        except Problem:
            return  # the store is away, as GET /readyz says
        for kind, count in counts.items():
            family.add_metric([kind.value], count)
        yield family
