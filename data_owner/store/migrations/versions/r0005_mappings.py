"""The owner's mapping of a dataset version, as it was when the version was registered."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("datasets") as table:
        table.add_column(sa.Column("mapping", sa.JSON))
        table.add_column(sa.Column("content", sa.String(64)))


def downgrade() -> None:
    with op.batch_alter_table("datasets") as table:
        table.drop_column("content")
        table.drop_column("mapping")
