"""Scale and budget of the jobs in progress, as metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from fedtrain.planning.window_position import WindowPosition


class WindowGauges:
    """One value a job in progress, gone when it ends. From any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, what: str) -> Gauge:
            # Prometheus gives every sample a label `job` of its own: the one that was scraped.
            return Gauge(name, what, ("model_id",), registry=registry)

        self._step = gauge("fedtrain_window_step", "Updates since the weights were last encrypted afresh")
        self._scale = gauge("fedtrain_weight_fraction_bits", "Scale of the encrypted weights")
        self._used = gauge("fedtrain_bits_used", "Bits of a plaintext that one slot needs in the worst case")
        self._left = gauge("fedtrain_bits_left", "Bits of a plaintext that are left")
        self._shown: set[str] = set()

    def show(self, job_id: str, position: WindowPosition | None) -> None:
        """Set the job's values, or take them away where there is no position."""
        gauges = (self._step, self._scale, self._used, self._left)
        if position is None:
            if job_id in self._shown:
                self._shown.discard(job_id)
                for gauge in gauges:
                    gauge.remove(job_id)
            return
        self._shown.add(job_id)
        values = (position.step, position.weight_fraction_bits, position.bits_used, position.bits_left)
        for gauge, value in zip(gauges, values, strict=True):
            gauge.labels(job_id).set(value)
