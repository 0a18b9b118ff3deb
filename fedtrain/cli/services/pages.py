"""`fedtrain open`: a link to a service's pages, for a person's browser."""

from __future__ import annotations

from typing import Annotated

import typer


def open_pages(
    address: Annotated[str, typer.Argument(help="The service's address, such as http://127.0.0.1:5000.")],
) -> None:
    """Print a link that opens a session at a service's pages: once, within an hour, in whose browser it is opened.

    It takes what deciding there takes: the service's own user on this machine, or FEDTRAIN_TOKEN_FILE.
    """
    typer.echo(link_to(address))


def link_to(address: str) -> str:
    """Return such a link. Raises Problem for what the service refuses, Failure when it cannot be reached."""
    from fedtrain.cli.jobs.client import Service

    with Service(address) as service:
        return f"{service.base_url}{service.post('/session/links', {})['path']}"
