"""Cards of datasets, and the words, tags, columns and readers that they are found by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cards",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("party", sa.String(64), nullable=False),
        sa.Column("dataset", sa.String(100), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False, index=True),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("not_after_s", sa.Double, nullable=False),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("signed", sa.Text, nullable=False),
        sa.UniqueConstraint("party", "dataset"),
    )
    for name, length in (("card_tags", 50), ("card_readers", 64)):
        op.create_table(
            name,
            sa.Column("card", sa.Integer, sa.ForeignKey("cards.id"), primary_key=True),
            sa.Column("value", sa.String(length), primary_key=True, index=True),
        )
    op.create_table(
        "card_columns",
        sa.Column("card", sa.Integer, sa.ForeignKey("cards.id"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("value", sa.String(512), nullable=False, index=True),
        sa.Column("type", sa.String(20), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE card_text (card INTEGER PRIMARY KEY REFERENCES cards (id), words TSVECTOR NOT NULL)")
        op.execute("CREATE INDEX ix_card_text_words ON card_text USING gin (words)")
    else:
        op.execute("CREATE VIRTUAL TABLE card_text USING fts5(words)")


def downgrade() -> None:
    op.execute("DROP TABLE card_text")
    for name in ("card_columns", "card_readers", "card_tags", "cards"):
        op.drop_table(name)
