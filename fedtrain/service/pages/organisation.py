"""/session/organisation: to the organisation's OpenID Connect provider, and back with a session."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from fedtrain.service.pages.routes import hand_over
from fedtrain.service.pages.sessions import Sessions
from fedtrain.service.people.organisation import ATTEMPT_S, Organisation
from fedtrain.spec.problems import Code, Problem

PATH = "/session/organisation"

router = APIRouter(prefix=PATH, tags=["session"])
_Given = Annotated[str | None, Query(max_length=4096)]


@router.get(
    "",
    status_code=303,
    response_class=RedirectResponse,
    summary="Send this browser to the organisation's provider, to sign in there",
)
async def begin(request: Request) -> RedirectResponse:
    organisation = _organisation(request)
    address, secret = await organisation.begin()
    answer = RedirectResponse(address, 303)
    # Not strict: the provider, another site, sends the browser back, and the cookie has to come with it.
    answer.set_cookie(
        _cookie(request),
        secret,
        max_age=ATTEMPT_S,
        path=PATH,
        httponly=True,
        samesite="lax",
        secure=_over_tls(organisation),
    )
    return answer


@router.get(
    "/return",
    status_code=303,
    response_class=RedirectResponse,
    summary="Open a session for whom the organisation's provider has signed in",
)
async def come_back(
    request: Request, state: _Given = None, code: _Given = None, error: _Given = None
) -> RedirectResponse:
    organisation = _organisation(request)
    sessions: Sessions = request.app.state.sessions
    secret = request.cookies.get(_cookie(request), "")
    who = await organisation.finish(secret, state or "", code, error)
    if sessions.people is None:
        raise Problem(Code.NOT_READY, "The service is starting or stopping.")
    account = await asyncio.to_thread(sessions.people.by_organisation, who)
    answer = RedirectResponse("/", 303)
    hand_over(request, answer, sessions.open_for(account), secure=_over_tls(organisation))
    answer.delete_cookie(_cookie(request), path=PATH)
    return answer


def _organisation(request: Request) -> Organisation:
    organisation: Organisation | None = request.app.state.organisation
    if organisation is None:
        raise Problem(Code.NOT_FOUND, "This party's people do not sign in by an organisation.")
    return organisation


def _cookie(request: Request) -> str:
    return f"{request.app.state.sessions.cookie}_signing_in"


def _over_tls(organisation: Organisation) -> bool:
    return organisation.provider.redirect_uri.startswith("https://")
