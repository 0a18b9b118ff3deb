"""Hold a table against a declaration, and say everything that does not fit, not just the first.

The report quotes values and counts: it is for the table's owner alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from fedtrain.spec.model_spec import DataProps, ModelType
from fedtrain.spec.model_types import MODEL_KINDS
from fedtrain.tabular.columns import CategoryCodec, Codec, NumericCodec, feature_codec, target_codec
from fedtrain.tabular.encode import category_counts, kept_rows, tails
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.extremes import Extremes, Question
from fedtrain.tabular.findings import TARGET_OUT_OF_RANGE, Finding, Reading, Scaling
from fedtrain.tabular.mapping.file import Mapping
from fedtrain.tabular.reading.convert import Floats, Ints
from fedtrain.tabular.reading.read import Table, open_declared_table
from fedtrain.tabular.tally import Tally

BINS: Final = 20


@dataclass(frozen=True)
class Problem:
    """Something that keeps the table from being used. `code` is of `tabular.errors.CODES`, or a policy's reason."""

    code: str
    message: str
    column: str | None = None
    count: int | None = None
    first_record: int | None = None


@dataclass
class ColumnSummary:
    """The contents of one declared column; `constant` where it holds one value only, and so tells a model nothing.

    `bins`: of a column of numbers, records in each of BINS equal parts of its declared `range`.
    """

    column: str
    missing: int = 0
    clipped_low: int = 0
    clipped_high: int = 0
    constant: bool = False
    categories: dict[str, int] | None = None
    range: tuple[float, float] | None = None
    bins: list[int] | None = None


@dataclass
class TableReport:
    """`rows` records were read; `rows_dropped` of them lack a value in a column that says "drop".

    `problems` keep the table from being used. `questions` do not, and may mean that its numbers are wrong.
    `waits`: why a person would have to let jobs over the table in.
    """

    path: str
    rows: int = 0
    rows_dropped: int = 0
    problems: list[Problem] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    columns: list[ColumnSummary] = field(default_factory=list)

    @property
    def usable(self) -> bool:
        """True where the table can be used as declared."""
        return not self.problems

    @property
    def fits(self) -> bool:
        """True where it can be used, and there is nothing to ask its owner, now or at every job."""
        return self.usable and not self.questions and not self.waits

    @property
    def findings(self) -> list[str]:
        """Problems, then questions, then what a policy has against the table, in words."""
        problems, questions = (problem.message for problem in self.problems), (one.message for one in self.questions)
        return [*problems, *questions, *self.waits]

    @property
    def rows_used(self) -> int:
        """Records that lack nothing."""
        return self.rows - self.rows_dropped

    def as_dict(self) -> dict[str, Any]:
        """Plain lists, dicts, numbers and text, for JSON."""
        return {**asdict(self), "usable": self.usable, "fits": self.fits}


def check_table(
    path: str | Path,
    props: DataProps,
    model_type: ModelType | None,
    scaling: Scaling = "range",
    mapping: Mapping | None = None,
    *,
    leaves_out: bool = False,
) -> TableReport:
    """Read the whole table once and report on it. Never raises TableError: that is what the report is for.

    `model_type`: None for a schema, whose targets may be of any. `mapping`: its owner's, under which it is read.
    `leaves_out`: records are held against a job that claims privacy, which leaves out what does not fit, and refuses
    nothing. Raises ValueError for targets that the model type cannot have.
    """
    report = TableReport(str(path))
    if model_type is not None:
        MODEL_KINDS[model_type].check_targets(props.all_targets)
        MODEL_KINDS[model_type].check_features(props.features)
    features = [feature_codec(feature, scaling) for feature in props.features]
    codecs = [*features, *(target_codec(target, scaling) for target in props.all_targets)]
    try:
        table = open_declared_table(path, props, mapping)
    except TableError as error:
        report.problems.append(_problem(error))
        return report
    present = _present(table, codecs, report)
    if present:
        _read(table, present, report, leaves_out=leaves_out)
    if not report.problems and report.rows == report.rows_dropped:
        why = "every record lacks a value" if report.rows else "the table has no records"
        report.problems.append(Problem("no-rows", f"{path}: {why}; there is nothing to use"))
    return report


def _problem(error: TableError) -> Problem:
    first_record = error.rows[0] if error.rows else None
    return Problem(error.code, error.message, column=error.column, first_record=first_record)


def _present(table: Table, codecs: list[Codec], report: TableReport) -> list[Codec]:
    """The declared columns that the table has; the others are problems."""
    present: list[Codec] = []
    for codec in codecs:
        try:
            table.positions([*(other.column for other in present), codec.column])
        except TableError as error:
            report.problems.append(_problem(error))
        else:
            present.append(codec)
    return present


