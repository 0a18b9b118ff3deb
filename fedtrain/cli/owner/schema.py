"""`fedtrain schema`: the columns that a consortium agrees on, of drafts and of answers. It reads no table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fedtrain.cli.output import Failure, echo, print_json, print_table, wrong_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fedtrain.spec.model_spec import DataProps
    from fedtrain.spec.model_types.ranges import ColumnRange

app = typer.Typer(name="schema", help="The columns that a consortium agrees on.", no_args_is_help=True)


def read_schema(path: Path) -> DataProps:
    """Return a schema.json's content. Raises Failure, naming the file and the field."""
    from pydantic import ValidationError

    from fedtrain.spec.model_spec import DataProps

    document = _read_columns(path)
    try:
        return DataProps.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise Failure(f"{path}: {wrong_fields(error, document)}") from None


def _read_columns(path: Path) -> Any:
    """Return the JSON of a schema.json, or of a spec's columns, unchecked. Raises Failure for what is no JSON."""
    from fedtrain.cli.jobs.client import read_json

    document = read_json(path)
    return document["data_props"] if isinstance(document, dict) and "data_props" in document else document


@app.command()
def merge(
    drafts: Annotated[list[Path], typer.Argument(help="The owners' schema.json files, as `fedtrain describe` drafts.")],
    target: Annotated[str | None, typer.Option(help="The column to predict; else what most drafts have.")] = None,
    common: Annotated[bool, typer.Option("--common", help="Leave out columns that a draft lacks.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the proposal to this new file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the proposal and the notes as JSON.")] = False,
) -> None:
    """Propose one schema for several owners' drafts, and name what differs: names, types, categories, ranges."""
    from fedtrain.tabular.mapping.merging import merge_schemas

    if len(drafts) < 2 or len(set(drafts)) < len(drafts):
        raise Failure("give the drafts of two owners or more, each once")
    names = [path.name for path in drafts]
    labels = names if len(set(names)) == len(names) else [str(path) for path in drafts]
    try:
        merged = merge_schemas(
            {label: read_schema(path) for label, path in zip(labels, drafts, strict=True)}, target=target, common=common
        )
    except ValueError as error:
        raise Failure(str(error)) from None
    proposal = merged.schema.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    notes = [
        {"column": note.column, "kind": note.kind, "decide": note.conflict, "message": note.message}
        for note in merged.notes
    ]
    if out is not None:
        _write(out, proposal)
    if as_json:
        print_json({"schema": proposal, "notes": notes})
        return
    rows = [[note["column"], "decide" if note["decide"] else "", note["kind"], note["message"]] for note in notes]
    print_table("", ["column", "", "differs in", "how"], rows)
    if out is None:
        print_json(proposal)
    else:
        echo(f"{out} is written: decide what differs, then each owner drafts its mapping with `fedtrain map`.")


