"""Alembic's entry point for the Data Owner's store."""

from data_owner.store.tables import metadata
from protocol.server.migrations_env import run_migrations

run_migrations(metadata)
