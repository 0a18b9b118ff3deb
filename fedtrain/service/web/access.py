"""The guard before every route: who calls, may it, and not too often. Asked before a byte of a body is read."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedtrain.protocol.states import Role
from fedtrain.service.limits.body_limits import refuse_unread
from fedtrain.service.limits.rate_limit import RateLimit, TokenBuckets
from fedtrain.service.web import documentation
from fedtrain.service.web.caller import Caller, Gate
from fedtrain.spec.problems import TYPE_BASE, Code, Problem

#: How a person comes in, and goes.
SESSION_PATHS = ("/session", "/session/organisation", "/session/organisation/return")
#: What everyone may see: that it runs, who it is, how it is called, and what its problems mean.
PUBLIC_PATHS = frozenset(
    {"/healthz", "/readyz", "/identity", "/openapi.json", "/problems", *SESSION_PATHS, *documentation.PATHS}
)
#: What lies below these is public as well.
PUBLIC_FOLDERS = (TYPE_BASE, "/pages/")


class AccessMiddleware:
    """ASGI middleware. Leaves the caller in `request.state.caller`, where `fedtrain.service.web.caller` finds it.

    What a caller is answered is for nobody after it: no browser and no proxy keeps it, unless a route says so itself.
    """

    def __init__(
        self, app: ASGIApp, gate: Gate, role: Role, rate_limit: RateLimit | None, monotonic: Callable[[], float]
    ) -> None:
        self._app = app
        self._gate = gate
        self._role = role
        self._buckets = None if rate_limit is None else TokenBuckets(rate_limit, monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._admit(scope)
        except Problem as problem:
            await refuse_unread(problem, scope, receive, send)
            return

        async def send_unkept(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, send_unkept)

    async def _admit(self, scope: Scope) -> None:
        """Raises Problem: UNAUTHENTICATED, FORBIDDEN, RATE_LIMITED."""
        if scope["path"] in PUBLIC_PATHS or scope["path"].startswith(PUBLIC_FOLDERS):
            self._count(_address(scope))
            return
        try:
            # In a thread: it may take a look into the store, at whose session it is, or for accounts.
            who = await asyncio.to_thread(self._gate.identify, Headers(scope=scope))
        except Problem:
            self._count(_address(scope))
            raise
        self._count(_key(who) or _address(scope))
        who.check(scope["method"], self._role)
        scope.setdefault("state", {})["caller"] = who

    def _count(self, key: str) -> None:
        if self._buckets is None:
            return
        wait_s = self._buckets.take(key)
        if wait_s > 0:
            seconds = math.ceil(wait_s)
            raise Problem(
                Code.RATE_LIMITED,
                f"This caller has used up its requests; the next one in {seconds} s. FEDTRAIN_RATE_LIMIT_PER_S and "
                "FEDTRAIN_RATE_LIMIT_BURST are this service's limits.",
                retry_after_s=seconds,
            )


def _key(who: Caller) -> str | None:
    return who.counted_as or (None if who.party_id is None else f"party {who.party_id}")


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return f"address {client[0] if client else '(none)'}"
