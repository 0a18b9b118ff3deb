"""Ended jobs lose their ciphertexts by age: requests, answers and sums. What proves that they were there is kept."""

from __future__ import annotations

from datetime import datetime

import structlog

from fedtrain.facilitator.store import Store

log = structlog.get_logger("facilitator")


def prune(store: Store, ended_before: datetime, now: datetime) -> int:
    """Delete the ciphertexts of the jobs that ended before that moment; return how many jobs lost theirs.

    The log with every hash and signature, the manifests and the rosters stay. One job a transaction; blocks.
    """
    with store.read() as tx:
        candidates = tx.jobs_with_bulk(ended_before)
    pruned = 0
    for job_id in candidates:
        with store.write() as tx:
            state = tx.job(job_id)
            if state is None or state.ending is None or state.ending.at >= ended_before:
                continue
            tx.delete_bulk(job_id, ended_before)
            tx.put_job(state.model_copy(update={"pruned_at": now}))
        log.info("job pruned", job=job_id, ended_at=state.ending.at.isoformat())
        pruned += 1
    return pruned
