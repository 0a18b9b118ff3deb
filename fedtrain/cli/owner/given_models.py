"""`fedtrain personalise`, and `fedtrain predict` at a Data Owner: finished networks that are given to owners."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fedtrain.cli.output import Failure, console, print_json, print_table
from fedtrain.cli.owner.decisions import DataOwner, Json, data_owner_url

_TIMEOUT_S = 600
_TRAINING_TIMEOUT_S = 86_400


def personalise(
    model: Annotated[str, typer.Argument(help="The model: its id, how that begins, or its name.", metavar="MODEL_ID")],
    epochs: Annotated[float, typer.Option(min=0, help="Passes over this owner's records.")] = 1.0,
    learning_rate: Annotated[float | None, typer.Option(help="Default: the one that the job trained with.")] = None,
    by: Annotated[str | None, typer.Option(help="Who has it trained, for this owner's audit.")] = None,
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Train a copy of a finished network on this owner's own records; the copy stays there, and is never sent.

    The job's spec has to give the network to its owners (`give_model`). `fedtrain predict --personal` uses the copy.
    """
    from fedtrain.cli.jobs.client import Service
    from fedtrain.cli.jobs.job_ids import job_id

    given = {"epochs": epochs, "learning_rate": learning_rate, "by": by}
    body = {name: value for name, value in given.items() if value is not None}
    with Service(data_owner_url(data_owner), timeout_s=_TRAINING_TIMEOUT_S) as service:
        answer = service.post(f"/models/{job_id(service, model)}/personal", body)
    if as_json:
        print_json(answer)
        return
    console().print(f"model {answer['model_id']}: a copy is trained, and stays in {answer['file']}", markup=False)
    what = "records that are held out" if answer["part"] == "validation" else "the records that it was trained on"
    changes = [f"loss {answer['loss_before']:.6f} → {answer['loss_after']:.6f}"]
    if answer["accuracy_after"] is not None:
        changes.append(f"accuracy {answer['accuracy_before']:.4f} → {answer['accuracy_after']:.4f}")
    console().print(f"  on {what}: {', '.join(changes)}", markup=False)


def predict_here(
    data_owner: str | None, model: str | None, rows: Path | None, dataset: str | None, personal: bool, as_json: bool
) -> None:
    """Print what a network that was given to a Data Owner makes of rows there. Raises Failure for none, or no model."""
    from fedtrain.cli.jobs.client import Service
    from fedtrain.cli.jobs.job_ids import job_id

    if model is None:
        raise Failure("a Data Owner may have been given several networks: name one with --model-id")
    if (rows is None) == (dataset is None):
        raise Failure("at a Data Owner, give exactly one of --data, a JSON file of rows, and --dataset")
    body = rows_or_dataset(rows, dataset) | {"personal": personal}
    with Service(data_owner_url(data_owner), timeout_s=_TIMEOUT_S) as service:
        answer = service.post(f"/models/{job_id(service, model)}/prediction", body)
    if as_json:
        print_json(answer)
    else:
        print_values(answer)


def rows_or_dataset(rows: Path | None, dataset: str | None) -> dict[str, Any]:
    """Return the body of a request: the rows of a JSON file, or a dataset by its name."""
    from fedtrain.cli.jobs.client import read_json

    if rows is None:
        return {"dataset": dataset}
    listed = read_json(rows)
    return {"rows": listed["rows"] if isinstance(listed, dict) and "rows" in listed else listed}


def print_values(answer: dict[str, Any]) -> None:
    """Print a value a row, and of a classifier the class."""
    classes = answer.get("classes") or [None] * len(answer["values"])
    rows = [
        [number, value if isinstance(value, int | float) else str(value), *([name] if name is not None else [])]
        for number, (value, name) in enumerate(zip(answer["values"], classes, strict=True), start=1)
    ]
    if rows:
        print_table("", ["row", "value", "class"][: len(rows[0])], rows)
