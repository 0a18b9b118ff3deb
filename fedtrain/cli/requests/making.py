"""`fedtrain request`: ask owners to approve a job, talk about it, and deploy it once they have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from fedtrain.cli.jobs.commands import Json, ModelOwner, print_model
from fedtrain.cli.output import Failure, console, print_json, print_table
from fedtrain.cli.requests.shown import all_requests, print_owners, print_thread, request_id

app = typer.Typer(name="request", help="Ask owners to approve a job before it is one.", no_args_is_help=True)

Request = Annotated[str, typer.Argument(help="The request: its id, how that begins, or its title.", metavar="REQUEST")]


@app.command()
def create(
    spec: Annotated[Path, typer.Argument(help="The model spec, a JSON file.")],
    title: Annotated[str, typer.Option(help="What to call it, in lists and to the owners' people.")],
    purpose: Annotated[str, typer.Option(help="What the model is for: an approval is for this purpose.")],
    dataset: Annotated[
        list[str], typer.Option(help="The id of a card, as `fedtrain search` shows it; once for each owner.")
    ],
    again: Annotated[bool, typer.Option("--again", help="Ask once more where the very same was asked before.")] = False,
    model_owner: ModelOwner = None,
    as_json: Json = False,
) -> None:
    """Ask the owners of these datasets to approve a job; the same command a second time asks nobody twice."""
    from fedtrain.cli.jobs.client import Service, model_owner_url, read_json
    from fedtrain.protocol.documents.identity import sha256_hex

    document = read_json(spec)
    if not isinstance(document, dict):
        raise Failure(f"{spec}: a model spec is one JSON object")
    body = {"title": title, "purpose": purpose, "spec": document, "datasets": dataset}
    with Service(model_owner_url(model_owner)) as service:
        key = uuid4().hex if again else sha256_hex(json.dumps(body, sort_keys=True).encode())
        made = service.post("/requests", body, key=key)
    if as_json:
        print_json(made)
        return
    names = ", ".join(one["name"] for one in made["owners"])
    console().print(f"request {made['id']} asks {names}: fedtrain request show {made['id'][:8]}", markup=False)


@app.command("list")
def list_requests(model_owner: ModelOwner = None, as_json: Json = False) -> None:
    """List this Model Owner's requests, and how many owners have approved each."""
    from fedtrain.cli.jobs.client import Service, model_owner_url

    with Service(model_owner_url(model_owner)) as service:
        found = all_requests(service)
    if as_json:
        print_json(found)
    elif not found:
        console().print("no request was made here", markup=False)
    else:
        rows = [
            [
                one["id"][:16],
                one["title"],
                f"{one['approved']} of {len(one['owners'])}",
                one["messages"],
                next(iter(one["models"]), None),
            ]
            for one in found
        ]
        print_table("", ["request", "title", "approved", "messages", "latest model"], rows)


@app.command()
def show(request: Request, model_owner: ModelOwner = None, as_json: Json = False) -> None:
    """Show a request: what each owner has decided, and what was said."""
    from fedtrain.cli.jobs.client import Service, model_owner_url

    with Service(model_owner_url(model_owner)) as service:
        found = service.get(f"/requests/{request_id(service, request)}")
    _print(found, as_json)


@app.command()
def ask(
    request: Request,
    text: Annotated[str, typer.Argument(help="A question or an answer: all owners that are asked read it.")],
    model_owner: ModelOwner = None,
    as_json: Json = False,
) -> None:
    """Ask or answer in a request's thread."""
    from fedtrain.cli.jobs.client import Service, model_owner_url

    with Service(model_owner_url(model_owner)) as service:
        found = service.post(f"/requests/{request_id(service, request)}/messages", {"text": text})
    _print(found, as_json)


@app.command()
def deploy(
    request: Request,
    rounds: Annotated[int | None, typer.Option(min=1, help="Fewer rounds than it was asked with.")] = None,
    epsilon: Annotated[float | None, typer.Option(help="A smaller epsilon than it was asked with.")] = None,
    model_owner: ModelOwner = None,
    as_json: Json = False,
) -> None:
    """Start the job that owners have approved."""
    from fedtrain.cli.jobs.client import Service, model_owner_url

    with Service(model_owner_url(model_owner)) as service:
        body = {"request": request_id(service, request), "rounds": rounds, "epsilon": epsilon}
        state = service.post("/models", {name: value for name, value in body.items() if value is not None})
    if as_json:
        print_json(state)
    else:
        print_model(state)


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for label in ("id", "title", "purpose"):
        console().print(f"{label:>14}  {found[label]}", markup=False)
    print_owners(found)
    for model in found["models"]:
        console().print(f"{'model':>14}  {model}", markup=False)
    print_thread(found)
