"""The owner's budget of each record: what its policy takes, and what jobs may still spend."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.data.rows.ids import RowIds
from fedtrain.data_owner.policy.budget import (
    OVER_BUDGET,
    Account,
    PrivacyPolicy,
    UnreadRows,
    shares_rows,
    with_forgotten,
)
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.policy.told import Told
from fedtrain.data_owner.store.records import Spending, SpendingKind
from fedtrain.methods.network.private import claimed_epsilon
from fedtrain.privacy.accounting import rho_of
from fedtrain.privacy.cost import Cost, total
from fedtrain.privacy.filter import RenyiFilter
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import spec_of

BUDGET = RenyiFilter(1.0, 1e-6)
WHOLE = rho_of(1.0, 1e-6)


def named(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()


def spending(job: int, rho: float = WHOLE, *, share: str = "own", release: str | None = None, **more: Any) -> Spending:
    fields: dict[str, Any] = {
        "job_id": f"{job:032x}",
        "kind": SpendingKind.RESERVED if release is None else SpendingKind.BOOKED,
        "release": None if release is None else named(release),
        "share": named(share),
        "dataset": "clinic",
        "version": named("version"),
        "whole": named("rows"),
        "row_key": "aa" * 8,
        "encoding": named("encoding"),
        "rho": rho,
        "epsilon": 1.0,
        "delta": 1e-6,
        "spent_at": "2026-01-01T00:00:00.000Z",
    }
    return Spending.model_validate({**fields, **more})


def refused(account: Account, asked: Spending, **more: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        account.reserving(asked, BUDGET, over=False) if asked.release is None else account.booking(
            asked, BUDGET, over=False
        )
    assert caught.value.code is Code.BUDGET_SPENT
    return caught.value


def test_what_is_set_apart_is_not_for_others_until_it_is_given_back() -> None:
    first = spending(1, WHOLE / 2)
    account = Account((first, spending(2, WHOLE / 2)))
    assert "ε = 1 of 1 is spent" in refused(account, spending(3, WHOLE / 2)).detail
    back = first.model_copy(update={"kind": SpendingKind.GIVEN_BACK, "rho": 0.0})
    freed = Account((*account.entries, back))
    assert freed.reserving(spending(3, WHOLE / 2), BUDGET, over=False) == spending(3, WHOLE / 2)
    assert freed.reserving(spending(2), BUDGET, over=False) is None  # it has it, and does not need it twice


def test_a_release_costs_once_whoever_asks_for_it_again() -> None:
    booked = spending(1, release="first")
    account = Account((booked, spending(2, 0.0)))
    assert account.costs() == [Cost(WHOLE), Cost()]
    # A job on the same share may be on the same roster, and needs nothing; another share does.
    assert account.reserving(spending(3), BUDGET, over=False) == spending(3, 0.0)
    refused(account, spending(3, 1e-6, share="of another R"))
    free = account.booking(spending(2, release="first"), BUDGET, over=False)
    assert free is not None and (free.kind, free.rho) == (SpendingKind.FREE, 0.0)
    assert Account((booked, free)).booking(spending(2, release="first"), BUDGET, over=False) is None
    # Where the roster turned out to be another one, it is paid for after all, or not told.
    refused(account, spending(2, release="another roster"))


def test_a_reservation_becomes_what_it_was_for() -> None:
    account = Account((spending(1),))
    booked = account.booking(spending(1, release="first"), BUDGET, over=False)
    assert booked == spending(1, release="first")
    after = Account((*account.entries, booked))
    assert (after.reserved, after.costs()) == ({}, [Cost(WHOLE)])


def test_what_was_booked_and_is_in_no_store_any_more_counts() -> None:
    marks = (spending(1, release="first"), spending(2, WHOLE / 4, release="second"))
    assert with_forgotten(marks, marks) == marks
    assert with_forgotten(marks[:1], marks) == marks
    older = Account(with_forgotten((), marks[:1]))
    refused(older, spending(3, release="third"))
    assert older.booking(spending(1, release="first"), BUDGET, over=False) is None


def test_a_person_may_go_beyond_the_budget_and_it_is_counted() -> None:
    account = Account((spending(1, release="first"),))
    assert refused(account, spending(2, share="other")).detail.startswith(OVER_BUDGET)
    assert account.reserving(spending(2, share="other"), BUDGET, over=True) == spending(2, share="other")
    over = Account((*account.entries, spending(2, release="second")))
    assert total(over.costs()) == Cost(2 * WHOLE)
    assert BUDGET.epsilon_left(over.costs()) == 0


def told(rows: str | None, *, noised: bool) -> Told:
    table = SummedTable(
        dataset="clinic",
        version=named("version"),
        rows=4,
        encoding=named("encoding"),
        whole=None if rows is None else named(rows),
        row_key="aa" * 8,
    )
    return Told(job_id="a" * 32, told_at="2026-01-01T00:00:00Z", table=table, roster=("b" * 64,), noised=noised)


def test_rows_of_which_exact_sums_were_told_have_no_budget_left() -> None:
    assert not Account.of((), (told("rows", noised=True),), lambda _: True).exact
    assert not Account.of((), (told("rows", noised=False),), lambda _: False).exact
    account = Account.of((), (told("rows", noised=False),), lambda _: True)
    assert "Exact sums" in refused(account, spending(1, 1e-9)).detail
    assert account.reserving(spending(1), None, over=False) == spending(1)  # no budget, no end


@dataclass
class Rows:
    """Sets of rows by name."""

    known: dict[str, RowIds]

    def get(self, name: str) -> RowIds | None:
        return self.known.get(name)


def ids(*values: int) -> RowIds:
    return RowIds.of(np.array(values, dtype=np.uint64))


def test_a_budget_is_of_rows_and_not_of_names() -> None:
    rows = Rows({named("rows"): ids(1, 2, 3), named("some"): ids(3, 4), named("others"): ids(5, 6)})
    shares = shares_rows(spending(1), rows.get)
    other = {"dataset": "another-name", "version": named("another file")}
    assert shares(spending(2, whole=named("some"), **other))
    assert not shares(spending(3, whole=named("others"), **other))
    # What cannot be compared counts: lost or unknown rows, or what another key, dictionary or mapping made of them.
    for unknown in (None, named("lost")):
        assert shares(spending(4, whole=unknown, **other))
    assert shares(spending(5, whole=named("others"), row_key="bb" * 8, **other))
    for encoding in (None, named("another encoding")):
        assert shares(spending(6, whole=named("others"), encoding=encoding, **other))
    assert shares(UnreadRows("another-name", named("another file")))


def test_a_dataset_that_a_person_sets_apart_has_a_budget_of_its_own_but_for_rows_that_are_seen_in_both() -> None:
    rows = Rows({named("rows"): ids(1, 2, 3), named("some"): ids(3, 4)})
    suppliers = {"dataset": "suppliers", "version": named("another file"), "encoding": named("another encoding")}
    for apart in (["suppliers"], ["clinic"]):
        shares = shares_rows(spending(1), rows.get, apart)
        assert not shares(spending(2, whole=None, **suppliers))
        assert not shares(UnreadRows("suppliers", named("another file")))
        assert shares(spending(3, whole=named("some"), **suppliers))
        assert shares(spending(4, whole=None, **{**suppliers, "version": named("version")})), "the same file"
        # Of one dataset, nothing is apart: a later version has some of the rows of the one before.
        assert shares(spending(5, whole=None, version=named("a later version")))
    assert shares_rows(spending(1), rows.get, ["others"])(spending(2, whole=None, **suppliers))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("epsilon = 1.0", "privacy"),
        ("delta = 1e-6", "privacy"),
        ("epsilon = 0.0\ndelta = 1e-6", "privacy.epsilon"),
        ("epsilon = 1.0\ndelta = 1.0", "privacy.delta"),
        ("per_job = 1.0", "privacy"),
        ('at_end = "ask"', "privacy"),
        ('epsilon = 1.0\ndelta = 1e-6\nat_end = "wait"', "privacy.at_end"),
        ('apart = ["suppliers"]', "privacy"),
        ("colluders = -1", "privacy.colluders"),
        ("sigma = 1", "privacy.sigma"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_by_its_field(text: str, field: str) -> None:
    with pytest.raises(Problem, match=field) as caught:
        OwnerPolicy.from_toml(f"[privacy]\n{text}\n")
    assert caught.value.code is Code.INVALID_REQUEST


def test_owners_hold_the_epsilon_that_follows_from_the_noise_against_their_policies() -> None:
    document = json.loads(spec_of(optimizer="newton").model_dump_json())
    claim = {"noise_multiplier": 5.0, "delta": 1e-6, "row_bound": 2.0}
    asked = ModelSpec.model_validate_json(json.dumps({**document, "privacy": claim}))
    assert asked.privacy is not None
    epsilon = claimed_epsilon(asked, asked.privacy)
    assert PrivacyPolicy(epsilon=9.0, delta=1e-6, per_job=epsilon).refuses(asked) is None
    why = PrivacyPolicy(epsilon=9.0, delta=1e-6, per_job=epsilon * 0.99).refuses(asked)
    assert why is not None and f"noise_multiplier leaves epsilon {epsilon:.6g}" in why


def test_a_budget_is_read_from_a_policy() -> None:
    policy = OwnerPolicy.from_toml(
        "[privacy]\nepsilon = 3\ndelta = 1e-6\nper_job = 1\nat_end = 'ask'\ncolluders = 2\napart = ['suppliers']\n"
    )
    assert policy.privacy.apart == ("suppliers",)
    assert policy.privacy.budget == RenyiFilter(3.0, 1e-6)
    assert OwnerPolicy().privacy.budget is None
