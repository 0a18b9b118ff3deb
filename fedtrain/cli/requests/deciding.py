"""`fedtrain inbox | decline | ask`: requests at a Data Owner. `fedtrain approve` takes them too."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fedtrain.cli.output import console, echo, print_json, print_table
from fedtrain.cli.owner.decisions import (
    DataOwner,
    Json,
    data_owner_url,
    print_waiting_jobs,
    print_waiting_results,
    waiting_jobs,
    waiting_results,
)
from fedtrain.cli.requests.approving import decide, print_request
from fedtrain.cli.requests.shown import all_requests, print_thread, request_id

Request = Annotated[str, typer.Argument(help="The request: its id, how that begins, or its title.", metavar="REQUEST")]
By = Annotated[str | None, typer.Option(help="Who decides, as this owner's audit is to name this person.")]


def inbox(
    request: Annotated[
        str | None,
        typer.Argument(help="A request: its id, how that begins, or its title. Without it, all.", metavar="[REQUEST]"),
    ] = None,
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Show what waits for people of this owner: requests, jobs, results to sign off; or one request in full."""
    from fedtrain.cli.jobs.client import Service
    from fedtrain.spec.problems import Code, Problem

    with Service(data_owner_url(data_owner)) as service:
        if request is not None:
            found = service.get(f"/requests/{request_id(service, request)}")
            if as_json:
                print_json(found)
            else:
                print_request(found)
            return
        jobs, results = waiting_jobs(service), waiting_results(service)
        try:
            requests: list[dict[str, Any]] | None = all_requests(service)
        except Problem as problem:
            if problem.code is not Code.FACILITATOR_UNREACHABLE:
                raise
            echo(f"fedtrain: requests cannot be looked at: {problem.detail}", err=True)
            requests = None
    if as_json:
        print_json({"requests": requests, "jobs": jobs, "results": results})
        return
    if requests == []:
        console().print("no request asks this owner", markup=False)
    elif requests is not None:
        rows: list[list[object]] = [
            [one["id"][:16], one["title"], one["model_owner_name"], one["purpose"], _own(one), one["messages"]]
            for one in requests
        ]
        print_table("", ["request", "title", "model owner", "purpose", "decided here", "messages"], rows)
    if jobs or not results:
        print_waiting_jobs(jobs)
    print_waiting_results(results)


def decline(
    request: Request,
    reason: Annotated[
        str | None, typer.Option(help="Why, if it is to be told: all parties to the request read it.")
    ] = None,
    by: By = None,
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Decline a request, or take its approval back. A job that has joined goes on: `fedtrain deny` is for jobs."""
    from fedtrain.cli.jobs.client import Service

    with Service(data_owner_url(data_owner)) as service:
        decide(service, request_id(service, request), "decline", {"reason": reason, "by": by}, as_json)


def ask(
    request: Request,
    text: Annotated[str, typer.Argument(help="A question or an answer: all parties to the request read it.")],
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Ask or answer in a request's thread, in the name of this owner."""
    from fedtrain.cli.jobs.client import Service

    with Service(data_owner_url(data_owner)) as service:
        found = service.post(f"/requests/{request_id(service, request)}/messages", {"text": text})
    if as_json:
        print_json(found)
    else:
        print_thread(found)


def _own(request: dict[str, Any]) -> str:
    return "waits for a person" if request["waits"] else "yes"
