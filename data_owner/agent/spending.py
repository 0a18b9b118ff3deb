"""The ledger of the records' privacy: set apart, spent for good, given back. Blocks: it runs in the executor.

    reserved at joining → booked, beside the keys and in the store, before a number leaves → (kept for ever)
                        → given back, where the job ended before any did

Whatever a crash or an older copy of the store leaves out, what left is in one of the two places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fedtrain.data_owner.data.rows.ids import RowIds
from fedtrain.data_owner.policy.budget import (
    OVER_BUDGET,
    Account,
    PrivacyPolicy,
    RowSet,
    UnreadRows,
    shares_rows,
    with_forgotten,
)
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.decisions import written
from fedtrain.data_owner.release.noised_release import NoisedRelease
from fedtrain.data_owner.release.told_files import ToldSums
from fedtrain.data_owner.store.records import Spending, SpendingKind
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.methods.plan import NoiseClaim


@dataclass(frozen=True)
class Spendings:
    """The ledger of one owner. `rows`: a set of rows by its name."""

    store: OwnerStore
    told: ToldSums
    rows: Callable[[str], RowIds | None]
    now: Callable[[], datetime]

    def reserve(
        self,
        job_id: str,
        table: SummedTable,
        share: str,
        claim: NoiseClaim,
        policy: PrivacyPolicy,
        taken: tuple[str, ...],
    ) -> None:
        """Set apart what a job costs, once. `taken`: the risks that a person took. Raises Problem(BUDGET_SPENT)."""
        asked = self._spending(SpendingKind.RESERVED, job_id, table, share, None, claim)
        over = is_over(taken)
        self.store.spend(lambda stored: self.account(table, policy, stored).reserving(asked, policy.budget, over=over))

    def book(
        self,
        job_id: str,
        table: SummedTable,
        release: NoisedRelease,
        policy: PrivacyPolicy,
        taken: tuple[str, ...],
    ) -> None:
        """Spend a release for good, before its first number leaves. Raises Problem(BUDGET_SPENT)."""
        asked = self._spending(SpendingKind.BOOKED, job_id, table, release.share, release.name, release.claim)
        over = is_over(taken)

        def entry(stored: Sequence[Spending]) -> Spending | None:
            account = self.account(table, policy, stored)
            if asked.release in account.booked and all(one.release != asked.release for one in stored):
                return asked  # booked beside the keys, and forgotten by the store: it costs what it cost
            found = account.booking(asked, policy.budget, over=over)
            if found is not None and found.kind is SpendingKind.BOOKED:
                # Within the store's transaction: what leaves after this is counted, whichever of the two is lost.
                self.told.spend(found)
            return found

        self.store.spend(entry)

    def give_back(self, job_id: str) -> None:
        """Give back what is set apart for a job that is over and told nothing."""

        def entry(stored: Sequence[Spending]) -> Spending | None:
            own = Account(tuple(stored)).reserved.get(job_id)
            if own is None:
                return None
            return own.free(SpendingKind.GIVEN_BACK).model_copy(update={"spent_at": written(self.now())})

        self.store.spend(entry)

    def has_reserved(self, job_id: str) -> bool:
        """Return True while something is set apart for the job."""
        return job_id in Account(tuple(self.store.spendings())).reserved

    def account(self, table: RowSet, policy: PrivacyPolicy, stored: Sequence[Spending] | None = None) -> Account:
        """Return what these rows have spent."""
        entries = with_forgotten(self.store.spendings() if stored is None else stored, self.told.spent())
        return Account.of(entries, self.told.sums(), shares_rows(table, self.rows, policy.apart))

    def of_dataset(self, name: str, version: str, policy: PrivacyPolicy) -> Account:
        """Return what the rows of a dataset version have spent; all that they may have, where no job has read them."""
        known: list[RowSet] = [*self.store.spendings(), *self.told.spent(), *(one.table for one in self.told.sums())]
        of_version = [one for one in known if (one.dataset, one.version) == (name, version)]
        return self.account(of_version[-1] if of_version else UnreadRows(name, version), policy)

    def forgotten(self) -> int:
        """Return how many releases the store does not know, being older than what was told."""
        stored = self.store.spendings()
        return len(with_forgotten(stored, self.told.spent())) - len(stored)

    def _spending(
        self,
        kind: SpendingKind,
        job_id: str,
        table: SummedTable,
        share: str,
        release: str | None,
        claim: NoiseClaim,
    ) -> Spending:
        fields: dict[str, Any] = {
            "job_id": job_id,
            "kind": kind,
            "release": release,
            "share": share,
            "dataset": table.dataset,
            "version": table.version,
            "whole": table.whole,
            "row_key": table.row_key,
            "encoding": table.encoding,
            "rho": claim.cost.rho,
            "sampled": claim.cost.sampled or None,
            "epsilon": claim.epsilon,
            "delta": claim.privacy.delta,
            "spent_at": written(self.now()),
        }
        return Spending.model_validate(fields)


def is_over(taken: tuple[str, ...]) -> bool:
    """Return True where a person let a job in beyond the budget."""
    return any(risk.startswith(OVER_BUDGET) for risk in taken)
