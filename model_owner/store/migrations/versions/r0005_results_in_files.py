"""Large answers in files beside the store; what is in rows stays there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("file_hash", sa.String(64)))
    op.add_column("outbox", sa.Column("file_bytes", sa.BigInteger))
    op.create_index("ix_outbox_file_hash", "outbox", ["file_hash"])


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM outbox WHERE file_hash IS NOT NULL")):
        raise RuntimeError("answers lie in files, where the version before does not look")
    op.drop_index("ix_outbox_file_hash", "outbox")
    op.drop_column("outbox", "file_bytes")
    op.drop_column("outbox", "file_hash")
