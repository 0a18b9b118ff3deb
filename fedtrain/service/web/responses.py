"""Bodies in and out: problem documents, CBOR, and the content types that a route takes."""

from __future__ import annotations

import json
from typing import Any, cast

from fastapi import Request, Response
from pydantic import BaseModel

from fedtrain.protocol.messages.tasks import CBOR_TYPE, JSON_TYPE
from fedtrain.spec.problems import PROBLEM_JSON, Code, Problem
from fedtrain.spec.shown_text import shown


class CborResponse(Response):
    """Exact bytes, sent as application/cbor."""

    media_type = CBOR_TYPE


def problem_response(problem: Problem) -> Response:
    """Return the problem document (RFC 9457) as a response."""
    headers = {}
    if problem.code is Code.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(retry_after_s := problem.extra.get("retry_after_s"), int):
        headers["Retry-After"] = str(retry_after_s)
    body = shown(json.dumps(problem.to_dict(), ensure_ascii=False, default=str)).encode()
    return Response(body, problem.code.status, headers, PROBLEM_JSON)


def content_type(request: Request) -> str:
    """Return the request's media type in lower case without parameters, "" when it names none."""
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


async def body_as(request: Request, *media_types: str) -> bytes:
    """Return the request's exact bytes. Raises Problem(UNSUPPORTED_MEDIA_TYPE) when they are of another type."""
    sent = content_type(request)
    if sent not in media_types:
        raise unsupported_media_type(sent, *media_types)
    return await request.body()


def unsupported_media_type(sent: str, *media_types: str) -> Problem:
    """Return the problem that names the type that was sent and those that are taken."""
    taken = " or ".join(media_types)
    return Problem(Code.UNSUPPORTED_MEDIA_TYPE, f"Content-Type is {sent[:100] or 'missing'}; this route takes {taken}.")


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI: the JSON schema of a body that the route reads by itself, with every definition where it is used.

    References within such a schema would lead nowhere: they count from the root of the whole OpenAPI document.
    """
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def placed(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                found = definitions[part["$ref"].removeprefix("#/$defs/")]
                part = {**found, **{key: value for key, value in part.items() if key != "$ref"}}
            return {key: placed(value) for key, value in part.items()}
        return [placed(one) for one in part] if isinstance(part, list) else part

    return cast(dict[str, Any], placed(schema))


PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "Problem details (RFC 9457)",
    "type": "object",
    "required": ["type", "title", "status", "detail", "remedy"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "The page on this problem, at the same service; ends in the problem's code",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, with which value"},
        "remedy": {"type": "string", "description": "What to do about it"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}, "value": {}},
            },
        },
    },
}

_EXAMPLE = Problem(
    Code.INVALID_REQUEST,
    "training.rounds: Input should be greater than or equal to 1.",
    errors=[{"field": "training.rounds", "message": "Input should be greater than or equal to 1.", "value": "0"}],
).to_dict()

#: OpenAPI: what every route may answer instead.
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": description,
        "content": {PROBLEM_JSON: {"schema": PROBLEM_SCHEMA, "example": _EXAMPLE}},
    }
    for status, description in (("4XX", "The request is refused"), ("5XX", "The service cannot answer now"))
}

__all__ = [
    "CBOR_TYPE",
    "JSON_TYPE",
    "PROBLEM_RESPONSES",
    "CborResponse",
    "body_as",
    "content_type",
    "problem_response",
    "schema_of",
    "unsupported_media_type",
]
