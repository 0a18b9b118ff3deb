"""`fedtrain config show`: every setting of a service, its value, and where that comes from."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedtrain.cli.output import Failure, console, echo, print_json, print_table
from fedtrain.cli.services.setting_sources import PREFIX
from fedtrain.protocol.states import Role

if TYPE_CHECKING:
    from fedtrain.service.notify.settings import NotifySettings
    from fedtrain.service.runtime.settings import ServiceSettings

app = typer.Typer(name="config", help="A service's settings.", no_args_is_help=True)

#: What the command itself reads, beside the settings of services.
_OF_THE_COMMAND = frozenset({"DEBUG", "MODEL_OWNER", "DATA_OWNER"})
_SECRET_WORDS = ("password", "passphrase", "secret", "token", "key")


@dataclass(frozen=True)
class Shown:
    """A setting. `source`: default, party.toml, environment or command line; `value` has nothing secret in it."""

    setting: str
    value: Any
    source: str


@app.callback()
def config() -> None:
    """A service's settings."""


@app.command()
def show(
    role: Annotated[Role | None, typer.Argument(help="Which kind of party; all three without it.")] = None,
    state_dir: Annotated[Path | None, typer.Option(help="The party's state folder. Default .fedtrain/NAME.")] = None,
    name: Annotated[str | None, typer.Option(help="The party's name, if its folder goes by it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Print every setting, its value, and whether it comes from the environment, party.toml or is the default."""
    if role is None and (state_dir or name):
        raise Failure("a state folder is one party's: say which kind, as in `fedtrain config show data-owner`")
    roles = tuple(Role) if role is None else (role,)
    shown = {one: settings_shown(one, {"state_dir": state_dir, "name": name}) for one in roles}
    if as_json:
        document = {one.value: [asdict(setting) for setting in settings] for one, settings in shown.items()}
        print_json({"settings": document, "unknown": unknown_variables(os.environ)})
        return
    for one, settings in shown.items():
        if role is None:
            console().print(f"\n{one.value}", markup=False)
        print_table("", ["setting", "value", "from"], [[s.setting, _cell(s.value), s.source] for s in settings])
    for variable, meant in unknown_variables(os.environ).items():
        hint = f": is {meant} meant?" if meant else ""
        echo(f"fedtrain: {variable} is in the environment and is no setting{hint}", err=True)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def settings_shown(role: Role, options: Mapping[str, object]) -> list[Shown]:
    """Return a role's settings by name, as its service would have them with these options.

    Raises what a service with such settings would end with.
    """
    from fedtrain.cli.services.parties import given, settings_of
    from fedtrain.service.runtime.settings import read_party_file

    settings = settings_of(role, options)
    in_file = read_party_file(settings.state_dir)
    on_the_line = {setting for setting, value in options.items() if value is not None}
    in_environment = {variable.upper() for variable in os.environ}

    def source(setting: str) -> str:
        if setting in on_the_line:
            return "command line"
        if PREFIX + setting.upper() in in_environment:
            return f"environment, {PREFIX}{setting.upper()}"
        if setting == "state_dir" and setting in given(role, options):
            return "default"
        by_short_name = setting == "schema_file" and "schema" in in_file
        return "party.toml" if setting in in_file or by_short_name else "default"

    return [
        Shown(setting, _public(settings, setting), source(setting)) for setting in sorted(type(settings).model_fields)
    ]


def _public(settings: ServiceSettings, setting: str) -> Any:
    """A setting's value as JSON has it, without what is secret in it."""
    from fedtrain.service.notify.settings import NotifySettings
    from fedtrain.service.store.database_url import shown

    value = getattr(settings, setting)
    if setting == "database_url" and value is not None:
        return shown(value)
    if isinstance(value, NotifySettings):
        return _told(value)
    if isinstance(value, Path):
        return str(value)  # where a secret lies is none
    if isinstance(value, dict):
        return {name: str(one) for name, one in value.items()}
    if isinstance(value, str) and any(word in setting.split("_") for word in _SECRET_WORDS):
        return "***"
    return value


def _told(notify: NotifySettings) -> dict[str, Any]:
    """The table as JSON has it; of a webhook's address, whose path may be a secret, the host alone."""
    from urllib.parse import urlsplit

    shown = notify.model_dump(mode="json", exclude_none=True)
    if notify.webhook is not None:
        parts = urlsplit(notify.webhook.url)
        shown["webhook"]["url"] = f"{parts.scheme}://{parts.hostname}/***"
    return shown


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return each FEDTRAIN_* that is no setting of any service, with the one that was meant, most likely."""
    from fedtrain.cli.services.parties import settings_class

    known = {PREFIX + name.upper() for role in Role for name in settings_class(role).model_fields}
    known |= {PREFIX + name for name in _OF_THE_COMMAND}
    unknown = sorted(name for name in environment if name.upper().startswith(PREFIX) and name.upper() not in known)
    return {name: next(iter(difflib.get_close_matches(name.upper(), known, 1, 0.8)), None) for name in unknown}
