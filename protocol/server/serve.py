"""Running a service: one process, one port, and a stop within seconds."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protocol.server.caller import OpenGate
from protocol.server.exposure import refusal_to_listen

log = structlog.get_logger("protocol.server")

STOP_WITHIN_S = 2.5
#: How long a connection may idle. Longer than any client or proxy keeps one (httpx 5 s, nginx 60 s), so that it is they
#: who close it: at uvicorn's own 5 s, one request in forty of a hundred owners met a connection just closed.
KEEP_ALIVE_S = 75
_AIRPLAY_PORTS = (5000, 7000)


def run_service(app: FastAPI, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
    """Serve `app` until SIGINT or SIGTERM; return the process's exit code: 0 after a stop, 1 when it cannot start.

    `port` 0 takes a free one; the log's line "listening" says which. A signal sets `app.state.stop` first, which ends
    long polls and event streams. Where other machines can reach it, it starts only with tokens and TLS. Call it
    from the main thread, and return its code from the process.
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
    if tls is not None:
        config.ssl = tls
    bound_host, bound_port = listener.getsockname()[:2]
    server = _Server(config, app, f"{'https' if tls else 'http'}://{_bracketed(bound_host)}:{bound_port}")
    try:
        server.run(sockets=[listener])
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
    """uvicorn's server, which on a signal first ends what waits long and never outstays its time."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, url: str) -> None:
        super().__init__(config)
        self._app = app
        self._url = url
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:  # its lifespan may have failed, and then nobody is answered
            log.info("listening", url=self._url)

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
