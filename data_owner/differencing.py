"""Whether a job's sum could be subtracted from an earlier one, so that what is left singles somebody out. Pure.

Two sums over the same frozen moments differ by the moments of those who are in one and not in the other. So a later
job on a dataset needs the same roster as every earlier one, or one that holds it, or is held by it, with enough known
owners between them; and a table that changed must have changed by enough rows. Everything else is a risk, told in one
sentence, which a person may take.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from data_owner.policy import OwnerPolicy
from protocol.documents import Acceptance

#: Risks are all listed to a person, but no page of them.
MOST_SHOWN = 3


@dataclass(frozen=True)
class SummedTable:
    """What a job's sums are taken over: a dataset version, the rows in use, and a hash of the declared encoding."""

    version: str
    rows: int
    encoding: str


@dataclass(frozen=True)
class EarlierJob:
    """A job on the same dataset that this owner has answered, whatever came of it."""

    job_id: str
    table: SummedTable
    acceptances: tuple[Acceptance, ...]

    @property
    def parties(self) -> frozenset[str]:
        return frozenset(one.party for one in self.acceptances)


def table_risks(table: SummedTable, earlier: Iterable[EarlierJob], policy: OwnerPolicy) -> tuple[str, ...]:
    """What is wrong with the table against the earlier jobs' tables, one sentence a job; () where nothing is.

    How many rows differ is known from below by the difference of the two counts; only that is relied on.
    """
    if policy.differencing == "unchecked":
        return ()
    return _listed(_table_risk(table, one, policy.min_rows) for one in earlier)


def roster_risks(
    acceptances: Sequence[Acceptance],
    least: int,
    earlier: Iterable[EarlierJob],
    policy: OwnerPolicy,
    own: str,
    now: datetime,
) -> tuple[str, ...]:
    """What is wrong with the roster against the earlier ones; `least`: known owners between two nested rosters."""
    if policy.differencing == "unchecked":
        return ()
    return _listed(_roster_risk(acceptances, least, one, policy, own, now) for one in earlier)


def _table_risk(table: SummedTable, earlier: EarlierJob, min_rows: int) -> str | None:
    before = earlier.table
    if before.version == table.version and before.rows == table.rows:
        return None
    if before.version != table.version and before.encoding != table.encoding:
        return (
            f"Job {earlier.job_id[:8]}… used another version of the table under another encoding: the two sums may "
            "differ by what the encodings cut off of single rows."
        )
    differ = abs(before.rows - table.rows)
    if differ >= min_rows:
        return None
    return (
        f"Job {earlier.job_id[:8]}… used another version of the table, and the counts of rows, {before.rows} and "
        f"{table.rows}, do not show that at least min_rows ({min_rows}) differ: subtracting the two sums may leave "
        "single rows."
    )


def _roster_risk(
    acceptances: Sequence[Acceptance], least: int, earlier: EarlierJob, policy: OwnerPolicy, own: str, now: datetime
) -> str | None:
    parties, before = frozenset(one.party for one in acceptances), earlier.parties
    if parties == before:
        return None
    if not (parties < before or before < parties):
        return (
            f"Job {earlier.job_id[:8]}… was over a roster that neither holds this one nor is held by it: sums over "
            "both can be combined to fewer owners than either has."
        )
    between = [one for one in (*acceptances, *earlier.acceptances) if one.party in parties ^ before]
    counted = policy.counted_on_roster(between, own, now)
    if counted >= least:
        return None
    return (
        f"Job {earlier.job_id[:8]}… was over {len(before)} owners, this one is over {len(parties)}: subtracting the "
        f"two sums leaves those of {counted} owners that count, and at least {least} are needed."
    )


def _listed(risks: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(risk for risk in risks if risk is not None))[:MOST_SHOWN]
