"""Pictures of a test set that a classifier reads wrongly, those first of which it was surest."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from fedtrain.model_owner.arithmetic.arrays import Floats
from fedtrain.spec.model_spec import DataProps, FeatureType
from fedtrain.tabular.encode import EncodedBatch, Encoder

MOST_EXAMPLES: Final = 24
#: A side's pixels. Fewer columns are taken for a table's, and more are no small picture.
LEAST_SIDE, MOST_SIDE = 8, 64
_NUMBERS = (FeatureType.CONTINUOUS, FeatureType.DISCRETE)


class WrongExample(BaseModel):
    """A picture of class `true` that is read as `said`, with that probability.

    `row`: its place among the prediction's values, from 0. `pixels`: bytes in base64, channel by channel and line by
    line, 0 for the low end of the declared range and 255 for the high one.
    """

    row: int
    said: str
    true: str
    probability: float
    pixels: str


class WronglyRead(BaseModel):
    """Pictures that are read wrongly, of `wrong` in all; rows that a calibration was fitted on are left out.

    `shape`: channels, height and width; null, and no examples, where the model has no classes or its features are no
    picture.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                "dataset_id": "5c1f0e8a7b6d4e3f9a2b1c0d8e7f6a5b",
                "wrong": 31,
                "shape": [1, 8, 8],
                "examples": [{"row": 4, "said": "9", "true": "3", "probability": 0.97, "pixels": "AAAAPP8="}],
            }
        }
    )

    model_id: str
    dataset_id: str
    wrong: int = 0
    shape: tuple[int, int, int] | None = None
    examples: list[WrongExample] = []


@dataclass(frozen=True)
class Misread:
    """A row that is read wrongly: its place among the test set's encoded rows, from 0."""

    row: int
    said: str
    true: str
    probability: float


def picture_shape(props: DataProps) -> tuple[int, int, int] | None:
    """Return channels, height and width of the picture that all features together are, None where they are none.

    That is one vector or image of numbers with such a shape, or columns of numbers of one range that fill a square.
    """
    first = props.features[0]
    if len(props.features) == 1:
        if first.shape is None or first.range is None:
            return None
        shape = _square(first.shape[0]) if len(first.shape) == 1 else (*((1,) * (3 - len(first.shape))), *first.shape)
    elif all(one.type in _NUMBERS and one.range == first.range for one in props.features):
        shape = _square(len(props.features))
    else:
        return None
    if len(shape) != 3 or shape[0] not in (1, 3) or not all(LEAST_SIDE <= side <= MOST_SIDE for side in shape[1:]):
        return None
    return (shape[0], shape[1], shape[2])


def _square(pixels: int) -> tuple[int, ...]:
    side = isqrt(pixels)
    return (1, side, side) if side * side == pixels else ()


def misread(document: Mapping[str, Any]) -> list[Misread]:
    """Return what a prediction's document has of rows read wrongly, the surest first."""
    names: Sequence[str] = document["class_names"]
    fitted_on = set((document.get("calibration") or {"rows": []})["rows"])
    found = []
    for row, (said, true) in enumerate(zip(document["classes"], document["targets"], strict=True)):
        if said != true and row not in fitted_on:
            probability = _probability(document["values"][row], names.index(said))
            found.append(Misread(row, said, true, probability))
    return sorted(found, key=lambda one: (-one.probability, one.row))


def _probability(value: float | Sequence[float], place: int) -> float:
    if isinstance(value, int | float):  # of two classes, the second one's
        return value if place == 1 else 1.0 - value
    return value[place]


def drawn(wanted: Sequence[Misread], encoder: Encoder, batches: Iterable[EncodedBatch]) -> list[WrongExample]:
    """Return the examples with their pixels, which are looked for in the encoded test set as far as it takes."""
    pixels: dict[int, str] = {}
    last, before = max((one.row for one in wanted), default=-1), 0
    rows = {one.row for one in wanted}
    low, high = (float(end) for end in encoder.props.features[0].range or (0, 1))
    for batch in batches:
        if before > last:
            break
        for row in rows.intersection(range(before, before + len(batch.X))):
            pixels[row] = base64.b64encode(_greys(batch.X[row - before], encoder, low, high)).decode()
        before += len(batch.X)
    return [
        WrongExample(row=one.row, said=one.said, true=one.true, probability=one.probability, pixels=pixels[one.row])
        for one in wanted
    ]


def _greys(x: Floats, encoder: Encoder, low: float, high: float) -> bytes:
    """Return a byte a feature, without an intercept."""
    width = sum(len(codec.names) for codec in encoder.features)
    raw = x[:width] * encoder.half_width[:width] + encoder.centre[:width]
    return np.rint(255 * np.clip((raw - low) / (high - low), 0, 1)).astype(np.uint8).tobytes()
