"""Requests that this owner's people decided about, and their decisions in the audit, which are of no job yet."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("signed", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
    )
    with op.batch_alter_table("decisions") as table:
        table.alter_column("job_id", existing_type=sa.String(32), nullable=True)
        table.add_column(sa.Column("request", sa.String(64)))


def downgrade() -> None:
    # A chain that passes through such a decision does not hold without it, and an audit says so.
    op.execute("DELETE FROM decisions WHERE job_id IS NULL")
    with op.batch_alter_table("decisions") as table:
        table.drop_column("request")
        table.alter_column("job_id", existing_type=sa.String(32), nullable=False)
    op.drop_table("requests")
