"""Requests for data, what was said about them, and cards by the hash that requests name them by."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
        sa.Column("model_owner", sa.String(64), nullable=False, index=True),
        sa.Column("signed", sa.Text, nullable=False),
    )
    op.create_table(
        "request_parties",
        sa.Column("request", sa.Integer, sa.ForeignKey("requests.id"), primary_key=True),
        sa.Column("party", sa.String(64), primary_key=True, index=True),
    )
    op.create_table(
        "request_entries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("request", sa.Integer, sa.ForeignKey("requests.id"), nullable=False, index=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("signed", sa.Text, nullable=False),
    )
    op.add_column("cards", sa.Column("hash", sa.String(64)))
    cards = sa.table("cards", sa.column("id"), sa.column("signed"), sa.column("hash"))
    connection = op.get_bind()
    for row in connection.execute(sa.select(cards.c.id, cards.c.signed)).all():
        digest = hashlib.sha256(json.loads(row.signed)["document"].encode()).hexdigest()
        connection.execute(sa.update(cards).where(cards.c.id == row.id).values(hash=digest))
    op.create_index("ix_cards_hash", "cards", ["hash"])


def downgrade() -> None:
    op.drop_index("ix_cards_hash", "cards")
    with op.batch_alter_table("cards") as table:
        table.drop_column("hash")
    for name in ("request_entries", "request_parties", "requests"):
        op.drop_table(name)
