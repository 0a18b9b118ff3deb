"""An exact search for combinations of released sums that have few owners, or few records, in them.

A sum is a vector of zeros and ones over the records of all owners, and what can be computed from the sums is their row
space. Its vectors that vanish outside a set of records have dimension rank(all) − rank(the others' columns). Ranks are
taken modulo 2³¹ − 1, and are those over the rationals: no minor of a matrix of zeros and ones with at most 20 rows is
as large (Hadamard: 21^10.5 / 2^20 < 2³¹ − 1).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PRIME = 2**31 - 1
MOST_SUMS = 20

Record = tuple[str, object]
"""An owner and one of its records; a copy of a record is another one."""


@dataclass(frozen=True)
class Released:
    """A sum that can be decrypted: the records in it. `consented`: owners that agreed to be singled out by it."""

    records: frozenset[Record]
    consented: frozenset[str] = field(default_factory=frozenset)


def singled_out(sums: Sequence[Released], least_owners: int, least_records: int) -> str | None:
    """Return in words whom some combination singles out who never consented to any sum in it; None for nobody."""
    owners = sorted({owner for one in sums for owner, _ in one.records})
    for owner in owners:
        of_owner = [one.records for one in sums if owner not in one.consented]
        if not any(holder == owner for records in of_owner for holder, _ in records):
            continue
        space = _Space(of_owner)
        others = [other for other in owners if other != owner]
        for count in range(min(least_owners - 1, len(owners))):
            for company in itertools.combinations(others, count):
                if space.reaches({owner, *company}, {*company}):
                    return f"{owner} with {list(company)}"
        small = space.few(owner, least_records)
        if small is not None:
            return f"{small} records of {owner}"
    return None


class _Space:
    """The row space of some sums, by groups of records that are in the same ones."""

    def __init__(self, sums: Sequence[Collection[Record]]) -> None:
        distinct = list(dict.fromkeys(frozenset(one) for one in sums))
        assert len(distinct) <= MOST_SUMS
        groups: dict[tuple[str, tuple[bool, ...]], int] = {}
        for record in frozenset().union(*distinct):
            key = (record[0], tuple(record in one for one in distinct))
            groups[key] = groups.get(key, 0) + 1
        self.owners = [owner for owner, _ in groups]
        self.sizes = list(groups.values())
        self.matrix = np.array([held for _, held in groups], dtype=np.int64).T
        self.rank = rank(self.matrix)

    def reaches(self, owners: Collection[str], less: Collection[str]) -> bool:
        """Return whether some vector is of these owners' records alone and not only of those of `less`."""
        return self._within(self._places(owners)) > self._within(self._places(less))

    def few(self, owner: str, least: int) -> int | None:
        """The fewest records, of `owner` and up to three groups, that are all there is in some vector."""
        small = [place for place, size in enumerate(self.sizes) if size < least]
        for count in (1, 2, 3):
            for places in itertools.combinations(small, count):
                rows = sum(self.sizes[place] for place in places)
                if rows >= least or all(self.owners[place] != owner for place in places):
                    continue
                without = [place for place in places if self.owners[place] != owner]
                if self._within(places) > self._within(without):
                    return rows
        return None

    def _places(self, owners: Collection[str]) -> list[int]:
        return [place for place, owner in enumerate(self.owners) if owner in owners]

    def _within(self, places: Iterable[int]) -> int:
        """Dimension of the vectors that vanish outside these groups."""
        inside = set(places)
        outside = [place for place in range(len(self.sizes)) if place not in inside]
        return self.rank - rank(self.matrix[:, outside])


def rank(matrix: NDArray[np.int64]) -> int:
    """The rank of a matrix of zeros and ones with at most 20 rows."""
    # Equal columns, and those of zeros, change nothing.
    left = np.unique(matrix, axis=1) % PRIME
    found = 0
    for column in range(left.shape[1]):
        pivots = np.flatnonzero(left[found:, column])
        if len(pivots) == 0:
            continue
        pivot = found + int(pivots[0])
        left[[found, pivot]] = left[[pivot, found]]
        left[found] = left[found] * pow(int(left[found, column]), -1, PRIME) % PRIME
        factors = left[found + 1 :, column].copy()
        left[found + 1 :] = (left[found + 1 :] - factors[:, None] * left[found]) % PRIME
        found += 1
        if found == left.shape[0]:
            break
    return found


def by_owner(parts: Mapping[str, Iterable[object]]) -> frozenset[Record]:
    """The records of a sum, from each owner's rows."""
    return frozenset((owner, row) for owner, rows in parts.items() for row in rows)
