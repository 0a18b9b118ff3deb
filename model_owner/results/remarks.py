"""Remarks: what people must know of a result beside its numbers, each by a code. This is the catalogue of them.

A remark goes wherever a result is shown: `GET /models/{id}`, its last event, both routes of predictions, the exports,
the terminal, the Python client. An optimiser knows columns by their place and says a `Finding`; whoever knows their
names makes the remark of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from fedtrain.spec.model_spec import Strict


class RemarkCode(StrEnum):
    """Codes for programs; `TEXTS` has what they say to a person."""

    NOT_CONVERGED = "not-converged"
    SURROGATE_COEFFICIENTS = "surrogate-coefficients"
    COLUMN_HARDLY_VARIES = "column-hardly-varies"
    COLLINEAR = "collinear"
    UNCERTAIN = "uncertain"
    DIRECTIONS_LEFT = "directions-left"
    COLUMNS_NOT_JUDGED = "columns-not-judged"
    CLASS_MISSING = "class-missing"
    SEPARABLE = "separable"
    OUTSIDE_RANGE = "outside-range"
    ROWS_LEFT_OUT = "rows-left-out"
    RARE_CLASS = "rare-class"
    NOISED = "noised"
    NOISED_STEPS = "noised-steps"
    NOISE_DOMINATES = "noise-dominates"
    NOISE_TAKES_ROWS = "noise-takes-rows"


TEXTS: Final[Mapping[RemarkCode, str]] = MappingProxyType(
    {
        RemarkCode.NOT_CONVERGED: (
            "Training stopped before the minimum: {why}. The coefficients are not those of the least training loss."
        ),
        RemarkCode.SURROGATE_COEFFICIENTS: (
            "The coefficients are those of a quadratic surrogate, and no log odds: read their signs and what they do "
            "to predictions. Calibrated ones are in GET /prediction, where there is a test set; for log odds train "
            'with weights "shared_with_owners".'
        ),
        RemarkCode.COLUMN_HARDLY_VARIES: (
            "{column} hardly varies within its declared range: its standard deviation is {share:.2g} of half of it. "
            "Its coefficient has few digits, or none, and l2 shrinks it to 0: declare a range that fits its values."
        ),
        RemarkCode.COLLINEAR: (
            "{column} is nearly a combination of other columns (with them: {others}): the least eigenvalue of the "
            "correlations is {least:.2g}. Their coefficients mean little one by one: leave one of them out, or give l2."
        ),
        RemarkCode.UNCERTAIN: (
            "The coefficient of {column} may be off by {share:.2g} standard deviations of the target for one of the "
            "column: that much the rounding of sums leaves open. newton has sums with more digits."
        ),
        RemarkCode.DIRECTIONS_LEFT: (
            "Training ended within its tolerance after {known} of {all} directions. A combination of columns that "
            "hardly varies would not have shown; newton sees it."
        ),
        RemarkCode.COLUMNS_NOT_JUDGED: (
            "How far the columns vary and go together is not known: the numbers are beyond what a double holds."
        ),
        RemarkCode.CLASS_MISSING: (
            "{label} of {column} does not occur in the federation's training rows: the model knows nothing of it."
        ),
        RemarkCode.SEPARABLE: (
            "The columns tell the classes apart without error, so that no finite weights are best: the coefficients "
            "mean nothing, and grow with a smaller tolerance. Give l2."
        ),
        RemarkCode.OUTSIDE_RANGE: (
            "{count} of {rows} rows have a {column} outside its declared range, and are predicted for as if it was at "
            "the range's end; `clipped` names them."
        ),
        RemarkCode.ROWS_LEFT_OUT: (
            "{count} of {rows} rows of the test set have no value in a column that the model needs: they are not among "
            "`values`, nor in the metrics, and `left_out` names them."
        ),
        RemarkCode.NOISED: (
            "All sums carry noise, for ε = {epsilon:g} at δ = {delta:g} for each record: coefficients, and the "
            "{rows:,} rows, are off by it, and shrunk towards 0."
        ),
        RemarkCode.NOISED_STEPS: (
            "Each of the {rounds:,} steps carries noise, for ε = {epsilon:g} at δ = {delta:g} for each record over all "
            "of them. A model trained again from other batches and noise would be another one."
        ),
        RemarkCode.NOISE_DOMINATES: (
            "{rows:,} rows do not carry so much noise: it alone adds an error of at least {error:.2g} of half a "
            "target's range to predictions. Take more rows, fewer columns, a smaller row_bound or a larger epsilon."
        ),
        RemarkCode.NOISE_TAKES_ROWS: (
            "The noise of ε = {epsilon:.4g} at δ = {delta:g} takes at least {least:,} rows, of {owners} Data Owners "
            "together. Over fewer it alone adds more than a fifth of half a target's range to the error of "
            "predictions; how many there are is not known before the first round."
        ),
        RemarkCode.RARE_CLASS: (
            "At a probability of 0.5 only {recall:.1%} of the class {label} are found. At {threshold:.4g}, chosen on "
            "{chosen_on} test rows, {better:.1%} are, and {precision:.1%} of the rows that are called so belong to it."
        ),
    }
)


class Remark(Strict):
    """One thing to know. `column`: the one that it is about, where it is about one."""

    code: RemarkCode
    text: str
    column: str | None = None


@dataclass(frozen=True)
class Finding:
    """A remark of somebody who knows columns by their place in the design, the intercept last."""

    code: RemarkCode
    column: int | None = None
    values: Mapping[str, object] = field(default_factory=dict)


def remark(code: RemarkCode, column: str | None = None, **values: object) -> Remark:
    """Return the remark; its text names `column` and `values`. Raises KeyError where the text needs another value."""
    return Remark(code=code, column=column, text=TEXTS[code].format(column=column, **values))


def remarks_of(findings: Iterable[Finding], names: Sequence[str]) -> tuple[Remark, ...]:
    """Return the remarks that findings are, with the columns' names, each once."""
    made = [
        remark(finding.code, None if finding.column is None else names[finding.column], **finding.values)
        for finding in findings
    ]
    return tuple(dict.fromkeys(made))


def as_json(remarks: Iterable[Remark]) -> list[dict[str, Any]]:
    """Return them as they travel."""
    return [each.model_dump(mode="json") for each in remarks]
