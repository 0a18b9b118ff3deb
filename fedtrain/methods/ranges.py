"""The shared half of ranges: one round of bits, a column's rows beyond each bound of a public grid.

The bounds follow from a job's spec alone, and are constants: limits choose among them, and place none. Source, and why
a bit tells of no fewer than `min_cell` rows: docs/ranges.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Final

from fedtrain.methods.plain import TAKEN, PlainAnswer, PlainPlan, check_takes
from fedtrain.methods.plan import Round
from fedtrain.methods.schedule import Schedule
from fedtrain.spec.columns import Feature, FeatureType
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.model_types.ranges import Grid
from fedtrain.spec.problems import Code, Problem

KIND: Final = "ranges"
#: Numbers of all columns together.
MOST_NUMBERS: Final = 100_000
#: The bound nearest to zero, as a share of the larger limit: scaled values tell such bounds apart.
SMALLEST_SHARE: Final = 1e-12


@dataclass(frozen=True)
class BitsAnswer(PlainAnswer):
    """One bit of each owner, whatever its rows: sums are at most `owners`."""

    owners: int = 1

    def bound(self, rows: int) -> int:  # noqa: ARG002
        return self.owners


@dataclass(frozen=True)
class RangesPlan(PlainPlan):
    """`features`: the columns, in the job's order, as the job declares them. `bounds`: of each, ascending."""

    features: tuple[Feature, ...] = field(kw_only=True)
    bounds: tuple[tuple[float, ...], ...] = field(kw_only=True)

    def round(self, kind: str, window_step: int = 0, rows_total: int | None = None) -> Round:
        planned = super().round(kind, window_step, rows_total)
        return planned if kind != KIND else replace(planned, answer=replace(planned.answer, owner_bound=1))

    @property
    def columns(self) -> tuple[slice, ...]:
        """The places of each column's bounds among those of all columns."""
        ends = accumulate(map(len, self.bounds), initial=0)
        return tuple(slice(start, end) for start, end in pairwise(ends))

    def to_dict(self) -> dict[str, object]:
        return {**super().to_dict(), "bounds": sum(len(bounds) for bounds in self.bounds)}


class RangesRounds:
    """Implements `fedtrain.methods.method.Method`."""

    def plan(self, spec: ModelSpec) -> RangesPlan:
        _refuse_others(spec)
        features, grid = spec.data_props.features, spec.grid or Grid.ROUND
        bounds = tuple(bounds_of(feature, grid) for feature in features)
        for feature, found in zip(features, bounds, strict=True):
            if not found:
                low, high = limits_of(feature)
                raise _refused(
                    "data_props.features",
                    f"{feature.label}: no bound of the grid {grid} lies between {low:g} and {high:g}: give wider "
                    "limits, or leave the column out",
                    [low, high],
                )
        numbers = 2 * sum(map(len, bounds))
        if numbers > MOST_NUMBERS:
            raise _refused(
                "grid",
                f"{len(features)} columns have {numbers:,} numbers to answer on the grid {grid}, {MOST_NUMBERS:,} at "
                'most: ask about fewer columns at once, or on "decades"',
                grid.value,
            )
        arrays = {"below": (numbers // 2,), "above": (numbers // 2,)}
        owners = spec.training.max_data_owners
        training = spec.training
        # Bits need no N, and nobody is asked for it: it would be a sum over rows.
        answers = {KIND: BitsAnswer(arrays, Fraction(1), owners=owners)}
        return RangesPlan(training.key_bits, training.max_rows, owners, answers, features=features, bounds=bounds)

    def schedule(self, spec: ModelSpec) -> Schedule:  # noqa: ARG002
        return Schedule(KIND, rounds=1, counts=False)


def bounds_between(low: float, high: float, grid: Grid) -> tuple[float, ...]:
    """Return the grid's bounds between two limits, without these, ascending.

    None is nearer to zero than `SMALLEST_SHARE` of the larger limit, but for zero itself.
    """
    largest = max(abs(low), abs(high))
    smallest = largest * SMALLEST_SHARE
    sizes = [size for size in _sizes(largest, grid) if 0 < size <= largest and size >= smallest]
    return tuple(bound for bound in sorted({0.0, *sizes, *(-size for size in sizes)}) if low < bound < high)


def bounds_of(feature: Feature, grid: Grid) -> tuple[float, ...]:
    """Return the grid's bounds between a feature's limits, of a discrete one the whole numbers among them."""
    bounds = bounds_between(*limits_of(feature), grid)
    if feature.type is not FeatureType.DISCRETE:
        return bounds
    return tuple(bound for bound in bounds if bound == 0 or abs(bound) >= 1)


def limits_of(feature: Feature) -> tuple[float, float]:
    """Return the range of a column of numbers, which every feature of such a job has."""
    if feature.range is None:
        raise ValueError(f"{feature.label} has no limits")
    return feature.range


def _sizes(largest: float, grid: Grid) -> list[float]:
    """The grid's sizes about `largest` and below, more than are used."""
    if grid is Grid.POWERS_OF_TWO:
        exponent = math.frexp(largest)[1]
        return [math.ldexp(1.0, power) for power in range(exponent - 42, min(exponent, 1023) + 1)]
    exponent = math.floor(math.log10(largest))
    digits = (1,) if grid is Grid.DECADES else (1, 2, 5)
    # Read as text, a power of ten is the nearest double, and the same at every party.
    return [float(f"{digit}e{power}") for power in range(exponent - 14, exponent + 2) for digit in digits]


def _refuse_others(spec: ModelSpec) -> None:
    check_takes(spec, TAKEN)
    for name, value in (("release", spec.release), ("training.scaling", spec.training.scaling)):
        if value not in (None, "range"):
            raise _refused(name, f"{spec.model_type} does not take it: leave it out", value)


def _refused(name: str, message: str, value: object) -> Problem:
    errors = [{"field": name, "message": f"{message}.", "value": value}]
    return Problem(Code.INVALID_SPEC, f"{name}: {message}.", errors=errors)
