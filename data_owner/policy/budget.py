"""The owner's rules on differential privacy, and the account of its records. Pure.

A budget is of the records: whatever was told of a set of rows counts for every set that may share a row with it, under
whatever name, dictionary or mapping it is registered. Rows are known by what dictionary and mapping make of them, so
that two sets are known to have none in common only where both are read by the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, Self

import numpy as np
from pydantic import Field, model_validator

from fedtrain.data_owner.data.rows.ids import RowIds
from fedtrain.data_owner.policy.told import Told
from fedtrain.data_owner.store.records import Spending, SpendingKind
from fedtrain.methods.network.private import claimed_epsilon
from fedtrain.privacy.cost import Cost
from fedtrain.privacy.filter import RenyiFilter
from fedtrain.protocol.documents.quorum import quorum_of
from fedtrain.protocol.documents.signed import Name
from fedtrain.spec.model_spec import ModelSpec, Strict
from fedtrain.spec.problems import Code, Problem

#: How a risk begins that a person takes who lets a job in beyond the budget.
OVER_BUDGET = "This job's privacy costs more than the budget has left."
_Epsilon = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PrivacyPolicy(Strict):
    """`colluders`: other owners that may work together with who decrypts; a claim must not count on their noise.

    `epsilon`, `delta`: what may ever be spent of any record; None: there is no budget, and exact jobs are answered.
    `per_job`: the largest ε of one job. `at_end`: what becomes of a job that costs more than is left. `apart`: datasets
    that have records of nobody who is in another one, as a person knows: each has a budget of its own.
    """

    colluders: Annotated[int, Field(ge=0, le=10_000)] = 1
    epsilon: _Epsilon | None = None
    delta: Annotated[float, Field(gt=0, lt=1)] | None = None
    per_job: _Epsilon | None = None
    at_end: Literal["refuse", "ask"] = "refuse"
    apart: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.epsilon is None) != (self.delta is None):
            raise ValueError("epsilon and delta are one budget: give both, or neither")
        if self.epsilon is None and (self.per_job is not None or self.at_end != "refuse" or self.apart):
            raise ValueError("per_job, at_end and apart are of a budget: give epsilon and delta as well")
        return self

    @property
    def budget(self) -> RenyiFilter | None:
        """Return what may be spent; None where there is no end."""
        return None if self.epsilon is None or self.delta is None else RenyiFilter(self.epsilon, self.delta)

    def refuses(self, spec: ModelSpec) -> str | None:
        """Return why a job's claim of privacy is not enough, or counts on too much; None where it is well."""
        claim, training = spec.privacy, spec.training
        # In the smallest sum that is opened.
        owners = training.min_data_owners
        least = quorum_of(training, owners) if training.goes_on else owners
        honest = least - self.colluders
        if claim is None:
            if self.epsilon is None:
                return None
            return "exact sums would spend all of the privacy budget: give privacy in the spec"
        if spec.honest_owners > honest:
            return (
                f"privacy counts on the noise of {spec.honest_owners} honest owners, of "
                f"{least} in a sum with privacy.colluders {self.colluders} there may be "
                f"{max(0, honest)}: give privacy.honest_owners {max(1, honest)} or less, or raise min_data_owners"
            )
        if self.per_job is not None and (epsilon := claimed_epsilon(spec, claim)) > self.per_job:
            field = "epsilon" if claim.noise_multiplier is None else "noise_multiplier leaves epsilon"
            return f"privacy.{field} {epsilon:.6g} is above per_job {self.per_job:g}"
        if self.delta is not None and claim.delta > self.delta:
            return f"privacy.delta {claim.delta:g} is above the budget's {self.delta:g}"
        return None


