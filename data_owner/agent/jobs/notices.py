"""Moments at which something waits for people of this owner, or a job that they let in is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from fedtrain.data_owner.job_state import JobContext, JobState
from fedtrain.data_owner.sign_off import waits_for_sign_off
from fedtrain.protocol.states import Phase
from fedtrain.service.notify.channels import Notice
from fedtrain.service.notify.settings import Kind
from fedtrain.spec.problems import Problem

_ENDS: Final[Mapping[Phase, Kind]] = {Phase.FINISHED: "job-finished", Phase.FAILED: "job-failed"}


def notice_of(context: JobContext, before: JobState, after: JobState, now: datetime) -> Notice | None:
    """Return what people are told of a job's step, None where it is nothing."""
    try:
        title = context.manifest(after).spec.name
        kind = _kind(context, before, after)
    except Problem:
        return None  # an offer that does not open is declined, and nobody is asked
    return None if kind is None else Notice(kind, context.name, after.job_id, title, now)


def _kind(context: JobContext, before: JobState, after: JobState) -> Kind | None:
    if after.waits_because is not None and before.waits_because is None:
        return "job-waits"
    if after.sign_off is not None and before.sign_off is None and waits_for_sign_off(context, after):
        return "sign-off-waits"
    if after.phase is before.phase or before.join_answer is None:
        return None
    return _ENDS.get(after.phase)
