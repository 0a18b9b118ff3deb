"""The encoding belongs to the dataset: what a job's columns must equal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedtrain.spec.model_spec import Column, DataProps, Feature
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.reading.read import Table

#: What DataProps declares of the table as a whole, beside its header: the marks in its numbers.
MARKS = ("decimal", "thousands")


@dataclass(frozen=True)
class DatasetFacts:
    """A registered dataset version, as far as judging a job needs it.

    `version`: SHA-256 of the file's bytes. `columns`: the names of the file's columns, in
    order. `schema`: the declared encoding, None until one is given or adopted.
    """

    name: str
    version: str
    columns: tuple[str, ...]
    schema: DataProps | None


def differences(dataset: DatasetFacts, props: DataProps) -> list[str]:
    """Return what in a job's `data_props` is not the dataset's encoding: one sentence part a difference, none if it
    fits.

    A column must be in the file, be used once, and, where the dataset has a schema, be declared there in the same
    role with the same type, range, categories (in order) and missing rule. Descriptions do not matter.
    """
    schema = props if dataset.schema is None else dataset.schema
    if props.header != schema.header:
        return [f"header is {props.header} in the job and {schema.header} in the schema"]
    for mark in MARKS:
        ours, theirs = getattr(props, mark), getattr(schema, mark)
        if ours != theirs:
            return [f"{mark} is {_mark(ours)} in the job and {_mark(theirs)} in the schema"]
    try:
        used = by_position(dataset.columns, props)
        declared = by_position(dataset.columns, schema)
    except TableError as error:
        return [error.message]
    found = []
    for position, column in used.items():
        if position not in declared:
            found.append(f"{column.label} may not be used: the dataset's schema does not declare it")
        else:
            found += [f"{column.label}: {what}" for what in _column_differences(declared[position], column)]
    return found


def by_position(columns: Sequence[str], props: DataProps) -> dict[int, Column]:
    """The declared columns by their place in a file with these columns, in the order of the declaration.

    Raises fedtrain.tabular.errors.ColumnMismatch for one that is not there, ambiguous, or declared twice.
    """
    table = Table(Path("the table"), tuple(columns), None, props.header)
    return dict(zip(table.positions(props.columns), props.columns, strict=True))


def _column_differences(declared: Column, used: Column) -> list[str]:
    if isinstance(declared, Feature) != isinstance(used, Feature):
        return [f"is a {_role(used)} in the job and a {_role(declared)} in the schema"]
    found = []
    if isinstance(declared, Feature) and isinstance(used, Feature) and declared.type is not used.type:
        found.append(f"type is {used.type} in the job and {declared.type} in the schema")
    if isinstance(declared, Feature) and isinstance(used, Feature) and declared.array_shape != used.array_shape:
        shapes = [list(one.array_shape) for one in (used, declared)]
        found.append(f"shape is {shapes[0]} in the job and {shapes[1]} in the schema")
    if isinstance(declared, Feature) and isinstance(used, Feature) and declared.vocabulary != used.vocabulary:
        found.append(f"vocabulary is {used.vocabulary} in the job and {declared.vocabulary} in the schema")
    if declared.range != used.range:
        found.append(f"range is {_range(used)} in the job and {_range(declared)} in the schema")
    if declared.category_texts != used.category_texts:
        found.append("categories, or their order, are others than in the schema")
    if declared.missing != used.missing:
        found.append(f"missing is {used.missing!r} in the job and {declared.missing!r} in the schema")
    return found


def _role(column: Column) -> str:
    return "feature" if isinstance(column, Feature) else "target"


def _mark(mark: str | None) -> str:
    return "not given" if mark is None else repr(mark)


def _range(column: Column) -> str:
    return "none" if column.range is None else f"[{column.range[0]:g}, {column.range[1]:g}]"
