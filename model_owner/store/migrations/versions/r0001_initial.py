"""Jobs, their learning, history, outbox and models; test sets; predictions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("job_id", sa.String(32), nullable=False, unique=True),
        sa.Column("phase", sa.String(32), nullable=False, index=True),
        sa.Column("settled", sa.Boolean, nullable=False, index=True),
        sa.Column("ended_at", sa.String(40)),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "learning",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
        sa.Column("learning", sa.Text, nullable=False),
    )
    op.create_table(
        "history",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
        sa.Column("round", sa.Integer, primary_key=True),
        sa.Column("row", sa.Text, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "trained",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
    )
    op.create_table(
        "datasets",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("registered_at", sa.String(40), nullable=False),
        sa.Column("current", sa.Integer, nullable=False),
        sa.UniqueConstraint("name", "path", "version"),
    )
    op.create_table(
        "predictions",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("model_id", sa.String(32), sa.ForeignKey("models.job_id"), nullable=False),
        sa.Column("dataset_id", sa.String(32), sa.ForeignKey("datasets.id"), nullable=False),
        sa.Column("prediction", sa.Text, nullable=False),
        sa.UniqueConstraint("model_id", "dataset_id"),
    )


def downgrade() -> None:
    for table in ("predictions", "datasets", "trained", "outbox", "history", "learning", "models"):
        op.drop_table(table)
