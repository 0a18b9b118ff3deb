"""A Data Owner's table: readable, and as its schema says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedtrain.service.health.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from fedtrain.data_owner.settings import DataOwnerSettings

_CHECK = "table"


def check_data(settings: DataOwnerSettings) -> Iterator[Finding]:
    """One finding about the table that the settings register at the start; the whole of it is read."""
    from fedtrain.data_owner.running.own_table import read_schema
    from fedtrain.spec.problems import Problem
    from fedtrain.tabular.arrays.numpy_pairs import one_table
    from fedtrain.tabular.check import check_table
    from fedtrain.tabular.errors import TableError
    from fedtrain.tabular.mapping.file import read_mapping
    from fedtrain.tabular.reading.read import open_mapped_table

    if settings.data is None:
        yield ok(_CHECK, "the settings name none")
        return
    try:
        schema = read_schema(settings.schema_file)
        mapping = None if settings.mapping is None else read_mapping(settings.mapping)
        with one_table(settings.data, settings.target) as path:
            if schema is None:
                table = open_mapped_table(path, mapping)
                yield ok(_CHECK, f"{settings.data} has {len(table.columns)} columns, and no schema says what they hold")
                return
            report = check_table(path, schema, None, mapping=mapping)
    except Problem as problem:
        yield fail("schema", problem.detail, "correct it, or name another with --schema or --mapping")
        return
    except TableError as error:
        yield fail(_CHECK, error.message, "correct the file, or name another with --data")
        return
    by = "" if settings.target is None else f" --target {settings.target}"
    by += "" if settings.mapping is None else f" --mapping {settings.mapping}"
    where = f"`fedtrain check {settings.schema_file} --data {settings.data}{by}` says more"
    more = len(report.findings) - 1
    found = "".join(report.findings[:1]) + (f"; {more} more" if more > 0 else "")
    if not report.usable:
        yield fail(_CHECK, f"{settings.data} does not fit its schema: {found}", where)
    elif report.questions:
        yield warn(_CHECK, f"{settings.data} raises a question: {found}", where)
    else:
        yield ok(_CHECK, f"{settings.data} fits its schema")
