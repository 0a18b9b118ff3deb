"""The first schema's rows on PostgreSQL, brought to the newest schema there."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from fedtrain.data_owner.release.audit import verify_records
from fedtrain.data_owner.store.sql import MIGRATIONS as OWNER_MIGRATIONS
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.facilitator.store import Store as FacilitatorStore
from fedtrain.facilitator.store.sql import MIGRATIONS as FACILITATOR_MIGRATIONS
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.store import ModelStore
from fedtrain.model_owner.store.sql import MIGRATIONS as MODEL_OWNER_MIGRATIONS
from fedtrain.service.store.database_url import read_url
from tests.harness.postgresql import PostgreSql

DUMPS = Path(__file__).parent
FINISHED = "125deed36b2c4b90930a1db3cf119619"
RUNNING = "062975ec11f8461aaae0af33b18b16ed"
pytestmark = pytest.mark.slow


def first_schema(url: str, party: str, migrations: Path) -> None:
    """Make the first schema at `url`, and put the dump's rows in it."""
    dump = sqlite3.connect(":memory:")
    dump.executescript((DUMPS / f"{party}_first_schema.sql").read_text())
    dump.row_factory = sqlite3.Row
    engine = sa.create_engine(read_url(url))
    config = Config()
    config.set_main_option("script_location", str(migrations))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    tables = sa.MetaData()
    tables.reflect(engine)
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            rows = [_typed(table, dict(row)) for row in dump.execute(f'SELECT * FROM "{table.name}"')]  # noqa: S608
            if table.name == "counters":
                connection.execute(sa.delete(table))  # the migration has begun it
            if rows and table.name != "alembic_version":
                connection.execute(sa.insert(table), rows)
    engine.dispose()
    dump.close()


def _typed(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    for name, value in row.items():
        column = table.c[name].type
        if isinstance(column, sa.Boolean):
            row[name] = bool(value)
        elif isinstance(column, sa.JSON) and value is not None:
            row[name] = json.loads(value)
    return row


def test_the_facilitators_rows(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    first_schema(url, "facilitator", FACILITATOR_MIGRATIONS)
    store = FacilitatorStore(url)
    with store.read() as tx:
        assert {state.job_id for state in tx.jobs(10)} == {FINISHED, RUNNING}
        state = tx.job(RUNNING)
        assert state is not None
        assert state.current is not None
        assert len(state.current.answers) == 3
        assert len(tx.log_entries(RUNNING)) == state.log_length
    store.close()


def test_the_model_owners_rows(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    first_schema(url, "model_owner", MODEL_OWNER_MIGRATIONS)
    store = ModelStore(url)
    assert store.latest_finished() == FINISHED
    assert store.model(FINISHED) is not None
    assert store.result(RUNNING, 2) is not None
    store.close()


def test_the_data_owners_rows(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    first_schema(url, "data_owner", OWNER_MIGRATIONS)
    store = OwnerStore(url)
    assert store.answer_body(RUNNING, 2, RoundKind.GRADIENT)
    assert len(store.audit()) == 5
    assert verify_records(store.audit())
    store.close()
