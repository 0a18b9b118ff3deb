"""The tables of the Model Owner's store, as `migrations/` makes them."""

from __future__ import annotations

import sqlalchemy as sa

from fedtrain.service.people import tables as people
from fedtrain.service.store.filing import body_columns

metadata = sa.MetaData()
people.add_to(metadata)

models = sa.Table(
    "models",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("job_id", sa.String(32), nullable=False, unique=True),
    sa.Column("phase", sa.String(32), nullable=False, index=True),
    sa.Column("settled", sa.Boolean, nullable=False, index=True),  # ended, and the Facilitator knows
    sa.Column("ended_at", sa.String(40)),
    sa.Column("state", sa.Text, nullable=False),  # model_owner.job_state.JobState as JSON
)

learning = sa.Table(
    "learning",
    metadata,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
    sa.Column("learning", sa.Text, nullable=False),  # model_owner.methods.learning.Learning as JSON
)

history = sa.Table(
    "history",
    metadata,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    sa.Column("row", sa.Text, nullable=False),  # model_owner.methods.learning.HistoryRow as JSON
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True, autoincrement=False),
    *body_columns(),
)

trained = sa.Table(
    "trained",
    metadata,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
    sa.Column("model", sa.Text, nullable=False),  # model_owner.results.fitted.TrainedModel as JSON
)

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("registered_at", sa.String(40), nullable=False),
    sa.Column("current", sa.Integer, nullable=False),  # grows; the largest is the current one
    sa.UniqueConstraint("name", "path", "version"),
)

predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("model_id", sa.String(32), sa.ForeignKey("models.job_id"), nullable=False),
    sa.Column("dataset_id", sa.String(32), sa.ForeignKey("datasets.id"), nullable=False),
    sa.Column("prediction", sa.Text, nullable=False),  # model_owner.store.contract.Prediction as JSON
    sa.UniqueConstraint("model_id", "dataset_id"),
)

scoring = sa.Table(
    "scoring",
    metadata,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("models.job_id"), primary_key=True),
    sa.Column("terms", sa.Text, nullable=False),  # model_owner.scoring.ledger.Terms as JSON
    sa.Column("spent_bits", sa.BigInteger, nullable=False),  # never shrinks
    sa.Column("offer", sa.LargeBinary, nullable=False),  # the signed offer, the same for every owner
)

scores = sa.Table(
    "scores",
    metadata,
    sa.Column("request_hash", sa.String(64), primary_key=True),
    sa.Column("job_id", sa.String(32), sa.ForeignKey("scoring.job_id"), nullable=False),
    sa.Column("party", sa.String(64), nullable=False),
    sa.Column("bits", sa.BigInteger, nullable=False),
    sa.Column("answered_at", sa.String(40), nullable=False),
    sa.Column("reply", sa.LargeBinary, nullable=False),  # the exact bytes that were, or will be, sent
)

# Requests that were made with an Idempotency-Key; all others are at the Facilitator alone.
keyed_requests = sa.Table(
    "keyed_requests",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),  # SHA-256 of party and key
    sa.Column("signed", sa.Text, nullable=False),  # SignedDocument(RequestDocument) as JSON
)
