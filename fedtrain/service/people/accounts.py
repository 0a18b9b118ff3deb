"""Accounts of a party's own people, in its store. They are disabled and never deleted: the audit names them.

Whatever makes an account worth less, or another's, ends its sessions: each has the epoch at which it was opened, and
the account's grows. A party that records changes to its people does so in the transaction that makes one.

Methods block: call them from a thread.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.service.people.changes import ORGANISATION, SERVICE_USER, AccountChange, By, Change
from fedtrain.service.people.passwords import check_password, fits, hashed
from fedtrain.service.people.permissions import PersonRole
from fedtrain.service.people.tables import accounts as t
from fedtrain.service.store.database import read, write
from fedtrain.spec.problems import Code, Problem

MOST_NAME_CHARACTERS = 100
_MOST_KEY_CHARACTERS = 300  # one character can be compared as eighteen

#: Keeps a change, in the transaction that makes it.
Record: TypeAlias = Callable[[Connection, AccountChange], None]


@dataclass(frozen=True)
class Account:
    """A person's account. `by_organisation`: signed in by OpenID Connect; its role is what the organisation says."""

    id: int
    name: str
    role: PersonRole
    disabled: bool
    epoch: int
    created_at: str
    by_organisation: bool


def name_key(name: str) -> str:
    """Return a name as it is compared: two that differ in case or in form alone are one."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


class Accounts:
    """The accounts in one party's store. `record`: keeps changes to them; `by` of a method: who makes the change."""

    def __init__(self, engine: Engine, record: Record | None = None) -> None:
        self._engine = engine
        self._record = record

    def any(self) -> bool:
        """Return whether the party has an account at all, a disabled one included."""
        with read(self._engine) as connection:
            return connection.execute(sa.select(t.c.id).limit(1)).first() is not None

    def all(self) -> Sequence[Account]:
        """Return all accounts by name."""
        with read(self._engine) as connection:
            return [_account(row) for row in connection.execute(sa.select(t).order_by(t.c.key))]

    def by_id(self, account_id: int) -> Account | None:
        """Return the account of that id, None where there is none."""
        with read(self._engine) as connection:
            row = _row(connection, t.c.id == account_id)
        return None if row is None else _account(row)

    def holding(self, account_id: int, epoch: int) -> Account | None:
        """Return the account that a session of that epoch is of, None once the session has ended by it."""
        found = self.by_id(account_id)
        return found if found is not None and not found.disabled and found.epoch == epoch else None

    def add(self, name: str, role: PersonRole, password: str, now: datetime, by: By = SERVICE_USER) -> Account:
        """Add an account. Raises Problem(INVALID_REQUEST) for a name or password that cannot be taken."""
        check_name(name)
        check_password(password, name)
        encoded = hashed(password)  # it takes long, and is not to hold the store
        with write(self._engine) as connection:
            if role is not PersonRole.OWNER and connection.execute(sa.select(t.c.id).limit(1)).first() is None:
                raise _invalid("role", "the first account of a party is an owner's, who may everything here")
            if _row(connection, t.c.key == name_key(name)) is not None:
                raise _invalid("name", f"there is an account {name!r} already; names differ in more than case")
            return self._insert(connection, by, name, role, now, password=encoded)

    def with_password(self, name: str, password: str) -> Account | None:
        """Return the account that signs in so, None for a wrong name or password, or a disabled account.

        Takes as long in each case.
        """
        with read(self._engine) as connection:
            row = _row(connection, t.c.key == name_key(name))
        right = fits(password, None if row is None else row.password)
        return _account(row) if right and row is not None and not row.disabled else None

    def set_password(self, name: str, password: str, by: By = SERVICE_USER) -> Account:
        """Give an account another password, which ends its sessions. Raises Problem(INVALID_REQUEST)."""
        check_password(password, name)
        encoded = hashed(password)
        with write(self._engine) as connection:
            known = self._known(connection, name)
            if known.subject is not None:
                raise _invalid("name", f"{known.name} signs in by the organisation, and has no password here")
            return self._change(connection, by, Change.PASSWORD, known, password=encoded)

    def set_role(self, name: str, role: PersonRole, by: By = SERVICE_USER) -> Account:
        """Give an account another role, which ends its sessions. Raises Problem(INVALID_REQUEST)."""
        with write(self._engine) as connection:
            known = self._known(connection, name)
            if known.subject is not None:
                raise _invalid("name", f"{known.name} has the role that the organisation's groups say: change it there")
            if role is not PersonRole.OWNER:
                _check_owner_left(connection, known)
            return self._change(connection, by, Change.ROLE, known, role=role.value)

    def set_disabled(self, name: str, disabled: bool, by: By = SERVICE_USER) -> Account:
        """Keep an account out, which ends its sessions, or let it in again. Raises Problem(INVALID_REQUEST)."""
        with write(self._engine) as connection:
            known = self._known(connection, name)
            if disabled:
                _check_owner_left(connection, known)
            what = Change.DISABLED if disabled else Change.ENABLED
            return self._change(connection, by, what, known, disabled=disabled)

    def from_organisation(self, issuer: str, subject: str, name: str, role: PersonRole, now: datetime) -> Account:
        """Return the account of who the organisation's provider has signed in, made at the first time.

        Another role than before ends its sessions. Raises Problem: FORBIDDEN for a disabled account, or a name that is
        another account's.
        """
        check_name(name)
        who = sha256_hex(f"{issuer}\n{subject}".encode())
        with write(self._engine) as connection:
            known = _row(connection, t.c.subject == who)
            if known is None:
                if _row(connection, t.c.key == name_key(name)) is not None:
                    raise Problem(
                        Code.FORBIDDEN,
                        f"The organisation signs you in as {name}, and that is another account's name here: whoever "
                        "runs the service has to settle which is which.",
                    )
                return self._insert(connection, ORGANISATION, name, role, now, subject=who)
            if known.disabled:
                raise Problem(Code.FORBIDDEN, f"The account {known.name} is disabled here.")
            if known.role == role.value:
                return _account(known)
            return self._change(connection, ORGANISATION, Change.ROLE, known, role=role.value)

    @staticmethod
    def _known(connection: Connection, name: str) -> Any:
        row = _row(connection, t.c.key == name_key(name))
        if row is None:
            raise _invalid("name", f"there is no account {name[:MOST_NAME_CHARACTERS]!r}")
        return row

    def _insert(
        self, connection: Connection, by: By, name: str, role: PersonRole, now: datetime, **more: str
    ) -> Account:
        created_at = now.isoformat(timespec="seconds").replace("+00:00", "Z")
        connection.execute(
            sa.insert(t).values(
                name=name, key=name_key(name), role=role.value, disabled=False, epoch=0, created_at=created_at, **more
            )
        )
        return self._kept(connection, t.c.key == name_key(name), Change.ADDED, by)

    def _change(self, connection: Connection, by: By, what: Change, known: Any, **values: object) -> Account:
        connection.execute(sa.update(t).where(t.c.id == known.id).values(epoch=known.epoch + 1, **values))
        before = PersonRole(known.role) if what is Change.ROLE else None
        return self._kept(connection, t.c.id == known.id, what, by, before)

    def _kept(
        self,
        connection: Connection,
        condition: sa.ColumnElement[bool],
        what: Change,
        by: By,
        before: PersonRole | None = None,
    ) -> Account:
        account = _account(_row(connection, condition))
        if self._record is not None:
            self._record(connection, AccountChange(what, account.name, account.role, by, before))
        return account


