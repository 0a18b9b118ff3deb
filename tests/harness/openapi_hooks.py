"""Facts of these services that schemathesis has to know: bodies that are bytes, waits that end, and things that are
there.

Loaded by the command itself, by SCHEMATHESIS_HOOKS. THINGS_THERE holds, as JSON, the values that path and query
parameters take in half of the cases, in place of made-up ones: with those alone, almost all answers would be 404.
"""

from __future__ import annotations

import json
import os
from typing import Any

import schemathesis

THERE: dict[str, str] = json.loads(os.environ["THINGS_THERE"])
BYTES = ("application/cbor", "application/octet-stream", "application/vnd.apache.parquet", "text/csv")


@schemathesis.serializer(*BYTES)
def as_they_are(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Bytes and text as they are; anything else as JSON, which these routes have to refuse."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value, default=repr)).encode("utf-8", "replace")


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _options: dict[str, Any]) -> None:
    """Name things that are there in half of the cases; let no long poll outlast the test."""
    if isinstance(case.query, dict) and _is_number(case.query.get("wait")):
        case.query["wait"] = 0
    if case.meta is not None and case.meta.generation.mode is schemathesis.GenerationMode.NEGATIVE:
        return  # what is wrong with it may be the very name
    # By the case itself, so that the same case is the same request when it is run again.
    if sum(repr((case.path_parameters, case.query)).encode()) % 2:
        for values in (case.path_parameters, case.query):
            for name in set(values or {}) & set(THERE):
                values[name] = THERE[name]


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True
