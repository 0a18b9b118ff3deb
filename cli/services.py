"""`fedtrain facilitator | data-owner | model-owner`: start one service and stay with it until it is stopped.

Settings come from the options here, else from `FEDTRAIN_*` in the environment, else from `party.toml` in the state
folder, else from their defaults; they are read once, here. The packages of a party are imported only when it starts,
which keeps `fedtrain --help` quick.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fastapi import FastAPI

    from protocol.server.settings import ServiceSettings

Host = Annotated[str | None, typer.Option(help="Address to listen on. Default 127.0.0.1.")]
Name = Annotated[str | None, typer.Option(help="How this party is named to the others.")]
StateDir = Annotated[
    Path | None, typer.Option(help="Where identity, keys and state are kept. Default .fedtrain/NAME here.")
]
FacilitatorUrl = Annotated[str | None, typer.Option("--facilitator", help="The Facilitator's address.")]
LogFormat = Annotated[str | None, typer.Option(help="console or json.")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]


def _given(**options: object) -> dict[str, Any]:
    """Return the options that were given; the others are left to the environment and the defaults."""
    return {name: value for name, value in options.items() if value is not None}


def _state_dir(option: Path | None, name: str | None, role: str) -> Path | None:
    """Return the option, else nothing where the environment says, else a folder of this party's own.

    It goes by name, so that two Data Owners started in one folder don't share an identity.
    """
    if option is not None or "FEDTRAIN_STATE_DIR" in os.environ:
        return option
    return Path(".fedtrain") / (name or os.environ.get("FEDTRAIN_NAME") or role)


def _serve(app: FastAPI, settings: ServiceSettings, executor: ThreadPoolExecutor) -> None:
    from protocol.server.connection import listening_tls
    from protocol.server.serve import run_service

    try:
        code = run_service(app, settings.host, settings.port, tls=listening_tls(settings))
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
    raise typer.Exit(code)


def facilitator(
    port: Annotated[int | None, typer.Option(help="Default 8080.")] = None,
    state_dir: StateDir = None,
    name: Name = None,
    host: Host = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
) -> None:
    """Start a Facilitator: hands out tasks, adds ciphertexts, holds no key."""
    from facilitator.app import create_app
    from facilitator.settings import FacilitatorSettings
    from protocol.server.logging import configure_logging
    from protocol.server.system_clock import SystemClock

    settings = FacilitatorSettings(
        **_given(
            port=port,
            state_dir=_state_dir(state_dir, name, "facilitator"),
            name=name,
            host=host,
            log_format=log_format,
            log_level=log_level,
        )
    )
    configure_logging(settings.log_format, settings.log_level)
    executor = ThreadPoolExecutor(thread_name_prefix="engine")
    _serve(create_app(settings, clock=SystemClock(), executor=executor), settings, executor)


def data_owner(
    port: Annotated[int | None, typer.Option(help="Default 5000.")] = None,
    name: Name = None,
    data: Annotated[Path | None, typer.Option(help="Table of records: CSV or Parquet.")] = None,
    schema: Annotated[
        Path | None, typer.Option(help="The consortium's schema.json; without it the first job's.")
    ] = None,
    facilitator: FacilitatorUrl = None,
    state_dir: StateDir = None,
    host: Host = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
) -> None:
    """Start a Data Owner: holds records, which never leave."""
    from data_owner.app import create_app
    from data_owner.settings import DataOwnerSettings
    from protocol.server.logging import configure_logging
    from protocol.server.system_clock import SystemClock

    settings = DataOwnerSettings(
        **_given(
            port=port,
            name=name,
            data=data,
            schema=schema,
            facilitator=facilitator,
            state_dir=_state_dir(state_dir, name, "data-owner"),
            host=host,
            log_format=log_format,
            log_level=log_level,
        )
    )
    configure_logging(settings.log_format, settings.log_level)
    executor = ThreadPoolExecutor(thread_name_prefix="engine")
    _serve(create_app(settings, clock=SystemClock(), executor=executor), settings, executor)


def model_owner(
    port: Annotated[int | None, typer.Option(help="Default 9090.")] = None,
    test_data: Annotated[Path | None, typer.Option(help="The Model Owner's own test set: CSV or Parquet.")] = None,
    facilitator: FacilitatorUrl = None,
    state_dir: StateDir = None,
    name: Name = None,
    host: Host = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
) -> None:
    """Start a Model Owner: holds the private key and the model."""
    from model_owner.app import create_app
    from model_owner.settings import ModelOwnerSettings
    from protocol.server.logging import configure_logging
    from protocol.server.system_clock import SystemClock

    settings = ModelOwnerSettings(
        **_given(
            port=port,
            test_data=test_data,
            facilitator=facilitator,
            state_dir=_state_dir(state_dir, name, "model-owner"),
            name=name,
            host=host,
            log_format=log_format,
            log_level=log_level,
        )
    )
    configure_logging(settings.log_format, settings.log_level)
    executor = ThreadPoolExecutor(thread_name_prefix="engine")
    _serve(create_app(settings, clock=SystemClock(), executor=executor), settings, executor)
