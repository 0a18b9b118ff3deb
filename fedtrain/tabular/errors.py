"""Everything that this package raises on purpose, and the catalogue of codes.

    TableError
    ├── UnreadableTable      the file as a whole
    ├── ColumnMismatch       the table's columns and the declared ones
    ├── BadValues            values that do not fit a column's declaration
    └── BadRow               a row given for prediction that has the wrong shape

The message is for the owner of the table: it may quote a value. What tells *others* why a table was
declined is `code` alone; it holds no value, no count and no name.
"""

# Named for what happened, as in "raise ColumnMismatch"; the suffix Error would add nothing.
# ruff: noqa: N818

from __future__ import annotations

from types import MappingProxyType
from typing import Final

CODES: Final = MappingProxyType(
    {
        "unreadable-file": "the file cannot be read as CSV or Parquet",
        "wrong-field-count": "a record has more or fewer fields than the table has columns",
        "no-rows": "the table has no rows to use",
        "column-not-in-file": "a declared column is not in the table",
        "column-ambiguous": "a declared column name occurs more than once in the table",
        "column-used-twice": "one column of the table is declared twice, by name and by position",
        "text-in-numeric-column": "a column declared numeric holds text",
        "number-ambiguous": "a number can be read in two ways, for want of a declared decimal mark",
        "number-too-long": "a whole number has more digits than can be computed with",
        "value-not-finite": "a numeric column holds an infinite value",
        "missing-values": "values are missing where the declaration says that none may be",
        "value-out-of-range": "an unscaled feature holds values outside its declared range",
        "target-out-of-range": "the target holds values outside its declared range",
        "unknown-category": "a column holds a category that is not declared",
        "wrong-type": "a column declared a vector, text or image holds values of another type",
        "wrong-shape": "a vector or an image is not of the declared shape",
        "id-not-in-vocabulary": "a vector of ids holds something else than whole numbers of its vocabulary",
        "text-too-long": "a text is longer than any that is read",
        "unreadable-image": "an image cannot be found, or is no whole PNG or JPEG",
        "row-malformed": "a row for prediction is neither an object nor a list of the right length",
        "unknown-field": "a row for prediction has a field that is no feature of the model",
    }
)


class TableError(Exception):
    """Base of every error of this package.

    Attributes:
        code: an entry of CODES; all that may be told to others.
        column: the declared column's label, where one column is at fault.
        rows: numbers of offending records, the first one being 1 and the header not counted; only the first few.
    """

    def __init__(
        self, code: str, message: str, *, column: str | None = None, rows: tuple[int, ...] | None = None
    ) -> None:
        if code not in CODES:
            raise ValueError(f"{code!r} is not in the catalogue of table errors")
        super().__init__(message)
        self.code = code
        self.message = message
        self.column = column
        self.rows = rows

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.code, self.message, self.column, self.rows)


def _rebuild(
    kind: type[TableError], code: str, message: str, column: str | None, rows: tuple[int, ...] | None
) -> TableError:
    return kind(code, message, column=column, rows=rows)


class UnreadableTable(TableError):
    """The file is missing, damaged, of another format, or without rows."""


class ColumnMismatch(TableError):
    """The declared columns do not match the table's."""


class BadValues(TableError):
    """Values that do not fit the declaration of their column."""


class BadRow(TableError):
    """A row given for prediction that cannot be lined up with the features."""
