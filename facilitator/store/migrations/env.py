"""Alembic's entry point for the Facilitator's store."""

from fedtrain.facilitator.store.tables import metadata
from fedtrain.service.store.migrations_env import run_migrations

run_migrations(metadata)
