"""Large bodies in files beside the store; what is in rows stays there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("blobs", sa.Column("file_bytes", sa.BigInteger))


def downgrade() -> None:
    if op.get_bind().scalar(sa.text("SELECT count(*) FROM blobs WHERE file_bytes IS NOT NULL")):
        raise RuntimeError("bodies lie in files, where the version before does not look")
    op.drop_column("blobs", "file_bytes")
