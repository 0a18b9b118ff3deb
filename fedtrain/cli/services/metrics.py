"""Numbers out of a service's /metrics (Prometheus text format 0.0.4)."""

from __future__ import annotations


def sum_by_name(text: str) -> dict[str, float]:
    """Return, per sample name, the sum over its labels. Lines that are no sample are passed over."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name = line.split("{", 1)[0].split(" ", 1)[0]
        value = line.rsplit("}", 1)[-1].split() if "}" in line else line.split()[1:]
        if value:
            sums[name] = sums.get(name, 0.0) + float(value[0])
    return sums