@app.command()
def ask(
    dictionary: Annotated[Path, typer.Argument(help="The consortium's schema.json.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    features: Annotated[
        str | None, typer.Option(help="The columns that predict it: a,b,c. Default: all others.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the spec to this new file; else it is printed.")] = None,
) -> None:
    """Write a model spec that predicts one column of a dictionary, for `plan`, `check` and `deploy`."""
    from fedtrain.spec.roles import asking_for

    try:
        props = asking_for(read_schema(dictionary), target, None if features is None else features.split(","))
    except ValueError as error:
        raise Failure(str(error)) from None
    classifies = props.all_targets[0].categories is not None
    spec = {
        "model_type": "LOGISTIC_REGRESSION" if classifies else "LINEAR_REGRESSION",
        "data_props": props.model_dump(mode="json", exclude_none=True, exclude_defaults=True),
    }
    if out is None:
        print_json(spec)
    else:
        _write(out, spec)
        kind = spec["model_type"]
        echo(f"{out} is written, a {kind}: add what differs from the defaults, then `fedtrain deploy {out}`.")


@app.command("ask-ranges")
def ask_ranges(
    dictionary: Annotated[Path, typer.Argument(help="A schema.json, whose numbers may have no range yet.")],
    columns: Annotated[str | None, typer.Option(help="The columns to ask about: a,b,c. Default: all numbers.")] = None,
    grid: Annotated[
        Literal["round", "decades", "powers_of_two"], typer.Option(help="The public bounds that are asked about.")
    ] = "round",
    out: Annotated[Path | None, typer.Option(help="Write the spec to this new file; else it is printed.")] = None,
) -> None:
    """Write the spec of a job in which owners agree on ranges without telling extremes."""
    from pydantic import ValidationError

    from fedtrain.spec.model_types.ranges import Grid
    from fedtrain.tabular.mapping.agreed_ranges import asking_for_ranges

    document = _columns_object(dictionary)
    try:
        spec = asking_for_ranges(document, None if columns is None else columns.split(","), Grid(grid))
    except ValidationError as error:
        raise Failure(f"{dictionary}: {wrong_fields(error, document)}") from None
    except ValueError as error:
        raise Failure(f"{dictionary}: {error}") from None
    if out is None:
        print_json(spec)
    else:
        _write(out, spec)
        echo(f"{out} is written: `fedtrain deploy {out}`, then `fedtrain schema ranges ID --schema {dictionary}`.")


@app.command()
def ranges(
    result: Annotated[str, typer.Argument(help="The job, by its id or name, or a file with what GET /models/ID says.")],
    schema: Annotated[Path, typer.Option(help="The schema.json that it was asked with.")],
    wider: Annotated[
        int, typer.Option(min=0, max=100, help="So many bounds wider at either end than the narrowest that was found.")
    ] = 1,
    inner: Annotated[
        bool, typer.Option("--inner", help="Ranges that every owner has min_cell rows beyond, or none.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the dictionary to this new file; else it is printed.")] = None,
    model_owner: Annotated[str | None, typer.Option(help="Its URL. Default: FEDTRAIN_MODEL_OWNER, or here.")] = None,
) -> None:
    """Write a dictionary with the ranges that its owners agreed on, by default one bound wider at either end."""
    from pydantic import ValidationError

    from fedtrain.cli.jobs.coefficients import print_ranges
    from fedtrain.tabular.mapping.agreed_ranges import with_ranges

    document = _columns_object(schema)
    found = _found_ranges(result, model_owner)
    try:
        agreed = with_ranges(document, found, wider=wider, inner=inner)
    except ValidationError as error:
        raise Failure(f"{schema}: {wrong_fields(error, document)}") from None
    except ValueError as error:
        raise Failure(f"{schema}: {error}") from None
    if not inner:
        _warn_of_collapsed(found)
    if out is None:
        print_json(agreed)
        return
    _write(out, agreed)
    print_ranges([one.model_dump() for one in found])
    echo(f"{out} is written: each owner looks with `fedtrain check` what it clips, and registers its table under it.")


def _warn_of_collapsed(found: Sequence[ColumnRange]) -> None:
    for one in found:
        if one.collapsed and one.range is not None:
            low, high = one.range
            echo(
                f"{one.label}: {low:g} to {high:g} is between the bounds nearest to zero, as where nearly all rows "
                "hold one value: look whether it needs a range by hand.",
                err=True,
            )


def _columns_object(path: Path) -> dict[str, Any]:
    document = _read_columns(path)
    if not isinstance(document, dict):
        raise Failure(f"{path}: a schema.json is a JSON object with `features`")
    return document


def _found_ranges(result: str, model_owner: str | None) -> list[ColumnRange]:
    """Return what a job of type RANGES found. Raises Failure where it is of another type, or found nothing yet."""
    from pydantic import ValidationError

    from fedtrain.cli.jobs.client import Service, model_owner_url, read_json
    from fedtrain.cli.jobs.job_ids import job_id
    from fedtrain.spec.model_types.ranges import ColumnRange

    if Path(result).is_file():
        said = read_json(Path(result))
    else:
        with Service(model_owner_url(model_owner)) as service:
            said = service.get(f"/models/{job_id(service, result)}")
    found = said.get("ranges") if isinstance(said, dict) else None
    if not isinstance(found, list):
        raise Failure(f"{result}: it has no ranges: a finished job of model_type RANGES is needed")
    try:
        return [ColumnRange.model_validate_json(json.dumps(one)) for one in found]
    except ValidationError as error:
        raise Failure(f"{result}: {wrong_fields(error, found)}") from None


def _write(out: Path, document: object) -> None:
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise Failure(f"{out}: is there already; name another file, or delete it") from None
