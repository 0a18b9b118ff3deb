"""An ended job's answers and frozen moments, deleted by age; what was released stays in the audit."""

from __future__ import annotations

from datetime import datetime

from data_owner.freezing import Freezer
from data_owner.store.contract import OwnerStore


def prune(store: OwnerStore, freezer: Freezer, ended_before: datetime) -> int:
    """Return how many jobs that ended before that moment lost their answers' bytes and frozen moments. Blocks."""
    jobs = store.prune(ended_before)
    for job_id in jobs:
        freezer.forget_job(job_id)
    return len(jobs)
