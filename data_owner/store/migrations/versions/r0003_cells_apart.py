"""Cells belong to an inspection of all columns, which is kept as a file; they were of one model type's columns."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("frozen_tables") as table:
        table.drop_column("cells")


def downgrade() -> None:
    with op.batch_alter_table("frozen_tables") as table:
        table.add_column(sa.Column("cells", sa.JSON, nullable=False, server_default="[]"))
