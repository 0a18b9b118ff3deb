"""Changes to a party's people, as a party is told of them that keeps a record. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fedtrain.service.people.permissions import PersonRole


class Change(StrEnum):
    """Kinds of changes to an account."""

    ADDED = "account_added"
    ROLE = "role_changed"
    PASSWORD = "password_changed"  # noqa: S105
    DISABLED = "account_disabled"
    ENABLED = "account_enabled"


@dataclass(frozen=True)
class By:
    """The one who changes people: who is signed in, else whose token was shown, else who runs the service.

    `how`: what changes them where that is none of the service's routes, a sentence.
    """

    account: str | None = None
    token_id: str | None = None
    how: str | None = None

    @property
    def words(self) -> str:
        """The name of it in a log."""
        if self.account is not None:
            return f"account {self.account}"
        return "the service's user" if self.token_id is None else f"token {self.token_id}"


#: Who runs the service.
SERVICE_USER = By()
ORGANISATION = By(how="The organisation's provider signed this person in.")


@dataclass(frozen=True)
class AccountChange:
    """A change to the account of that name. `role`: the one that it has by then; `before`: of another role's change."""

    what: Change
    account: str
    role: PersonRole
    by: By
    before: PersonRole | None = None
