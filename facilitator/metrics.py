"""What GET /metrics tells of the Facilitator, beside the counts of requests and bytes that every service has."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from facilitator.store import Store
from protocol.server.window_metrics import WindowGauges


class Metrics:
    """Counters of one Facilitator."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.rounds = Counter("fedtrain_rounds", "Rounds added up", ("kind",), registry=registry)
        self.jobs_ended = Counter("fedtrain_jobs_ended", "Jobs ended", ("status", "code"), registry=registry)
        self.results_refused = Counter("fedtrain_results_refused", "Task results refused", ("code",), registry=registry)
        self.result_bytes = Counter("fedtrain_result_bytes", "Bytes of accepted results", ("kind",), registry=registry)
        self.adding_seconds = Histogram(
            "fedtrain_adding_seconds", "Time to multiply a round's answers", registry=registry
        )
        self.windows = WindowGauges(registry)

    def watch(self, store: Store) -> _OpenTasks:
        """Count the store's open tasks at every scrape, until `unwatch`."""
        collector = _OpenTasks(store)
        self._registry.register(collector)
        return collector

    def unwatch(self, collector: _OpenTasks) -> None:
        self._registry.unregister(collector)


class _OpenTasks(Collector):
    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        return [GaugeMetricFamily("fedtrain_tasks_open", "Tasks without a result")]

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("fedtrain_tasks_open", "Tasks without a result", labels=["kind"])
        with self._store.read() as tx:
            for kind, count in tx.open_task_counts().items():
                family.add_metric([kind.value], count)
        yield family
