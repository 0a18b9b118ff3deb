"""Accounts of the party's own people, failures to sign in, and whether who decided had signed in.

Without an account nobody is asked to, and of decisions before nobody had.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from fedtrain.service.people.first_revision import create_tables, drop_tables

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_tables()
    op.add_column("decisions", sa.Column("signed_in", sa.Boolean))


def downgrade() -> None:
    # Decisions of people who had signed in lose that, and an audit of them does not hold.
    with op.batch_alter_table("decisions") as table:
        table.drop_column("signed_in")
    drop_tables()
