"""A request as both sides see it on a terminal, and finding the one that a person names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fedtrain.cli.output import Failure, console, echo

if TYPE_CHECKING:
    from fedtrain.cli.jobs.client import Service

_MOST_NAMED = 8
_WHOLE_ID = 64


def all_requests(service: Service) -> list[dict[str, Any]]:
    """Return the requests at `service`, the newest first; those that it does not believe are told on stderr."""
    found: list[dict[str, Any]] = []
    page = service.get("/requests")
    while True:
        found += page["requests"]
        for one in page["refused"]:
            echo(f"not shown: a request that seems to be of {one['signer'][:16]}…: {one['why']}", err=True)
        if page["next"] is None:
            return found
        page = service.get(f"/requests?before={page['next']}")


def request_id(service: Service, text: str) -> str:
    """Return the id of the one request that goes by `text`: its id, how that begins, or its title. Raises Failure."""
    wanted = text.strip()
    if len(wanted) == _WHOLE_ID:
        return wanted.lower()
    if not wanted:
        raise Failure("an id or a title of a request is needed, and none was given")
    found = [one for one in all_requests(service) if one["id"].startswith(wanted.lower()) or one["title"] == wanted]
    if len(found) == 1:
        return str(found[0]["id"])
    if not found:
        raise Failure(f"no request at {service.base_url} has an id that begins with {text!r}, or that title")
    listed = "; ".join(f"{one['id'][:16]}… ({one['title']})" for one in found[:_MOST_NAMED])
    raise Failure(f"{len(found)} requests at {service.base_url} go by {text!r}: {listed}: give more of its id")


def print_owners(request: Mapping[str, Any]) -> None:
    """Print who is asked, and what each has decided, a line an owner."""
    for one in request["owners"]:
        console().print(f"{'asked':>14}  {one['name']} ({one['party'][:16]}…): {_decided(one)}", markup=False)


def print_thread(request: Mapping[str, Any]) -> None:
    """Print what was said, the oldest first."""
    for one in request["thread"]:
        console().print(f"\n{one['name']}, {_local(one['at'])}:", markup=False)
        for line in one["text"].split("\n"):
            console().print(f"  {line}", markup=False)


def _decided(owner: Mapping[str, Any]) -> str:
    if owner["decision"] is None:
        return "has not decided"
    told = f"{owner['decision']} on {_local(owner['decided_at'])}"
    if owner["reason"]:
        return f"{told}, because: {' '.join(owner['reason'].split())}"
    conditions = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in (owner["conditions"] or {}).items())
    departs = f"; the job could not come now: {'; '.join(owner['departs'])}" if owner["departs"] else ""
    return f"{told}{f', {conditions}' if conditions else ''}{departs}"


def _local(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}"
