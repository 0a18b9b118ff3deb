"""The outbox keeps the answer to every step, so that a Facilitator restored from a backup can ask for them again."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox_by_step",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.execute("INSERT INTO outbox_by_step (job_id, step, body) SELECT job_id, step, body FROM outbox")
    op.drop_table("outbox")
    op.rename_table("outbox_by_step", "outbox")
