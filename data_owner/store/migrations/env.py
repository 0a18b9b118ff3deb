"""Alembic's entry point for the Data Owner's store."""

from fedtrain.data_owner.store.tables import metadata
from fedtrain.service.store.migrations_env import run_migrations

run_migrations(metadata)
