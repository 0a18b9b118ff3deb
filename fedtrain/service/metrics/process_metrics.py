"""Processor time of a service and of the workers it has waited for, as one counter of GET /metrics."""

from __future__ import annotations

import os
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class ProcessorTime(Collector):
    """Seconds since the process started; unlike prometheus_client's own, not on Linux alone."""

    def __init__(self, registry: CollectorRegistry) -> None:
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        spent = os.times()
        seconds = spent.user + spent.system + spent.children_user + spent.children_system
        yield CounterMetricFamily("fedtrain_cpu_seconds", "Processor time, ended child processes included", seconds)
