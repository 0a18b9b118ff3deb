"""The caller of a route: the one place that says who it is.

`create_service` puts the dependency `caller` before every router's routes, and `service.web.access` before all of
them. A gate turns headers into a `Caller`; a route that serves one party only takes `CallingParty`, and one that serves
parties of one role `CallingDataOwner` or `CallingModelOwner`. Each route says by `needs` which permission it takes.
"""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency

from fedtrain.protocol.documents.identity import is_party_id
from fedtrain.protocol.states import Role
from fedtrain.service.people.permissions import (
    CONFIDENTIAL,
    DECIDING,
    OF_PARTIES,
    READING,
    Permission,
    PersonRole,
    permissions_of,
    roles_with,
)
from fedtrain.service.vault.tokens import Scope, TokenRecord, find_token
from fedtrain.service.vault.watched_file import WatchedFile
from fedtrain.service.web.decision_token import DecisionToken
from fedtrain.spec.problems import Code, Problem

PARTY_HEADER = "Fedtrain-Party"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Caller:
    """Party that calls, and whether that was proven. In open mode a party id is what the caller says it is.

    `scope` and `token_id` are of the token that proved it; the id is public. `decides`: whether it is one of the
    service's own people, who may decide for it. `account`, `person_role`: of a person who has signed in.
    """

    party_id: str | None
    role: Role | None
    authenticated: bool
    scope: Scope | None = None
    token_id: str | None = None
    decides: bool = False
    account: str | None = None
    person_role: PersonRole | None = None

    def may(self, permission: Permission) -> bool:
        """Return whether the caller has it, by its account's role or its token's scope, or because all who call do."""
        if self.person_role is not None:
            return permission in permissions_of(self.person_role)
        if self.scope is Scope.READ:
            return permission in READING
        if self.scope is Scope.PARTY:
            return permission in OF_PARTIES
        if self.scope is Scope.ADMIN:
            return permission is not Permission.ACT_AS_PARTY
        return self.decides or permission not in DECIDING | CONFIDENTIAL

    @property
    def decides_something(self) -> bool:
        """True where there is anything that the caller decides for the service."""
        return any(self.may(permission) for permission in DECIDING)

    @property
    def counted_as(self) -> str | None:
        """The name under which its requests are counted, wherever they come from; None where it has proven nothing."""
        if self.token_id is not None:
            return f"token {self.token_id}"
        return None if self.account is None else f"account {self.account}"

    @property
    def own_person(self) -> bool:
        """One of the service's own people for certain: signed in, or with a token that may everything."""
        return self.person_role is not None or self.scope is Scope.ADMIN

    def check(self, method: str, at: Role) -> None:
        """Raises Problem(FORBIDDEN) for a method that the caller's token does not allow at a service of that role."""
        if self.scope is Scope.PARTY and at is not Role.FACILITATOR:
            service = at.replace("-", " ")
            raise Problem(
                Code.FORBIDDEN,
                f"This token is for a party at a Facilitator, and does nothing at a {service}: make one with the scope "
                "admin or read.",
            )
        if self.scope is Scope.READ and method not in _READING:
            raise Problem(Code.FORBIDDEN, f"This token may look, and {method} needs one with the scope admin.")


def is_known(scope: Mapping[str, Any]) -> bool:
    """Return whether an ASGI request's caller has shown a token or said which party it is; others are strangers."""
    who = scope.get("state", {}).get("caller")
    return isinstance(who, Caller) and (who.authenticated or who.party_id is not None)


class Gate(Protocol):
    """Turns a request's headers into a caller. Raises Problem(UNAUTHENTICATED) to refuse it."""

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """`headers` is read case-insensitively, as Starlette's Headers are."""
        ...

    def in_session(self, token_id: str | None) -> Caller | None:
        """Return who a session acts as that was opened with that token; None once the token opens nothing."""
        ...


class OpenGate:
    """For services on loopback without tokens: believes the `Fedtrain-Party` header.

    Who shows the token `decisions` may decide, and nobody else.
    """

    def __init__(self, decisions: DecisionToken) -> None:
        self.decisions = decisions

    def identify(self, headers: Mapping[str, str]) -> Caller:
        decides = self.decisions.fits(headers.get("Authorization", ""))
        return Caller(_stated_party(headers), None, authenticated=False, decides=decides)

    def in_session(self, token_id: str | None) -> Caller | None:
        """Return who runs the service: here a session is opened by those who may decide, and by nobody else."""
        return Caller(None, None, True, scope=Scope.ADMIN, decides=True) if token_id is None else None


class TokenGate:
    """For services with a token list: a caller is whose token it shows, whatever else it says."""

    def __init__(self, tokens: WatchedFile[tuple[TokenRecord, ...]]) -> None:
        self._tokens = tokens

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """Raises Problem: UNAUTHENTICATED without a valid token, FORBIDDEN when it is another party's."""
        kind, _, token = headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Problem(Code.UNAUTHENTICATED, "This service wants a token: send Authorization: Bearer <token>.")
        record = find_token(self._tokens.value(), token.strip())
        if record is None:
            # The same words for a wrong, a revoked and a malformed one: there is nothing to learn by trying.
            raise Problem(Code.UNAUTHENTICATED, "The token is not valid here; it may have been revoked.")
        stated = _stated_party(headers)
        if record.party is not None and stated is not None and stated != record.party:
            raise Problem(
                Code.FORBIDDEN,
                f"The token belongs to {record.name} ({record.party[:16]}…), and {PARTY_HEADER} says {stated[:16]}….",
            )
        return _shown_by(record)

    def in_session(self, token_id: str | None) -> Caller | None:
        """Return who has the token now: a session ends with it."""
        for record in self._tokens.value():
            if record.id == token_id and record.revoked_at is None:
                return _shown_by(record)
        return None


