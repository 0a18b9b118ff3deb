"""The tables of a party's people, which every party's store has beside its own."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("key", sa.String(300), nullable=False, unique=True),  # the name as it is compared
    sa.Column("role", sa.String(32), nullable=False),
    sa.Column("password", sa.String(300)),  # argon2id, encoded; null for who signs in by the organisation alone
    sa.Column("subject", sa.String(64), unique=True),  # SHA-256 of issuer and subject at the organisation's provider
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),  # grows; sessions of an earlier one have ended
    sa.Column("created_at", sa.String(32), nullable=False),
)

#: Failures to sign in, by account and by address.
sign_in_failures = sa.Table(
    "sign_in_failures",
    metadata,
    sa.Column("key", sa.String(80), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("last_s", sa.Double, nullable=False),  # seconds since 1970
)


def add_to(own: sa.MetaData) -> None:
    """Add the tables to those of a party's store."""
    for table in metadata.sorted_tables:
        table.to_metadata(own)
