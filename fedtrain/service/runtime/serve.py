"""Running a service: one process, one port, and a stop within seconds."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import cast

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedtrain.service.limits.connection_limits import ConnectionLimits
from fedtrain.service.limits.guarded_http import GuardedHttp
from fedtrain.service.limits.reception import Reception
from fedtrain.service.pages.routes import link_path
from fedtrain.service.web.caller import OpenGate
from fedtrain.service.web.exposure import refusal_to_listen
from fedtrain.service.web.own_requests import OwnRequestsMiddleware
from fedtrain.service.web.responses import problem_response
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("protocol.server")

STOP_WITHIN_S = 2.5
#: How long a connection may idle. Longer than any client or proxy keeps one (httpx 5 s, nginx 60 s), so that it is they
#: who close it: at uvicorn's own 5 s, one request in forty of a hundred owners met a connection just closed.
KEEP_ALIVE_S = 75
_AIRPLAY_PORTS = (5000, 7000)
_TICKS_A_SECOND = 10  # of uvicorn's main loop
_COME_BACK_S = 5


def run_service(
    app: FastAPI,
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    limits: ConnectionLimits | None = None,
    names: Iterable[str] = (),
) -> int:
    """Serve `app` until SIGINT or SIGTERM; return the process's exit code: 0 after a stop, 1 when it cannot start.

    `port` 0 takes a free one; the log's line "listening" says which. A signal sets `app.state.stop` first, which ends
    long polls and event streams. `names` are hosts that it is called by, beside loopback's. Where other machines can
    reach it, it starts only with tokens and TLS. Call it from the main thread, and return its code from the process.
    """
    refusal = refusal_to_listen(host, open_to_all=isinstance(app.state.gate, OpenGate), tls=tls is not None)
    if refusal is not None:
        print(refusal, file=sys.stderr, flush=True)  # noqa: T201 - what the person at the terminal reads
        return 1
    try:
        listener = _listen(host, port)
    except OSError as error:
        print(port_line(host, port, error), file=sys.stderr, flush=True)  # noqa: T201 - what the person at the terminal reads
        return 1
    if isinstance(app.state.gate, OpenGate):
        try:
            path = app.state.gate.decisions.publish(*listener.getsockname()[:2])
        except OSError as error:
            listener.close()
            print(f"The token for decisions cannot be written: {error}", file=sys.stderr, flush=True)  # noqa: T201
            return 1
        log.info("what decides needs a token", token_file=str(path))
    # Within the count of requests, which is the outermost, and before all else.
    app.user_middleware.insert(1, Middleware(OwnRequestsMiddleware, names=tuple(names), tls=tls is not None))
    config = uvicorn.Config(
        _telling_why_it_cannot_start(app),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    config.load()
    server = _Server(config, app, listener, tls, limits or ConnectionLimits())
    try:
        server.run()
    except SystemExit:  # the lifespan could not start; uvicorn has logged why
        return 1
    finally:
        listener.close()
    return 0 if server.started else 1


def _telling_why_it_cannot_start(app: FastAPI) -> ASGIApp:
    """`app`, but what a person can mend at its start is one line on stderr, where the framework sends a traceback."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        async def shorten(message: Message) -> None:
            why = getattr(app.state, "cannot_start", None)
            if message["type"] == "lifespan.startup.failed" and why is not None:
                print(why, file=sys.stderr, flush=True)  # noqa: T201 - what the person at the terminal reads
                message = {**message, "message": ""}
            await send(message)

        await app(scope, receive, shorten if scope["type"] == "lifespan" else send)

    return told


def _told_to_come_back(app: ASGIApp) -> ASGIApp:
    """`app` for a connection beyond the limit: it says that the process lives, and why it serves nobody more."""

    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            await app(scope, receive, send)
            return
        detail = (
            f"All connections are in use; try again in {_COME_BACK_S} s. FEDTRAIN_MAX_CONNECTIONS and the process's "
            "descriptors are this service's limits."
        )
        response = problem_response(Problem(Code.TOO_MANY_CONNECTIONS, detail, retry_after_s=_COME_BACK_S))
        response.headers["Connection"] = "close"
        await response(scope, receive, send)

    return refusing


