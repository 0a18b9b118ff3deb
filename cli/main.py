"""The `fedtrain` command. It parses, calls and renders; what it calls is imported when a command runs."""

from __future__ import annotations

import typer

from cli import data, demo, jobs, services, simulate
from cli.output import OneLineErrors

app = typer.Typer(
    name="fedtrain",
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train one model on records that never move.",
)

for command in (services.facilitator, services.data_owner, services.model_owner):
    app.command()(command)
for command in (jobs.deploy, jobs.status, jobs.predict, jobs.cancel):
    app.command()(command)
for command in (data.check, data.describe, simulate.simulate, demo.demo):
    app.command()(command)

if __name__ == "__main__":
    app()