def check_name(name: str) -> None:
    """Raises Problem(INVALID_REQUEST) for what cannot be an account's name."""
    fits_column = len(name_key(name)) <= _MOST_KEY_CHARACTERS
    if not 1 <= len(name) <= MOST_NAME_CHARACTERS or not fits_column or name != name.strip() or not name.isprintable():
        raise _invalid(
            "name", f"it has to be 1 to {MOST_NAME_CHARACTERS} printable characters, without a blank at either end"
        )


def _row(connection: Connection, condition: sa.ColumnElement[bool]) -> Any:
    return connection.execute(sa.select(t).where(condition)).first()


def _check_owner_left(connection: Connection, known: Any) -> None:
    """Raises Problem(INVALID_REQUEST) where without this account nobody with the role owner could sign in."""
    others = sa.select(t.c.id).where(t.c.role == PersonRole.OWNER.value, sa.not_(t.c.disabled), t.c.id != known.id)
    if known.role == PersonRole.OWNER.value and connection.execute(others).first() is None:
        raise _invalid("name", f"{known.name} is the last owner here: give somebody else the role owner first")


def _account(row: Any) -> Account:
    return Account(
        row.id, row.name, PersonRole(row.role), row.disabled, row.epoch, row.created_at, row.subject is not None
    )


def _invalid(field: str, why: str) -> Problem:
    return Problem(Code.INVALID_REQUEST, f"{field}: {why}.", errors=[{"field": field, "message": f"{why}."}])
