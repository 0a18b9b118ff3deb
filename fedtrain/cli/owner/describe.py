"""`fedtrain describe`: a first schema.json for a table that has none. It reads the table here and talks to nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fedtrain.cli.output import Failure, echo, print_json, print_table

if TYPE_CHECKING:
    from fedtrain.tabular.describe import Draft


def describe(
    data: Annotated[Path, typer.Argument(help="The table: CSV or Parquet, or x.npy.")],
    target: Annotated[
        str | None,
        typer.Option(help="The column to predict, by default the last one that can be used; of x.npy its y.npy."),
    ] = None,
    open_target: Annotated[
        bool, typer.Option("--open-target", help="A data dictionary: every job names its own column to predict.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the draft to this new file.")] = None,
    header: Annotated[bool, typer.Option(help="Whether a CSV's first line names its columns.")] = True,
    with_ranges: Annotated[
        bool, typer.Option("--with-ranges", help="Take the ranges from the data's own ends: they tell them to all.")
    ] = False,
    decimal: Annotated[Literal[".", ","] | None, typer.Option(help="The decimal mark of all numbers.")] = None,
    thousands: Annotated[Literal[",", ".", "'", " "] | None, typer.Option(help="The mark between thousands.")] = None,
    counts: Annotated[bool, typer.Option("--counts", help="Say how many records there are, and lack a value.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the draft as JSON, which is a schema.json.")] = False,
) -> None:
    """Draft a schema.json, which `plan` and `check` take, for a person to complete. No row count is in it."""
    from fedtrain.tabular.arrays.numpy_pairs import one_table
    from fedtrain.tabular.describe import describe_table
    from fedtrain.tabular.errors import TableError

    if open_target and target is not None and data.suffix != ".npy":
        raise Failure("--target names a column, --open-target none: give one of the two")
    pair = Path(target) if target is not None and data.suffix == ".npy" else None
    column = target if pair is None else None if open_target else "y"
    try:
        with one_table(data, pair) as table:
            draft = describe_table(
                table,
                header,
                target=column,
                open_target=open_target,
                with_ranges=with_ranges,
                decimal=decimal,
                thousands=thousands,
            )
    except TableError as error:
        raise Failure(str(error)) from None
    if out is not None:
        _write(out, draft)
    if as_json:
        print_json(draft.as_dict())
    else:
        _show(draft)
    # Beside the JSON, which a script reads, for the person who runs it.
    for line in _notes(draft, out, counts):
        echo(line, err=as_json)


def _write(out: Path, draft: Draft) -> None:
    try:
        with out.open("x") as file:
            file.write(json.dumps(draft.as_dict(), indent=2, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise Failure(f"{out}: is there already; name another file, or delete it") from None


def _show(draft: Draft) -> None:
    schema = draft.as_dict()
    rows = [
        [
            column.get("name", column.get("col_idx")),
            column.get("type", "target"),
            _values(column),
            column.get("missing"),
        ]
        for column in (*schema["features"], *([schema["target"]] if "target" in schema else []))
    ]
    print_table("", ["column", "type", "range or categories", "missing"], rows)


def _values(column: dict[str, Any]) -> str:
    if "range" in column:
        shape = f", shape {column['shape']}" if "shape" in column else ""
        return "{:g} to {:g}".format(*column["range"]) + shape
    return ", ".join(str(category) for category in column["categories"])


def _notes(draft: Draft, written: Path | None, counts: bool) -> list[str]:
    """A line for each thing that the draft does not say."""
    notes = [
        f"left out: {left.column}: {left.why}{' (here with --decimal)' if left.marks else ''}"
        for left in draft.left_out
    ]
    notes += [f"question: {question.message}" for question in draft.questions]
    if not draft.target_chosen:
        label = draft.schema.all_targets[0].label
        notes.append(f"The target is {label!r}, the last column that can be used; choose another with --target.")
    if counts:
        lacking = "".join(f"; {label}: {rows:,} without a value" for label, rows in draft.missing.items() if rows)
        notes.append(f"{draft.rows:,} records{lacking}")
    if written is not None:
        notes.append(f"{written} is written: hold its ranges and categories against what is possible, and share that.")
    return notes
