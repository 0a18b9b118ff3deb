"""Who calls: the one place that says so, on every route.

`create_service` puts the dependency `caller` before every router's routes. A gate turns headers into a `Caller`; a
route that serves one party only takes `PartyId = Depends(calling_party)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from protocol.identity import is_party_id
from protocol.problems import Code, Problem
from protocol.states import Role

PARTY_HEADER = "Fedtrain-Party"


@dataclass(frozen=True)
class Caller:
    """Who calls, and whether that was proven. In open mode a party id is what the caller says it is."""

    party_id: str | None
    role: Role | None
    authenticated: bool


class Gate(Protocol):
    """Turns a request's headers into a caller. Raises Problem(UNAUTHENTICATED) to refuse it."""

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """`headers` is read case-insensitively, as Starlette's Headers are."""
        ...


class OpenGate:
    """For services on loopback without tokens: believes the `Fedtrain-Party` header."""

    def identify(self, headers: Mapping[str, str]) -> Caller:
        party_id = headers.get(PARTY_HEADER)
        if party_id is not None and not is_party_id(party_id):
            raise Problem(
                Code.UNAUTHENTICATED, f"{PARTY_HEADER} must be a party id of 64 hex digits, not {party_id[:80]!r}."
            )
        return Caller(party_id, None, authenticated=False)


async def caller(request: Request) -> Caller:
    """Return who calls; the gate is asked once a request."""
    known = getattr(request.state, "caller", None)
    if isinstance(known, Caller):
        return known
    gate: Gate = request.app.state.gate
    request.state.caller = identified = gate.identify(request.headers)
    return identified


def require_party(who: Caller) -> str:
    """Return the calling party's id. Raises Problem(UNAUTHENTICATED) when there is none."""
    if who.party_id is None:
        raise Problem(Code.UNAUTHENTICATED, f"This route is for parties: send the header {PARTY_HEADER}.")
    return who.party_id


async def calling_party(who: Annotated[Caller, Depends(caller)]) -> str:
    """Dependency: the calling party's id. Raises Problem(UNAUTHENTICATED) when there is none."""
    return require_party(who)


AnyCaller = Annotated[Caller, Depends(caller)]
CallingParty = Annotated[str, Depends(calling_party)]
