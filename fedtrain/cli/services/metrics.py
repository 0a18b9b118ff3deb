"""Numbers out of a service's /metrics."""

from __future__ import annotations

from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families


def sum_by_name(text: str) -> dict[str, float]:
    """Return, per sample name, the sum over its labels. Raises ValueError for what is no page of metrics."""
    sums: dict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] += sample.value
    return dict(sums)
