"""Changes to an owner's people, kept in its audit by the transaction that makes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from fedtrain.data_owner.release.decisions import written
from fedtrain.data_owner.store import tables
from fedtrain.data_owner.store.records import Decision, DecisionKind
from fedtrain.data_owner.store.sql import OWN_TABLE, append
from fedtrain.service.people.accounts import Record
from fedtrain.service.people.changes import AccountChange
from fedtrain.service.store.database import read
from fedtrain.service.store.database_url import DatabaseError, shown


def record_in(engine: Engine, now: Callable[[], datetime]) -> Record | None:
    """Return what keeps changes to people in the audit of the store at `engine`; None of a party that has no audit.

    Raises DatabaseError for a store of an earlier version, whose audit has no place for them.
    """
    with read(engine) as connection:
        store = sa.inspect(connection)
        if not store.has_table(OWN_TABLE):
            return None
        there = {column["name"] for column in store.get_columns(tables.decisions.name)}
    if not there.issuperset(tables.decisions.columns.keys()):
        raise DatabaseError(f"The store {shown(engine.url)} is an earlier version's: start the service once.")

    def keep(connection: Connection, change: AccountChange) -> None:
        append(connection, tables.decisions, _decision(change, now()))

    return keep


def _decision(change: AccountChange, now: datetime) -> Decision:
    """Return what the audit says of a change; of a password that there is another one."""
    before = None if change.before is None else f"Before: {change.before.value}."
    about = (f"Account {change.account}.", f"Role: {change.role.value}.", before, change.by.how)
    return Decision(
        decision=DecisionKind(change.what.value),
        decided_at=written(now),
        token_id=change.by.token_id,
        about=tuple(said for said in about if said is not None),
        by=change.by.account,
        signed_in=None if change.by.account is None else True,
    )
