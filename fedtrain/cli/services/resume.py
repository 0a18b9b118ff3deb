"""`fedtrain resume`: go on with a job that waits, as after a party was restored from a backup."""

from __future__ import annotations

from typing import Annotated

import typer

from fedtrain.cli.jobs.commands import Json, Model, ModelOwner
from fedtrain.cli.output import console, print_json


def resume(
    model: Model,
    model_owner: ModelOwner = None,
    data_owner: Annotated[
        str | None, typer.Option(help="A Data Owner's address: go on at that party instead of the Model Owner.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Go on with a job that waits, at one party: it compares its state with the Facilitator's, and catches up."""
    from fedtrain.cli.jobs.client import Service, model_owner_url
    from fedtrain.cli.jobs.job_ids import job_id

    with Service(data_owner or model_owner_url(model_owner)) as service:
        answer = service.post(f"/models/{job_id(service, model)}/resume", {})
    if as_json:
        print_json(answer)
    else:
        waits = answer.get("waits_because") or answer.get("reason")
        said = f"model {answer['id']} is {answer['status']}" + (f": {waits}" if waits else "")
        console().print(said, markup=False)
