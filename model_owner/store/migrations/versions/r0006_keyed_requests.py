"""Requests by the key that they were made with, so that the same call asks owners once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "keyed_requests",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("signed", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("keyed_requests")
