"""/session: how a browser comes to act for a person, and ceases to."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fedtrain.service.pages.sessions import SESSION_S, Sessions
from fedtrain.service.people.accounts import MOST_NAME_CHARACTERS, Account
from fedtrain.service.people.passwords import FEWEST_CHARACTERS, MOST_CHARACTERS
from fedtrain.service.people.permissions import Permission, PersonRole
from fedtrain.service.people.sign_in import People
from fedtrain.service.web.caller import Caller, Gate, OpenGate, needs, require
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

PATH = "/session"

_Password = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]


class SignIn(Strict):
    """An account's name and password, or the last part of a link that opens a session once.

    Without either the request shows a token.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"name": "ana", "password": "correct horse battery"}})

    code: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    name: Annotated[str, Field(min_length=1, max_length=MOST_NAME_CHARACTERS)] | None = None
    password: _Password | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.name is None) != (self.password is None) or (self.name is not None and self.code is not None):
            raise ValueError("give a name and its password, or a link's code, or none of them and a token")
        return self


class NewPassword(Strict):
    """A person's password, and the one that is to be in its place."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"old_password": "correct horse battery", "new_password": "staple, haystack, needle"}
        }
    )

    old_password: _Password
    new_password: Annotated[str, Field(min_length=FEWEST_CHARACTERS, max_length=MOST_CHARACTERS)]


class SessionView(BaseModel):
    """The caller's rights here: look, and decide. `access`: whether looking takes a session or token at all.

    `accounts`: whether people sign in with accounts, `organisation`: whether they may by their organisation's provider.
    `account`, `role`: of who has. `may`: the permissions that the
    caller has, by name.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "access": "open",
                "accounts": True,
                "organisation": False,
                "session": True,
                "looks": True,
                "decides": True,
                "account": "ana",
                "role": "compliance-officer",
                "may": ["look", "sign_off"],
            }
        }
    )

    access: Literal["open", "token"]
    accounts: bool
    organisation: bool
    session: bool
    looks: bool
    decides: bool
    account: str | None
    role: PersonRole | None
    may: list[str]


class Link(BaseModel):
    """A link that opens one session, within an hour: this service's address, and `path`."""

    model_config = ConfigDict(json_schema_extra={"example": {"path": "/#/open/" + "q" * 43}})

    path: str


def link_path(code: str) -> str:
    """Return a link's path. A fragment is sent to nobody: the page reads it, takes it away, and posts it."""
    return f"/#/open/{code}"


router = APIRouter(prefix=PATH, tags=["session"])


@router.get("", summary="What may this caller do?")
async def session(request: Request) -> SessionView:
    sessions = _sessions(request)
    try:
        who = await asyncio.to_thread(sessions.identify, request.headers, active=False)
    except Problem as problem:
        if problem.code is not Code.UNAUTHENTICATED and problem.code is not Code.FORBIDDEN:
            raise
        return await _view(request, None, in_session=False)
    in_session = await asyncio.to_thread(sessions.caller_of, request.headers) is not None
    return await _view(request, who, in_session=in_session)


@router.post("", summary="Open a session in this browser: by name and password, by a link that is given, or by a token")
async def open_session(given: SignIn, request: Request, response: Response) -> SessionView:
    sessions = _sessions(request)
    if given.name is not None and given.password is not None:
        people, address = _people(sessions), _address(request)
        account = await asyncio.to_thread(people.sign_in, given.name, given.password, address)
        return await _opened(request, response, sessions.open_for(account))
    if given.code is not None:
        secret = sessions.open_by_link(given.code)
        if secret is None:
            raise Problem(
                Code.UNAUTHENTICATED,
                "This link has been used before, or is too old: `fedtrain open` with this service's address makes "
                "another.",
            )
    else:
        who = _gate(request).identify(request.headers)
        who.check("GET", request.app.state.role)
        if not who.decides and who.token_id is None:
            raise Problem(Code.UNAUTHENTICATED, "A session is opened by a link, or by a token: this request has none.")
        secret = sessions.open(who.token_id)
    return await _opened(request, response, secret)


@router.delete("", status_code=204, summary="End the session in this browser")
async def end_session(request: Request, response: Response) -> None:
    sessions = _sessions(request)
    sessions.end(request.headers)
    response.delete_cookie(sessions.cookie, httponly=True, samesite="strict", secure=_over_tls(request))


links = APIRouter(prefix=PATH, tags=["session"])


@links.post(
    "/links",
    status_code=201,
    dependencies=[needs(Permission.OPEN_LINKS)],
    summary="Make a link that opens one session, within an hour; takes a token",
)
async def new_link(request: Request) -> Link:
    # The gate's caller: a session that made links would outlive its end, and whoever copied its cookie with it.
    who = _gate(request).identify(request.headers)
    require(who, Permission.OPEN_LINKS, _gate(request))
    return Link(path=link_path(_sessions(request).new_link(who.token_id)))


@links.post(
    "/password",
    dependencies=[needs(Permission.OWN_PASSWORD)],
    summary="Change the password of who is signed in; all other sessions of the account end",
)
async def change_password(given: NewPassword, request: Request, response: Response) -> SessionView:
    sessions = _sessions(request)
    account = await asyncio.to_thread(sessions.account_of, request.headers)
    if account is None:
        raise Problem(Code.FORBIDDEN, "A password is changed by who is signed in with it; a token has none.")
    if account.by_organisation:
        raise Problem(Code.FORBIDDEN, f"{account.name} signs in by the organisation: the password is changed there.")
    changed: Account = await asyncio.to_thread(
        _people(sessions).change_password, account, given.old_password, given.new_password, _address(request)
    )
    return await _opened(request, response, sessions.open_for(changed))


def hand_over(request: Request, response: Response, secret: str, *, secure: bool | None = None) -> None:
    """Hand a new session's secret to the browser, in the place of the one that it had, which ends.

    `secure`: whether the browser speaks TLS, where that is known better than by this request.
    """
    sessions = _sessions(request)
    sessions.end(request.headers)
    over_tls = _over_tls(request) if secure is None else secure
    response.set_cookie(sessions.cookie, secret, max_age=SESSION_S, httponly=True, samesite="strict", secure=over_tls)


async def _opened(request: Request, response: Response, secret: str) -> SessionView:
    sessions = _sessions(request)
    hand_over(request, response, secret)
    acts_as = await asyncio.to_thread(sessions.identify, {"Cookie": f"{sessions.cookie}={secret}"})
    return await _view(request, acts_as, in_session=True)


async def _view(request: Request, who: Caller | None, *, in_session: bool) -> SessionView:
    may = [permission for permission in Permission if who is not None and who.may(permission)]
    return SessionView(
        access="open" if isinstance(_gate(request), OpenGate) else "token",
        accounts=await asyncio.to_thread(_sessions(request).ask_to_sign_in),
        organisation=_sessions(request).by_organisation,
        session=in_session,
        looks=who is not None,
        decides=who is not None and who.decides_something,
        account=None if who is None else who.account,
        role=None if who is None else who.person_role,
        may=[permission.name.lower() for permission in may],
    )


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


def _people(sessions: Sessions) -> People:
    if sessions.people is None:
        raise Problem(Code.NOT_READY, "The service is starting or stopping.")
    return sessions.people


def _gate(request: Request) -> Gate:
    gate: Gate = request.app.state.gate
    return gate


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _over_tls(request: Request) -> bool:
    """Say whether the browser speaks TLS, to this service or to a proxy before it."""
    return request.url.scheme == "https" or request.headers.get("Origin", "").startswith("https://")
