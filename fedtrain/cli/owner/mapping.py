"""`fedtrain map`: a first mapping file for a table. It reads the table on this machine and talks to nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedtrain.cli.output import Failure, echo
from fedtrain.cli.owner.schema import read_schema


def map_table(
    data: Annotated[Path, typer.Argument(help="The table: CSV or Parquet.")],
    schema: Annotated[Path, typer.Option(help="The consortium's schema.json.")],
    out: Annotated[Path | None, typer.Option(help="Write the draft to this new file; else it is printed.")] = None,
) -> None:
    """Draft the mapping.toml that turns a table into a schema's columns, for its owner to correct."""
    from fedtrain.tabular.mapping.draft import draft_mapping

    if not data.exists():
        raise Failure(f"{data}: there is no such file")
    draft = draft_mapping(data, read_schema(schema))
    if out is None:
        echo(draft.to_toml().rstrip("\n"))
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(draft.to_toml())
    except FileExistsError:
        raise Failure(f"{out}: is there already; name another file, or delete it") from None
    for question in draft.questions:
        echo(f"question: {question}")
    echo(f"{out} is written: correct it; `fedtrain check {schema} --data {data} --mapping {out}` shows what it does.")
