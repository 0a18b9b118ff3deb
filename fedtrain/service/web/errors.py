"""Every error leaves a service as a problem document; only the log has the traceback."""

from __future__ import annotations

from secrets import token_hex

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedtrain.service.store.full_disk import problem_of_disk
from fedtrain.service.web.responses import JSON_TYPE, content_type, problem_response, unsupported_media_type
from fedtrain.service.web.validation import field_errors, problem_of, split_place
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("protocol.server")

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def add_problem_handlers(app: FastAPI) -> None:
    """Make `app` answer problems, validation errors and HTTP exceptions as problem documents."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(OSError, _on_os_error)


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this type
    return problem_response(error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this type
    return problem_response(_validation_problem(request, error))


def _validation_problem(request: Request, error: RequestValidationError) -> Problem:
    body_errors, parameter_errors, parameters = [], [], {}
    sent_type = content_type(request)
    for one in error.errors():
        place, loc = split_place(one["loc"])
        if one["type"] == "json_invalid":
            where = f" at character {one['loc'][-1]}" if isinstance(one["loc"][-1], int) else ""
            return Problem(Code.MALFORMED_JSON, f"The body is not JSON: {one.get('ctx', {}).get('error', '')}{where}.")
        if place == "body":
            if not loc and error.body is not None and not sent_type.endswith("json"):
                return unsupported_media_type(sent_type, JSON_TYPE)
            body_errors.append({**one, "loc": loc})
        else:
            parameter_errors.append({**one, "loc": loc})
            if loc and one["type"] != "missing":
                parameters[loc[0]] = one.get("input")
    return problem_of([*field_errors(parameter_errors, parameters), *field_errors(body_errors, error.body)])


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type
    path, method, headers = request.url.path, request.method, dict(error.headers or {})
    if error.status_code == 404:
        problem = Problem(Code.NOT_FOUND, f"There is nothing at {path[:200]}.")
    elif error.status_code == 405:
        # One route a method: the framework names the methods of the first route with this path alone.
        headers["Allow"] = ", ".join(_methods_at(request)) or headers.get("Allow", "")
        taken = headers["Allow"] or "another method"
        problem = Problem(Code.METHOD_NOT_ALLOWED, f"{path[:200]} takes {taken}, not {method}.")
    elif error.status_code == 400:
        # FastAPI answers so what json.loads refuses otherwise than by a syntax error: bytes that are not UTF-8,
        # nesting without end, integers of thousands of digits.
        problem = Problem(Code.MALFORMED_JSON, "The body is not JSON that can be read: UTF-8, of reasonable depth.")
    else:
        problem = Problem(Code.INVALID_REQUEST, str(error.detail))
    response = problem_response(problem)
    response.headers.update(headers)
    return response


def _methods_at(request: Request) -> list[str]:
    def takes(method: str) -> bool:
        asked = {**request.scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)

    return [method for method in _METHODS if takes(method)]


async def _on_os_error(_request: Request, error: Exception) -> Response:
    problem = problem_of_disk(error) if isinstance(error, OSError) else None
    if problem is None:
        raise error
    log.error("no room", detail=problem.detail)
    return problem_response(problem)


class UnexpectedErrorMiddleware:
    """ASGI middleware: an exception nobody foresaw is logged with an id, and the caller is told the id alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except ClientDisconnect:
            return  # in the middle of its request: nobody is left to be told, and nothing of ours has failed
        except Exception:
            error_id = token_hex(8)
            log.exception("request failed", error_id=error_id, method=scope["method"], path=scope["path"])
            if started:
                raise  # too late for another answer: the server breaks the connection, which the caller notices
            problem = Problem(Code.INTERNAL, f"Something unexpected happened; error id {error_id}.", error_id=error_id)
            await problem_response(problem)(scope, receive, send)
