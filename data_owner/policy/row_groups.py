"""A table's rows against those that were told before: which could be told apart by combining the sums.

A combination Σ aⱼ·sumⱼ gives a row Σ aⱼ over the jobs that hold it, so that rows which the same told sets hold have the
same weight in every combination: they are a group, and the smallest group bounds from below how many rows any
combination has. Copies of one row are counted: where one set has three and another four, the fourth is by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fedtrain.data_owner.data.rows.ids import Ids, RowIds
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.policy.told import Told

#: Which parts a set of rows stands for, of every owner alike: (training, validation).
TRAINING, VALIDATION, BOTH = (1, 0), (0, 1), (1, 1)
Part = tuple[int, int]
Groups = NDArray[np.bool_]

#: Sets of rows that are held against each other at once: some 250 MB, and a second of exact arithmetic.
_MOST_SETS, _LEAST_SETS, _MOST_CELLS = 256, 16, 20_000_000
#: Sets that are kept in memory while tables are compared two by two.
_SETS_AT_HAND = 8


class Relation(Enum):
    """Knowledge of a told table's rows and a new one's.

    APART: none in common. SHARED: some are. UNKNOWN: they cannot be compared, and are of one dataset by its name or its
    content. OTHER_COLUMNS: they cannot be compared, and have columns of the same names.
    """

    APART = "apart"
    SHARED = "shared"
    UNKNOWN = "unknown"
    OTHER_COLUMNS = "other columns"


@dataclass(frozen=True)
class Against:
    """A told table against the new one. `differ`: rows that one of the two has alone, where they can be compared."""

    told: Told
    relation: Relation
    differ: int | None = None


@dataclass(frozen=True)
class Comparison:
    """A table that is to be summed against everything that was told.

    `fresh`: no job told sums of just these rows, in these parts. `smallest_group`: the fewest rows that its sums would
    tell apart and earlier ones do not; None where there is no such group. `cancels`: some combination of all the sets
    would take this owner out of a sum and leave others in. `doubts`: why more may have been told than is remembered.
    """

    table: SummedTable
    against: tuple[Against, ...] = ()
    fresh: bool = True
    smallest_group: int | None = None
    cancels: bool = False
    doubts: tuple[str, ...] = ()


def compare(
    table: SummedTable, told: Sequence[Told], rows: Callable[[str], RowIds | None], doubts: tuple[str, ...] = ()
) -> Comparison:
    """Hold a table against what was told. `rows`: a set of rows by its name, None where it is lost.

    Sums of rows and counts of owners whose rows lie beyond bounds cannot be subtracted from each other: each is held
    against its own kind.
    """
    told = [one for one in told if one.table.thresholds == table.thresholds]
    sets = _Sets(rows)
    own = sets.parts(table)
    against = []
    before: dict[tuple[Part, str], Ids] = {}
    most, dropped = _most_sets(table.rows), 0
    for one in told:
        parts = sets.parts(_as_known(one.table, table)) if own is not None else None
        if own is None or parts is None or not _comparable(one.table, table):
            against.append(Against(one, _without_rows(one.table, table)))
            continue
        before |= parts
        while len(before) > most:
            del before[next(iter(before))]
            dropped += 1
        differ, shared = sets.against(table, _as_known(one.table, table))
        if not shared and one.table.mapping != table.mapping and one.table.is_same_dataset(table):
            # Other rules make other values of the same records, whose hashes then differ.
            against.append(Against(one, Relation.UNKNOWN))
        else:
            against.append(Against(one, Relation.SHARED if shared else Relation.APART, differ))
    if own is None:
        return Comparison(table, tuple(against), doubts=doubts)
    if dropped:
        doubts = (
            *doubts,
            f"Sums of {dropped + len(before)} sets of rows that may share some with these were told: more than can be "
            f"held against each other, and only the last {len(before)} were.",
        )
    now = {key: ids for key, ids in own.items() if key not in before}
    fresh = _is_fresh(table, [_as_known(one.told.table, table) for one in against if one.differ is not None])
    if not now:
        return Comparison(table, tuple(against), fresh, doubts=doubts)
    held, sizes = groups([*before.values(), *now.values()])
    # Sets that were left out may be the ones to cancel with, which exposes others: then all owners are asked.
    cancels = dropped > 0 or not covers(held, [part for part, _ in (*before, *now)])
    return Comparison(table, tuple(against), fresh, _newly_apart(held, sizes, len(before)), cancels, doubts)


def _most_sets(rows: int) -> int:
    """Return how many sets are held against each other: memory grows with rows × sets, and work with sets³ as well."""
    return min(_MOST_SETS, max(_LEAST_SETS, _MOST_CELLS // max(rows, 1)))


def groups(sets: Sequence[Ids]) -> tuple[Groups, NDArray[np.int64]]:
    """(groups, sets) which sets hold each group of rows, and (groups,) its rows; rows that no set holds are in none."""
    counted = [np.unique(one, return_counts=True) for one in sets]
    every = np.unique(np.concatenate([ids for ids, _ in counted]))
    copies = np.zeros((len(every), len(sets)), dtype=np.int64)
    for place, (ids, counts) in enumerate(counted):
        copies[np.searchsorted(every, ids), place] = counts
    most = copies.max(axis=1, initial=0)
    row_of = np.repeat(np.arange(len(every)), most)
    which = np.arange(len(row_of)) - np.repeat(np.cumsum(most) - most, most)
    held = copies[row_of] > which[:, None]
    packed, places = np.unique(np.packbits(held, axis=1), axis=0, return_inverse=True)
    sizes = np.bincount(places.ravel(), minlength=len(packed))
    return np.unpackbits(packed, axis=1, count=len(sets)).astype(bool), sizes


def covers(held: Groups, parts: Sequence[Part]) -> bool:
    """Return whether every combination that gives the other owners' rows a weight gives some of this owner's rows one.

    Others, whose rows stay as they are, get Σ aⱼ over the sets of training rows, and likewise of validation rows. That
    is a linear function of this owner's own weights, and so cannot be there without them, just where weights of the
    groups exist that every training set sums to 1, every validation set to 0; and the other way round.
    """
    return all(_solvable(held, [part[side] for part in parts]) for side in (0, 1) if any(part[side] for part in parts))


def _solvable(held: Groups, sums: Sequence[int]) -> bool:
    """Return whether held.T @ y = sums for some rational y, exactly."""
    lines = [[Fraction(int(x)) for x in (*column, total)] for column, total in zip(held.T, sums, strict=True)]
    lines = [list(line) for line in dict.fromkeys(tuple(line) for line in lines)]
    width = held.shape[0]
    for place in range(width):
        pivot = next((line for line in lines if line[place]), None)
        if pivot is None:
            continue
        lines.remove(pivot)
        scaled = [x / pivot[place] for x in pivot]
        lines = [
            line if not line[place] else [x - line[place] * y for x, y in zip(line, scaled, strict=True)]
            for line in lines
        ]
    return all(line[width] == 0 for line in lines)


def _newly_apart(held: Groups, sizes: NDArray[np.int64], before: int) -> int | None:
    """Rows of the smallest group that the first `before` sets alone do not tell apart."""
    earlier, places = np.unique(held[:, :before], axis=0, return_inverse=True)
    merged = np.bincount(places.ravel(), weights=sizes, minlength=len(earlier))[places.ravel()]
    new = (merged > sizes) | ~held[:, :before].any(axis=1)
    return int(sizes[new].min()) if new.any() else None


def _is_fresh(table: SummedTable, comparable: Sequence[SummedTable]) -> bool:
    same = [one for one in comparable if one.whole == table.whole]
    return not same or (table.split and any(one.split and one.training != table.training for one in same))


def _comparable(told: SummedTable, table: SummedTable) -> bool:
    known = _as_known(told, table)
    return known.known and table.known and (known.columns, known.row_key) == (table.columns, table.row_key)


def _as_known(told: SummedTable, table: SummedTable) -> SummedTable:
    """Return what was told before rows were kept: the same version under the same encoding, with as many rows, has the
    same.

    Today's rows are those of then, less those that lack a value of a target that the job did not use.
    """
    same = (told.version, told.encoding, told.rows, told.split) == (table.version, table.encoding, table.rows, False)
    if told.whole is None and same:
        return table.model_copy(update={"split": False, "training": None})
    return told


def _without_rows(told: SummedTable, table: SummedTable) -> Relation:
    if told.is_same_dataset(table):
        return Relation.UNKNOWN
    if not told.columns or not table.columns or set(told.columns) & set(table.columns):
        return Relation.OTHER_COLUMNS
    return Relation.APART


class _Sets:
    """The sets of rows of tables, the latest of them at hand."""

    def __init__(self, rows: Callable[[str], RowIds | None]) -> None:
        self._rows = rows
        self._get = lru_cache(_SETS_AT_HAND)(self._read)
        self._compared: dict[tuple[str, str], tuple[int, bool]] = {}

    def against(self, table: SummedTable, other: SummedTable) -> tuple[int, bool]:
        """Return how many rows one of two tables has alone, and whether they have any in common. Both are known."""
        names = (table.whole or "", other.whole or "")
        if names not in self._compared:
            held, sizes = groups([ids for ids in map(self._get, names) if ids is not None])
            common = int(sizes[held.all(axis=1)].sum())
            self._compared[names] = (int(sizes.sum()) - common, common > 0)
        return self._compared[names]

    def parts(self, table: SummedTable) -> dict[tuple[Part, str], Ids] | None:
        """The sets that are summed over, each by its part and a name; None where they are not known."""
        if table.whole is None or not table.known:
            return None
        whole = self._get(table.whole)
        if whole is None or table.training is None:
            return None if whole is None else {(BOTH, table.whole): whole}
        training = self._get(table.training)
        if training is None:
            return None
        rest = whole[~np.isin(whole, training)]
        return {(TRAINING, table.training): training, (VALIDATION, f"{table.whole}-{table.training}"): rest}

    def _read(self, name: str) -> Ids | None:
        found = self._rows(name)
        return None if found is None else found.ids
