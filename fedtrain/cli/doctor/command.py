"""`fedtrain doctor ROLE`: every check, one line each, and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedtrain.cli.output import Failure, console, print_json
from fedtrain.cli.services.commands import KeyFile, KeyPassphraseFile
from fedtrain.protocol.states import Role
from fedtrain.service.health.finding import Finding, Level

if TYPE_CHECKING:
    from fedtrain.service.runtime.settings import ServiceSettings

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def doctor(
    role: Annotated[Role, typer.Argument(help="Which kind of party this is.")],
    state_dir: Annotated[Path | None, typer.Option(help="The party's state folder. Default .fedtrain/NAME.")] = None,
    name: Annotated[str | None, typer.Option(help="The party's name, if its folder goes by it.")] = None,
    facilitator: Annotated[str | None, typer.Option(help="The Facilitator's address.")] = None,
    data: Annotated[Path | None, typer.Option(help="A Data Owner's table.")] = None,
    schema: Annotated[Path | None, typer.Option(help="The schema.json of that table.")] = None,
    key_passphrase_file: KeyPassphraseFile = None,
    key_file: KeyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Look for what keeps a party from working, or soon will. Changes nothing; exit code 1 where something fails."""
    from fedtrain.cli.services.parties import settings_of

    options: dict[str, object] = {
        "state_dir": state_dir,
        "name": name,
        "facilitator": facilitator,
        "key_passphrase_file": key_passphrase_file,
        "key_file": key_file,
    }
    if role is Role.FACILITATOR:
        del options["facilitator"]
    if role is Role.DATA_OWNER:
        options |= {"data": data, "schema": schema}
    elif data or schema:
        raise Failure("--data and --schema are a Data Owner's")
    findings = list(examine(settings_of(role, options), role, lambda: datetime.now(UTC)))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    if any(finding.level is Level.FAIL for finding in findings):
        raise typer.Exit(1)


def examine(settings: ServiceSettings, role: Role, clock: Callable[[], datetime]) -> Iterator[Finding]:
    """Yield what every check finds. `clock` tells this machine's time, with a time zone."""
    from fedtrain.cli.doctor.cluster import check_cluster
    from fedtrain.cli.doctor.facilitator import check_facilitator
    from fedtrain.cli.doctor.rules import check_policy
    from fedtrain.cli.doctor.store import check_store
    from fedtrain.cli.doctor.table import check_data
    from fedtrain.cli.services.config import unknown_variables
    from fedtrain.data_owner.settings import DataOwnerSettings
    from fedtrain.service.health.certificates import check_certificates
    from fedtrain.service.health.folder import check_folder
    from fedtrain.service.health.machine import check_machine
    from fedtrain.service.health.trust import check_trust

    yield from check_machine(settings, unknown_variables(os.environ))
    yield from check_folder(settings)
    yield from check_store(settings, role)
    yield from check_certificates(settings, clock())
    yield from check_trust(settings, role, clock())
    if isinstance(settings, DataOwnerSettings):
        yield from check_policy(settings)
        yield from check_data(settings)
        yield from check_cluster(settings)
    yield from check_facilitator(settings, role, clock)


def _show(findings: list[Finding]) -> None:
    from rich.text import Text

    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        line = Text(f"{finding.level.value:4}", style=_COLOURS[finding.level])
        line.append(f"  {finding.check:{width}}  {finding.found}", style="default")
        console().print(line)
        if finding.remedy:
            console().print(Text(f"{'':6}{'':{width}}  → {finding.remedy}", style="default"))
    count = {level: sum(finding.level is level for finding in findings) for level in Level}
    console().print(f"{count[Level.OK]} ok, {count[Level.WARN]} to look at, {count[Level.FAIL]} to mend", markup=False)
