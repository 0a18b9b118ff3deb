"""`fedtrain simulate`: a whole job in one process, on own data, with the services' own code and no ports."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedtrain.cli.output import Failure, console, echo, print_json

#: How often the job is looked at between two looks at the owners.
_LOOKS_AN_OWNER = 10

if TYPE_CHECKING:
    from fedtrain.cli.simulate.in_process import Federation
    from fedtrain.data_owner.policy.rules import OwnerPolicy


def simulate(
    spec: Annotated[Path, typer.Argument(help="The model spec, a JSON file.")],
    tables: Annotated[list[Path], typer.Argument(help="One table a Data Owner.")],
    test: Annotated[Path | None, typer.Option(help="The Model Owner's test set.")] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="A Data Owner's policy file: its rules on rows, cells, rosters, rounds and weights hold for every "
            "table. Whom it trusts, and what it asks a person first, is left out."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the model, with its tables, as JSON.")] = None,
    export: Annotated[
        list[Path] | None,
        typer.Option(help="A file to export the model to: .json, .onnx or .skops; again for more."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Train a model across tables on this machine: every party, all encryption, one process."""
    from fedtrain.cli.jobs.client import read_json

    document = read_json(spec)
    for path in (*tables, *([test] if test else [])):
        if not path.is_file():
            raise Failure(f"{path}: there is no such file")
    exports = {path: _format_of(path) for path in export or ()}
    for path in (*exports, *([out] if out else [])):
        if not path.parent.is_dir():
            raise Failure(f"{path}: there is no folder {path.parent}")
    allowed = None if policy is None else _simulated(policy)
    with tempfile.TemporaryDirectory(prefix="fedtrain-") as folder:
        outcome, files = asyncio.run(_simulate(Path(folder), document, tables, test, allowed, exports))
    if out is not None and outcome["model"]["status"] == "FINISHED":
        out.write_text(json.dumps(outcome["model"], indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    for path, content in files.items():
        path.write_bytes(content)
    if as_json:
        print_json(outcome)
    else:
        _show(outcome)
    if outcome["model"]["status"] != "FINISHED":
        model = outcome["model"]
        for table, reason in outcome["owners"].items():
            echo(f"{table}: {reason}", err=True)
        raise Failure(f"the model is {model['status']}: {model.get('reason') or 'no reason given'}")


def _format_of(path: Path) -> str:
    """The export format of a file by the end of its name. Raises Failure, also where its packages are missing."""
    from fedtrain.service.runtime.extras import how_to_install

    formats = {".json": ("json", None), ".onnx": ("onnx", "skl2onnx"), ".skops": ("sklearn", "skops")}
    if path.suffix not in formats:
        raise Failure(
            f"--export {path}: give it a name that ends in .json, .onnx or .skops, which says what it is to be"
        )
    chosen, package = formats[path.suffix]
    if package is not None and find_spec(package) is None:
        raise Failure(f"--export {path}: {how_to_install(package)}")
    return chosen


def _simulated(file: Path) -> OwnerPolicy:
    """A policy as it holds among parties that are all one's own: nobody is a stranger, and no person is asked."""
    from fedtrain.cli.owner.policy import read_policy
    from fedtrain.protocol.documents.trust import Trust

    of_people = {"trust": Trust(), "any_model_owner": True, "datasets": None, "approval": "automatic"}
    return read_policy(file).model_copy(update={**of_people, "adopt_first_encoding": True, "differencing": "unchecked"})


async def _simulate(
    folder: Path,
    spec: Any,
    tables: list[Path],
    test: Path | None,
    policy: OwnerPolicy | None,
    exports: Mapping[Path, str],
) -> tuple[dict[str, Any], dict[Path, bytes]]:
    """Return what came of it, and the content of each file to export."""
    from fedtrain.cli.jobs.follow import progress
    from fedtrain.cli.simulate.in_process import federation
    from fedtrain.service.runtime.logging import configure_logging

    configure_logging("console", "error")
    # Several tables may have one file name; every owner needs a name of its own.
    owners = {f"owner-{number}": path.absolute() for number, path in enumerate(tables, start=1)}
    # Data of one's own need no protection from oneself: a roster of one is allowed, and weights that owners see, if the
    # spec wants them.
    settings = {"least_roster": 1, "share_weights": True} if policy is None else {}
    async with federation(
        folder, owners, test_data=test.absolute() if test else None, owner_settings=settings, owner_policy=policy
    ) as parties:
        model_id = await parties.deploy(spec)
        with progress("training") as show:
            model = await _ended(parties, model_id, show)
        outcome: dict[str, Any] = {"model": model}
        files: dict[Path, bytes] = {}
        if model["status"] != "FINISHED":
            outcome["owners"] = await _reasons(parties, model_id, owners)
        if model["status"] == "FINISHED" and test is not None:
            outcome["prediction"] = await parties.model_owner.get("/prediction", model_id=model_id)
        if model["status"] == "FINISHED":
            for path, chosen in exports.items():
                files[path] = await parties.model_owner.get_bytes(f"/models/{model_id}/export", format=chosen)
        return outcome, files


async def _ended(parties: Federation, model_id: str, show: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Return the model once it has ended, or once an owner refuses a request or waits for a person.

    Between organisations such a job waits until people have talked. Here are none who could.
    """
    from fedtrain.cli.jobs.follow import ENDED, as_answered
    from fedtrain.cli.simulate.in_process import POLL_S

    looks = 0
    while True:
        state: dict[str, Any] = await parties.model_owner.get(f"/models/{model_id}")
        show(as_answered(state))
        if state["status"] in ENDED:
            return state
        looks += 1
        if looks % _LOOKS_AN_OWNER == 0:
            for owner in parties.data_owners:
                if any(job["waits_because"] or job["last_refused_request"] for job in await owner.get("/models")):
                    return {**state, "reason": "an owner's people would have to decide before it can go on"}
        await asyncio.sleep(POLL_S)


async def _reasons(parties: Federation, model_id: str, tables: dict[str, Path]) -> dict[str, str]:
    """Why owners did not take part, by table: all of them are one's own, so the details may be told."""
    reasons = {}
    for owner in parties.data_owners:
        for job in await owner.get("/models"):
            refused = job["last_refused_request"]
            reason = (
                job["reason"] if job["phase"] == "DECLINED" else job["waits_because"] or (refused and refused["detail"])
            )
            if job["id"] == model_id and reason:
                reasons[str(tables[owner.name])] = str(reason)
    return reasons


def _show(outcome: dict[str, Any]) -> None:
    from fedtrain.cli.jobs.commands import print_model, print_prediction

    model = outcome["model"]
    print_model(model)
    if "prediction" in outcome:
        console().print()
        print_prediction(outcome["prediction"], rows=5)
    elif model["status"] == "FINISHED":
        console().print("finished; with --test there would be a cost", markup=False)
