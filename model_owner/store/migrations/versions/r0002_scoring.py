"""Private scoring: what is allowed, what was spent, and every answer."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scoring",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
        sa.Column("terms", sa.Text, nullable=False),
        sa.Column("spent_bits", sa.BigInteger, nullable=False),
        sa.Column("offer", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "scores",
        sa.Column("request_hash", sa.String(64), primary_key=True),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("scoring.job_id"), nullable=False),
        sa.Column("party", sa.String(64), nullable=False),
        sa.Column("bits", sa.BigInteger, nullable=False),
        sa.Column("answered_at", sa.String(40), nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("scores")
    op.drop_table("scoring")
