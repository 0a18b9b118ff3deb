"""A party's jobs by phase, counted in its store whenever somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fedtrain.protocol.states import Phase, status_of
from fedtrain.spec.problems import Problem

_NAME, _HELP = "fedtrain_jobs", "Jobs by status, and by the phase that they are in"


class JobsByPhase(Collector):
    """`fedtrain_jobs`; a phase without a job is left out, and so is everything while no store is watched."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count: Callable[[], Mapping[Phase, int]] | None = None
        registry.register(self)

    def watch(self, count: Callable[[], Mapping[Phase, int]]) -> None:
        """Ask `count` from now on; it may block."""
        self._count = count

    def unwatch(self) -> None:
        """Ask nothing any more."""
        self._count = None

    def describe(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(_NAME, _HELP)

    def collect(self) -> Iterator[Metric]:
        count = self._count
        if count is None:
            return
        try:
            found = count()
        except Problem:
            return  # the store is away, as GET /readyz says; the other numbers count all the more
        family = GaugeMetricFamily(_NAME, _HELP, labels=("status", "phase"))
        for phase, jobs in sorted(found.items()):
            family.add_metric([status_of(phase).value, phase.value], jobs)
        yield family