class RowSet(Protocol):
    """Rows that something was spent or told of. `whole`: the name of their set, hashed under `row_key`. `encoding`: a
    hash of the dictionary and the mapping that they are read by; None where it is not known.
    """

    @property
    def dataset(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def whole(self) -> str | None: ...
    @property
    def row_key(self) -> str | None: ...
    @property
    def encoding(self) -> str | None: ...


@dataclass(frozen=True)
class UnreadRows:
    """A registered dataset version of which no job has read the rows."""

    dataset: str
    version: str
    whole: None = None
    row_key: None = None
    encoding: None = None


#: Says whether rows have one in common with those that are asked about.
Shares = Callable[[RowSet], bool]


def shares_rows(table: RowSet, rows: Callable[[str], RowIds | None], apart: Sequence[str] = ()) -> Shares:
    """Return what says whether other rows have one in common with the table's; where that is not known, they have.

    `rows`: a set by its name, None where it is lost. `apart`: names of datasets that share no record with others; rows
    that are seen to be the same are so all the same.
    """
    own = None if table.whole is None else rows(table.whole)

    def shares(other: RowSet) -> bool:
        if other.version == table.version or (other.whole is not None and other.whole == table.whole):
            return True
        theirs = None if other.whole is None else rows(other.whole)
        compared = False
        if own is not None and theirs is not None and table.row_key == other.row_key:
            if np.isin(own.ids, theirs.ids).any():
                return True
            compared = other.encoding is not None and other.encoding == table.encoding
        if other.dataset != table.dataset and not {other.dataset, table.dataset}.isdisjoint(apart):
            return False
        # Another dictionary or mapping makes other values of the same records, whose hashes then differ.
        return not compared

    return shares


@dataclass(frozen=True)
class Account:
    """The spending of one table's rows. `exact`: a job told sums of some of them without noise."""

    entries: tuple[Spending, ...]
    exact: bool = False

    @classmethod
    def of(cls, entries: Iterable[Spending], told: Iterable[Told], shares: Shares) -> Account:
        """Take together what concerns rows that `shares` knows."""
        concerned = tuple(one for one in entries if shares(one))
        return cls(concerned, any(not one.noised and shares(one.table) for one in told))

    @property
    def booked(self) -> dict[str, Spending]:
        """Return what was spent for good, by release, each once."""
        found: dict[str, Spending] = {}
        for one in self.entries:
            if one.kind is SpendingKind.BOOKED and one.release is not None:
                found.setdefault(one.release, one)
        return found

    @property
    def reserved(self) -> dict[str, Spending]:
        """Return what is set apart for jobs that have told nothing yet, by job."""
        found: dict[str, Spending] = {}
        for one in self.entries:
            if one.kind is SpendingKind.RESERVED:
                found[one.job_id] = one
            else:
                found.pop(one.job_id, None)
        return found

    def costs(self, but: str = "") -> list[Cost]:
        """Return the cost of everything booked and reserved, but for job `but`."""
        held = [one.cost for job, one in self.reserved.items() if job != but]
        return [*(one.cost for one in self.booked.values()), *held]

    def reserving(self, asked: Spending, budget: RenyiFilter | None, *, over: bool) -> Spending | None:
        """Return what is to be set apart for a job that joins; None where it has that already.

        Nothing is needed for a share of which a release was told: on the same roster it is free. `over`: a person lets
        the job in beyond the budget. Raises Problem(BUDGET_SPENT).
        """
        if asked.job_id in self.reserved:
            return None
        known = any(one.share == asked.share for one in self.booked.values())
        needed = asked.free() if known else asked
        self._check(needed, budget, over=over)
        return needed

    def booking(self, asked: Spending, budget: RenyiFilter | None, *, over: bool) -> Spending | None:
        """Return what is spent for good by a job whose first number is about to leave; None where that was done.

        A release that was told costs nothing more, and the job's reservation goes back. Raises Problem(BUDGET_SPENT).
        """
        if asked.release in self.booked:
            if asked.job_id not in self.reserved:
                return None
            return asked.free(SpendingKind.FREE)
        own = self.reserved.get(asked.job_id)
        if own is None or own.cost != asked.cost:
            self._check(asked, budget, over=over)
        return asked

    def _check(self, asked: Spending, budget: RenyiFilter | None, *, over: bool) -> None:
        if budget is None:
            return
        if self.exact:
            raise Problem(
                Code.BUDGET_SPENT,
                f"Exact sums of some of these rows of {asked.dataset!r} were told, or may have been, by a job without "
                "privacy: no budget covers them any more. If they were another dataset's, and nobody is in both, name "
                "one of the two in privacy.apart.",
            )
        costs = self.costs(asked.job_id)
        if asked.cost != Cost() and not over and not budget.allows(costs, asked.cost):
            raise Problem(
                Code.BUDGET_SPENT,
                f"{OVER_BUDGET} At δ = {budget.delta:g}, ε = {budget.epsilon_spent(costs):.4g} of {budget.epsilon:g} "
                f"is spent or set apart of these rows, a release of ε = {budget.epsilon_left(costs):.4g} is left, "
                f"and this job takes one of ε = {asked.epsilon:g} at δ = {asked.delta:g}.",
            )


def with_forgotten(stored: Sequence[Spending], marked: Sequence[Spending]) -> tuple[Spending, ...]:
    """Return the store's entries, and what was booked beside the keys and the store has forgotten."""
    known = {one.release for one in stored if one.kind is SpendingKind.BOOKED}
    return (*stored, *(one for one in marked if one.release not in known))
