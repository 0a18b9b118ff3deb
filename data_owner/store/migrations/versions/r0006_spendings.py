"""Spending of the records' privacy, in the audit: one chain through three tables."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spendings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("release", sa.String(64)),
        sa.Column("share", sa.String(64), nullable=False),
        sa.Column("dataset", sa.String(100), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("whole", sa.String(64)),
        sa.Column("row_key", sa.String(16)),
        sa.Column("rho", sa.String(32), nullable=False),
        sa.Column("epsilon", sa.String(32), nullable=False),
        sa.Column("delta", sa.String(32), nullable=False),
        sa.Column("spent_at", sa.String(32), nullable=False),
        sa.Column("index", sa.Integer, nullable=False, unique=True),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    # A chain that passes through spendings does not hold without them, and an audit says so.
    op.drop_table("spendings")
