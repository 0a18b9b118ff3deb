"""The ledger of privacy: whatever is interrupted or set back, no more is told than was booked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fedtrain.data_owner.agent.spending import Spendings
from fedtrain.data_owner.data.datasets import register
from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.audit import verify_records
from fedtrain.data_owner.release.noised_release import NoisedRelease
from fedtrain.data_owner.release.told_files import ToldSums
from fedtrain.data_owner.store.records import Spending, SpendingKind
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.methods.noised_moments import NoiseTerms, noise_terms
from fedtrain.planning.plans import plan_spec
from fedtrain.privacy.accounting import epsilon_of
from fedtrain.service.store.database import sqlite_url
from fedtrain.service.store.database_url import read_url
from fedtrain.spec.model_spec import DataProps, ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.mapping.file import Mapping
from tests.data_owner.data.frozen.test_owner_freezing import SCHEMA, Bench, _spec, _table
from tests.harness.data_owner.owner_bench import spec_of

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
TABLE = SummedTable(dataset="default", version="a1" * 32, rows=40, encoding="b2" * 32, whole="c3" * 32)
COUNT, FITTING = 500, 7
AGE, _, DOSE = SCHEMA["features"]  # type: ignore[misc]


def terms() -> NoiseTerms:
    spec = ModelSpec.model_validate(
        {
            "model_type": "LINEAR_REGRESSION",
            "data_props": {
                "features": [{"col_idx": 0, "type": "continuous", "range": [0, 10]}],
                "target": {"col_idx": 1, "range": [0, 100]},
            },
            "training": {"optimizer": "newton"},
            "privacy": {"epsilon": 0.5, "delta": 1e-6, "row_bound": 2.0},
        }
    )
    found = noise_terms(plan_spec(spec))
    assert found is not None
    return found


TERMS = terms()
BUDGET = PrivacyPolicy(epsilon=epsilon_of(FITTING * TERMS.rho, 1e-6), delta=1e-6)
WHOLE = PrivacyPolicy(epsilon=epsilon_of(TERMS.rho, 1e-6), delta=1e-6)


def job(number: int) -> str:
    return f"{number:032x}"


def share(number: int) -> str:
    return f"{number:064x}"


def release(number: int, of_share: int | None = None) -> NoisedRelease:
    return NoisedRelease(f"{number + 1000:064x}", share(number if of_share is None else of_share), TERMS, b"s" * 32)


Opener = Callable[[], Spendings]


@pytest.fixture
def opener(store_url: str, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same ledger again, as after a restart."""
    opened: list[OwnerStore] = []

    def open_ledger() -> Spendings:
        opened.append(OwnerStore(store_url))
        return Spendings(opened[-1], ToldSums(tmp_path), lambda _: None, lambda: NOW)

    yield open_ledger
    for store in opened:
        store.close()


def reserve(ledger: Spendings, number: int, policy: PrivacyPolicy = BUDGET, **more: Any) -> None:
    ledger.reserve(job(number), TABLE, share(number), TERMS, policy, more.get("taken", ()))


def book(ledger: Spendings, number: int, of: NoisedRelease | None = None, policy: PrivacyPolicy = BUDGET) -> None:
    ledger.book(job(number), TABLE, of or release(number), policy, ())


def is_spent(act: Callable[[], None]) -> bool:
    try:
        act()
    except Problem as problem:
        assert problem.code is Code.BUDGET_SPENT
        return True
    return False


def test_of_five_hundred_jobs_at_once_as_many_get_in_as_the_budget_has_room_for(opener: Opener) -> None:
    ledger = opener()
    with ThreadPoolExecutor(16) as pool:
        refused = list(pool.map(lambda number: is_spent(lambda: reserve(ledger, number)), range(COUNT)))
    assert COUNT - sum(refused) == FITTING
    inside = [number for number, out in enumerate(refused) if not out]
    for number in inside:
        book(ledger, number)
    assert len(ledger.account(TABLE, BUDGET).booked) == FITTING
    verify_records(ledger.store.audit())
    # Twenty jobs under one release that was told cost what it cost.
    for number in range(1000, 1020):
        ledger.reserve(job(number), TABLE, share(inside[0]), TERMS, BUDGET, ())
        book(ledger, number, NoisedRelease(release(inside[0]).name, share(inside[0]), TERMS, b"s" * 32))
    assert len(ledger.account(TABLE, BUDGET).costs()) == FITTING
    assert is_spent(lambda: reserve(ledger, 2000))


def test_what_told_nothing_is_given_back_and_what_told_something_is_not(opener: Opener) -> None:
    ledger = opener()
    for number in range(FITTING):
        reserve(ledger, number)
    assert is_spent(lambda: reserve(ledger, 99))
    book(ledger, 0)
    for number in (0, 0, 1, 1, 99):
        ledger.give_back(job(number))
    assert not ledger.has_reserved(job(1))
    again = opener()
    assert not is_spent(lambda: reserve(again, 99))
    assert is_spent(lambda: reserve(again, 98))
    kinds = [one.kind for one in again.store.spendings()]
    assert kinds.count(SpendingKind.GIVEN_BACK) == 1


