"""`fedtrain check`: what a Data Owner looks at before it lets a table take part.

It reads the table on this machine and talks to nobody. What it prints quotes values: it is for the owner alone.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedtrain.cli.output import Failure, console, print_json, print_table, wrong_fields
from fedtrain.cli.owner.policy import read_policy

if TYPE_CHECKING:
    from fedtrain.data_owner.policy.rules import OwnerPolicy
    from fedtrain.spec.model_spec import DataProps, ModelSpec, ModelType
    from fedtrain.tabular.check import TableReport
    from fedtrain.tabular.findings import Scaling
    from fedtrain.tabular.mapping.effects import ColumnEffects
    from fedtrain.tabular.mapping.file import Mapping

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def _read_declaration(path: Path) -> tuple[DataProps, ModelType | None, Scaling, ModelSpec | None]:
    """Return columns, model type, scaling and the spec itself; a schema.json has the columns alone, of any type."""
    from fedtrain.cli.jobs.client import read_json
    from fedtrain.spec.model_spec import DataProps, ModelSpec

    document = read_json(path)
    if isinstance(document, dict) and "model_type" not in document and "features" in document:
        props: DataProps = _validate(path, document, DataProps)
        return props, None, "range", None
    spec: ModelSpec = _validate(path, document, ModelSpec)
    return spec.data_props, spec.model_type, spec.training.scaling, spec


def _validate(path: Path, document: object, kind: Any) -> Any:
    from pydantic import ValidationError

    try:
        return kind.model_validate_json(_as_json(document))
    except ValidationError as error:
        raise Failure(f"{path}: {wrong_fields(error, document)}") from None


def _as_json(document: object) -> str:
    # Strict models take a JSON array for a tuple only from JSON itself.
    import json

    return json.dumps(document)


def check(
    spec: Annotated[Path, typer.Argument(help="A model spec, or a consortium's schema.json.")],
    data: Annotated[Path, typer.Option(help="The table: CSV or Parquet, or x.npy with --target y.npy.")],
    target: Annotated[Path | None, typer.Option(help="The NumPy array of the targets, where --data is one.")] = None,
    policy: Annotated[
        Path | None, typer.Option(help="The policy file that the table is held against; else a service's default.")
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="The owner's mapping.toml, which turns the table into the spec's columns.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which columns of a table don't fit a spec, what its ranges would clip, and which rows would stand out."""
    from fedtrain.data_owner.policy.rules import OwnerPolicy
    from fedtrain.tabular.arrays.numpy_pairs import one_table
    from fedtrain.tabular.check import check_table
    from fedtrain.tabular.mapping.file import read_mapping

    props, model_type, scaling, whole = _read_declaration(spec)
    # Without a file the policy of a service on loopback that knows its peers: it asks for no least number of rows.
    allowed = OwnerPolicy(min_rows=OwnerPolicy.for_loopback().min_rows) if policy is None else read_policy(policy)
    if not data.exists():
        raise Failure(f"{data}: there is no such file")
    rules = None if mapping is None else read_mapping(mapping)
    with one_table(data, target) as table:
        private = whole is not None and whole.privacy is not None
        report = check_table(table, props, model_type, scaling, rules, leaves_out=private)
        if whole is not None and private:
            _hold_against_room(whole, report)
        elif report.usable:
            _hold_against(allowed, whole, props, scaling, report, rules)
        effects = [] if rules is None else _effects(table, rules, props)
    report.path = str(data)
    if whole is not None:
        _plan(whole, report)
    if as_json:
        print_json(report.as_dict() | ({} if rules is None else {"mapping": [asdict(one) for one in effects]}))
    else:
        _print_effects(effects)
        _print_report(report)
    if not report.usable:
        raise typer.Exit(1)


