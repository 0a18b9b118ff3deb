"""Alembic's entry point for the Facilitator's store."""

from facilitator.store.tables import metadata
from protocol.server.migrations_env import run_migrations

run_migrations(metadata)
