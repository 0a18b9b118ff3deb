"""An ended job's answers and frozen moments, deleted by age; what was released stays in the audit."""

from __future__ import annotations

from datetime import datetime

from fedtrain.data_owner.data.frozen.folder import FrozenFolder
from fedtrain.data_owner.store.sql import OwnerStore


def prune(store: OwnerStore, frozen: FrozenFolder, ended_before: datetime) -> int:
    """Return how many jobs that ended before that moment lost their answers' bytes or frozen moments. Blocks.

    Every ended job is looked at, whether it ever answered or not. Its files go before its answers' bytes: a pass that
    is interrupted between the two is finished by the next.
    """
    pruned = 0
    for job_id in store.ended_jobs(ended_before):
        had_moments = frozen.forget_job(job_id)
        had_answers = store.empty_answers(job_id)
        pruned += had_moments or had_answers
    return pruned
