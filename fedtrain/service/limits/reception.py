"""Reception of connections: counted from the first moment, fewer than there are descriptors, none of them for ever.

asyncio's own server accepts whatever comes: without descriptors it writes a traceback for each attempt, and what has
not finished its TLS handshake is in no list. So the listening socket is read here; the rest is asyncio's and uvicorn's.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from fedtrain.service.limits.connection_limits import ConnectionLimits
from fedtrain.service.limits.guarded_http import GuardedHttp, Standing

log = structlog.get_logger("protocol.server")

TELL_EVERY_S = 60.0
#: Connections beyond the limit that are still told why they are not served. They come out of the reserve.
OVERFLOW = 32
_ACCEPTED_AT_ONCE = 16
_WITHOUT_DESCRIPTORS_S = 1.0
#: The share of all connections that is closed at once when strangers crowd the service: looking for them takes time.
_ROOM_SHARE = 16


@dataclass
class _Visit:
    """A connection's address as it counts, and the task that takes it in, TLS handshake included."""

    address: object
    coming_in: asyncio.Task[None]


class Reception:
    """Accepts from `listener` until it is closed. For the event loop's thread alone.

    `make` returns the protocol of a new connection: given what to call when it is closed, and whether it is one too
    many. Who is waited for in vain is closed by `sweep`. When `limits.most` is reached, those who showed no token and
    say nothing make room, the address with most of them first; then those with a token that are between two requests.
    Nobody who is being answered is closed, so that a party's long poll ends as it should.
    """

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[Callable[[GuardedHttp], None], bool], GuardedHttp],
        limits: ConnectionLimits,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._listener = listener
        self._make = make
        self._limits = limits
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._visits: dict[GuardedHttp, _Visit] = {}
        self._closed: Counter[str] = Counter()
        self._told_at = -TELL_EVERY_S
        self._swept_at = self._loop.time()
        self._listening = True
        listener.setblocking(False)
        self._loop.add_reader(listener, self._on_readable)

    def close(self) -> None:
        """Accept nobody any more; who is in the middle of a TLS handshake goes."""
        self._listening = False
        self._loop.remove_reader(self._listener)
        for visit in self._visits.values():
            visit.coming_in.cancel()

    async def wait_closed(self) -> None:
        """Return at once: uvicorn waits for the connections itself."""

    def sweep(self) -> None:
        """Close whom it has waited for too long, and tell of it once a minute at most. To be called every second."""
        now = self._loop.time()
        # While the loop was busy with something else nobody could be heard.
        elapsed_s, self._swept_at = min(2.0, now - self._swept_at), now
        for connection in list(self._visits):
            why = connection.overdue(elapsed_s)
            if why is not None:
                self._drop(connection, why.value)
        if self._closed and now - self._told_at >= TELL_EVERY_S:
            log.warning("connections closed", **dict(self._closed), open=len(self._visits), most=self._limits.most)
            self._closed.clear()
            self._told_at = now

    def _on_readable(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError:  # no descriptor left, to this process or on the machine
                self._closed["no_descriptor"] += 1
                self._loop.remove_reader(self._listener)
                self._loop.call_later(_WITHOUT_DESCRIPTORS_S, self._listen_again)
                return
            self._receive(connection, address[0])

    def _listen_again(self) -> None:
        if self._listening:
            self._loop.add_reader(self._listener, self._on_readable)

    def _receive(self, connection: socket.socket, address: str) -> None:
        if len(self._visits) >= self._limits.most:
            self._make_room()
        if len(self._visits) >= self._limits.most + OVERFLOW:
            self._closed["refused"] += 1
            connection.close()
            return
        connection.setblocking(False)
        protocol = self._make(self._gone, len(self._visits) >= self._limits.most)
        coming_in = self._loop.create_task(self._take_in(protocol, connection))
        self._visits[protocol] = _Visit(_counted_as(address), coming_in)

    async def _take_in(self, protocol: GuardedHttp, connection: socket.socket) -> None:
        handshake_timeout_s = None if self._tls is None else self._limits.head_timeout_s
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol, connection, ssl=self._tls, ssl_handshake_timeout=handshake_timeout_s
            )
        except OSError:  # its TLS is none, or it left; both are its own affair
            self._closed["no_handshake"] += 1
            self._gone(protocol)
            connection.close()

    def _gone(self, connection: GuardedHttp) -> None:
        self._visits.pop(connection, None)

    def _drop(self, connection: GuardedHttp, why: str) -> None:
        self._closed[why] += 1
        visit = self._visits.pop(connection)
        visit.coming_in.cancel()
        if connection.transport is not None:
            connection.transport.abort()

    def _make_room(self) -> None:
        standings = {connection: connection.standing for connection in self._visits}
        lowest = min(standings.values())
        if lowest is Standing.AT_WORK:
            return
        candidates = [connection for connection, standing in standings.items() if standing is lowest]
        crowd = Counter(self._visits[connection].address for connection in candidates).most_common(1)[0][0]
        oldest_first = [connection for connection in candidates if self._visits[connection].address == crowd]
        room = max(1, self._limits.most // _ROOM_SHARE) if lowest is Standing.STRANGER_IDLE else 1
        for connection in oldest_first[:room]:
            self._drop(connection, "crowded")


def _counted_as(address: str) -> object:
    """An IPv4 address, or the network of an IPv6 one: whoever has one address there has 2**64."""
    if ":" not in address:
        return address
    return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8]
