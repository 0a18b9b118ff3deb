"""/session: how a browser comes to act for a person, and ceases to."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from fedtrain.service.pages.sessions import SESSION_S, Sessions
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import Gate, OpenGate, needs, require
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

PATH = "/session"


class LinkCode(Strict):
    """The last part of a link that opens a session once. Without it the request shows a token."""

    model_config = ConfigDict(json_schema_extra={"example": {"code": "q" * 43}})

    code: Annotated[str, Field(min_length=1, max_length=100)] | None = None


class SessionView(BaseModel):
    """The caller's rights here: look, and decide. `access`: whether looking takes a session or token at all."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"access": "open", "session": True, "looks": True, "decides": True}}
    )

    access: Literal["open", "token"]
    session: bool
    looks: bool
    decides: bool


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
        who = sessions.identify(request.headers)
    except Problem:
        return SessionView(access=_access(request), session=False, looks=False, decides=False)
    in_session = sessions.caller_of(request.headers) is not None
    return SessionView(access=_access(request), session=in_session, looks=True, decides=who.decides)


@router.post("", summary="Open a session in this browser, by a link that the service made or by a token")
async def open_session(given: LinkCode, request: Request, response: Response) -> SessionView:
    sessions = _sessions(request)
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
    response.set_cookie(
        sessions.cookie, secret, max_age=SESSION_S, httponly=True, samesite="strict", secure=_over_tls(request)
    )
    acts_as = sessions.identify({"Cookie": f"{sessions.cookie}={secret}"})
    return SessionView(access=_access(request), session=True, looks=True, decides=acts_as.decides)


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


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


def _gate(request: Request) -> Gate:
    gate: Gate = request.app.state.gate
    return gate


def _access(request: Request) -> Literal["open", "token"]:
    return "open" if isinstance(_gate(request), OpenGate) else "token"


def _over_tls(request: Request) -> bool:
    """Say whether the browser speaks TLS, to this service or to a proxy before it."""
    return request.url.scheme == "https" or request.headers.get("Origin", "").startswith("https://")
