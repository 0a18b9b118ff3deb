"""The decision about a request at a terminal: shown first, with its conditions, and what follows from it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from fedtrain.cli.output import Failure, console, print_json
from fedtrain.cli.owner.consent import print_consent
from fedtrain.cli.requests.shown import print_owners, print_thread

if TYPE_CHECKING:
    from fedtrain.cli.jobs.client import Service


def approve_request(
    service: Service,
    request: str,
    conditions: dict[str, Any],
    by: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Show a request, ask whether it is approved, and approve it by these conditions. Raises Failure."""
    found = service.get(f"/requests/{request}")
    if found["asked"] is None:
        raise Failure(f"request {request[:16]}… cannot be shown here: {found['cannot_be_shown']}")
    if not as_json:
        print_request(found)
    if not yes:
        if not sys.stdin.isatty():
            raise Failure(f"request {request[:16]}… was not approved: there is nobody to ask here; --yes approves it")
        typer.confirm("Approve this request?", abort=True, err=as_json)
    given = {name: value for name, value in conditions.items() if value is not None}
    decide(service, request, "approve", {"conditions": given, "by": by}, as_json)


def moment(text: str | None) -> str | None:
    """Return a date, or a date and time, with its zone: this machine's where none is given. Raises Failure."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    except ValueError:
        raise Failure(f"--until {text!r}: a date such as 2026-06-30 is needed, or 2026-06-30T18:00") from None


def decide(service: Service, request: str, what: str, body: dict[str, Any], as_json: bool) -> None:
    """Approve or decline, and say what follows from it."""
    sent = {name: value for name, value in body.items() if value is not None}
    found = service.post(f"/requests/{request}/{what}", sent)
    if as_json:
        print_json(found)
        return
    done = "approved: the one job that comes of it as it was asked" if what == "approve" else "declined"
    more = " joins by itself" if what == "approve" else ""
    console().print(f"request {request[:16]}… is {done}{more}. All parties to it are told.", markup=False)


def print_request(found: dict[str, Any]) -> None:
    """Print a request as an owner's people decide on it."""
    if found["asked"] is None:
        console().print(f"request {found['id']} cannot be shown here: {found['cannot_be_shown']}", markup=False)
    else:
        print_consent(found["asked"])
    print_owners(found)
    print_thread(found)
