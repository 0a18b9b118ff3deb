"""The `fedtrain` command. It parses, calls and renders; what it calls is imported when a command runs."""

from __future__ import annotations

import typer

from cli import (
    config,
    data,
    demo,
    identity,
    jobs,
    owner,
    plan,
    policy,
    provision,
    score,
    services,
    simulate,
    tokens,
    trust,
    verify,
)
from cli.backup import backup, restore
from cli.doctor import command as doctor
from cli.output import OneLineErrors
from cli.prune import prune
from cli.resume import resume

app = typer.Typer(name="fedtrain", cls=OneLineErrors, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def fedtrain(context: typer.Context) -> None:
    """Train one model on records that never move."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command()(services.facilitator)
app.command()(services.data_owner)
app.command()(services.model_owner)
app.command()(jobs.deploy)
app.command()(jobs.status)
app.command()(jobs.predict)
app.command()(jobs.cancel)
app.command()(resume)
app.command()(score.score)
app.command()(score.allow_scoring)
app.command()(data.check)
app.command()(data.describe)
app.command()(simulate.simulate)
app.command()(demo.demo)
app.command()(verify.verify)
app.command()(prune)
app.command()(backup)
app.command()(restore)
app.command()(plan.plan)
app.command()(doctor.doctor)
app.add_typer(config.app)
app.add_typer(identity.app)
app.command()(trust.trust)
app.add_typer(tokens.app)
app.command()(owner.approve)
app.command()(owner.deny)
app.command()(owner.audit)
app.add_typer(policy.app)
app.command("provision")(provision.provision_command)

if __name__ == "__main__":
    app(prog_name="fedtrain")
