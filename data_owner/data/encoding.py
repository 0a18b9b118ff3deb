"""The encoding belongs to the dataset: what a job's columns must equal. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedtrain.methods.regression.from_spec import RECORD_FRACTION_BITS
from fedtrain.spec.model_spec import Column, DataProps, Feature, Target
from fedtrain.spec.roles import as_feature, as_target, no_target_because
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.mapping.file import Mapping
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

    A column must be in the file, be used once, and, where the dataset has a schema, be declared there with the same
    type, range, categories (in order) and missing rule, as a feature or a target: which it is the job says, as far as
    `fedtrain.spec.roles` lets it. Descriptions do not matter.
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


def encoding_hash(schema: DataProps, mapping: Mapping | None) -> str:
    """Return the hash of what a schema declares, without the descriptions, of what records are rounded to, and of
    the mapping that the table is read by: 64 hexadecimal digits.
    """
    columns = [column.model_dump(mode="json", exclude={"description"}) for column in schema.columns]
    marks = {mark: getattr(schema, mark) for mark in MARKS if getattr(schema, mark) is not None}
    # What records are rounded to is part of what a sum says of them.
    what = [schema.header, len(schema.features), columns, RECORD_FRACTION_BITS, *([marks] if marks else [])]
    if mapping is not None:
        what.append(mapping.digest())
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _column_differences(declared: Column, used: Column) -> list[str]:
    if isinstance(declared, Feature) and isinstance(used, Target):
        why = no_target_because(declared)
        if why is not None:
            return [f"can be no target: {why}"]
    elif isinstance(declared, Target) and isinstance(used, Feature):
        declared = as_feature(declared, used.type)
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


def in_roles(schema: DataProps, props: DataProps, columns: Sequence[str]) -> DataProps:
    """The schema with its columns in the roles that a job's `props` give them; as it is where they are that already.

    What the job does not use predicts, as far as roles change at all. `columns`: the names of the file's. Raises
    ColumnMismatch where either does not fit the file, ValueError for a column that can be no target.
    """
    declared, used = by_position(columns, schema), by_position(columns, props)
    if all(isinstance(declared[place], Feature) == isinstance(one, Feature) for place, one in used.items()):
        return schema
    targets = [place for place, one in used.items() if isinstance(one, Target)]
    return schema.model_copy(
        update={
            "features": tuple(as_feature(one) for place, one in declared.items() if place not in targets),
            "target": None,
            "targets": tuple(as_target(declared[place]) for place in targets),
        }
    )


def _mark(mark: str | None) -> str:
    return "not given" if mark is None else repr(mark)


def _range(column: Column) -> str:
    return "none" if column.range is None else f"[{column.range[0]:g}, {column.range[1]:g}]"
