"""Migrations as every party's `alembic/env.py` runs them:

    from fedtrain.service.store.migrations_env import run_migrations
    from facilitator.tables import metadata

    run_migrations(metadata)

`fedtrain.service.store.database.open_database` hands the connection in, inside its write transaction.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, MetaData


def run_migrations(metadata: MetaData) -> None:
    """Run the migrations on the connection that was handed in. Raises LookupError when there is none."""
    connection = context.config.attributes.get("connection")
    if not isinstance(connection, Connection):
        raise LookupError("No connection was handed in: open the store with protocol.server.database.open_database.")
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
