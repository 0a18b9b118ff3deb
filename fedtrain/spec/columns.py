"""The columns of a table, as a spec and a consortium's schema declare them: the same at every party."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_serializer,
    model_validator,
)

MAX_COLUMNS = 4096
MAX_NAME = 256  # characters
#: Of all columns together: what every party compares whenever it reads a spec.
MAX_CATEGORIES = 20_000
#: Numbers that the features of one record become: a photograph of 3 × 512 × 512 pixels has fewer.
MAX_WIDTH = 1 << 20
#: Whole numbers that a 32-bit float tells apart.
MAX_VOCABULARY = 1 << 24


class Strict(BaseModel):
    """Base of everything that comes from outside: unknown fields are refused, values never change after."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FeatureType(StrEnum):
    CONTINUOUS = "continuous"
    DISCRETE = "discrete"
    ORDINAL = "ordinal"
    NOMINAL = "nominal"
    VECTOR = "vector"
    TEXT = "text"
    IMAGE = "image"


NUMERIC = (FeatureType.CONTINUOUS, FeatureType.DISCRETE)
#: Each value is an array of numbers, which a network takes, and no regression.
ARRAYS = (FeatureType.VECTOR, FeatureType.TEXT, FeatureType.IMAGE)

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Category = StrictStr | StrictInt | StrictBool | Number
DecimalMark = Literal[".", ","]
ThousandsMark = Literal[",", ".", "'", " "]


def check_range(value: tuple[float, float] | None) -> tuple[float, float] | None:
    """Raise ValueError unless low < high; both are finite by type."""
    if value is not None:
        low, high = value
        if not low < high:
            raise ValueError(f"range [{low:g}, {high:g}]: the low end must be below the high end")
        if not math.isfinite(high - low):
            raise ValueError(f"range [{low:g}, {high:g}] is too wide for a double")
        if (high - low) / 2 == 0:
            raise ValueError(f"range [{low:g}, {high:g}] is too narrow for a double")
    return value


# A number written out in full. "007" and "1E5" are codes, and another text is another code.
_NUMBER_TEXT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


def category_text(value: Category) -> str:
    """The text that a category, and a table's cell, is compared by.

    A number written out in full is its value: 1, 1.0, "1" and "1.0" are one category. True, "true" and "TRUE" are one.
    Any other text is itself, without spaces around it and in Unicode's form NFC: "1E5" is not "100000", nor "007" "7".
    """
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        text = plain_text(value)
        if text.casefold() in ("true", "false"):
            return text.capitalize()
        if not _NUMBER_TEXT.fullmatch(text):
            return text
        digits = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if digits == "-0" else digits
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    return plain_number(value)


def plain_text(text: str) -> str:
    """A name or category as it is compared: without spaces around it, in Unicode's form NFC."""
    return unicodedata.normalize("NFC", text.strip())


def plain_number(value: float) -> str:
    """A finite number written out in full, without an exponent, as short as reads back as the same number."""
    return format(Decimal(repr(value)), "f")


class Column(Strict):
    """A column of a table, by position or by name: exactly one of the two."""

    col_idx: Annotated[StrictInt, Field(ge=0, lt=MAX_COLUMNS)] | None = None
    name: Annotated[StrictStr, Field(min_length=1, max_length=MAX_NAME)] | None = None
    description: Annotated[StrictStr, Field(max_length=2000)] = ""
    range: tuple[Number, Number] | None = None
    categories: Annotated[tuple[Category, ...], Field(max_length=10_000)] | None = None
    missing: Literal["error", "drop"] | Category = "error"

    _range = field_validator("range")(check_range)

    @field_validator("categories")
    @classmethod
    def _distinct(cls, value: tuple[Category, ...] | None) -> tuple[Category, ...] | None:
        if value is not None:
            if len(value) < 2:
                raise ValueError(f"categories: {len(value)} given, at least 2 are needed")
            twice = min((text for text, times in Counter(map(category_text, value)).items() if times > 1), default=None)
            if twice is not None:
                raise ValueError(f"categories: {twice!r} is given twice")
        return value

    @model_validator(mode="after")
    def _one_reference(self) -> Self:
        if (self.col_idx is None) == (self.name is None):
            raise ValueError("give exactly one of col_idx and name")
        return self

    @property
    def label(self) -> str:
        """Name of this column to a person: its name, its description's start, or its position."""
        return self.name if self.name is not None else f"column {self.col_idx}"

    @property
    def category_texts(self) -> tuple[str, ...]:
        return tuple(category_text(item) for item in self.categories or ())


