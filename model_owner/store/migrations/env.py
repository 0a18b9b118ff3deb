"""Alembic's entry point for the Model Owner's store."""

from fedtrain.model_owner.store.tables import metadata
from fedtrain.service.store.migrations_env import run_migrations

run_migrations(metadata)
