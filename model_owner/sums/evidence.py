"""A job's evidence, asked of the Facilitator for as long as it takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from fedtrain.client.evidence import fetch_log
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.client.retry import until_done
from fedtrain.methods.plan import Plan
from fedtrain.model_owner.job_state import JobState
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.evidence.verification import LogItem
from fedtrain.protocol.messages.task_sizes import EvidenceLimits
from fedtrain.spec.problems import Problem

log = structlog.get_logger("model_owner")

T = TypeVar("T")


async def fetch_entries(client: FacilitatorClient, state: JobState, plan: Plan, start: int, stop: int) -> list[LogItem]:
    """Return the log's entries from `start` to before `stop`, as many as there are. Raises Problem where refused."""
    limits = EvidenceLimits.of(state.spec, plan)
    return await _persist(state.job_id, lambda: fetch_log(client, state.job_id, limits, start, stop))


async def fetch_roster(client: FacilitatorClient, job_id: str) -> SignedDocument:
    """Return the job's roster as signed. Raises Problem where it is refused."""
    return await _persist(job_id, lambda: client.roster(job_id))


async def _persist(job_id: str, fetch: Callable[[], Awaitable[T]]) -> T:
    def tell(error: Exception) -> None:
        if isinstance(error, Problem):
            log.warning("evidence not reached", job=job_id, code=error.code.slug, why=error.detail)

    return await until_done(fetch, tell=tell)
