"""The numbers that every service has: its build, its event loop, its executor, its store, its workers, its process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.engine import Engine as Database

from fedtrain.crypto import Engine
from fedtrain.protocol.states import Role
from fedtrain.protocol.version import PROTOCOL_VERSION
from fedtrain.service.metrics.job_metrics import JobsByPhase
from fedtrain.service.metrics.metered_executor import MeteredExecutor
from fedtrain.service.metrics.process_metrics import ProcessorTime
from fedtrain.service.store.database import observe_writes

_WRITE_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0)


def tell_build(registry: CollectorRegistry, role: Role, release: str) -> None:
    """Register `fedtrain_build_info`, always 1, and what the process itself uses."""
    build = Gauge("fedtrain_build_info", "What runs here", ("version", "protocol", "role"), registry=registry)
    build.labels(release, PROTOCOL_VERSION, role.value).set(1)
    ProcessCollector(registry=registry)
    ProcessorTime(registry)


class ServiceMetrics(Collector):
    """Things of its own that a party's service watches: `jobs`, the store's writes, the executor, the workers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._engine: Engine | None = None
        self.jobs = JobsByPhase(registry)
        self._writes = Histogram(
            "fedtrain_store_write_seconds",
            "Write transactions, from asking for the write lock to the commit",
            buckets=_WRITE_BUCKETS_S,
            registry=registry,
        )
        registry.register(self)

    def executor(self, executor: Executor) -> Executor:
        """Return `executor`, with its queue in view. Once a service."""
        return MeteredExecutor(executor, self._registry)

    def watch(self, engine: Engine, database: Database) -> None:
        """Report on these from now on."""
        self._engine = engine
        observe_writes(database, self._writes.observe)

    def unwatch(self) -> None:
        """Report on engine and jobs no more."""
        self._engine = None
        self.jobs.unwatch()

    def describe(self) -> Iterator[Metric]:
        yield self._restarts(0)

    def collect(self) -> Iterator[Metric]:
        # An engine that was handed in may be one without processes.
        yield self._restarts(getattr(self._engine, "restarts", 0))

    def _restarts(self, count: int) -> Metric:
        return CounterMetricFamily("fedtrain_worker_restarts", "Worker processes that had to be replaced", count)