def _shown_by(record: TokenRecord) -> Caller:
    role = None if record.role is None else Role(record.role)
    decides = record.scope is Scope.ADMIN
    return Caller(record.party, role, True, scope=record.scope, token_id=record.id, decides=decides)


def _stated_party(headers: Mapping[str, str]) -> str | None:
    party_id = headers.get(PARTY_HEADER)
    if party_id is not None and not is_party_id(party_id):
        raise Problem(
            Code.UNAUTHENTICATED, f"{PARTY_HEADER} must be a party id of 64 hex digits, not {party_id[:80]!r}."
        )
    return party_id


async def caller(request: Request) -> Caller:
    """Return who calls; the gate is asked once a request.

    Raises Problem(FORBIDDEN) for a person at a route that names no permission, which no role can have then.
    """
    known = getattr(request.state, "caller", None)
    if not isinstance(known, Caller):
        gate: Gate = request.app.state.gate
        known = gate.identify(request.headers)
        known.check(request.method, request.app.state.role)
        request.state.caller = known
    if known.person_role is not None and needed_by(request.scope.get("route")) is None:
        raise Problem(Code.FORBIDDEN, "This route says of no role that it may use it.")
    return known


def require(who: Caller, permission: Permission, gate: Gate) -> None:
    """Raises Problem(UNAUTHENTICATED) or (FORBIDDEN) for who does not have the permission."""
    if who.may(permission):
        return
    if who.person_role is not None:
        others = " or ".join(role.words for role in roles_with(permission)) or "a party's token"
        raise Problem(
            Code.FORBIDDEN,
            f"{who.account} has the role {who.person_role.words} here; to {permission} takes {others}.",
        )
    if who.scope is Scope.PARTY:
        raise Problem(
            Code.FORBIDDEN, f"To {permission} is for the Facilitator's own people, and the token is a party's."
        )
    if not isinstance(gate, OpenGate):
        raise Problem(Code.FORBIDDEN, f"To {permission} takes a token with the scope admin.")
    path = gate.decisions.path
    raise Problem(
        Code.UNAUTHENTICATED,
        "Everybody on this machine may look here; only who runs the service decides. The command `fedtrain`, as the "
        'same user, shows the token by itself; with curl: -H "Authorization: Bearer $(cat '
        f'{"decision-*.token in its state folder" if path is None else shlex.quote(str(path))})".',
        token_file=None if path is None else str(path),
    )


#: The permission that a dependency of a route asks for.
_NEEDED: dict[Callable[..., Any], Permission] = {}


@cache
def needs(permission: Permission) -> Dependency:
    """Return what a route names in its `dependencies` for this permission. It raises as `require`."""

    async def needing(request: Request, who: Annotated[Caller, Depends(caller)]) -> None:
        require(who, permission, request.app.state.gate)

    _NEEDED[needing] = permission
    dependency: Dependency = Depends(needing)
    return dependency


def needed_by(route: object) -> Permission | None:
    """Return the permission that a route names, None where it names none."""
    for dependency in getattr(route, "dependencies", ()):
        if (permission := _NEEDED.get(dependency.dependency)) is not None:
            return permission
    return None


def require_party(who: Caller) -> str:
    """Return the calling party's id. Raises Problem: UNAUTHENTICATED without one, FORBIDDEN when the token has none."""
    if who.party_id is not None:
        return who.party_id
    if who.authenticated:
        raise Problem(Code.FORBIDDEN, "This route is for parties, and the token is not a party's.")
    raise Problem(Code.UNAUTHENTICATED, f"This route is for parties: send the header {PARTY_HEADER}.")


async def calling_party(who: Annotated[Caller, Depends(caller)]) -> str:
    """Dependency: the calling party's id. Raises Problem as `require_party`."""
    return require_party(who)


def _calling(role: Role) -> Callable[[Caller], Awaitable[str]]:
    async def calling_in_role(who: Annotated[Caller, Depends(caller)]) -> str:
        """The calling party's id. Raises Problem as `require_party`, and FORBIDDEN for a token of another role."""
        party = require_party(who)
        if who.authenticated and who.role is not role:
            raise Problem(Code.FORBIDDEN, f"This route is for a {role}, and the token is a {who.role}'s.")
        return party

    return calling_in_role


AnyCaller = Annotated[Caller, Depends(caller)]
CallingParty = Annotated[str, Depends(calling_party)]
CallingDataOwner = Annotated[str, Depends(_calling(Role.DATA_OWNER))]
CallingModelOwner = Annotated[str, Depends(_calling(Role.MODEL_OWNER))]