def _read(table: Table, codecs: list[Codec], report: TableReport, *, leaves_out: bool) -> None:
    tally = Tally({codec.label: codec.texts for codec in codecs if isinstance(codec, CategoryCodec)})
    found: dict[tuple[str, str], Problem] = {}
    missing = dict.fromkeys((codec.label for codec in codecs), 0)
    extremes = {codec.label: Extremes() for codec in codecs}
    bins = {codec.label: np.zeros(BINS, np.int64) for codec in codecs if isinstance(codec, NumericCodec)}
    try:
        for batch in table.batches([codec.column for codec in codecs]):
            readings = [codec.read(*cells) for codec, cells in zip(codecs, batch.cells, strict=True)]
            keep = kept_rows(readings, leaves_out=leaves_out)
            report.rows += batch.rows
            report.rows_dropped += 0 if keep is None else int((~keep).sum())
            for codec, reading in zip(codecs, readings, strict=True):
                missing[codec.label] += reading.missing
                present = _present_values(reading)
                extremes[codec.label].add(present)
                if isinstance(codec, NumericCodec):
                    bins[codec.label] += _binned(present, codec.low, codec.high)
                for finding in reading.findings:
                    _merge(found, finding, batch.first_row)
            low, high = (tails(codecs, readings, keep, side) for side in ("low", "high"))
            tally.add(low, high, category_counts(codecs, readings, keep))
    except TableError as error:
        report.problems.append(_problem(error))
    if leaves_out:
        report.questions += (_left_out(problem) for problem in found.values())
    else:
        report.problems += found.values()
    report.columns = [_summary(codec, tally, missing[codec.label], extremes[codec.label]) for codec in codecs]
    for codec, column in zip(codecs, report.columns, strict=True):
        if isinstance(codec, NumericCodec):
            column.range, column.bins = (codec.low, codec.high), bins[codec.label].tolist()
    for codec, column in zip(codecs, report.columns, strict=True):
        # Where values outside the range are a problem they are one already.
        if isinstance(codec, NumericCodec) and (codec.label, codec.outside) not in found:
            clipped = (column.clipped_low, column.clipped_high)
            report.questions += extremes[codec.label].questions(codec.label, (codec.low, codec.high), clipped)


def _present_values(reading: Reading) -> Floats:
    """The values that are there: neither NaN or infinite ones nor the negative codes of no category."""
    values = reading.values
    if values.dtype.kind == "i":
        return values[values >= 0].astype(np.float64)
    finite: Floats = values[np.isfinite(values)].astype(np.float64, copy=False)
    return finite


def _binned(values: Floats, low: float, high: float) -> Ints:
    """Count values in BINS equal parts of [low, high]; those beyond it are counted elsewhere."""
    within = values[(low <= values) & (values <= high)]
    # Halves, since the width of a range of doubles may be none.
    places = ((within / 2 - low / 2) / (high / 2 - low / 2) * BINS).astype(np.int64)
    counted: Ints = np.bincount(np.minimum(places, BINS - 1), minlength=BINS).astype(np.int64)
    return counted


def _merge(found: dict[tuple[str, str], Problem], finding: Finding, first_row: int) -> None:
    earlier = found.get((finding.column, finding.code))
    record = first_row + finding.first
    if earlier is None:
        message = f"{finding.column}: record {record} has {finding.what}; {finding.expected}"
        found[finding.column, finding.code] = Problem(finding.code, message, finding.column, finding.count, record)
    else:
        count = (earlier.count or 0) + finding.count
        found[finding.column, finding.code] = Problem(
            earlier.code, earlier.message, earlier.column, count, earlier.first_record
        )


def _left_out(problem: Problem) -> Question:
    """Say of a problem what a job that claims privacy makes of such records."""
    becomes = "are counted at that end" if problem.code == TARGET_OUT_OF_RANGE else "are left out"
    message = f"{problem.message}. With privacy such records {becomes}. Is that right?"
    return Question(problem.code, problem.column or "", message, problem.count or 0)


def _summary(codec: Codec, tally: Tally, missing: int, extremes: Extremes) -> ColumnSummary:
    label = codec.label
    rows = tally.category_rows.get(label)
    categories = None if rows is None else dict(zip(tally.categories[label], map(int, rows), strict=True))
    below, above = tally.clipped_low.get(label, 0), tally.clipped_high.get(label, 0)
    return ColumnSummary(label, missing, below, above, extremes.low == extremes.high, categories)
