"""`fedtrain simulate`: a whole job in one process, on own data, with the services' own code and no ports."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedtrain.cli.output import Failure, console, echo, print_json

if TYPE_CHECKING:
    from fedtrain.data_owner.policy.rules import OwnerPolicy
    from fedtrain.simulation.whole_job import Outcome


def simulate(
    spec: Annotated[Path, typer.Argument(help="The model spec, a JSON file.")],
    tables: Annotated[list[Path], typer.Argument(help="One table a Data Owner.")],
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            help="A Data Owner's mapping.toml: again for each table, in their order, and - for one that needs none."
        ),
    ] = None,
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
        typer.Option(help="A file to export the model to: .json, .onnx, .skops or .safetensors; again for more."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Train a model across tables on this machine: every party, all encryption, one process."""
    from fedtrain.cli.jobs.client import read_json
    from fedtrain.cli.jobs.follow import as_answered, progress
    from fedtrain.service.runtime.logging import configure_logging
    from fedtrain.simulation.whole_job import by_owner, whole_job

    document = read_json(spec)
    for path in (*tables, *([test] if test else [])):
        if not path.is_file():
            raise Failure(f"{path}: there is no such file")
    exports = {path: _format_of(path) for path in export or ()}
    for path in (*exports, *([out] if out else [])):
        if not path.parent.is_dir():
            raise Failure(f"{path}: there is no folder {path.parent}")
    allowed = None if policy is None else _simulated(policy)
    # Several tables may have one file name; every owner needs a name of its own.
    owners = {f"owner-{number}": path for number, path in enumerate(tables, start=1)}
    try:
        mappings = by_owner(owners, [None if one == "-" else one for one in mapping or ()])
    except (ValueError, FileNotFoundError) as error:
        raise Failure(str(error)) from None
    configure_logging("console", "error")
    with tempfile.TemporaryDirectory(prefix="fedtrain-") as folder, progress("training") as show:
        job = whole_job(
            Path(folder),
            document,
            owners,
            mappings=mappings,
            test=test,
            policy=allowed,
            export=tuple(dict.fromkeys(exports.values())),
            show=lambda state: show(as_answered(state)),
        )
        outcome = asyncio.run(job)
    model, finished = outcome.model, outcome.model["status"] == "FINISHED"
    if out is not None and finished:
        out.write_text(json.dumps(model, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    for path, chosen in exports.items() if finished else ():
        path.write_bytes(outcome.files[chosen])
    refusals = {str(owners[name].absolute()): why for name, why in outcome.refusals.items()}
    if as_json:
        print_json(_document(outcome, refusals))
    else:
        _show(outcome)
    if not finished:
        for table, reason in refusals.items():
            echo(f"{table}: {reason}", err=True)
        raise Failure(f"the model is {model['status']}: {model.get('reason') or 'no reason given'}")


def _format_of(path: Path) -> str:
    """The export format of a file by the end of its name. Raises Failure, also where its packages are missing."""
    from fedtrain.service.runtime.extras import how_to_install

    formats = {
        ".json": ("json", None),
        ".onnx": ("onnx", "skl2onnx"),
        ".skops": ("sklearn", "skops"),
        ".safetensors": ("safetensors", None),
    }
    if path.suffix not in formats:
        raise Failure(
            f"--export {path}: give it a name that ends in .json, .onnx, .skops or .safetensors, which says what it is "
            "to be"
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


def _document(outcome: Outcome, refusals: Mapping[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = {"model": outcome.model}
    if outcome.model["status"] != "FINISHED":
        document["owners"] = dict(refusals)
    if outcome.prediction is not None:
        document["prediction"] = outcome.prediction
    return document


def _show(outcome: Outcome) -> None:
    from fedtrain.cli.jobs.commands import print_model, print_prediction

    print_model(outcome.model)
    if outcome.prediction is not None:
        console().print()
        print_prediction(outcome.prediction, rows=5)
    elif outcome.model["status"] == "FINISHED" and outcome.model["model_type"] != "RANGES":
        console().print("finished; with --test there would be a cost", markup=False)
