"""A job as a person names it: by its id, by how that begins, or by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedtrain.cli.output import Failure

if TYPE_CHECKING:
    from fedtrain.cli.jobs.client import Service

_WHOLE_ID = re.compile("[0-9a-f]{32}")
_MOST_LISTED = 8


def is_whole(text: str) -> bool:
    """Return whether a text is an id already, which needs no list of those that there are."""
    return _WHOLE_ID.fullmatch(text) is not None


def job_id(service: Service, text: str) -> str:
    """Return the id of the job at `service` that `text` names. Raises Failure for none and for several."""
    return text if is_whole(text) else whole_id(text, service.get("/models"), service.base_url)


def whole_id(text: str, jobs: Sequence[Mapping[str, Any]], place: str) -> str:
    """Return the id of the one of `jobs` that `text` names. Raises Failure, which lists the several that it could be.

    `place`: where they are, as people know it.
    """
    wanted = text.strip()
    if not wanted:
        raise Failure("an id or a name of a model is needed, and none was given")
    found = [job for job in jobs if str(job["id"]).startswith(wanted.lower()) or job.get("name") == wanted]
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        told = f"no job at {place} has an id that begins with {text!r}"
        if jobs and not any("name" in job for job in jobs):  # a Facilitator's list
            raise Failure(f"{told}. It lists no names: `fedtrain status` has the id of each")
        raise Failure(f"{told}, or that name")
    listed = "; ".join(_described(job) for job in found[:_MOST_LISTED])
    more = f"; and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
    raise Failure(f"{len(found)} jobs at {place} go by {text!r}: {listed}{more}: give more of its id")


def _described(job: Mapping[str, Any]) -> str:
    told = [str(job[field]) for field in ("name", "status") if job.get(field)]
    return f"{job['id']} ({', '.join(told)})" if told else str(job["id"])
