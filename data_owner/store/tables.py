"""The tables of a Data Owner's store, as the newest migration leaves them."""

from __future__ import annotations

import sqlalchemy as sa

from fedtrain.service.people import tables as people
from fedtrain.service.store.filing import body_columns

metadata = sa.MetaData()
people.add_to(metadata)

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),  # SHA-256 of the file's bytes and its mapping
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("columns", sa.JSON, nullable=False),  # names, in the file's order
    sa.Column("schema", sa.JSON),  # DataProps; null until given or adopted
    sa.Column("mapping", sa.JSON),  # fedtrain.tabular.mapping.file.Mapping; null where there is none
    sa.Column("content", sa.String(64)),  # SHA-256 of the file's bytes alone, where there is a mapping
    sa.Column("adopted_from", sa.String(32)),  # the job whose encoding it took, if it did
    sa.Column("registered_at", sa.String(32), nullable=False),
    sa.Column("current", sa.Boolean, nullable=False),  # the version on offer; the others are history
    sa.UniqueConstraint("name", "version"),
)

frozen_tables = sa.Table(
    "frozen_tables",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),  # SHA-256 of version, encoding and scaling
    sa.Column("dataset", sa.String(100), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("frozen_at", sa.String(32), nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("job_id", sa.String(32), primary_key=True),
    sa.Column("phase", sa.String(32), nullable=False),
    sa.Column("created_at", sa.String(40), nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # data_owner.job.JobState as JSON
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.job_id"), primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("facts", sa.Text, nullable=False),  # data_owner.job.AnswerFacts as JSON
    *body_columns(),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.job_id"), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("numbers", sa.Integer, nullable=False),
    sa.Column("recipient", sa.String(64), nullable=False),
    sa.Column("dataset", sa.String(100), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("released_at", sa.String(32), nullable=False),
    sa.Column("index", sa.Integer, nullable=False, unique=True),
    sa.Column("previous", sa.String(64), nullable=False),  # the hash of the record before
    sa.Column("hash", sa.String(64), nullable=False),
    sa.UniqueConstraint("job_id", "round", "kind"),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("job_id", sa.String(32)),  # of a job that need not be known here: no foreign key; null of a request
    sa.Column("decision", sa.String(32), nullable=False),
    sa.Column("decided_at", sa.String(32), nullable=False),
    sa.Column("token_id", sa.String(64)),
    sa.Column("about", sa.JSON, nullable=False),  # texts
    sa.Column("reason", sa.Text),
    sa.Column("consent", sa.String(64)),
    sa.Column("signer", sa.String(64)),
    sa.Column("dataset", sa.String(100)),
    sa.Column("version", sa.String(64)),
    sa.Column("result", sa.String(64)),
    sa.Column("by", sa.String(100)),
    sa.Column("signed_in", sa.Boolean),  # whether `by` is an account's name
    sa.Column("request", sa.String(64)),
    sa.Column("index", sa.Integer, nullable=False, unique=True),  # counted through all tables of the audit
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# Requests that this owner's people decided about; the thread, and those that wait, are the Facilitator's.
requests = sa.Table(
    "requests",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("signed", sa.Text, nullable=False),  # SignedDocument(RequestDocument) as JSON
    sa.Column("decision", sa.Text, nullable=False),  # the latest SignedDocument(RequestDecision) as JSON
)

spendings = sa.Table(
    "spendings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("job_id", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("release", sa.String(64)),  # once the roster is known
    sa.Column("share", sa.String(64), nullable=False),
    sa.Column("dataset", sa.String(100), nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("whole", sa.String(64)),
    sa.Column("row_key", sa.String(16)),
    sa.Column("encoding", sa.String(64)),  # not known of what an earlier version spent
    sa.Column("rho", sa.String(32), nullable=False),
    sa.Column("sampled", sa.JSON),  # divergences at fixed orders, as texts
    sa.Column("epsilon", sa.String(32), nullable=False),
    sa.Column("delta", sa.String(32), nullable=False),
    sa.Column("spent_at", sa.String(32), nullable=False),
    sa.Column("index", sa.Integer, nullable=False, unique=True),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
