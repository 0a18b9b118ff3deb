"""Moments at which people of this Model Owner are told of a job: when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from fedtrain.model_owner.job_state import JobState
from fedtrain.protocol.states import Phase
from fedtrain.service.notify.channels import Notice
from fedtrain.service.notify.settings import Kind

_KINDS: Final[Mapping[Phase, Kind]] = {Phase.FINISHED: "job-finished", Phase.FAILED: "job-failed"}


def notice_of(party: str, before: JobState, after: JobState, now: datetime) -> Notice | None:
    """Return what people are told of a job's step, None where it is nothing."""
    kind = _KINDS.get(after.phase)
    if kind is None or before.phase is after.phase:
        return None
    return Notice(kind, party, after.job_id, after.spec.name, now)
