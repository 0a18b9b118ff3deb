"""Jobs, tasks, evidence and the log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "parties",
        sa.Column("party", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("datasets", sa.JSON, nullable=False),
        sa.Column("registered_at", sa.String(40), nullable=False),
        sa.Column("signed", sa.Text, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("created_at_s", sa.Double, nullable=False),
        sa.Column("phase", sa.String(40), nullable=False),
        sa.Column("deadline_s", sa.Double),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("roster", sa.Text),
    )
    op.create_index("ix_jobs_phase", "jobs", ["phase"])
    op.create_index("ix_jobs_deadline_s", "jobs", ["deadline_s"])
    op.create_table(
        "blobs",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "job_blobs",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("hash", sa.String(64), sa.ForeignKey("blobs.hash"), primary_key=True),
        sa.Column("content_type", sa.String(100), nullable=False),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False, unique=True),
        sa.Column("key", sa.String(200), nullable=False, unique=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("sender", sa.String(64), nullable=False),
        sa.Column("recipient", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.Column("request_hash", sa.String(64), sa.ForeignKey("blobs.hash"), nullable=False),
        sa.Column("request_type", sa.String(100), nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("result_hash", sa.String(64), sa.ForeignKey("blobs.hash")),
    )
    op.create_index("ix_tasks_recipient", "tasks", ["recipient", "closed", "sequence"])
    op.create_index("ix_tasks_job", "tasks", ["job_id", "kind"])
    op.create_table(
        "log_entries",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("index", sa.Integer, primary_key=True),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.Column("signed_request_hash", sa.String(64)),
    )
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(counters, [{"name": "task_sequence", "value": 0}])


def downgrade() -> None:
    for table in ("counters", "log_entries", "tasks", "job_blobs", "blobs", "jobs", "parties"):
        op.drop_table(table)
