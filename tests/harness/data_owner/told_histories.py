"""Random histories of jobs over the same people, decided by the owners' pure rules: no cipher, no disk."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fedtrain.data_owner.data.rows.ids import RowIds
from fedtrain.data_owner.policy import differencing
from fedtrain.data_owner.policy.row_groups import compare
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.policy.told import Told
from fedtrain.protocol.documents.consent import Consent, RosterConsent
from tests.harness.data_owner.combinations import Record, Released, by_owner

MIN_ROWS = 4
LEAST_OWNERS = 3
Rows = tuple[int, ...]
"""A table: the contents of its rows, copies repeated."""


def party_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@dataclass
class Party:
    """One owner. `lost`: its records of what was told were set back, and nobody has decided about that yet.

    `took_forgotten`: a person let jobs in all the same. What may be combined with the forgotten sums then is its risk,
    and nobody else's.
    """

    name: str
    rows: Rows
    missing: frozenset[int]
    dataset: str = "default"
    encoding: str = "ec" * 32
    told: list[Told] = field(default_factory=list)
    sets: dict[str, RowIds] = field(default_factory=dict)
    approved: set[tuple[str, str | None]] = field(default_factory=set)
    versions: list[Rows] = field(default_factory=list)
    backup: tuple[Told, ...] = ()
    lost: bool = False
    took_forgotten: bool = False

    @property
    def party(self) -> str:
        return party_of(self.name)

    def table(self, *, split: bool) -> SummedTable:
        whole = RowIds.of(np.array(self.rows, dtype=np.uint64))
        training = RowIds.of(np.array([row for row in self.rows if not held_out(row)], dtype=np.uint64))
        for one in (whole, training):
            self.sets[one.name] = one
        return SummedTable(
            dataset=self.dataset,
            version=hashlib.sha256(repr(self.rows).encode()).hexdigest(),
            rows=len(whole),
            encoding=self.encoding,
            columns=("age", "days"),
            row_key="0" * 16,
            whole=whole.name,
            split=split,
            training=training.name if split else None,
        )

    def took_the_risk_of(self, table: SummedTable) -> bool:
        """Return whether a person let these rows in, in these parts or in two parts, whose sum is known with them."""
        whole, training = _key(table)
        return any(one == whole and (training is None or part == training) for one, part in self.approved)

    def contents(self, rows: Sequence[int]) -> list[object]:
        """Return what the rows are in a sum: copies apart, and a missing value as the encoding puts it."""
        seen: Counter[int] = Counter()
        found: list[object] = []
        for row in rows:
            found.append((row, seen[row], self.encoding if row in self.missing else ""))
            seen[row] += 1
        return found


def held_out(row: int) -> bool:
    """The part depends on the row alone."""
    return hashlib.sha256(f"part {row}".encode()).digest()[0] < 100


class History:
    """Jobs, changed tables and restores, one after the other. `sums`: what a Model Owner could decrypt of them."""

    def __init__(self, seed: int, owners: int = 5) -> None:
        self.draw = random.Random(seed)
        self.owners = [
            Party(f"o{number}", tuple(range(100 * number, 100 * number + 14)), frozenset({100 * number}))
            for number in range(owners)
        ]
        self.consents: list[Consent] = []
        self.sums: list[Released] = []
        self.jobs = 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            action = self.draw.random()
            if action < 0.35:
                self.change(self.draw.choice(self.owners))
            elif action < 0.42:
                self.restore(self.draw.choice(self.owners))
            else:
                self.job()

    def change(self, owner: Party) -> None:
        """Another version of the table, or another name or rule for what is missing."""
        draw = self.draw
        owner.versions.append(owner.rows)
        fresh = iter(range(draw.randrange(10**6, 10**9), 2 * 10**9))
        count = draw.choice((1, 2, 4, 5, 8))
        rows = list(owner.rows)
        match draw.choice(("add", "remove", "replace", "back", "together", "fresh", "copies", "name", "missing")):
            case "add":
                rows += [next(fresh) for _ in range(count)]
            case "remove" if len(rows) - count >= 2 * MIN_ROWS:
                rows = draw.sample(rows, len(rows) - count)
            case "replace":
                rows = [*draw.sample(rows, max(len(rows) - count, 0)), *(next(fresh) for _ in range(count))]
            case "back":
                rows = list(draw.choice(owner.versions))
            case "together":
                rows = sorted({*rows, *draw.choice(owner.versions)})
            case "fresh":
                rows = [next(fresh) for _ in range(14)]
            case "copies":
                rows += draw.sample(rows, min(count, len(rows)))
            case "name":
                owner.dataset = draw.choice(("default", "lab"))
            case "missing":
                owner.encoding = draw.choice(("ec", "ed")) * 32
        owner.rows = tuple(rows)

    def restore(self, owner: Party) -> None:
        """Take a backup, or put the last one back: what was told since is forgotten, and a person will be asked."""
        if self.draw.random() < 0.5:
            owner.backup = tuple(owner.told)
        else:
            owner.lost = owner.lost or len(owner.backup) < len(owner.told)
            owner.told = list(owner.backup)

    def released(self) -> list[Released]:
        """Return the sums, with those as consenting to all of them who took what was forgotten."""
        takers = frozenset(owner.name for owner in self.owners if owner.took_forgotten)
        return [replace(one, consented=one.consented | takers) for one in self.sums]

    def job(self) -> None:
        draw = self.draw
        size = draw.choice((LEAST_OWNERS, LEAST_OWNERS, len(self.owners) - 1, len(self.owners)))
        roster = sorted(draw.sample(self.owners, size), key=lambda owner: owner.party)
        split = draw.random() < 0.3
        self.jobs += 1
        job_id = f"{self.jobs:032x}"
        agreed = draw.random() < 0.3  # all owners concerned sign whatever they are asked
        answers = [self._answers(owner, job_id, roster, split=split, agreed=agreed) for owner in roster]
        if not all(answers) or len(self.sums) >= 18:
            return
        wholes: dict[str, list[object]] = {owner.name: owner.contents(owner.rows) for owner in roster}
        trainings = {owner.name: [one for one in wholes[owner.name] if not held_out(one[0])] for owner in roster}  # type: ignore[index]
        parts = [by_owner(wholes)]
        if split:
            parts = [by_owner(trainings), parts[0] - by_owner(trainings)]
        consented = self._consented(roster, split=split)
        # Who let the whole table in has let in the sum of its parts, and so, of the two, one is new.
        wholes_taken = {owner.name for owner in roster if owner.took_the_risk_of(owner.table(split=False))}
        of_the_last = consented | wholes_taken if split else consented
        self.sums += [Released(records, consented) for records in parts[:-1]] + [Released(parts[-1], of_the_last)]

    def _consented(self, roster: Sequence[Party], *, split: bool) -> frozenset[str]:
        """Owners that agreed: to a sum over this roster by a signed consent, or to one over just these rows."""
        parties = tuple(owner.party for owner in roster)
        complete = [one for one in self.consents if not one.missing and one.statement.roster == parties]
        by_consent = {party for one in complete for party in one.signers}
        for_own_rows = {owner.name for owner in roster if owner.took_the_risk_of(owner.table(split=split))}
        return frozenset(for_own_rows | {owner.name for owner in self.owners if owner.party in by_consent})

    def _answers(self, owner: Party, job_id: str, roster: Sequence[Party], *, split: bool, agreed: bool) -> bool:
        """Return whether the owner answers, by the rules and, where they ask somebody, by the draw."""
        table, parties = owner.table(split=split), tuple(one.party for one in roster)
        if min(self._part_sizes(owner, split=split)) < MIN_ROWS:
            return False
        found = compare(table, owner.told, owner.sets.get)
        if owner.lost:
            # Its person is asked, told that sums were given that nobody remembers, and denies, or takes that risk.
            if self.draw.random() < 0.7:
                return False
            owner.lost, owner.took_forgotten = False, True
        risks = (*differencing.table_risks(found, MIN_ROWS), *differencing.roster_risks(found, parties))
        if risks:
            if self.draw.random() < 0.6:
                return False
            owner.approved.add(_key(table))
        earlier = differencing.rosters_to_consent(found, parties, owner.told, owner.party, self.consents)
        if earlier is not None and not self._signed(job_id, parties, earlier, agreed=agreed):
            return False
        if all(one.job_id != job_id for one in owner.told):
            told = Told(job_id=job_id, told_at="now", table=table, roster=parties, linked=differencing.touched(found))
            owner.told.append(told)
        return True

    def _part_sizes(self, owner: Party, *, split: bool) -> tuple[int, ...]:
        held = sum(map(held_out, owner.rows))
        return (held, len(owner.rows) - held) if split else (len(owner.rows),)

    def _signed(
        self, job_id: str, roster: tuple[str, ...], earlier: tuple[tuple[str, ...], ...], *, agreed: bool
    ) -> bool:
        """Everybody concerned signs, or the owners of the new roster alone, which is not enough where others are."""
        manifest_hash = hashlib.sha256(job_id.encode()).hexdigest()
        statement = RosterConsent(job_id=job_id, manifest_hash=manifest_hash, roster=roster, earlier=earlier)
        signers = statement.concerned if agreed else frozenset(roster)
        self.consents.append(Consent(statement, signers))
        return differencing.is_consented(self.consents, manifest_hash, roster, earlier)


def _key(table: SummedTable) -> tuple[str, str | None]:
    return (f"{table.whole} {table.encoding}", table.training)


__all__ = ["History", "Record"]
