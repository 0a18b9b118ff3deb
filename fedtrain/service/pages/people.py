"""/people: accounts of a party's own people, for those who manage them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from fedtrain.service.pages.sessions import Sessions
from fedtrain.service.people.accounts import MOST_NAME_CHARACTERS, Account
from fedtrain.service.people.changes import By
from fedtrain.service.people.managing import Managing
from fedtrain.service.people.passwords import FEWEST_CHARACTERS, MOST_CHARACTERS
from fedtrain.service.people.permissions import Permission, PersonRole
from fedtrain.service.web.caller import AnyCaller, needs
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

router = APIRouter(prefix="/people", tags=["people"])

_MANAGES = [needs(Permission.MANAGE_PEOPLE)]
_EXAMPLE: JsonDict = {
    "id": 2,
    "name": "ben",
    "role": "compliance-officer",
    "disabled": False,
    "signs_in_by": "password",
    "created_at": "2026-01-12T09:27:00Z",
}


class PersonView(BaseModel):
    """An account. `signs_in_by`: with a password here, or by the organisation's provider, which says its role."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: int
    name: str
    role: PersonRole
    disabled: bool
    signs_in_by: Literal["password", "organisation"]
    created_at: str


class PeopleView(BaseModel):
    """All accounts by name, and the roles that the caller may give."""

    model_config = ConfigDict(json_schema_extra={"example": {"people": [_EXAMPLE], "gives": ["owner", "auditor"]}})

    people: list[PersonView]
    gives: list[PersonRole]


class NewPerson(Strict):
    """An account that is to be, with a first password, which the person changes after signing in."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "ben", "role": "auditor", "password": "correct horse battery"}}
    )

    name: Annotated[str, Field(min_length=1, max_length=MOST_NAME_CHARACTERS)]
    role: PersonRole
    password: Annotated[str, Field(min_length=FEWEST_CHARACTERS, max_length=MOST_CHARACTERS)]


class PersonChange(Strict):
    """Another role, or whether the account is kept out: one of both."""

    model_config = ConfigDict(json_schema_extra={"example": {"role": "auditor"}})

    role: PersonRole | None = None
    disabled: bool | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.role is None) == (self.disabled is None):
            raise ValueError("give role or disabled, and one of them")
        return self


def _managing(request: Request, who: AnyCaller) -> Managing:
    sessions: Sessions = request.app.state.sessions
    if sessions.people is None:
        raise Problem(Code.NOT_READY, "The service is starting or stopping.")
    return Managing(sessions.people, who.person_role or PersonRole.OWNER, By(who.account, who.token_id))


Manages = Annotated[Managing, Depends(_managing)]
# PostgreSQL's integers end there.
AccountId = Annotated[int, Path(ge=0, le=2**31 - 1, examples=[2])]


@router.get("", dependencies=_MANAGES, summary="Accounts of this party's people")
async def people(managing: Manages) -> PeopleView:
    accounts = await asyncio.to_thread(managing.all)
    gives = await asyncio.to_thread(managing.gives)
    return PeopleView(people=[_view(account) for account in accounts], gives=list(gives))


@router.post("", status_code=201, dependencies=_MANAGES, summary="Add an account; the first one is an owner's")
async def add(given: NewPerson, managing: Manages) -> PersonView:
    return _view(await asyncio.to_thread(managing.add, given.name, given.role, given.password))


@router.patch(
    "/{account_id}",
    dependencies=_MANAGES,
    summary="Give an account another role, keep it out, or let it in again; its sessions end",
)
async def change(account_id: AccountId, given: PersonChange, managing: Manages) -> PersonView:
    if given.role is not None:
        return _view(await asyncio.to_thread(managing.set_role, account_id, given.role))
    return _view(await asyncio.to_thread(managing.set_disabled, account_id, bool(given.disabled)))


def _view(account: Account) -> PersonView:
    return PersonView(
        id=account.id,
        name=account.name,
        role=account.role,
        disabled=account.disabled,
        signs_in_by="organisation" if account.by_organisation else "password",
        created_at=account.created_at,
    )
