"""Answers and owners apart from the state of their job; indexes that find open tasks among many that are over."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OF_OWNERS = ("invited", "join_answers", "accepted", "declined", "roster")


def upgrade() -> None:
    op.create_table(
        "answers",
        sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("request_hash", sa.String(64), primary_key=True),
        sa.Column("party", sa.String(64), primary_key=True),
        sa.Column("answer_hash", sa.String(64), nullable=False),
        sa.Column("ciphertexts_hash", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
    )
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("owners", sa.Text))
        table.add_column(sa.Column("owners_hash", sa.String(64)))
    _take_apart()
    with op.batch_alter_table("jobs") as table:
        table.alter_column("owners", existing_type=sa.Text, nullable=False)
        table.alter_column("owners_hash", existing_type=sa.String(64), nullable=False)
    op.drop_index("ix_tasks_job", "tasks")
    op.create_index("ix_tasks_job", "tasks", ["job_id", "closed", "kind"])
    op.create_index("ix_tasks_open", "tasks", ["closed", "sender", "kind"])


def _tables() -> tuple[sa.TableClause, sa.TableClause]:
    jobs = sa.table("jobs", *(sa.column(name) for name in ("id", "state", "owners", "owners_hash")))
    names = ("job_id", "request_hash", "party", "answer_hash", "ciphertexts_hash", "signature")
    return jobs, sa.table("answers", *(sa.column(name) for name in names))


def _take_apart() -> None:
    connection = op.get_bind()
    jobs, answers = _tables()
    for job_id, text in connection.execute(sa.select(jobs.c.id, jobs.c.state)).all():
        state = json.loads(text)
        owners = json.dumps({name: state.pop(name) for name in _OF_OWNERS if name in state})
        current = state.get("current")
        given = {} if current is None else current.pop("answers", {})
        rows = [
            {"job_id": job_id, "request_hash": current["request_hash"], "party": party, **answer}
            for party, answer in given.items()
        ]
        if rows:
            connection.execute(sa.insert(answers), rows)
        values = {
            "state": json.dumps(state),
            "owners": owners,
            "owners_hash": hashlib.sha256(owners.encode()).hexdigest(),
        }
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(values))


def downgrade() -> None:
    op.drop_index("ix_tasks_open", "tasks")
    op.drop_index("ix_tasks_job", "tasks")
    op.create_index("ix_tasks_job", "tasks", ["job_id", "kind"])
    _put_together()
    with op.batch_alter_table("jobs") as table:
        table.drop_column("owners_hash")
        table.drop_column("owners")
    op.drop_table("answers")


def _put_together() -> None:
    connection = op.get_bind()
    jobs, answers = _tables()
    for job_id, text, owners in connection.execute(sa.select(jobs.c.id, jobs.c.state, jobs.c.owners)).all():
        state = {**json.loads(text), **json.loads(owners)}
        if state.get("current") is not None:
            rows = connection.execute(
                sa.select(answers).where(
                    answers.c.job_id == job_id, answers.c.request_hash == state["current"]["request_hash"]
                )
            ).mappings()
            names = ("answer_hash", "ciphertexts_hash", "signature")
            state["current"]["answers"] = {row["party"]: {name: row[name] for name in names} for row in rows}
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values({"state": json.dumps(state)}))
