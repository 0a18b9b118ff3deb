"""From pydantic's errors to what a person corrects: field, message, and the value where it is not secret."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fedtrain.service.runtime.logging import SECRET_FIELDS
from fedtrain.spec.problems import Code, Problem

AnyModel = TypeVar("AnyModel", bound=BaseModel)

_PLACES = ("body", "query", "path", "header", "cookie")
_MAX_SHOWN = 100
#: Words for the forms of what people write by hand, where pydantic quotes a regular expression.
_FORMS = {
    "^[0-9a-f]{64}$": "64 digits 0 to 9 and a to f are needed, as of a party's id.",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$": (
        "Letters, digits, '.', '_' and '-' are taken, with a letter or digit first, 100 at most."
    ),
}


def field_errors(errors: Sequence[Mapping[str, Any]], data: object) -> list[dict[str, object]]:
    """Return one `{"field", "message"[, "value"]}` a field, from pydantic's `errors()` over `data`.

    Locations name union members ("rounds.constrained-int") that are no fields; `data` tells them apart. The values of
    secret fields and everything that is not a short scalar stay out.
    """
    merged: dict[str, dict[str, object]] = {}
    for error in errors:
        if error["type"] == "too_short" and any(_is_inside(other["loc"], error["loc"]) for other in errors):
            continue  # pydantic counts only the items that are right, and those that are wrong are named themselves
        names = _names(error["loc"], data, missing=error["type"] == "missing")
        field = ".".join(names)
        message = _message(error) if names else _message(error).replace("This field", "A body")
        if field not in merged:
            merged[field] = {"field": field, "message": message}
            if names and error["type"] != "missing" and not SECRET_FIELDS.intersection(names):
                _show(merged[field], error.get("input"))
        elif message not in str(merged[field]["message"]).split("; or: "):
            merged[field]["message"] = f"{merged[field]['message']}; or: {message}"
    return list(merged.values())


def validation_problem(error: ValidationError, data: object, code: Code = Code.INVALID_REQUEST) -> Problem:
    """Return the problem that names every field in which `data` does not have the model's form."""
    errors = field_errors(error.errors(include_url=False, include_context=False), data)
    return problem_of(errors, code)


def parsed_body(body: bytes, kind: type[AnyModel]) -> AnyModel:
    """Return a request's JSON as `kind`. Raises Problem: MALFORMED_JSON, INVALID_REQUEST naming the fields."""
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(Code.MALFORMED_JSON, f"The body is not JSON: {error}.") from None
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise validation_problem(error, sent) from None


def parsed_object(sent: object, kind: type[AnyModel]) -> AnyModel:
    """Return what was read from JSON as `kind`. Raises Problem(INVALID_REQUEST) naming the fields."""
    try:
        return kind.model_validate(sent)
    except ValidationError as error:
        raise validation_problem(error, sent) from None


def problem_of(errors: list[dict[str, object]], code: Code = Code.INVALID_REQUEST) -> Problem:
    """Return the problem that carries `errors`, which is not empty; its detail names the first."""
    first = errors[0]
    more = f" ({len(errors) - 1} more in `errors`.)" if len(errors) > 1 else ""
    where = f"{first['field']}: " if first["field"] else ""
    return Problem(code, f"{where}{first['message']}{more}", errors=errors)


def _is_inside(loc: Sequence[object], outer: Sequence[object]) -> bool:
    return len(loc) > len(outer) and tuple(loc[: len(outer)]) == tuple(outer)


def _names(loc: Sequence[str | int], data: Any, *, missing: bool) -> list[str]:
    names, at = [], data
    for index, part in enumerate(loc):
        if _holds(at, part):
            at = at[part]
        elif not (missing and index == len(loc) - 1):
            continue  # the name of a union's member, not of a field
        names.append(str(part)[:_MAX_SHOWN])
    return names


def _holds(at: Any, part: str | int) -> bool:
    if isinstance(at, Mapping):
        return part in at
    return isinstance(at, list | tuple) and isinstance(part, int) and part < len(at)


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "There is no such field: remove it, or correct its name."
    if error["type"] == "missing":
        return "This field is needed."
    text = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch":
        text = next((words for form, words in _FORMS.items() if f"'{form}'" in text), text)
    return text if text.endswith(".") else text + "."


def _show(entry: dict[str, object], value: object) -> None:
    if value is None or isinstance(value, bool):
        entry["value"] = value
    elif isinstance(value, int | float | str):
        shown = value if isinstance(value, str) else repr(value)
        entry["value"] = shown if len(shown) <= _MAX_SHOWN else shown[:_MAX_SHOWN] + "…"


def split_place(loc: Sequence[str | int]) -> tuple[str, tuple[str | int, ...]]:
    """Split FastAPI's location into where it is ("body", "query", …) and the rest."""
    if loc and loc[0] in _PLACES:
        return str(loc[0]), tuple(loc[1:])
    return "body", tuple(loc)
