"""`fedtrain prune`: forget the ciphertexts of jobs that ended long ago, now instead of by `prune_after_days`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedtrain.cli.output import Failure, console, print_json
from fedtrain.cli.services.state_folder import party_settings
from fedtrain.protocol.states import Role

if TYPE_CHECKING:
    from fedtrain.protocol.clock import Clock


def prune(
    older_than: Annotated[float, typer.Option("--older-than", min=0, max=36_500, help="Days since the job ended.")],
    role: Annotated[Role, typer.Option(help="What the party is.")],
    state_dir: Annotated[Path | None, typer.Option(help="The party's state folder. Default .fedtrain/ROLE.")] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="Its store, where it is not as its settings say."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")] = False,
) -> None:
    """Delete the ciphertexts of ended jobs; log, hashes, signatures, models and results stay. The service may run."""
    from fedtrain.service.runtime.system_clock import SystemClock
    from fedtrain.service.vault.secret_files import IDENTITY_FILE

    folder = state_dir or Path(".fedtrain") / role.value
    if not (folder / IDENTITY_FILE).exists():
        raise Failure(f"{folder} is not the state folder of a party: name it with --state-dir")
    clock = SystemClock()
    store = _store(folder, database_url)
    jobs = _PRUNERS[role](folder, store, clock.now() - timedelta(days=older_than), clock)
    if as_json:
        print_json({"jobs": jobs, "older_than_days": older_than})
    else:
        console().print(f"{jobs} jobs lost their ciphertexts; their logs, hashes and results are kept", markup=False)


def _store(folder: Path, database_url: str | None) -> str:
    """The URL of the store. To prune makes none."""
    from fedtrain.service.store.database_url import SQLITE, read_url, shown

    url = database_url or party_settings(folder, None, None).database
    parsed = read_url(url)
    if parsed.get_backend_name() == SQLITE and not Path(parsed.database or "").is_file():
        raise Failure(f"there is no store at {shown(parsed)}: name the one that the service keeps with --database-url")
    return url


def _facilitator(folder: Path, url: str, before: datetime, clock: Clock) -> int:
    from fedtrain.facilitator.registry.pruning import prune as prune_facilitator
    from fedtrain.facilitator.store import Store
    from fedtrain.service.store.body_files import BodyFiles

    bodies_dir = party_settings(folder, None, None).bodies_dir
    store = Store(url, None if bodies_dir is None else BodyFiles(bodies_dir))
    try:
        return prune_facilitator(store, before, clock.now())
    finally:
        store.close()


def _model_owner(folder: Path, url: str, before: datetime, _clock: Clock) -> int:
    from fedtrain.model_owner.store import ModelStore

    store = ModelStore(url, folder)
    try:
        return store.prune(before)
    finally:
        store.close()


def _data_owner(folder: Path, url: str, before: datetime, _clock: Clock) -> int:
    import secrets

    from fedtrain.data_owner.data.frozen.folder import FrozenFolder
    from fedtrain.data_owner.pruning import prune as prune_data_owner
    from fedtrain.data_owner.store.sql import OwnerStore

    store = OwnerStore(url, folder)
    try:
        return prune_data_owner(store, FrozenFolder(folder / "moments", secrets.token_bytes), before)
    finally:
        store.close()


_PRUNERS = {Role.FACILITATOR: _facilitator, Role.MODEL_OWNER: _model_owner, Role.DATA_OWNER: _data_owner}
