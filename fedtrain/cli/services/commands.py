"""`fedtrain facilitator | data-owner | model-owner`: start one service and stay with it until it is stopped.

Settings come from the options here, else from `FEDTRAIN_*` in the environment, else from `party.toml` in the state
folder, else from their defaults; they are read once, here. An option has the name of its setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedtrain.protocol.states import Role

if TYPE_CHECKING:
    from fedtrain.service.runtime.settings import ServiceSettings

Host = Annotated[str | None, typer.Option(help="Address to listen on. Default 127.0.0.1.")]
Name = Annotated[str | None, typer.Option(help="How this party is named to the others.")]
StateDir = Annotated[
    Path | None, typer.Option(help="Where identity, keys and state are kept. Default .fedtrain/NAME here.")
]
FacilitatorUrl = Annotated[str | None, typer.Option("--facilitator", help="The Facilitator's address.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="postgresql://user@host/database. Default state.sqlite3 in the state folder."),
]
KeyPassphraseFile = Annotated[
    Path | None, typer.Option(help="File with the passphrase that private keys are encrypted under.")
]
KeyFile = Annotated[Path | None, typer.Option(help="File of 32 bytes, in a passphrase's place.")]
Engine = Annotated[
    str | None,
    typer.Option(help="auto, native (the compiled kernel), gmpy2, or a Dask cluster: dask://HOST:PORT, dask://local."),
]
LogFormat = Annotated[str | None, typer.Option(help="console or json.")]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]


def facilitator(
    port: Annotated[int | None, typer.Option(help="Default 8080.")] = None,
    state_dir: StateDir = None,
    name: Name = None,
    host: Host = None,
    database_url: DatabaseUrl = None,
    key_passphrase_file: KeyPassphraseFile = None,
    key_file: KeyFile = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
) -> None:
    """Start a Facilitator: hands out tasks, adds ciphertexts, holds no key."""
    _serve(Role.FACILITATOR, locals())


def data_owner(
    port: Annotated[int | None, typer.Option(help="Default 5000.")] = None,
    name: Name = None,
    data: Annotated[Path | None, typer.Option(help="Table of records: CSV or Parquet, or x.npy.")] = None,
    target: Annotated[Path | None, typer.Option(help="The NumPy array of the targets, where --data is one.")] = None,
    schema: Annotated[
        Path | None, typer.Option(help="The consortium's schema.json; without it the first job's.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="The mapping.toml that turns the table into the schema's columns.")
    ] = None,
    facilitator: FacilitatorUrl = None,
    state_dir: StateDir = None,
    host: Host = None,
    database_url: DatabaseUrl = None,
    engine: Engine = None,
    key_passphrase_file: KeyPassphraseFile = None,
    key_file: KeyFile = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
) -> None:
    """Start a Data Owner: holds records, which never leave."""
    _serve(Role.DATA_OWNER, locals())


def model_owner(
    port: Annotated[int | None, typer.Option(help="Default 9090.")] = None,
    test_data: Annotated[Path | None, typer.Option(help="The Model Owner's own test set: CSV or Parquet.")] = None,
    facilitator: FacilitatorUrl = None,
    state_dir: StateDir = None,
    name: Name = None,
    host: Host = None,
    database_url: DatabaseUrl = None,
    key_passphrase_file: KeyPassphraseFile = None,
    key_file: KeyFile = None,
    log_format: LogFormat = None,
    log_level: LogLevel = None,
) -> None:
    """Start a Model Owner: holds the private key and the model."""
    _serve(Role.MODEL_OWNER, locals())


def _serve(role: Role, options: Mapping[str, object]) -> None:
    """Start a role's service with these options, each under its setting's name, and stay until it is stopped."""
    from fedtrain.cli.services.parties import application, settings_of
    from fedtrain.service.runtime.connection import listening_tls, own_names
    from fedtrain.service.runtime.logging import configure_logging
    from fedtrain.service.runtime.serve import run_service
    from fedtrain.service.runtime.system_clock import SystemClock

    settings = settings_of(role, options)
    configure_logging(settings.log_format, settings.log_level)
    with _in_the_folder(role, settings):
        executor = ThreadPoolExecutor(thread_name_prefix="engine")
        try:
            app = application(role)(settings, clock=SystemClock(), executor=executor)
            code = run_service(
                app,
                settings.host,
                settings.port,
                tls=listening_tls(settings),
                limits=settings.connection_limits,
                names=own_names(settings),
            )
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
    raise typer.Exit(code)


@contextmanager
def _in_the_folder(role: Role, settings: ServiceSettings) -> Iterator[None]:
    """The state folder held, by this process alone but for Facilitators on one PostgreSQL, and no key left open in it.

    Raises FolderInUseError where another process works there.
    """
    import structlog

    from fedtrain.service.store.database_url import POSTGRESQL, read_url
    from fedtrain.service.vault.folder_lock import folder_lock
    from fedtrain.service.vault.key_files import KeySecret, seal_open_keys

    several = role is Role.FACILITATOR and read_url(settings.database).get_backend_name() == POSTGRESQL
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with folder_lock(settings.state_dir, shared=several):
        count = seal_open_keys(settings.state_dir, KeySecret.read(settings.key_passphrase_file, settings.key_file))
        if count:
            structlog.get_logger("cli.services").warning(
                "private keys that were not encrypted now are", count=count, state_dir=str(settings.state_dir)
            )
        yield
