"""An owner's mapping file: what turns its table into the columns of a consortium's dictionary.

It is TOML, the owner's own, and never leaves it. A table `[columns.NAME]` a column, by the dictionary's name for it:

    decimal = ","                            # of all columns that say nothing else

    [columns.sex]
    from = "Geschlecht"                      # the name here, or the position from 0; by default the same name
    fold = true                              # compare texts without case, and with single spaces
    recode = {"männlich" = "M", "weiblich" = "F"}
    missing = ["unbekannt", -999]            # what stands for a value that is missing

    [columns.weight_kg]
    from = "weight (lb)"
    factor = 0.45359237                      # value · factor + offset

    [columns.admitted]
    date = "%d.%m.%Y"                        # as in Python's strptime; the days since 1970-01-01
    since = 2000-01-01
    unit = "years"                           # of 365.2425 days
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, ValidationError, field_validator, model_validator

from fedtrain.spec.columns import MAX_COLUMNS, MAX_NAME, Category, DecimalMark, Number, Strict, ThousandsMark
from fedtrain.spec.columns import category_text as category
from fedtrain.spec.problems import Code, Problem

Unit = Literal["seconds", "minutes", "hours", "days", "weeks", "years"]

_DIRECTIVE: Final = re.compile(r"%(.)", re.DOTALL)
#: Directives of strptime that are refused, with what is wrong.
_REFUSED: Final = {
    **dict.fromkeys("yaAbBpcxXZ", "leaves the century open, or depends on a language"),
    **dict.fromkeys("UWuwGV", "counts weeks or their days, which strptime leaves out of the date"),
    "I": "counts twelve hours, and leaves it open which of the two a day has",
}
_COMMA_NUMBER: Final = re.compile(r"-?[0-9]+,[0-9]+")
#: A number with a fraction, as `category_text` writes it.
FRACTION: Final = re.compile(r"-?[0-9]+\.[0-9]+")


class ColumnMapping(Strict):
    """The rules of one column, applied in this order: missing codes, recode, dates, marks, factor and offset."""

    source: Annotated[StrictStr | Annotated[StrictInt, Field(ge=0, lt=MAX_COLUMNS)] | None, Field(alias="from")] = None
    fold: StrictBool = False
    missing: Annotated[tuple[Category, ...], Field(max_length=10_000)] = ()
    recode: Annotated[dict[str, Category], Field(max_length=10_000, default_factory=dict)]
    decimal: DecimalMark | None = None
    thousands: ThousandsMark | None = None
    factor: Number | None = None
    offset: Number | None = None
    date: Annotated[StrictStr, Field(min_length=2, max_length=100)] | None = None
    since: datetime.date | None = None
    unit: Unit | None = None

    @field_validator("factor")
    @classmethod
    def _some_factor(cls, value: float | None) -> float | None:
        if value == 0:
            raise ValueError("a factor of 0 makes all values one")
        return value

    @field_validator("date")
    @classmethod
    def _nothing_guessed(cls, value: str | None) -> str | None:
        used = [] if value is None else _DIRECTIVE.findall(value)
        for letter in used:
            if letter in _REFUSED:
                raise ValueError(f"%{letter} {_REFUSED[letter]}: write the dates in full, as %Y-%m-%d")
        if value is not None and "Y" not in used:
            raise ValueError(f'{value!r} has no %Y, the year: the form of 31.12.2020 is "%d.%m.%Y"')
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}: they are two different marks")
        if self.date is None and (self.since is not None or self.unit is not None):
            raise ValueError("since and unit belong to a date: give its form, such as date = '%Y-%m-%d'")
        marks = (self.decimal, self.thousands, self.factor, self.offset)
        if self.date is not None and any(rule is not None for rule in marks):
            raise ValueError("a date takes no decimal, thousands, factor or offset")
        seen: dict[str, str] = {}
        for text, value in self.recode.items():
            becomes = category(value)
            if seen.setdefault(self.key(text), becomes) != becomes:
                raise ValueError(f"recode: {text!r} is given twice, once as {seen[self.key(text)]!r}")
            if FRACTION.fullmatch(becomes) and self.decimal is None:
                raise ValueError(f"recode: {text!r} becomes {becomes}, a fraction: declare decimal for this column")
        both = sorted(seen.keys() & {self.key(category(code)) for code in self.missing})
        if both:
            raise ValueError(f"{both[0]!r} is in missing and in recode")
        return self

    def key(self, text: str) -> str:
        """Return the text by which values of this column are compared."""
        pointed = text.strip()
        if self.decimal == "," and _COMMA_NUMBER.fullmatch(pointed):
            pointed = pointed.replace(",", ".")
        plain = category(pointed)
        return " ".join(plain.casefold().split()) if self.fold else plain

    @property
    def replaces(self) -> bool:
        """True where some values become other texts."""
        return bool(self.missing or self.recode or self.date)


class Mapping(Strict):
    """A mapping file. `header`: whether the table's first record names its columns; None for what the schema says."""

    header: StrictBool | None = None
    decimal: DecimalMark | None = None
    thousands: ThousandsMark | None = None
    columns: Annotated[
        dict[Annotated[StrictStr, Field(min_length=1, max_length=MAX_NAME)], ColumnMapping],
        Field(max_length=MAX_COLUMNS, default_factory=dict),
    ]

    @model_validator(mode="after")
    def _columns_once(self) -> Self:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}: they are two different marks")
        by_source: dict[object, str] = {}
        for name in self.columns:
            source = self.source(name)
            if by_source.setdefault(source, name) != name:
                raise ValueError(f"columns.{name}: {source!r} is the source of columns.{by_source[source]} already")
        return self

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read a mapping file. Raises Problem(INVALID_REQUEST), naming the first field that is wrong."""
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise Problem(Code.INVALID_REQUEST, f"The mapping is not TOML: {error}.") from None
        except ValidationError as error:
            errors = [
                {"field": _field(item["loc"]), "message": item["msg"].removeprefix("Value error, ")}
                for item in error.errors(include_input=False, include_url=False)
            ]
            where = f"{errors[0]['field']}: " if errors[0]["field"] else ""
            detail = f"The mapping: {where}{errors[0]['message']}."
            raise Problem(Code.INVALID_REQUEST, detail, errors=errors) from None

    def source(self, name: str) -> str | int:
        """Return what the table calls a column of the dictionary that has rules: a name, or a position from 0."""
        source = self.columns[name].source
        return name if source is None else source

    def digest(self) -> str:
        """SHA-256 in hex of what it says, whatever its comments, spaces and order of columns."""
        document = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file. Raises Problem(INVALID_REQUEST), naming the file."""
    try:
        return Mapping.from_toml(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeError) as error:
        raise Problem(Code.INVALID_REQUEST, f"The mapping {path} cannot be read: {error}.") from None
    except Problem as problem:
        raise Problem(problem.code, f"{path}: {problem.detail}", **problem.extra) from None


def _field(loc: tuple[int | str, ...]) -> str:
    # Pydantic adds the name of a union's member, which is none of the file's.
    names = [str(part) for part in loc if part not in ("str", "int", "bool", "float", "constrained-int")]
    return ".".join(names)
