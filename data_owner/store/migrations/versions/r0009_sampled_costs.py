"""Costs that are no multiple of the order: those of sampled sums. What was spent before had none."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("spendings", sa.Column("sampled", sa.JSON))


def downgrade() -> None:
    # What a sampled sum cost is lost with it, and an audit of such a record does not hold.
    with op.batch_alter_table("spendings") as table:
        table.drop_column("sampled")
