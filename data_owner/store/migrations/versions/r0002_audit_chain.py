"""Releases in a hash chain: the audit."""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: What a record's hash covered when this was written, besides `index` and `previous`.
_COVERED = ("job_id", "round", "kind", "numbers", "recipient", "dataset", "version", "released_at")


def upgrade() -> None:
    with op.batch_alter_table("releases") as table:
        table.add_column(sa.Column("index", sa.Integer))
        table.add_column(sa.Column("previous", sa.String(64)))
        table.add_column(sa.Column("hash", sa.String(64)))
    _chain_what_is_there()
    with op.batch_alter_table("releases") as table:
        for name in ("index", "previous", "hash"):
            table.alter_column(name, nullable=False)
        table.create_unique_constraint("uq_releases_index", ["index"])


def _chain_what_is_there() -> None:
    connection = op.get_bind()
    names = ("id", *_COVERED, "index", "previous", "hash")
    releases = sa.table("releases", *(sa.column(name) for name in names))
    previous = "0" * 64
    rows = connection.execute(sa.select(releases).order_by(releases.c.id)).mappings().all()
    for index, row in enumerate(rows):
        content = {"index": index, "previous": previous, **{name: row[name] for name in _COVERED}}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        values = {"index": index, "previous": previous, "hash": digest}
        connection.execute(sa.update(releases).where(releases.c.id == row["id"]).values(values))
        previous = digest


def downgrade() -> None:
    with op.batch_alter_table("releases") as table:
        table.drop_constraint("uq_releases_index", type_="unique")
        for name in ("hash", "previous", "index"):
            table.drop_column(name)
