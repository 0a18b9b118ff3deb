"""`fedtrain datasets publish | withdraw | list | query`: a Data Owner's datasets, and what it says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from fedtrain.cli.output import Failure, console, echo, print_json, print_table
from fedtrain.cli.owner.decisions import DataOwner, Json, data_owner_url

app = typer.Typer(
    name="datasets", help="Datasets on offer, and the cards by which others find them.", no_args_is_help=True
)

Dataset = Annotated[str, typer.Argument(help="The dataset's name.")]


@app.command()
def publish(
    card: Annotated[
        Path, typer.Argument(help="The card: TOML with title, description, tags, terms, size, visible_to.")
    ],
    dataset: Annotated[str, typer.Option(help="The dataset's name.")] = "default",
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Sign a dataset's card, and have the Facilitator show it to those whom it is for."""
    import tomllib

    from fedtrain.cli.jobs.client import Service

    try:
        terms = tomllib.loads(card.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise Failure(f"{card}: not TOML: {error}") from None
    with Service(data_owner_url(data_owner)) as service:
        published = service.request_json("PUT", f"/datasets/{quote(dataset, safe='')}/card", json=terms)
    if as_json:
        print_json(published)
        return
    readers = published["visible_to"]
    whom = "everybody who may use the Facilitator" if readers is None else f"{len(readers)} parties"
    columns = f"{len(published['columns'])} columns" if published["columns"] else "no columns"
    echo(f"{dataset} is published to {whom} until {published['not_after'][:10]}, with {columns}: {published['title']}")


@app.command()
def withdraw(dataset: Dataset = "default", data_owner: DataOwner = None, as_json: Json = False) -> None:
    """Take a dataset's card back. The dataset itself stays on offer to jobs, as the policy says."""
    from fedtrain.cli.jobs.client import Service

    with Service(data_owner_url(data_owner)) as service:
        said = service.delete(f"/datasets/{quote(dataset, safe='')}/card")
    if as_json:
        print_json(said)
    else:
        echo(f"the card of {dataset} is withdrawn")


@app.command()
def query(
    database: Annotated[str, typer.Argument(help="The database, by its name in the service's settings.")],
    sql: Annotated[str | None, typer.Option(help="The query, one SELECT.")] = None,
    sql_file: Annotated[Path | None, typer.Option(help="A file with the query.")] = None,
    schema: Annotated[Path | None, typer.Option(help="The consortium's schema.json, if there is one.")] = None,
    dataset: Annotated[str, typer.Option(help="The dataset's name.")] = "default",
    data_owner: DataOwner = None,
    as_json: Json = False,
) -> None:
    """Run a query on one of the service's databases, and offer what it gives as a dataset."""
    import json

    from fedtrain.cli.jobs.client import Service

    if (sql is None) == (sql_file is None):
        raise Failure("give the query once, as --sql 'SELECT …' or --sql-file FILE")
    asked: dict[str, Any] = {"name": dataset, "database": database}
    try:
        asked["sql"] = sql if sql_file is None else sql_file.read_text(encoding="utf-8-sig")
        if schema is not None:
            asked["schema"] = json.loads(schema.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise Failure(f"{schema if 'sql' in asked else sql_file}: cannot be read: {error}") from None
    # A query may take an hour, where the service's settings let it.
    with Service(data_owner_url(data_owner), timeout_s=3_700) as service:
        made = service.post("/datasets/query", asked)
    if as_json:
        print_json(made)
        return
    columns = f"{len(made['columns'])} columns"
    echo(f"{dataset} is on offer: {made['rows']:,} rows, {columns}, version {made['version'][:16]}…")
    for finding in made["findings"]:
        echo(finding)


@app.command("list")
def list_datasets(data_owner: DataOwner = None, as_json: Json = False) -> None:
    """List the datasets on offer here, and what of them is published."""
    from fedtrain.cli.jobs.client import Service

    with Service(data_owner_url(data_owner)) as service:
        datasets, page = service.get("/datasets"), service.get("/cards")
        cards = list(page["cards"])
        while page["next"] is not None:
            page = service.get("/cards", after=page["next"])
            cards += page["cards"]
    if as_json:
        print_json({"datasets": datasets, "cards": cards})
        return
    by_name: dict[str, dict[str, Any]] = {card["dataset"]: card for card in cards}
    known = {one["name"]: one for one in datasets}
    rows = [
        [name, _state(known.get(name)), _shown(by_name.get(name))] for name in sorted(known.keys() | by_name.keys())
    ]
    if rows:
        print_table("", ["dataset", "here", "published"], rows)
    else:
        console().print("no dataset is on offer here", markup=False)


def _state(dataset: dict[str, Any] | None) -> str:
    if dataset is None:
        return "not on offer any more"
    asks = "does not fit its schema, or raises questions: see fedtrain check"
    fits = {True: "fits its schema", False: asks, None: "not looked at"}[dataset["fits"]]
    return f"{len(dataset['columns'])} columns, {fits}"


def _shown(card: dict[str, Any] | None) -> str:
    if card is None:
        return "no"
    whom = "" if card["visible_to"] is None else f", to {len(card['visible_to'])} parties"
    return f"{card['title']} (until {card['not_after'][:10]}{whom})"
