"""HTTP on one connection, as uvicorn speaks it over h11, which notices when the other side has stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum, StrEnum
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from fedtrain.service.limits.connection_limits import ConnectionLimits
from fedtrain.service.web.caller import is_known

#: Who is slower than this, over `stall_timeout_s`, is taken for somebody who wants the connection, not the answer.
SLOWEST_BYTES_PER_S = 1024


class Waiting(StrEnum):
    """Thing that a connection waits for from its other side; each but NOTHING is the reason it is closed for."""

    NOTHING = "nothing"
    HEAD = "silent"
    BODY = "body_stalled"
    READER = "not_read"
    CLOSING = "not_closed"


class Standing(IntEnum):
    """Readiness with which a connection makes room for a new one, the readiest first."""

    STRANGER_IDLE = 0
    STRANGER_STALLED = 1
    KNOWN_IDLE = 2
    AT_WORK = 3


class GuardedHttp(H11Protocol):
    """One connection. Its owner calls `overdue` every second or so, and `on_gone` is called when it is closed."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        limits: ConnectionLimits,
        on_gone: Callable[[GuardedHttp], None],
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._limits = limits
        self._on_gone = on_gone
        self._waited: tuple[Waiting, object] = (Waiting.NOTHING, None)
        self._waited_s = 0.0
        self._unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if transport.is_closing():  # made room before it was there
            return
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_gone(self)
        if self.transport is not None:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._waited[0] is Waiting.BODY:
            self._waited_s = max(0.0, self._waited_s - len(data) / SLOWEST_BYTES_PER_S)
        super().data_received(data)

    def overdue(self, elapsed_s: float) -> Waiting | None:
        """Return why the connection is to be closed, None while it may stay. `elapsed_s`: since the last call."""
        if self.transport is None:
            return None  # the handshake has a limit of its own
        waiting = self._waiting()
        unsent = self.transport.get_write_buffer_size()
        if self._waited != (waiting, self.cycle):
            self._waited, self._waited_s, self._unsent = (waiting, self.cycle), 0.0, unsent
            return None
        read = max(0, self._unsent - unsent)
        self._unsent = unsent
        self._waited_s = max(0.0, self._waited_s + elapsed_s - read / SLOWEST_BYTES_PER_S)
        limits = self._limits
        limit_s = limits.head_timeout_s if waiting is Waiting.HEAD else limits.stall_timeout_s
        return waiting if waiting is not Waiting.NOTHING and self._waited_s > limit_s else None

    def resume_writing(self) -> None:
        self._waited_s = 0.0
        super().resume_writing()

    @property
    def standing(self) -> Standing:
        """Return how readily it makes room. Whoever showed no token, and named no party, is a stranger."""
        if self.transport is None:
            return Standing.STRANGER_IDLE
        known = self.scope is not None and is_known(self.scope)
        if not self._answering:
            return Standing.KNOWN_IDLE if known else Standing.STRANGER_IDLE
        if not known and self._waiting() is not Waiting.NOTHING:
            return Standing.STRANGER_STALLED
        return Standing.AT_WORK

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _waiting(self) -> Waiting:
        if self.transport.is_closing():
            return Waiting.CLOSING
        if self.flow.write_paused:
            return Waiting.READER
        if self.conn.their_state is h11.SEND_BODY:
            # Who was told to hold its body back, by a full buffer or by no "100 Continue" yet, is not slow.
            held = self._answering and (self.flow.read_paused or self.cycle.waiting_for_100_continue)
            return Waiting.NOTHING if held else Waiting.BODY
        # Between two requests uvicorn's own timer runs, until a byte of the next one comes.
        idle = self.timeout_keep_alive_task is not None and not self.conn.trailing_data[0]
        return Waiting.NOTHING if self._answering or idle else Waiting.HEAD