#: Fields that arrays alone have.
_OF_ARRAYS = ("shape", "vocabulary", "tokens")
#: Fields that each type needs, and those that it may have.
_ARRAY_FIELDS = {
    FeatureType.VECTOR: (("shape",), ("shape", "range", "vocabulary")),
    FeatureType.TEXT: (("vocabulary", "tokens"), ("vocabulary", "tokens")),
    FeatureType.IMAGE: (("shape", "range"), ("shape", "range")),
}
_EXAMPLES = {"shape": "[1, 28, 28]", "range": "[0, 255]", "vocabulary": "4096", "tokens": "30"}


class Feature(Column):
    """One input column. Continuous and discrete ones need `range`; ordinal and nominal ones `categories`.

    A vector needs `shape`, and `range` for numbers or `vocabulary` for ids, whole numbers from 0 to vocabulary − 1. A
    text needs `vocabulary` and `tokens`: as many ids, 0 where there is no word. An image needs `shape`, (channels,
    height, width), and the `range` that its pixels, from 0 to 255, are scaled by.
    """

    type: FeatureType
    shape: Annotated[tuple[Annotated[StrictInt, Field(ge=1, le=MAX_WIDTH)], ...], Field(min_length=1, max_length=4)] | (
        None
    ) = None
    vocabulary: Annotated[StrictInt, Field(ge=2, le=MAX_VOCABULARY)] | None = None
    tokens: Annotated[StrictInt, Field(ge=1, le=MAX_WIDTH)] | None = None

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave unused fields out: a column without them is signed as before there were any."""
        fields: dict[str, Any] = serialise(self)
        for name in _OF_ARRAYS:
            if fields.get(name) is None:
                fields.pop(name, None)
        return fields

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.type in ARRAYS:
            self._check_array()
            return self
        given = next((name for name in _OF_ARRAYS if getattr(self, name) is not None), None)
        if given is not None:
            raise ValueError(f"{self.label}: a {self.type} feature takes no {given}; a vector, text or image does")
        if self.type in NUMERIC:
            if self.range is None:
                raise ValueError(f"{self.label}: a {self.type} feature needs a range, such as [0, 100]")
            if self.categories is not None:
                raise ValueError(f"{self.label}: a {self.type} feature takes no categories")
            is_number = isinstance(self.missing, int | float) and not isinstance(self.missing, bool)
            if not is_number and self.missing not in ("error", "drop"):
                raise ValueError(f"{self.label}: missing is {self.missing!r}; use error, drop or a number")
            if isinstance(self.missing, int | float) and not (self.range[0] <= self.missing <= self.range[1]):
                raise ValueError(f"{self.label}: missing is {self.missing}, outside the range {list(self.range)}")
        else:
            if self.categories is None:
                raise ValueError(f"{self.label}: {self.type} features need categories, in order")
            if self.range is not None:
                raise ValueError(f"{self.label}: {self.type} features take categories, not a range")
            if self.missing not in ("error", "drop") and category_text(self.missing) not in self.category_texts:
                raise ValueError(f"{self.label}: missing is {self.missing!r}, which is none of the categories")
        return self

    def _check_array(self) -> None:
        """Raise ValueError where a vector, text or image lacks a field, or has one too many."""
        needed, allowed = _ARRAY_FIELDS[self.type]
        for name in ("shape", "range", "vocabulary", "tokens", "categories"):
            given = getattr(self, name) is not None
            if given and name not in allowed:
                raise ValueError(f"{self.label}: {_a(self.type)} feature takes no {name}")
            if not given and name in needed:
                raise ValueError(f"{self.label}: {_a(self.type)} feature needs {name}, such as {_EXAMPLES[name]}")
        if self.type is FeatureType.VECTOR and (self.range is None) == (self.vocabulary is None):
            raise ValueError(
                f"{self.label}: a vector feature needs a range for numbers, or a vocabulary for ids, one of the two"
            )
        if self.missing not in ("error", "drop"):
            raise ValueError(f"{self.label}: missing is {self.missing!r}; use error or drop")
        if self.type is FeatureType.IMAGE and (len(self.array_shape) != 3 or self.array_shape[0] not in (1, 3)):
            raise ValueError(
                f"{self.label}: shape is {list(self.array_shape)}; an image has [channels, height, width], 1 channel "
                "for grey or 3 for colour"
            )
        if self.width > MAX_WIDTH:
            raise ValueError(
                f"{self.label}: shape {list(self.array_shape)} has {self.width:,} numbers, {MAX_WIDTH:,} at most"
            )

    @property
    def array_shape(self) -> tuple[int, ...]:
        """The shape of the numbers that one value of this feature becomes."""
        if self.type is FeatureType.TEXT:
            return (self.tokens or 0,)
        if self.type in ARRAYS:
            return self.shape or ()
        return (len(self.categories or ()) - 1,) if self.type is FeatureType.NOMINAL else (1,)

    @property
    def width(self) -> int:
        """Columns of the design matrix that this feature becomes: categories − 1 for nominal, all numbers of an array.

        1 for every other type.
        """
        return math.prod(self.array_shape)


def _a(type_: FeatureType) -> str:
    return f"an {type_}" if type_ is FeatureType.IMAGE else f"a {type_}"


class Target(Column):
    """A column to predict: a `range` for regression, `categories` for classification (the second is positive)."""

    missing: Literal["error", "drop"] = "error"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.range is None) == (self.categories is None):
            raise ValueError(f"{self.label}: a target needs a range (regression) or categories (classification)")
        return self


class DataProps(Strict):
    """Columns of a table as they become a design matrix and targets; also the shape of `schema.json`.

    `decimal`, `thousands`: the marks in the table's numbers, where they are texts. What is not given follows from each
    column's own values, and is asked for where they can be read in two ways. A data dictionary may leave the target
    open, which every job then names.
    """

    header: StrictBool = True
    decimal: DecimalMark | None = None
    thousands: ThousandsMark | None = None
    features: Annotated[tuple[Feature, ...], Field(min_length=1, max_length=MAX_COLUMNS)]
    target: Target | None = None
    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=64)] | None = None

    @model_validator(mode="after")
    def _columns(self) -> Self:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}: they are two different marks")
        if self.target is not None and self.targets is not None:
            raise ValueError("give exactly one of target and targets")
        seen: set[object] = set()
        for column in (*self.features, *self.all_targets):
            key = column.name if column.name is not None else column.col_idx
            if key in seen:
                raise ValueError(f"{column.label} is used twice")
            seen.add(key)
            if column.name is not None and not self.header:
                raise ValueError(f"{column.label} is given by name, but header is false: use col_idx")
        categories = sum(len(column.categories or ()) for column in self.columns)
        if categories > MAX_CATEGORIES:
            raise ValueError(f"the columns have {categories:,} categories together, {MAX_CATEGORIES:,} at most")
        width = sum(feature.width for feature in self.features)
        if width > MAX_WIDTH:
            raise ValueError(f"a record's features have {width:,} numbers together, {MAX_WIDTH:,} at most")
        return self

    @property
    def all_targets(self) -> tuple[Target, ...]:
        return self.targets if self.targets is not None else (self.target,) if self.target is not None else ()

    @property
    def columns(self) -> tuple[Column, ...]:
        return (*self.features, *self.all_targets)

    @property
    def dimensions(self) -> int:
        """d: columns of the design matrix, the intercept (the last one) included."""
        return sum(feature.width for feature in self.features) + 1
