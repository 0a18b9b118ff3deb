"""People's decisions in the audit, beside the releases: one chain through two tables."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("decision", sa.String(32), nullable=False),
        sa.Column("decided_at", sa.String(32), nullable=False),
        sa.Column("token_id", sa.String(64)),
        sa.Column("about", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("consent", sa.String(64)),
        sa.Column("signer", sa.String(64)),
        sa.Column("dataset", sa.String(100)),
        sa.Column("version", sa.String(64)),
        sa.Column("index", sa.Integer, nullable=False, unique=True),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )


def downgrade() -> None:
    # A chain that passes through decisions does not hold without them, and an audit says so.
    op.drop_table("decisions")
