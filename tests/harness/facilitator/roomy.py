"""Limits for tests that have no plan at hand, or a plan that says nothing of what they send."""

from __future__ import annotations

from fedtrain.methods.plan import Plan
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.spec.model_spec import ModelSpec

ROOMY = EvidenceLimits(1 << 24, 1 << 24)


async def unplanned(_job_id: str) -> tuple[ModelSpec, Plan] | None:
    """Know the plan of no job."""
    return None
