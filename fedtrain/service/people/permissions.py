"""The permissions that routes need, and the one table of what each role of a party's people may.

Every route of the three services names its permission, by `fedtrain.service.web.caller.needs`; a test goes through all
of them. To give a role more, add to its line in `_MAY`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Permission(StrEnum):
    """One thing that a caller may or may not. The value is how messages call it: "to … takes …"."""

    LOOK = "look at jobs, datasets and models"
    AUDIT = "read the audit"
    WATCH = "read the metrics"
    CHECK_HEALTH = "look at the node's health"
    READ_EVIDENCE = "read the evidence of other parties' jobs"
    APPROVE_JOBS = "let jobs in or refuse them"
    SIGN_OFF = "sign results off"
    RESUME_JOBS = "go on with jobs that wait"
    MANAGE_DATASETS = "register and publish datasets"
    SCORE = "have rows scored by another party's model"
    TRAIN_MODELS = "plan, train and cancel models"
    USE_MODELS = "predict with models and take them home"
    READ_TEST_SET = "see rows of the test set"
    SHARE_MODELS = "let others use models"
    REMOVE_PARTIES = "strike a party off the list"
    MANAGE_PEOPLE = "manage people and their roles"
    OPEN_LINKS = "make links that open the pages"
    OWN_PASSWORD = "change one's own password"  # noqa: S105 - a permission
    ACT_AS_PARTY = "act as a party at the Facilitator"


class PersonRole(StrEnum):
    """Role of one of a party's own people; what a whole party is, `fedtrain.protocol.states.Role` says."""

    OWNER = "owner"
    ADMIN = "admin"
    COMPLIANCE_OFFICER = "compliance-officer"
    DATA_SCIENTIST = "data-scientist"
    AUDITOR = "auditor"

    @property
    def words(self) -> str:
        """The role as a sentence has it, without an article."""
        return self.value.replace("-", " ")


#: What decides for the service, or tells others of it: a service without tokens asks for its own user's token here.
DECIDING: Final = frozenset(
    {
        Permission.APPROVE_JOBS,
        Permission.SIGN_OFF,
        Permission.RESUME_JOBS,
        Permission.MANAGE_DATASETS,
        Permission.SCORE,
        Permission.SHARE_MODELS,
        Permission.MANAGE_PEOPLE,
        Permission.OPEN_LINKS,
    }
)
#: What tells of the service's rows or its files, which is for its own people's eyes: it asks for that token as well.
CONFIDENTIAL: Final = frozenset({Permission.READ_TEST_SET, Permission.CHECK_HEALTH})
#: For a token with the scope read, which is held to GET as well.
READING: Final = frozenset({Permission.LOOK, Permission.AUDIT, Permission.WATCH, Permission.USE_MODELS})
#: For a party at the Facilitator. It strikes itself off alone, and reads its own jobs' evidence.
OF_PARTIES: Final = frozenset(
    {
        Permission.LOOK,
        Permission.WATCH,
        Permission.ACT_AS_PARTY,
        Permission.REMOVE_PARTIES,
        Permission.READ_EVIDENCE,
    }
)

#: For everybody who signs in.
_ALL: Final = frozenset({Permission.LOOK, Permission.OWN_PASSWORD})

_MAY: Final[Mapping[PersonRole, frozenset[Permission]]] = MappingProxyType(
    {
        PersonRole.OWNER: frozenset(Permission) - {Permission.ACT_AS_PARTY},
        PersonRole.ADMIN: _ALL
        | {
            Permission.WATCH,
            Permission.CHECK_HEALTH,
            Permission.RESUME_JOBS,
            Permission.MANAGE_DATASETS,
            Permission.REMOVE_PARTIES,
            Permission.MANAGE_PEOPLE,
        },
        PersonRole.COMPLIANCE_OFFICER: _ALL
        | {Permission.AUDIT, Permission.APPROVE_JOBS, Permission.SIGN_OFF, Permission.SHARE_MODELS},
        PersonRole.DATA_SCIENTIST: _ALL
        | {Permission.TRAIN_MODELS, Permission.USE_MODELS, Permission.READ_TEST_SET, Permission.SCORE},
        PersonRole.AUDITOR: _ALL
        | {Permission.AUDIT, Permission.WATCH, Permission.CHECK_HEALTH, Permission.READ_EVIDENCE},
    }
)


def permissions_of(role: PersonRole) -> frozenset[Permission]:
    """Return what people of this role may."""
    return _MAY[role]


def roles_with(permission: Permission) -> tuple[PersonRole, ...]:
    """Return the roles that may this, the owner's first; () for what no person does."""
    return tuple(role for role in PersonRole if permission in _MAY[role])


def table() -> str:
    """Return the table of docs/people.md: permissions by line, roles by column."""
    lines = [
        "| to … | " + " | ".join(role.words for role in PersonRole) + " |",
        "|---" * (1 + len(PersonRole)) + "|",
    ]
    for permission in Permission:
        if roles_with(permission):
            marks = ("yes" if permission in _MAY[role] else "" for role in PersonRole)
            lines.append(f"| {permission} (`{permission.name.lower()}`) | " + " | ".join(marks) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201
