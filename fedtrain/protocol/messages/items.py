"""Most items that a message of a type can have: what CBOR and JSON are held against before anything is built of them.

A byte of CBOR can be an empty map, and two of JSON an empty list: 64 to 100 bytes as Python holds them. So a limit on
a body's bytes is none on the memory that it takes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic import BaseModel

#: Where a type bounds none of its own, or allows more: what a megabyte of numbers has, and 30 MB of memory at most.
MOST_ITEMS = 300_000
#: For fields that a newer minor version adds.
_ADDITIONS = 256


@cache
def most_items(kind: type[BaseModel]) -> int:
    """Return how many values, keys included, a message of this type may have; MOST_ITEMS at most."""
    return int(min(MOST_ITEMS, _ADDITIONS + _of(kind, ())))


def _of(annotation: Any, constraints: tuple[Any, ...]) -> float:
    """Return the items of one value of that type; infinity where its declaration sets no bound."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of(arguments[0], (*constraints, *annotation.__metadata__))
    if origin in (Union, UnionType):
        return max(_of(one, constraints) for one in arguments)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.values()
        return 1 + sum(1 + _of(field.annotation, tuple(field.metadata)) for field in fields)
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return 1 + sum(_of(one, ()) for one in arguments)
    if origin in (tuple, list, frozenset, set):
        return 1 + _length(constraints) * _of(arguments[0], ())
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return 1 + _length(constraints) * sum(_of(one, ()) for one in arguments)
    return 1 if annotation is NoneType or annotation not in (Any, object, dict, list, tuple) else math.inf


def _length(constraints: tuple[Any, ...]) -> float:
    given = [_max_length(one) for one in constraints]
    return min((one for one in given if one is not None), default=math.inf)


def _max_length(constraint: Any) -> int | None:
    if isinstance(constraint, MaxLen):
        return constraint.max_length
    # pydantic's Field within an Annotated that it has not taken apart
    return next((one.max_length for one in getattr(constraint, "metadata", ()) if isinstance(one, MaxLen)), None)