def port_line(host: str, port: int, error: OSError) -> str:
    """Return the one line that says why the port cannot be had, and what to do."""
    line = f"Cannot listen on {_bracketed(host)}:{port}: {error.strerror or error}."
    if port in _AIRPLAY_PORTS:
        line += (
            f" macOS keeps {port} for AirPlay Receiver (System Settings, General, AirDrop & Handoff: switch it off)."
        )
    return f"{line} Choose another with --port."


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    # macOS lets one process bind 127.0.0.1:5000 while another, AirPlay Receiver, has *:5000, and `localhost` would
    # then reach the other one. So ask whether somebody answers, at both of localhost's addresses.
    if port and host in ("127.0.0.1", "::1", "localhost") and (_answers("127.0.0.1", port) or _answers("::1", port)):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    listener = socket.socket(family, kind, proto)
    try:
        if os.name == "posix":  # elsewhere the option would let two processes share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _answers(address: str, port: int) -> bool:
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.settimeout(0.5)
            # A port of the ephemeral range may, by chance, be connected to itself.
            return probe.connect_ex((address, port)) == 0 and probe.getsockname()[:2] != (address, port)
    except OSError:
        return False  # this machine has no such kind of address


class _Server(uvicorn.Server):
    """uvicorn's server, which counts its connections, and on a signal first ends what waits long, and never stays."""

    def __init__(
        self,
        config: uvicorn.Config,
        app: FastAPI,
        listener: socket.socket,
        tls: ssl.SSLContext | None,
        limits: ConnectionLimits,
    ) -> None:
        super().__init__(config)
        self._app = app
        self._listener = listener
        self._tls = tls
        self._limits = limits
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reception: Reception | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets or [])  # none, as it is run here: the reception listens
        if not self.started:  # its lifespan has failed, and nobody is answered
            return
        self._reception = Reception(self._listener, self._connection, self._limits, self._tls)
        # uvicorn closes it, first of all, when it stops.
        self.servers.append(cast(asyncio.Server, self._reception))
        host, port = self._listener.getsockname()[:2]
        scheme = "https" if self._tls else "http"
        # What is there by now stays. Each of the collector's full rounds would walk it, 0.2 s with the interpreter's
        # lock held, and a JSON body of 100,000 lists sets off two of them: it took 0.3 s to read, and takes 0.02.
        gc.collect()
        gc.freeze()
        url = f"{scheme}://{_bracketed(host)}:{port}"
        log.info("listening", url=url, most_connections=self._limits.most)
        if sys.stdout.isatty() and isinstance(self._app.state.gate, OpenGate):
            # For the person at the terminal, and in no log, which others may read: it opens a session, once.
            print(f"Pages: {url}{link_path(self._app.state.sessions.new_link(None))}", flush=True)  # noqa: T201

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_SECOND == 0 and self._reception is not None:
            self._reception.sweep()
        return await super().on_tick(counter)

    def _connection(self, on_gone: Callable[[GuardedHttp], None], one_too_many: bool) -> GuardedHttp:
        made = GuardedHttp(self.config, self.server_state, self.lifespan.state, self._limits, on_gone)
        if one_too_many:
            made.app = _told_to_come_back(made.app)
        return made

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again at the end, so that a service that was told to stop, and did, would
        # seem to have been killed.
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            # An executor's thread in the middle of a long power cannot be interrupted, and the interpreter would wait
            # for it. Everything that counts is on the disk, so the process may go at any moment.
            deadline = threading.Timer(STOP_WITHIN_S, os._exit, (0,))
            deadline.daemon = True
            deadline.start()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._app.state.stop.set)
        super().handle_exit(sig, frame)
