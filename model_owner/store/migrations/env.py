"""Alembic's entry point for the Model Owner's store."""

from model_owner.store.tables import metadata
from protocol.server.migrations_env import run_migrations

run_migrations(metadata)
