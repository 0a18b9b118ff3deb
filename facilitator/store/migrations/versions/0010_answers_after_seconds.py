"""Seconds after its request at which an answer came, beside the answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("answers", sa.Column("after_s", sa.Float))


def downgrade() -> None:
    op.drop_column("answers", "after_s")
