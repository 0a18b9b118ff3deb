"""`fedtrain score`: a Data Owner's rows by a model that stays hidden, and whose owner sees neither rows nor scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fedtrain.cli.jobs.commands import Json, Model, ModelOwner
from fedtrain.cli.output import Failure, console, print_json
from fedtrain.cli.owner.decisions import DataOwner, data_owner_url
from fedtrain.cli.owner.given_models import print_values, rows_or_dataset

_TIMEOUT_S = 600


def score(
    model: Model,
    rows: Annotated[
        Path | None, typer.Option(help="A JSON file: a list of rows, objects by column name or lists in feature order.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Or a dataset that is registered at the Data Owner.")] = None,
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Score rows without showing them to anybody; every new row counts against the model's quota.

    The quota is one row less than the model has columns, to all owners together: as many scores are the model itself.
    Rows that were scored before are free.
    """
    from fedtrain.cli.jobs.client import Service
    from fedtrain.cli.jobs.job_ids import job_id

    if (rows is None) == (dataset is None):
        raise Failure("give exactly one of --rows and --dataset")
    body = rows_or_dataset(rows, dataset)
    with Service(data_owner_url(data_owner), timeout_s=_TIMEOUT_S) as service:
        answer = service.post("/score", {"model_id": job_id(service, model), **body})
    if as_json:
        print_json(answer)
    else:
        _print_scores(answer)


def allow_scoring(
    model: Model,
    quota_bits: Annotated[
        int | None, typer.Option(min=1, help="Bits of the model that scores may tell in all; by default the most.")
    ] = None,
    data_owner: Annotated[
        list[str] | None, typer.Option(help="A party id that may score, again for more; by default all that trained.")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Answer no more scores of this model.")] = False,
    model_owner: ModelOwner = None,
    as_json: Json = False,
) -> None:
    """Let Data Owners score a model that they do not see, up to a quota."""
    from fedtrain.cli.jobs.client import Service, model_owner_url
    from fedtrain.cli.jobs.job_ids import job_id

    with Service(model_owner_url(model_owner)) as service:
        named = job_id(service, model)
        path = f"/models/{named}/scoring"
        if stop:
            answer = service.delete(path)
        else:
            answer = service.post(path, {"quota_bits": quota_bits, "data_owners": data_owner or None})
    if as_json:
        print_json(answer)
        return
    console().print(f"model {named}: {answer['scores_left']} rows can be scored", markup=False)
    told = f"{answer['spent_bits']} of {answer['quota_bits']} bits; {answer['entropy_bits']} would be the model"
    console().print(f"  told so far: {told}", markup=False)
    if not stop:
        console().print(
            "  A score is linear in the model, so that scores of as many rows as it has columns are the model: the "
            "quota ends one row before, over all owners together. It is enough for single cases, and not for a list of "
            "patients; for those the Model Owner scores itself (`fedtrain predict --data`), or gives the model away.",
            markup=False,
        )


def _print_scores(answer: dict[str, Any]) -> None:
    print_values(answer)
    if answer.get("scores_left") is not None:
        console().print(
            f"{answer['scores_left']} more rows can be scored with this model, by all owners together; these again are "
            "free",
            markup=False,
        )
    elif answer["values"]:
        console().print("all of these rows were scored before: nothing was asked, and nothing counts", markup=False)
