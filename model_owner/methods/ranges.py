"""The Model Owner's half of ranges: from how many owners have rows beyond each bound to a range for each column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedtrain.methods.plan import split
from fedtrain.methods.ranges import KIND, RangesPlan, limits_of
from fedtrain.model_owner.methods.learning import Learning
from fedtrain.model_owner.methods.method import Finished, JobFacts, Method, Opened, Taken
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.model_owner.results.fitted import Array, TrainedModel
from fedtrain.spec.model_types.ranges import ColumnRange
from fedtrain.spec.problems import Code, Problem

Interval = tuple[float, float]


class ProposedRanges(Method):
    """One round of bits: nobody is asked for N."""

    def step(self, job: JobFacts, learning: Learning | None, opened: Opened) -> Taken:
        if opened.kind != KIND:
            return Taken(Learning(), Ask(KIND), round=1, numbers_decrypted=0)
        plan = job.plan
        if not isinstance(plan, RangesPlan):
            raise TypeError(f"the plan of ranges is a RangesPlan, received {type(plan).__name__}")
        sums = split(opened.values, plan.round(KIND).answer.arrays)
        found = []
        for feature, bounds, places in zip(plan.features, plan.bounds, plan.columns, strict=True):
            below, above = ([int(owners) for owners in sums[side][places]] for side in ("below", "above"))
            if not _possible(below, above, job.owners):
                raise Problem(
                    Code.SUM_OUT_OF_BOUND,
                    f"{feature.label}: the owners' answers contradict each other. An owner's bits fall from bound to "
                    f"bound, and there are {job.owners} owners.",
                )
            limits = limits_of(feature)
            found.append(
                ColumnRange(
                    name=feature.name,
                    col_idx=feature.col_idx,
                    limits=limits,
                    range=outer(limits, bounds, below, above),
                    inner=inner(bounds, below, above, job.owners),
                    bounds=bounds,
                    owners_below=tuple(below),
                    owners_above=tuple(above),
                ).model_dump(mode="json")
            )
        model = TrainedModel(
            arrays={side: Array.of(counts.astype(np.float64)) for side, counts in sums.items()},
            report={"ranges": found},
        )
        end = Finished(model, True, "every owner has answered")
        return Taken(learning or Learning(), end, 1, numbers_decrypted=opened.values.size)


def outer(limits: Interval, bounds: Sequence[float], below: Sequence[int], above: Sequence[int]) -> Interval | None:
    """Return the narrowest range beyond whose ends no owner has `min_cell` rows, one of its limits where no bound does.

    A column of one value gets the bounds, or limits, about it. None where the answers do not tell:
    the owners have too few rows, or there is one bound, and it is the only value.
    """
    if not any(below) and not any(above):
        return None
    low = max((bound for bound, owners in zip(bounds, below, strict=True) if owners == 0), default=limits[0])
    high = min((bound for bound, owners in zip(bounds, above, strict=True) if owners == 0), default=limits[1])
    if low > high:
        return None
    if low < high:
        return low, high
    ends = [limits[0], *bounds, limits[1]]
    place = ends.index(low)
    return ends[place - 1], ends[place + 1]


def inner(bounds: Sequence[float], below: Sequence[int], above: Sequence[int], owners: int) -> Interval | None:
    """Return the widest range beyond either end of which every owner has at least `min_cell` rows; None for none."""
    low = min((bound for bound, count in zip(bounds, below, strict=True) if count == owners), default=None)
    high = max((bound for bound, count in zip(bounds, above, strict=True) if count == owners), default=None)
    return (low, high) if low is not None and high is not None and low < high else None


def _possible(below: Sequence[int], above: Sequence[int], owners: int) -> bool:
    rising = [below, above[::-1]]
    return all(counts[0] >= 0 and counts[-1] <= owners and list(counts) == sorted(counts) for counts in rising)
