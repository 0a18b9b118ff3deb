"""The database: does it open, which revision is it of, can it be written to. Nothing in it is changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.pool import NullPool

from fedtrain.protocol.states import Role
from fedtrain.service.health.finding import Finding, fail, ok, warn
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.store.database import is_anothers
from fedtrain.service.store.database_url import SQLITE, DatabaseError, reaching, read_url, shown

_BUSY_TIMEOUT_S = 5
_CHECK = "database"


def migrations_of(role: Role) -> Path:
    """Return the folder of a role's migrations."""
    from importlib.resources import files

    return Path(str(files(f"fedtrain.{role.value.replace('-', '_')}.store") / "migrations"))


def own_table_of(role: Role) -> str:
    """Return the name of a table that this role's stores have and others' have not."""
    from importlib import import_module

    return str(import_module(f"fedtrain.{role.value.replace('-', '_')}.store.sql").OWN_TABLE)


def check_store(settings: ServiceSettings, role: Role) -> Iterator[Finding]:
    """One finding about the database that the settings name."""
    try:
        url = read_url(settings.database)
    except DatabaseError as error:
        yield fail(_CHECK, str(error), "correct FEDTRAIN_DATABASE_URL")
        return
    is_file = url.get_backend_name() == SQLITE
    if is_file and not Path(url.database or "").is_file():
        yield warn(_CHECK, f"{url.database} is not there yet", "the first start makes it")
        return
    arguments = {"timeout": _BUSY_TIMEOUT_S} if is_file else reaching(url)
    engine = sa.create_engine(url, poolclass=NullPool, connect_args=arguments)
    try:
        with engine.connect() as connection:
            yield _revision(connection, role, shown(url))
            yield _written(connection, shown(url))
    except sa.exc.SQLAlchemyError as error:
        why = str(getattr(error, "orig", None) or error).splitlines()[0]
        remedy = "restore the file from a backup" if is_file else "start the server; see to address, user and password"
        yield fail(_CHECK, f"{shown(url)} cannot be opened: {why}", remedy)
    finally:
        engine.dispose()


def _revision(connection: sa.Connection, role: Role, where: str) -> Finding:
    config = Config()
    config.set_main_option("script_location", str(migrations_of(role)).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    if not sa.inspect(connection).has_table("alembic_version"):
        return warn("revision", f"{where} is empty", "the first start makes its tables")
    if is_anothers(connection, own_table_of(role)):
        return fail(
            "revision", f"{where} is not the store of a {role.value}", "name the right role, folder or database"
        )
    revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    if revision == newest:
        return ok("revision", f"{where} is of revision {revision}, the newest")
    try:
        known = scripts.get_revision(str(revision)) is not None
    except CommandError:
        known = False
    if known:
        return warn(
            "revision", f"{where} is of revision {revision}, the newest is {newest}", "the next start upgrades it"
        )
    return fail(
        "revision",
        f"{where} is of revision {revision}, which this version does not know",
        "a newer version, or another party, wrote it: install that version, or name the right database",
    )


def _written(connection: sa.Connection, where: str) -> Finding:
    """Take the write lock and let it go."""
    try:
        if connection.dialect.name == SQLITE:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.rollback()
        elif connection.scalar(sa.text("SELECT current_setting('transaction_read_only')")) == "on":
            return fail(_CHECK, f"{where} takes no writes", "it is a standby: name the primary")
    except sa.exc.OperationalError as error:
        return fail(
            _CHECK,
            f"{where} takes no writes: {error.orig}",
            "if it is locked, see what else has it open; if it is read-only, see to its permissions and its disk",
        )
    return ok(_CHECK, f"{where} opens, and takes writes")
