"""Dictionary and mapping, as one hash, that the rows of a spending are read by."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("spendings", sa.Column("encoding", sa.String(64)))


def downgrade() -> None:
    op.drop_column("spendings", "encoding")
