"""Large answers in files beside the store; what is in rows stays there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("answers", sa.Column("file_hash", sa.String(64)))
    op.add_column("answers", sa.Column("file_bytes", sa.BigInteger))
    op.create_index("ix_answers_file_hash", "answers", ["file_hash"])


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM answers WHERE file_hash IS NOT NULL")):
        raise RuntimeError("answers lie in files, where the version before does not look")
    op.drop_index("ix_answers_file_hash", "answers")
    op.drop_column("answers", "file_bytes")
    op.drop_column("answers", "file_hash")
