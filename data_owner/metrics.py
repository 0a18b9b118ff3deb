"""The numbers at GET /metrics that are the Data Owner's own."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.crypto import Engine
from fedtrain.data_owner.agent.training import ObservedTrainer
from fedtrain.data_owner.release.pools import Pools
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.service.metrics.agent_metrics import AgentMetrics
from fedtrain.service.metrics.service_metrics import ServiceMetrics
from fedtrain.spec.problems import Problem


class Metrics(Collector):
    """Read when asked for, from a started service; a service that has not started has none."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._watched: tuple[Pools, FacilitatorClient, OwnerStore, ObservedTrainer] | None = None
        self.service = ServiceMetrics(registry)
        self.agent = AgentMetrics(registry)
        registry.register(self)

    def watch(
        self, engine: Engine, pools: Pools, client: FacilitatorClient, store: OwnerStore, trainer: ObservedTrainer
    ) -> None:
        """Report on these from now on."""
        self._watched = (pools, client, store, trainer)
        self.service.watch(engine, store.engine)
        self.service.jobs.watch(store.phase_counts)

    def unwatch(self) -> None:
        """Report on nothing any more."""
        self._watched = None
        self.service.unwatch()

    def collect(self) -> Iterator[Metric]:
        if self._watched is None:
            return
        pools, client, store, trainer = self._watched
        yield GaugeMetricFamily("fedtrain_rerandomisers_ready", "Re-randomisers made ahead of need", pools.level)
        yield GaugeMetricFamily("fedtrain_rerandomisers_wanted", "Re-randomisers that the pools aim at", pools.target)
        yield GaugeMetricFamily("fedtrain_training_step", "Step of the local training that runs", trainer.step)
        yield GaugeMetricFamily("fedtrain_training_steps", "Steps of the local training that runs", trainer.steps)
        yield CounterMetricFamily("fedtrain_sent_bytes", "Sent to the Facilitator", client.bytes_sent)
        yield CounterMetricFamily("fedtrain_received_bytes", "Received from the Facilitator", client.bytes_received)
        try:
            released = store.released().values()
        except Problem:
            return  # the store is away, as GET /readyz says
        answers, numbers = (sum(counts) for counts in zip(*released, strict=True)) if released else (0, 0)
        yield CounterMetricFamily("fedtrain_answers_released", "Answers that left this owner", answers)
        yield CounterMetricFamily("fedtrain_numbers_released", "Numbers in those answers", numbers)
