"""The tables of a party's people as they were first made: each party's migration calls this, and it never changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def create_tables() -> None:
    """Make both tables, empty: a party without accounts asks nobody to sign in."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("key", sa.String(300), nullable=False, unique=True),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("password", sa.String(300)),
        sa.Column("subject", sa.String(64), unique=True),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
    )
    op.create_table(
        "sign_in_failures",
        sa.Column("key", sa.String(80), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_s", sa.Double, nullable=False),
    )


def drop_tables() -> None:
    """Drop both tables, and with them who may sign in."""
    op.drop_table("sign_in_failures")
    op.drop_table("accounts")
