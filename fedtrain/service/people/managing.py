"""People of a party who manage its other people, and what keeps them from giving away more than they have.

Whoever sets the password of an account can act in its name. So nobody gives an account rights beyond those of their own
role: not by adding it, not by another role, not by enabling it again. Methods block: call them from a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from fedtrain.service.people.accounts import Account, name_key
from fedtrain.service.people.changes import By
from fedtrain.service.people.permissions import PersonRole, permissions_of
from fedtrain.service.people.sign_in import People
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("protocol.server")


@dataclass(frozen=True)
class Managing:
    """One who manages people, `by`. `role` is how far their rights go."""

    people: People
    role: PersonRole
    by: By

    def all(self) -> Sequence[Account]:
        """Return all accounts by name."""
        return self.people.accounts.all()

    def gives(self) -> tuple[PersonRole, ...]:
        """Return the roles that may be given; before there is any account the owner's alone."""
        if not self.people.accounts.any():
            return (PersonRole.OWNER,)
        return tuple(role for role in PersonRole if permissions_of(role) <= permissions_of(self.role))

    def add(self, name: str, role: PersonRole, password: str) -> Account:
        """Add an account. Raises Problem: FORBIDDEN, and as `Accounts.add`."""
        self._check_gives(role)
        made = self.people.accounts.add(name, role, password, self.people.now(), self.by)
        log.info("account added", account=made.name, role=role.value, by=self.by.words)
        return made

    def set_role(self, account_id: int, role: PersonRole) -> Account:
        """Give an account another role. Raises Problem: NOT_FOUND, FORBIDDEN, and as `Accounts.set_role`."""
        known = self._changing(account_id)
        self._check_gives(role)
        changed = self.people.accounts.set_role(known.name, role, self.by)
        log.info("role changed", account=known.name, role=role.value, by=self.by.words)
        return changed

    def set_disabled(self, account_id: int, disabled: bool) -> Account:
        """Keep an account out, or let it in again, which lets it try again if it was locked, too.

        Raises Problem: NOT_FOUND, FORBIDDEN, and as `Accounts.set_disabled`.
        """
        known = self._changing(account_id)
        if disabled:
            changed = self.people.accounts.set_disabled(known.name, True, self.by)
            log.info("account disabled", account=known.name, by=self.by.words)
            return changed
        self._check_gives(known.role)
        self.people.unlock(known.name)
        changed = self.people.accounts.set_disabled(known.name, False, self.by)
        log.info("account enabled", account=known.name, by=self.by.words)
        return changed

    def _changing(self, account_id: int) -> Account:
        known = self.people.accounts.by_id(account_id)
        if known is None:
            raise Problem(Code.NOT_FOUND, f"There is no account with the id {account_id} here.")
        if self.by.account is not None and name_key(self.by.account) == name_key(known.name):
            raise Problem(Code.FORBIDDEN, "Nobody changes their own role, or disables their own account: another does.")
        if known.role is PersonRole.OWNER and self.role is not PersonRole.OWNER:
            raise Problem(Code.FORBIDDEN, f"{known.name} is an owner here, whom other owners alone change.")
        return known

    def _check_gives(self, role: PersonRole) -> None:
        if not permissions_of(role) <= permissions_of(self.role):
            raise Problem(
                Code.FORBIDDEN,
                f"{self.by.account} has the role {self.role.words} here, and the role {role.words} may more: an owner "
                "gives it.",
            )
