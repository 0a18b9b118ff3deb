"""The tables of the SQL store. Changing one takes a new revision in `migrations/versions`."""

from __future__ import annotations

import sqlalchemy as sa

from fedtrain.service.people import tables as people

metadata = sa.MetaData()
people.add_to(metadata)

parties = sa.Table(
    "parties",
    metadata,
    sa.Column("party", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("datasets", sa.JSON, nullable=False),
    sa.Column("registered_at", sa.String(40), nullable=False),
    sa.Column("signed", sa.Text, nullable=False),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("created_at_s", sa.Double, nullable=False),
    sa.Column("phase", sa.String(40), nullable=False, index=True),
    sa.Column("deadline_s", sa.Double, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("manifest", sa.Text, nullable=False),
    sa.Column("roster", sa.Text),
    sa.Column("owners", sa.Text, nullable=False),
    sa.Column("owners_hash", sa.String(64), nullable=False),
    sa.Column("last_answer_s", sa.Text),
)

# The answers to a job's current request, for as long as it is that; the log has those of the sums.
answers = sa.Table(
    "answers",
    metadata,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("request_hash", sa.String(64), primary_key=True),
    sa.Column("party", sa.String(64), primary_key=True),
    sa.Column("answer_hash", sa.String(64), nullable=False),
    sa.Column("ciphertexts_hash", sa.String(64), nullable=False),
    sa.Column("signature", sa.String(128), nullable=False),
    sa.Column("after_s", sa.Float),
)

# Large ones are files beside the store: `file_bytes` is how long, and `content` is then empty.
blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("file_bytes", sa.BigInteger),
)

job_blobs = sa.Table(
    "job_blobs",
    metadata,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("hash", sa.String(64), sa.ForeignKey("blobs.hash"), primary_key=True),
    sa.Column("content_type", sa.String(100), nullable=False),
)

tasks = sa.Table(
    "tasks",
    metadata,
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
    sa.Index("ix_tasks_recipient", "recipient", "closed", "sequence"),
    sa.Index("ix_tasks_job", "job_id", "closed", "kind"),
    sa.Index("ix_tasks_open", "closed", "sender", "kind"),
)

log_entries = sa.Table(
    "log_entries",
    metadata,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Column("signed_request_hash", sa.String(64)),
)

# What each party signed of a job's end, the latest: where the log and the owners' audits stood.
heads = sa.Table(
    "heads",
    metadata,
    sa.Column("job_id", sa.String(32), sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("party", sa.String(64), primary_key=True),
    sa.Column("signed", sa.Text, nullable=False),
)

# A sequence that is handed out in the order of commits, which a database's own sequences do not promise: a poll for
# what came after N would otherwise miss a task that was numbered before N and committed after it.
counters = sa.Table(
    "counters",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

TASK_SEQUENCE = "task_sequence"

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("holder", sa.String(32), nullable=False),
    sa.Column("until_s", sa.Double, nullable=False),
)

# Whose store it is, one row: processes that share it have one identity, or rosters would be signed by two.
facilitator = sa.Table("facilitator", metadata, sa.Column("party", sa.String(64), primary_key=True))

# The latest that an owner signed of a dataset. A withdrawn card stays as its withdrawal: an older one is refused by it.
cards = sa.Table(
    "cards",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("party", sa.String(64), nullable=False),
    sa.Column("dataset", sa.String(100), nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False, index=True),
    sa.Column("withdrawn", sa.Boolean, nullable=False),
    sa.Column("not_after_s", sa.Double, nullable=False),
    sa.Column("public", sa.Boolean, nullable=False),
    sa.Column("signed", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), index=True),  # of the document: what requests name it by
    sa.UniqueConstraint("party", "dataset"),
)


def _found_by(name: str, length: int) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("card", sa.Integer, sa.ForeignKey("cards.id"), primary_key=True),
        sa.Column("value", sa.String(length), primary_key=True, index=True),
    )


card_tags = _found_by("card_tags", 50)
card_readers = _found_by("card_readers", 64)
card_columns = sa.Table(
    "card_columns",
    metadata,
    sa.Column("card", sa.Integer, sa.ForeignKey("cards.id"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("value", sa.String(512), nullable=False, index=True),  # the name's words
    sa.Column("type", sa.String(20), nullable=False),
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("model_owner", sa.String(64), nullable=False, index=True),
    sa.Column("signed", sa.Text, nullable=False),
)

# Who may see a request: its Model Owner, and those that it asks.
request_parties = sa.Table(
    "request_parties",
    metadata,
    sa.Column("request", sa.Integer, sa.ForeignKey("requests.id"), primary_key=True),
    sa.Column("party", sa.String(64), primary_key=True, index=True),
)

request_entries = sa.Table(
    "request_entries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("request", sa.Integer, sa.ForeignKey("requests.id"), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("signed", sa.Text, nullable=False),
)
