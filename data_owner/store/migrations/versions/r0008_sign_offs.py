"""Results that people signed off, or did not, among the decisions: which result, and by whom."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("decisions") as table:
        table.add_column(sa.Column("result", sa.String(64)))
        table.add_column(sa.Column("by", sa.String(100)))


def downgrade() -> None:
    # A chain that passes through such a decision does not hold without what it says, and an audit says so.
    with op.batch_alter_table("decisions") as table:
        table.drop_column("by")
        table.drop_column("result")
