"""Requests at GET /metrics: how many, how long, how many bytes, and which problems were answered."""

from __future__ import annotations

import json
import time

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars

from fedtrain.service.limits.rate_limit import RateLimit, TokenBuckets
from fedtrain.service.web.caller import is_known
from fedtrain.spec.problems import PROBLEM_JSON, Code

log = structlog.get_logger("protocol.server")

# A label for every method or problem that anybody makes up would fill the memory.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_PROBLEMS = frozenset(code.slug for code in Code)
_JOB_PARAMETERS = ("job_id", "model_id")
#: Lines on requests of strangers that came to nothing: else whoever reaches the port could fill the disk.
_STRANGERS_LINES = RateLimit(per_s=1 / 3, burst=20)
_LONGEST_PATH = 200


class HttpMetricsMiddleware:
    """ASGI middleware: counts requests and their time by route, body bytes both ways, problems; one line a request."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route")
        self._requests = Counter("fedtrain_http_requests", "Requests", (*labels, "status"), registry=registry)
        self._seconds = Histogram("fedtrain_http_request_seconds", "Time to answer", labels, registry=registry)
        self._received = Counter("fedtrain_http_received_bytes", "Body bytes received", registry=registry)
        self._sent = Counter("fedtrain_http_sent_bytes", "Body bytes sent", registry=registry)
        self._problems = Counter("fedtrain_problems", "Problems answered, by type", ("code",), registry=registry)
        self._lines = TokenBuckets(_STRANGERS_LINES, time.monotonic)
        self._held_back = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status, is_problem, code = 0, False, None
        # What is bound for the log while this request is answered is about this request alone.
        outside = get_contextvars()
        clear_contextvars()

        async def counting_receive() -> Message:
            message = await receive()
            self._received.inc(len(message.get("body", b"")))
            return message

        async def counting_send(message: Message) -> None:
            nonlocal status, is_problem, code
            if message["type"] == "http.response.start":
                status = message["status"]
                is_problem = (b"content-type", PROBLEM_JSON.encode()) in message["headers"]
            elif is_problem and code is None:
                code = _problem_code(message.get("body", b""))
                self._problems.labels(code).inc()
            self._sent.inc(len(message.get("body", b"")))
            await send(message)

        try:
            await self._app(scope, counting_receive, counting_send)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            seconds = time.perf_counter() - began
            method = scope["method"] if scope["method"] in _METHODS else "(other)"
            self._requests.labels(method, route, str(status)).inc()
            self._seconds.labels(method, route).observe(seconds)
            about = {"method": scope["method"], "path": scope["path"][:_LONGEST_PATH], "status": status}
            about |= {"seconds": round(seconds, 4), **_job_of(scope)}
            if code is not None:
                about["code"] = code
            if method == "GET" and status < 400:
                log.debug("request", **about)
            elif not _came_to_nothing(scope, status) or self._lines.take("strangers") == 0:
                log.info("request", **about, **({"held_back": self._held_back} if self._held_back else {}))
                self._held_back = 0
            else:
                self._held_back += 1
            clear_contextvars()
            bind_contextvars(**outside)


def _came_to_nothing(scope: Scope, status: int) -> bool:
    """Return whether a stranger's request was refused, or broken off before its answer."""
    return (status == 0 or status >= 400) and not is_known(scope)


def _job_of(scope: Scope) -> dict[str, str]:
    """The job that the path names, if it does."""
    given = scope.get("path_params") or {}
    name = next((name for name in _JOB_PARAMETERS if name in given), None)
    return {} if name is None else {"job": str(given[name])}


def _problem_code(body: bytes) -> str:
    """The catalogue code in a problem document, which a service sends in one piece."""
    try:
        document = json.loads(body)
    except ValueError:
        return "(other)"
    slug = str(document.get("type", "")).rsplit("/", 1)[-1] if isinstance(document, dict) else ""
    return slug if slug in _PROBLEMS else "(other)"
