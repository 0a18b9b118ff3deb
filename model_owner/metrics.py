"""The Model Owner's numbers at GET /metrics, beside the counts of requests and bytes that every service has."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy import Engine as Database

from fedtrain.crypto import Engine, PoolFiller
from fedtrain.model_owner.job_state import JobState
from fedtrain.service.metrics.agent_metrics import AgentMetrics
from fedtrain.service.metrics.service_metrics import ServiceMetrics
from fedtrain.service.metrics.window_metrics import WindowGauges


class Metrics:
    """Counters of one Model Owner."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.service = ServiceMetrics(registry)
        self.agent = AgentMetrics(registry)
        self.sent_bytes = Counter("fedtrain_sent_bytes", "Message bytes sent to other parties", registry=registry)
        self.received_bytes = Counter("fedtrain_received_bytes", "Message bytes received", registry=registry)
        self.rounds = Counter("fedtrain_rounds", "Rounds asked", registry=registry)
        self.jobs_ended = Counter("fedtrain_jobs_ended", "Jobs ended", ("status", "code"), registry=registry)
        self.step_seconds = Histogram("fedtrain_step_seconds", "Arithmetic of one step of a job", registry=registry)
        self.nonces_ready = Gauge("fedtrain_nonces_ready", "Nonces made ahead of need", registry=registry)
        self.nonces_wanted = Gauge("fedtrain_nonces_wanted", "Nonces that the pools aim at", registry=registry)
        self.windows = WindowGauges(registry)

    def watch(self, engine: Engine, database: Database, filler: PoolFiller[str]) -> None:
        """Report on these from now on."""
        self.service.watch(engine, database)
        self.nonces_ready.set_function(lambda: filler.level)
        self.nonces_wanted.set_function(lambda: filler.target)

    def unwatch(self) -> None:
        """Report on nothing of it any more."""
        self.service.unwatch()
        for gauge in (self.nonces_ready, self.nonces_wanted):
            gauge.set_function(lambda: 0)

    def observe(self, before: JobState, after: JobState) -> None:
        """Count what one message changed."""
        self.sent_bytes.inc(after.bytes_sent - before.bytes_sent)
        self.received_bytes.inc(after.bytes_received - before.bytes_received)
        if after.asked is not None and after.asked != before.asked:
            self.rounds.inc()
            self.step_seconds.observe(max(0.0, after.seconds_spent - before.seconds_spent))
        self.windows.show(after.job_id, after.window)
        if after.ended and not before.ended:
            code = "" if after.ending is None or after.ending.code is None else after.ending.code
            self.jobs_ended.labels(after.phase.value, code).inc()
