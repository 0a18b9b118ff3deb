"""`fedtrain simulate`: a whole job in one process, on own data, with the services' own code and no ports."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import Failure, console, echo, print_json, print_table

if TYPE_CHECKING:
    from cli.in_process import Federation


def simulate(
    spec: Annotated[Path, typer.Argument(help="The model spec, a JSON file.")],
    tables: Annotated[list[Path], typer.Argument(help="One table a Data Owner.")],
    test: Annotated[Path | None, typer.Option(help="The Model Owner's test set.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Train a model across tables on this machine: every party, all encryption, one process."""
    from cli.client import read_json

    document = read_json(spec)
    for path in (*tables, *([test] if test else [])):
        if not path.is_file():
            raise Failure(f"{path}: there is no such file")
    with tempfile.TemporaryDirectory(prefix="fedtrain-") as folder:
        outcome = asyncio.run(_simulate(Path(folder), document, tables, test))
    if as_json:
        print_json(outcome)
    else:
        _show(outcome)
    if outcome["model"]["status"] != "FINISHED":
        model = outcome["model"]
        for table, reason in outcome["owners"].items():
            echo(f"{table}: {reason}", err=True)
        raise Failure(f"the model is {model['status']}: {model.get('reason') or 'no reason given'}")


async def _simulate(folder: Path, spec: Any, tables: list[Path], test: Path | None) -> dict[str, Any]:
    from cli.follow import as_answered, progress
    from cli.in_process import federation
    from protocol.server.logging import configure_logging

    configure_logging("console", "error")
    # Several tables may have one file name; every owner needs a name of its own.
    owners = {f"owner-{number}": path.absolute() for number, path in enumerate(tables, start=1)}
    # Data of one's own need no protection from oneself: a roster of one is allowed, and weights that owners see, if the
    # spec wants them.
    settings = {"least_roster": 1, "share_weights": True}
    async with federation(
        folder, owners, test_data=test.absolute() if test else None, owner_settings=settings
    ) as parties:
        model_id = await parties.deploy(spec)
        with progress("training") as show:
            model = await parties.wait(model_id, lambda state: show(as_answered(state)))
        outcome: dict[str, Any] = {"model": model}
        if model["status"] != "FINISHED":
            outcome["owners"] = await _reasons(parties, model_id, owners)
        if model["status"] == "FINISHED" and test is not None:
            outcome["prediction"] = await parties.model_owner.get("/prediction", model_id=model_id)
        return outcome


async def _reasons(parties: Federation, model_id: str, tables: dict[str, Path]) -> dict[str, str]:
    """Why owners did not take part, by table: all of them are one's own, so the details may be told."""
    reasons = {}
    for owner in parties.data_owners:
        for job in await owner.get("/models"):
            refused = job["last_refused_request"]
            reason = job["reason"] if job["phase"] == "DECLINED" else refused and refused["detail"]
            if job["id"] == model_id and reason:
                reasons[str(tables[owner.name])] = str(reason)
    return reasons


def _show(outcome: dict[str, Any]) -> None:
    from cli.jobs import print_prediction
    from cli.remarks import print_remarks

    model = outcome["model"]
    if model.get("coefficients"):
        print_table("", ["column", "coefficient"], list(model["coefficients"].items()))
    if "prediction" in outcome:
        print_prediction(outcome["prediction"], rows=5)
        return
    print_remarks(model)
    if model["status"] == "FINISHED":
        console().print("finished; with --test there would be a cost", markup=False)