class _Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("point", ["before the mark", "after the mark"])
def test_a_crash_while_booking_leaves_what_was_reserved_or_what_was_booked(
    opener: Opener, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = opener()
    reserve(ledger, 1)
    spend = ToldSums.spend

    def killed(self: ToldSums, booked: Spending) -> None:
        if point == "after the mark":
            spend(self, booked)
        raise _Killed

    monkeypatch.setattr(ToldSums, "spend", killed)
    with suppress(_Killed):
        book(ledger, 1)
    monkeypatch.undo()
    after = opener()
    assert after.account(TABLE, BUDGET).costs() == [TERMS.cost]
    assert after.has_reserved(job(1))  # in the store: what is beside the keys says that it was spent
    assert after.forgotten() == (0 if point == "before the mark" else 1)
    book(after, 1)  # the same request is answered again
    after.give_back(job(1))
    assert after.account(TABLE, BUDGET).costs() == [TERMS.cost]
    assert len(after.account(TABLE, BUDGET).booked) == 1
    assert after.forgotten() == 0


def test_a_store_that_is_set_back_forgets_nothing_that_was_told(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    url = read_url(f"sqlite:///{path}")
    told = ToldSums(tmp_path)

    def opened() -> Spendings:
        return Spendings(OwnerStore(url), told, lambda _: None, lambda: NOW)

    ledger = opened()
    ledger.store.close()
    shutil.copy(path, tmp_path / "older")
    ledger = opened()
    for number in range(FITTING):
        reserve(ledger, number)
        book(ledger, number)
    ledger.store.close()
    for leftover in tmp_path.glob("state.sqlite3*"):
        leftover.unlink()
    shutil.copy(tmp_path / "older", path)

    ledger = opened()
    assert ledger.store.spendings() == []
    assert ledger.forgotten() == FITTING
    assert is_spent(lambda: reserve(ledger, 99))
    book(ledger, 3)  # what was told is told again, and costs nothing
    assert len(ledger.account(TABLE, BUDGET).costs()) == FITTING
    assert is_spent(lambda: book(ledger, 99))
    ledger.store.close()


RENAMED = "decimal = '.'\n[columns.x]\nfrom = 'dose'\n[columns.y]\nfrom = 'days'\n"
RESCALED = "decimal = '.'\n[columns.dose]\nfactor = 1000\n"


@pytest.mark.parametrize("again", ["another dictionary", "other names", "another unit", "a longer file, another unit"])
def test_the_same_rows_have_one_budget_however_they_are_registered_again(tmp_path: Path, again: str) -> None:
    bench = Bench(tmp_path)
    ledger = Spendings(bench.store, ToldSums(tmp_path), bench.rows.get, lambda: NOW)
    first = bench.freezer.freeze_job(job(1), bench.register(_table(), SCHEMA), _spec(AGE, DOSE)).table
    ledger.reserve(job(1), first, share(1), TERMS, WHOLE, ())
    ledger.book(job(1), first, release(1), WHOLE, ())

    rules, text = None, _table()
    features, target = [DOSE], SCHEMA["target"]
    if again == "other names":
        rules, features, target = RENAMED, [{**DOSE, "name": "x"}], {**target, "name": "y"}
    elif again != "another dictionary":
        rules, features = RESCALED, [{**DOSE, "range": [-2000, 2000]}]
    if again.startswith("a longer file"):
        text = _table(last="41,1.0,a,3")
    path = tmp_path / "again.csv"
    path.write_text(text)
    schema = {"features": features, "target": target}
    mapping = None if rules is None else Mapping.from_toml(rules)
    dataset = register(bench.store, "again", path, DataProps.model_validate(schema), "now", mapping)
    table = bench.freezer.freeze_job(job(2), dataset, spec_of(schema)).table
    own, other = bench.rows.get(first.whole or ""), bench.rows.get(table.whole or "")
    assert own is not None and other is not None and set(own.ids).isdisjoint(other.ids), "no hash shows it"
    assert is_spent(lambda: ledger.reserve(job(2), table, share(2), TERMS, WHOLE, ()))
    apart = WHOLE.model_copy(update={"apart": ("again",)})
    if dataset.version == first.version:
        assert is_spent(lambda: ledger.reserve(job(2), table, share(2), TERMS, apart, ()))
    else:
        ledger.reserve(job(2), table, share(2), TERMS, apart, ())
    # Before any job has read it, what may be left is shown at its worst.
    later = ledger.of_dataset("again", "ee" * 32, WHOLE)
    assert WHOLE.budget is not None and WHOLE.budget.epsilon_left(later.costs()) < 1e-3


def test_a_budget_of_an_earlier_version_covers_rows_that_it_did_not_say_how_to_read(tmp_path: Path) -> None:
    ledger = Spendings(
        OwnerStore(sqlite_url(tmp_path / "state.sqlite3")), ToldSums(tmp_path), lambda _: None, lambda: NOW
    )
    reserve(ledger, 1, WHOLE)
    (entry,) = ledger.store.spendings()
    ledger.store.spend(
        lambda _: entry.model_copy(
            update={"kind": SpendingKind.BOOKED, "release": release(1).name, "encoding": None, "version": "ff" * 32}
        )
    )
    verify_records(ledger.store.audit())
    assert is_spent(lambda: reserve(ledger, 2, WHOLE))
    ledger.store.close()


def test_without_a_budget_everything_is_kept_and_nothing_refused(opener: Opener) -> None:
    ledger, policy = opener(), PrivacyPolicy()
    for number in range(FITTING + 3):
        reserve(ledger, number, policy)
        book(ledger, number, policy=policy)
    assert len(ledger.account(TABLE, BUDGET).booked) == FITTING + 3
    # A policy that gets a budget finds what was told before.
    assert is_spent(lambda: reserve(ledger, 99))


def test_a_roster_that_turns_out_to_be_another_one_is_paid_for_or_not_told(opener: Opener) -> None:
    ledger = opener()
    for number in range(FITTING):
        reserve(ledger, number)
        book(ledger, number)
    ledger.reserve(job(50), TABLE, share(0), TERMS, BUDGET, ())  # the same share: it may be free
    assert is_spent(lambda: book(ledger, 50, release(50, of_share=0)))
    book(ledger, 50, release(0))
    assert not ledger.has_reserved(job(50))
