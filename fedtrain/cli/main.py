"""The `fedtrain` command. It parses, calls and renders; what it calls is imported when a command runs."""

from __future__ import annotations

from typing import Annotated

import typer

from fedtrain.cli.doctor import command as doctor
from fedtrain.cli.jobs import commands as jobs
from fedtrain.cli.jobs import plan, score, search, verify
from fedtrain.cli.output import OneLineErrors
from fedtrain.cli.owner import (
    budget,
    data,
    datasets,
    describe,
    given_models,
    mapping,
    policy,
    roster_consent,
    schema,
    sign_off,
)
from fedtrain.cli.owner import decisions as owner
from fedtrain.cli.requests import deciding, making
from fedtrain.cli.services import commands as services
from fedtrain.cli.services import config, pages
from fedtrain.cli.services.backup import backup, restore
from fedtrain.cli.services.prune import prune
from fedtrain.cli.services.resume import resume
from fedtrain.cli.simulate import command as simulate
from fedtrain.cli.simulate import demo
from fedtrain.cli.trust import commands as trust
from fedtrain.cli.trust import identity, people, provision, tokens

app = typer.Typer(name="fedtrain", cls=OneLineErrors, pretty_exceptions_enable=False, rich_markup_mode=None)

SERVICES = "Services"
PREPARING = "A spec and its tables, before anything is sent"
JOBS = "Jobs and models"
DATA_OWNERS = "A Data Owner's people"
ACCESS = "Who is who, and who gets in"
OPERATION = "Running it for good"


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        from fedtrain.protocol.version import PROTOCOL_VERSION

        typer.echo(f"fedtrain {version('federated-trainer')} (protocol {PROTOCOL_VERSION})")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def fedtrain(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train one model on records that never move."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command(rich_help_panel=SERVICES)(services.facilitator)
app.command(rich_help_panel=SERVICES)(services.data_owner)
app.command(rich_help_panel=SERVICES)(services.model_owner)
app.command(rich_help_panel=SERVICES)(demo.demo)
app.command("open", rich_help_panel=SERVICES)(pages.open_pages)
app.command(rich_help_panel=PREPARING)(describe.describe)
app.add_typer(schema.app, rich_help_panel=PREPARING)
app.command("map", rich_help_panel=PREPARING)(mapping.map_table)
app.command(rich_help_panel=PREPARING)(data.check)
app.command(rich_help_panel=PREPARING)(plan.plan)
app.command(rich_help_panel=PREPARING)(simulate.simulate)
app.command(rich_help_panel=JOBS)(search.search)
app.add_typer(making.app, rich_help_panel=JOBS)
app.command(rich_help_panel=JOBS)(jobs.deploy)
app.command(rich_help_panel=JOBS)(jobs.status)
app.command(rich_help_panel=JOBS)(jobs.predict)
app.command(rich_help_panel=JOBS)(jobs.cancel)
app.command(rich_help_panel=JOBS)(resume)
app.command(rich_help_panel=JOBS)(verify.verify)
app.command(rich_help_panel=JOBS)(score.allow_scoring)
app.command(rich_help_panel=JOBS)(sign_off.release)
app.command(rich_help_panel=DATA_OWNERS)(deciding.inbox)
app.command(rich_help_panel=DATA_OWNERS)(owner.approve)
app.command(rich_help_panel=DATA_OWNERS)(deciding.decline)
app.command(rich_help_panel=DATA_OWNERS)(deciding.ask)
app.command(rich_help_panel=DATA_OWNERS)(owner.deny)
app.command("sign-off", rich_help_panel=DATA_OWNERS)(sign_off.sign_off)
app.command("consent", rich_help_panel=DATA_OWNERS)(roster_consent.roster_consent)
app.command(rich_help_panel=DATA_OWNERS)(owner.audit)
app.command(rich_help_panel=DATA_OWNERS)(budget.budget)
app.command(rich_help_panel=DATA_OWNERS)(score.score)
app.command(rich_help_panel=DATA_OWNERS)(given_models.personalise)
app.add_typer(datasets.app, rich_help_panel=DATA_OWNERS)
app.add_typer(policy.app, rich_help_panel=DATA_OWNERS)
app.add_typer(identity.app, rich_help_panel=ACCESS)
app.command(rich_help_panel=ACCESS)(trust.trust)
app.add_typer(tokens.app, rich_help_panel=ACCESS)
app.add_typer(people.app, rich_help_panel=ACCESS)
app.add_typer(provision.app, rich_help_panel=ACCESS)
app.command(rich_help_panel=OPERATION)(doctor.doctor)
app.add_typer(config.app, rich_help_panel=OPERATION)
app.command(rich_help_panel=OPERATION)(backup)
app.command(rich_help_panel=OPERATION)(restore)
app.command(rich_help_panel=OPERATION)(prune)

if __name__ == "__main__":
    app(prog_name="fedtrain")
