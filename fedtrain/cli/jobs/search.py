"""`fedtrain search`: datasets that owners have published, by words, tags and columns."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from fedtrain.cli.jobs.commands import Json, ModelOwner
from fedtrain.cli.output import console, echo, print_json


def search(
    words: Annotated[str | None, typer.Argument(help="Words to look for, or how they begin.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag that it has; may be given several times.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="A column that it has, by name.")] = None,
    type_: Annotated[list[str] | None, typer.Option("--type", help="The type of such a column.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Cards a page.")] = 20,
    after: Annotated[str | None, typer.Option(help="The following page, as the last one names it.")] = None,
    model_owner: ModelOwner = None,
    as_json: Json = False,
) -> None:
    """Find datasets to train on. Each card is signed by its owner, which the Model Owner's service verifies."""
    from fedtrain.cli.jobs.client import Service, model_owner_url

    asked = [("q", words), ("limit", str(limit)), ("after", after)]
    asked += [("tag", one) for one in tag or ()] + [("column", one) for one in column or ()]
    asked += [("type", one) for one in type_ or ()]
    with Service(model_owner_url(model_owner)) as service:
        query = urlencode([(name, value) for name, value in asked if value is not None])
        found = service.request_json("GET", f"/catalogue?{query}")
    if as_json:
        print_json(found)
        return
    for card in found["cards"]:
        _show(card)
    for one in found["refused"]:
        echo(f"not shown: a card that seems to be of {one['signer'][:16]}…: {one['why']}", err=True)
    if not found["cards"]:
        echo("nothing is found")
    if found["next"] is not None:
        echo(f"there is more: --after {found['next']}")


def _show(card: dict[str, Any]) -> None:
    out = console()
    out.print(f"{card['title']}", markup=False, style="bold")
    size = f"; {card['size']} rows" if card.get("size") else ""
    out.print(f"  dataset {card['dataset']} of {card['name']} ({card['party'][:16]}…){size}", markup=False)
    out.print(f"  id {card['id']}", markup=False)
    if card["tags"]:
        out.print(f"  tags: {', '.join(card['tags'])}", markup=False)
    if card["columns"]:
        names = [f"{column['name']} ({column['type']})" for column in card["columns"]]
        more = f" and {len(names) - 12} more" if len(names) > 12 else ""
        out.print(f"  columns: {', '.join(names[:12])}{more}", markup=False)
    for name in ("description", "terms"):
        if card[name]:
            out.print(f"  {name}: {' '.join(card[name].split())}", markup=False)