def _hold_against(
    policy: OwnerPolicy,
    spec: ModelSpec | None,
    props: DataProps,
    scaling: Scaling,
    report: TableReport,
    mapping: Mapping | None,
) -> None:
    """Add to the report what a job over this table would be declined for, or wait for a person."""
    import numpy as np

    from fedtrain.data_owner.data.frozen.folder import SALT_BYTES, VALIDATION_FRACTION
    from fedtrain.data_owner.data.rows.counted import held_out_records
    from fedtrain.data_owner.data.rows.split import ValidationSplit
    from fedtrain.data_owner.policy.inspection import inspect_table
    from fedtrain.data_owner.policy.rules import Ruling, judge_rows, judge_table, standing_out_risks
    from fedtrain.tabular.check import Problem
    from fedtrain.tabular.dictionary import Dictionary
    from fedtrain.tabular.reading.read import open_declared_table

    validates = spec is not None and spec.validates
    # Which records an owner holds out is its secret: here others are, as many.
    split, key = ValidationSplit(VALIDATION_FRACTION, bytes(SALT_BYTES)), bytes(SALT_BYTES)
    table = open_declared_table(report.path, props, mapping)
    held = held_out_records(table, props, split, key) if validates else None
    inspection = inspect_table(
        Path(report.path),
        Dictionary(props, scaling),
        max_leverage=policy.max_leverage,
        joint_cells=policy.joint_cells,
        holds_out=None if held is None else lambda batch: np.isin(batch.records, held),
        mapping=mapping,
    )
    verdict = (
        judge_table(policy, inspection) if spec is None else judge_rows(policy, spec, report.rows_used, inspection)
    )
    if verdict.outcome is not Ruling.ACCEPT and verdict.code is not None:
        report.problems.append(Problem(verdict.code.slug, f"jobs without privacy would be declined: {verdict.detail}"))
    report.waits += standing_out_risks(policy, inspection, validates=validates)


def _hold_against_room(spec: ModelSpec, report: TableReport) -> None:
    """Ask about rows beyond those that a job with privacy has room for, for which it is not declined."""
    from fedtrain.tabular.extremes import Question

    rows, room = report.rows_used, spec.training.max_rows
    if rows > room:
        message = (
            f"{rows} rows are in use, and sums of this job end where those of {room} do: ask for a larger max_rows."
        )
        report.questions.append(Question("rows-beyond-plan", "", message, rows - room))


def _plan(spec: ModelSpec, report: TableReport) -> None:
    """Add to the report why no job of this spec can be, whatever is in the table."""
    from fedtrain.planning.plans import plan_spec
    from fedtrain.spec.problems import Problem
    from fedtrain.tabular.check import Problem as Finding

    try:
        plan_spec(spec)
    except Problem as problem:
        report.problems.append(Finding(problem.code.slug, f"no such job can be deployed: {problem.detail}"))


def _effects(data: Path, rules: Mapping, props: DataProps) -> list[ColumnEffects]:
    """List what the mapping did; nothing where the table cannot be read, which the report says."""
    from fedtrain.tabular.errors import TableError
    from fedtrain.tabular.mapping.effects import mapping_effects

    try:
        return mapping_effects(data, rules, props.header)
    except TableError:
        return []


def _print_effects(effects: list[ColumnEffects]) -> None:
    """A line a column, then what became of single values, the most frequent first."""
    if not effects:
        return
    rows = [
        [one.column, one.source, one.values, one.values - one.missing, one.recoded, one.no_date or None, _unit(one)]
        for one in effects
    ]
    columns = ["column", "from", "values before", "after", "recoded", "no date", "unit"]
    print_table("What the mapping does, in records", columns, rows)
    listed = [
        [one.column, repr(before), "missing" if after is None else repr(after), count]
        for one in effects
        for before, after, count in one.listed
    ]
    if listed:
        print_table("", ["column", "value", "becomes", "records"], listed)


def _unit(one: ColumnEffects) -> str | None:
    return None if one.unit is None else f"times {one.unit[0]:g} plus {one.unit[1]:g}"


def _print_report(report: TableReport) -> None:
    dropped = f", {report.rows_dropped:,} of them left out" if report.rows_dropped else ""
    console().print(f"{report.path}: {report.rows:,} records{dropped}", markup=False)
    print_table(
        "",
        ["column", "missing", "below range", "above range", "note"],
        [
            [
                column.column,
                column.missing,
                column.clipped_low,
                column.clipped_high,
                "one value only" if column.constant else "",
            ]
            for column in report.columns
        ],
    )
    for problem in report.problems:
        count = f" ({problem.count:,} records)" if problem.count else ""
        console().print(f"does not fit: {problem.message}{count}", markup=False)
    for question in report.questions:
        console().print(f"question: {question.message}", markup=False)
    for why in report.waits:
        console().print(f"waits for a person: {why}", markup=False)
    if report.fits:
        console().print("The table fits.", markup=False)
    elif report.usable:
        console().print(
            "The table can be used as declared. Whether it should be, the questions ask: mend the data, or the "
            "declaration, where the answer is no.",
            markup=False,
        )
