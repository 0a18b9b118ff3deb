"""Whose store it is: processes that share it have one identity."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("facilitator", sa.Column("party", sa.String(64), primary_key=True))


def downgrade() -> None:
    op.drop_table("facilitator")
