"""Arrays of exact integers and of doubles: sums of them that are rounded once, and how a state keeps them as JSON.

Every inner product is of Python integers, and every division is correctly rounded: no result depends on how a
linear algebra library orders its sums, so that a job that was interrupted ends with the same bits.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from fedtrain.crypto.packing.fixed_point import decode, encode, shift_half_even

Integers: TypeAlias = NDArray[np.object_]
Floats: TypeAlias = NDArray[np.float64]
Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"

T = TypeVar("T")


def dot(a: Integers, b: Integers) -> int:
    """Σ a_i·b_i of Python integers, exactly."""
    return int(sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True)))


def ratio(numerator: int, denominator: int) -> float:
    """numerator / denominator ≥ 0, correctly rounded; 0/0 is 0, and inf stands for what is beyond float64."""
    if denominator == 0:
        return 0.0 if numerator == 0 else math.inf
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf


def length_ratio(vector: Integers, reference: Integers) -> float:
    """‖vector‖ / ‖reference‖ of two columns at the same scale."""
    return math.sqrt(ratio(dot(vector, vector), dot(reference, reference)))


def quantise(values: Floats, fraction_bits: int) -> Integers:
    """Integers round(v·2^fraction_bits), half to even, of finite values of any size."""
    largest = float(np.abs(values).max(initial=0.0))
    return encode(values, fraction_bits, math.ceil(Fraction(largest) * (1 << fraction_bits)))


def to_floats(integers: Integers, fraction_bits: int) -> Floats:
    """integer / 2^fraction_bits, correctly rounded. Raises EncodingOverflow where one is beyond float64."""
    return decode(integers, fraction_bits)


def shifted(integers: Integers, shift: int) -> Integers:
    """round(v·2^shift), half to even, entry by entry."""
    result = np.empty(integers.shape, dtype=object)
    result.ravel()[:] = [shift_half_even(int(v), shift) for v in integers.ravel()]
    return result


def zeros(*shape: int) -> Integers:
    return np.full(shape, 0, dtype=object)


# As JSON: shape and digits in C order, floats in hexadecimal to the last bit


def integers_to_json(integers: Integers) -> Json:
    return {"shape": list(integers.shape), "hex": " ".join(f"{int(v):x}" for v in integers.ravel())}


def integers_from_json(stored: Any) -> Integers:
    """The inverse of `integers_to_json`; an array is itself. Raises ValueError for anything else."""
    return _array(stored, lambda word: int(word, 16), object)


def floats_to_json(values: Floats) -> Json:
    return {"shape": list(values.shape), "hex": " ".join(float(v).hex() for v in values.ravel())}


def floats_from_json(stored: Any) -> Floats:
    """The inverse of `floats_to_json`; an array is itself. Raises ValueError for anything else."""
    return _array(stored, float.fromhex, np.float64)


_BINARY_TYPES: Final = {"<f4": np.float32, "<f8": np.float64}


def binary_to_json(values: NDArray[Any]) -> Json:
    """float32 or float64 of any shape, its bytes in little-endian order as base64: for arrays of millions."""
    kind = values.dtype.newbyteorder("<").str
    if kind not in _BINARY_TYPES:
        raise ValueError(f"an array of {values.dtype} is not kept in binary")
    content = base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")
    return {"shape": list(values.shape), "type": kind, "base64": content}


def binary_from_json(stored: Any) -> NDArray[Any]:
    """The inverse of `binary_to_json`; an array is itself. Raises ValueError for anything else."""
    if isinstance(stored, np.ndarray):
        return stored
    if not isinstance(stored, dict) or stored.get("type") not in _BINARY_TYPES:
        raise ValueError("a binary array is stored as an object with its shape, type and base64")
    flat = np.frombuffer(base64.b64decode(stored["base64"], validate=True), dtype=stored["type"])
    return flat.astype(_BINARY_TYPES[stored["type"]]).reshape(stored["shape"])


def _array(stored: Any, number: Callable[[str], Any], dtype: Any) -> NDArray[Any]:
    if isinstance(stored, np.ndarray):
        return stored
    if not isinstance(stored, dict) or not isinstance(stored.get("hex"), str) or "shape" not in stored:
        raise ValueError("an array is stored as an object with its shape and its hexadecimal digits")
    words = stored["hex"].split()
    flat = np.empty(len(words), dtype=dtype)
    flat[:] = [number(word) for word in words]
    return flat.reshape(stored["shape"])


#: Annotations of a state's fields: dataclasses of them are kept by `to_json` and come back by `from_json`.
IntegerArray: TypeAlias = Annotated[
    Integers, PlainValidator(integers_from_json), PlainSerializer(integers_to_json, return_type=Any)
]
FloatArray: TypeAlias = Annotated[
    Floats, PlainValidator(floats_from_json), PlainSerializer(floats_to_json, return_type=Any)
]
BinaryArray: TypeAlias = Annotated[
    NDArray[Any], PlainValidator(binary_from_json), PlainSerializer(binary_to_json, return_type=Any)
]
HexFloat: TypeAlias = Annotated[
    float,
    PlainValidator(lambda stored: float.fromhex(stored) if isinstance(stored, str) else float(stored)),
    PlainSerializer(float.hex, return_type=str),
]
ExactFraction: TypeAlias = Annotated[
    Fraction, PlainValidator(lambda stored: Fraction(str(stored))), PlainSerializer(str, return_type=str)
]


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(lambda kind: TypeAdapter(kind))


def to_json(state: Any) -> Json:
    """A state, a dataclass whose fields are annotated as above, as plain JSON."""
    kept: Json = _adapter(type(state)).dump_python(state, mode="json")
    return kept


def from_json(kind: type[T], stored: Json) -> T:
    """The inverse of `to_json`. Raises ValueError for anything that is no such state."""
    state: T = _adapter(kind).validate_python(stored)
    return state
