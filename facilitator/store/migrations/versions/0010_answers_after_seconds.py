"""Seconds after its request at which an answer came, beside the answer, and of each owner's last one beside the job."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("answers", sa.Column("after_s", sa.Float))
    op.add_column("jobs", sa.Column("last_answer_s", sa.Text))
    _out_of_the_state()


def _out_of_the_state() -> None:
    """Move them out of states of before, which had those of the round that is asked."""
    connection = op.get_bind()
    jobs = sa.table("jobs", sa.column("id"), sa.column("state"))
    answers = sa.table("answers", *(sa.column(name) for name in ("job_id", "request_hash", "party", "after_s")))
    for job_id, text in connection.execute(sa.select(jobs.c.id, jobs.c.state)).all():
        state = json.loads(text)
        current = state.get("current") or {}
        if "answered_after_s" not in current:
            continue
        for party, after_s in current.pop("answered_after_s").items():
            which = (answers.c.job_id == job_id, answers.c.request_hash == current["request_hash"])
            connection.execute(sa.update(answers).where(*which, answers.c.party == party).values(after_s=after_s))
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(state=json.dumps(state)))


def downgrade() -> None:
    op.drop_column("jobs", "last_answer_s")
    op.drop_column("answers", "after_s")
