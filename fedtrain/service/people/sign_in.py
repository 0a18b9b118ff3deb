"""Signing in with a password, and the count of failures that stops who guesses.

Failures are counted in the store by the name that was tried, an account's or not, and by the address that tried it. Who
has used up either count is refused before any password is looked at, in the same words whether there is such an account
or not; a name is also looked for as long either way.
"""

from __future__ import annotations

import ipaddress
import math
from datetime import datetime

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Engine

from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.service.people.accounts import Account, Accounts, Record, name_key
from fedtrain.service.people.changes import By
from fedtrain.service.people.organisation import Identified
from fedtrain.service.people.tables import sign_in_failures as t
from fedtrain.service.store.database import write
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("protocol.server")

#: Failures that are borne within LOCKED_S of each other, of one name and of one address.
MOST_OF_A_NAME = 5
MOST_OF_AN_ADDRESS = 30
LOCKED_S = 900


class People:
    """A party's people as its running service knows them. `record`: keeps changes to them, where the party does.

    Methods block: call them from a thread.
    """

    def __init__(self, engine: Engine, clock: Clock, record: Record | None = None) -> None:
        self.accounts = Accounts(engine, record)
        self._engine = engine
        self._clock = clock

    def now(self) -> datetime:
        """Return the moment."""
        return self._clock.now()

    def sign_in(self, name: str, password: str, address: str) -> Account:
        """Return whose name and password these are.

        Raises Problem: UNAUTHENTICATED, RATE_LIMITED after too many failures of that name or from that address.
        """
        keys = {_of_name(name): MOST_OF_A_NAME, _of_address(address): MOST_OF_AN_ADDRESS}
        # Counted as failures until they are none: who asks a thousand times at once is counted a thousand times.
        self._count(keys)
        account = self.accounts.with_password(name, password)
        if account is None:
            log.warning("sign-in refused", address=address)
            raise Problem(Code.UNAUTHENTICATED, "The name or the password is not right, or the account is disabled.")
        self._take_back(_of_name(name), _of_address(address))
        log.info("signed in", account=account.name, role=account.role.value)
        return account

    def by_organisation(self, who: Identified) -> Account:
        """Return the account of whom the organisation's provider has signed in.

        Raises Problem as `Accounts.from_organisation`.
        """
        account = self.accounts.from_organisation(who.issuer, who.subject, who.name, who.role, self._clock.now())
        log.info("signed in", account=account.name, role=account.role.value)
        return account

    def change_password(self, account: Account, old: str, new: str, address: str) -> Account:
        """Give an account another password, which ends all of its sessions.

        Raises Problem as `sign_in` for a wrong old one, and as `Accounts.set_password`.
        """
        self.sign_in(account.name, old, address)
        changed = self.accounts.set_password(account.name, new, By(account.name))
        log.info("password changed", account=changed.name)
        return changed

    def unlock(self, name: str) -> None:
        """Forget the failures of a name."""
        with write(self._engine) as connection:
            connection.execute(sa.delete(t).where(t.c.key == _of_name(name)))

    def _count(self, keys: dict[str, int]) -> None:
        now_s = self._clock.now().timestamp()
        with write(self._engine) as connection:
            connection.execute(sa.delete(t).where(t.c.last_s <= now_s - LOCKED_S))
            there = {
                row.key: row for row in connection.execute(sa.select(t).where(t.c.key.in_(keys)).order_by(t.c.key))
            }
            waits = [row.last_s + LOCKED_S - now_s for key, row in there.items() if row.failures >= keys[key]]
            if not waits:
                for key in keys:
                    if key in there:
                        more = sa.update(t).where(t.c.key == key)
                        connection.execute(more.values(failures=t.c.failures + 1, last_s=now_s))
                    else:
                        connection.execute(sa.insert(t).values(key=key, failures=1, last_s=now_s))
        if waits:
            seconds = max(1, math.ceil(max(waits)))
            log.warning("sign-in locked", seconds=seconds)
            raise Problem(
                Code.RATE_LIMITED,
                f"Too many attempts to sign in have failed, of this name or from this address: the next one in "
                f"{seconds} s.",
                retry_after_s=seconds,
            )

    def _take_back(self, name: str, address: str) -> None:
        """Forget the name's failures, now that it has signed in; the address has one fewer."""
        with write(self._engine) as connection:
            connection.execute(sa.delete(t).where(t.c.key == name))
            connection.execute(sa.update(t).where(t.c.key == address).values(failures=t.c.failures - 1))


def _of_name(name: str) -> str:
    return f"name {sha256_hex(name_key(name).encode('utf-8', 'surrogatepass'))}"


def _of_address(address: str) -> str:
    """Return the key of an address; of IPv6 that of its /64, of which whoever has one address has all."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f"address {sha256_hex(address.encode('utf-8', 'surrogatepass'))}"
    if isinstance(parsed, ipaddress.IPv6Address):
        return f"address {ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"address {parsed}"
