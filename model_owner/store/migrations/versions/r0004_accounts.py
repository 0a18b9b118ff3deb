"""Accounts of the party's own people, and failures to sign in. Without an account nobody is asked to."""

from __future__ import annotations

from fedtrain.service.people.first_revision import create_tables, drop_tables

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_tables()


def downgrade() -> None:
    drop_tables()
