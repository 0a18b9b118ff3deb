"""`fedtrain schema merge`: several owners' drafts of a schema made one. It reads the drafts alone, and no table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedtrain.cli.output import Failure, echo, print_json, print_table, wrong_fields

if TYPE_CHECKING:
    from fedtrain.spec.model_spec import DataProps

app = typer.Typer(name="schema", help="The columns that a consortium agrees on.", no_args_is_help=True)


def read_schema(path: Path) -> DataProps:
    """Return a schema.json's content. Raises Failure, naming the file and the field."""
    from pydantic import ValidationError

    from fedtrain.cli.jobs.client import read_json
    from fedtrain.spec.model_spec import DataProps

    document = read_json(path)
    if isinstance(document, dict) and "data_props" in document:
        document = document["data_props"]
    try:
        return DataProps.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise Failure(f"{path}: {wrong_fields(error, document)}") from None


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
        echo(f"{out} is written: add what differs from the defaults, then `fedtrain deploy {out}`.")


def _write(out: Path, document: object) -> None:
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise Failure(f"{out}: is there already; name another file, or delete it") from None
