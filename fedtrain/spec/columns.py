"""The columns of a table, as a spec and a consortium's schema declare them: the same at every party."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

MAX_COLUMNS = 4096
MAX_NAME = 256  # characters
#: Of all columns together: what every party compares whenever it reads a spec.
MAX_CATEGORIES = 20_000


class Strict(BaseModel):
    """Base of everything that comes from outside: unknown fields are refused, values never change after."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FeatureType(StrEnum):
    CONTINUOUS = "continuous"
    DISCRETE = "discrete"
    ORDINAL = "ordinal"
    NOMINAL = "nominal"


NUMERIC = (FeatureType.CONTINUOUS, FeatureType.DISCRETE)

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


class Feature(Column):
    """One input column. Continuous and discrete ones need `range`; ordinal and nominal ones `categories`."""

    type: FeatureType

    @model_validator(mode="after")
    def _complete(self) -> Self:
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

    @property
    def width(self) -> int:
        """Columns of the design matrix that this feature becomes: categories − 1 for nominal, else 1."""
        return len(self.categories or ()) - 1 if self.type is FeatureType.NOMINAL else 1


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
    column's own values, and is asked for where they can be read in two ways.
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
        if (self.target is None) == (self.targets is None):
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
