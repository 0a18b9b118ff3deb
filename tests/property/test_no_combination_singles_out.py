"""No combination of released sums has too few owners or records in it, unless those in it agreed; and the search for
one finds it as soon as a rule is off."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from fedtrain.data_owner.policy import differencing
from tests.harness.data_owner.combinations import Released, by_owner, singled_out
from tests.harness.data_owner.told_histories import LEAST_OWNERS, MIN_ROWS, History

STEPS = 14


def found_in(seed: int) -> str | None:
    history = History(seed)
    history.run(STEPS)
    return singled_out(history.released(), LEAST_OWNERS, MIN_ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(3))
def test_hundreds_of_histories_single_nobody_out(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        assert found_in(seed) is None, seed


@pytest.mark.slow
@pytest.mark.parametrize("thousand", range(1, 3))
def test_thousands_of_histories_single_nobody_out(thousand: int) -> None:
    for seed in range(1000 * thousand, 1000 * thousand + 1000):
        assert found_in(seed) is None, seed


def _none(*_: Any, **__: Any) -> None:
    return None


def _nothing(*_: Any, **__: Any) -> tuple[()]:
    return ()


RULES_OFF: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "another roster needs no consent": lambda patch: patch.setattr(differencing, "rosters_to_consent", _none),
    "whatever was signed is enough": lambda patch: patch.setattr(differencing, "is_consented", lambda *_: True),
    "rows of a changed table are not looked at": lambda patch: patch.setattr(differencing, "table_risks", _nothing),
    "the same roster with another table is not looked at": lambda patch: patch.setattr(
        differencing, "roster_risks", _nothing
    ),
}


@pytest.mark.parametrize("rule", list(RULES_OFF))
def test_with_a_rule_off_somebody_is_singled_out(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    RULES_OFF[rule](monkeypatch)
    assert any(found_in(seed) for seed in range(100, 500))


def test_the_search_finds_the_seventh_of_three_rosters() -> None:
    names = "ABCDEFG"
    rows = {name: range(10) for name in names}
    sums = [Released(by_owner({name: rows[name] for name in roster})) for roster in (names, "ABC", "DEF")]
    assert singled_out(sums[:2], 3, 4) is None
    assert singled_out(sums, 3, 4) == "G with []"
    agreed = [dataclasses.replace(one, consented=frozenset(names)) for one in sums]
    assert singled_out(agreed, 3, 4) is None


def test_the_search_finds_the_rows_that_were_added_and_the_owner_that_cancels_itself() -> None:
    def total(rows: object) -> Released:
        return Released(by_owner({"A": rows, "B": range(10), "C": range(10)}))  # type: ignore[dict-item]

    assert singled_out([total(range(10))], 3, 4) is None
    assert singled_out([total(range(10)), total(range(20))], 1, 4) is None
    assert singled_out([total(range(10)), total(range(20))], 3, 4) == "A with []"
    assert singled_out([total(range(10)), total(range(12))], 1, 4) == "2 records of A"
    halves = [total(range(10)), total(range(10, 20)), total(range(20))]
    mine = [dataclasses.replace(one, consented=frozenset("A")) for one in halves]
    assert singled_out(mine[:2], 3, 4) is None
    assert singled_out(mine, 3, 4) == "B with ['C']"  # and A asked nobody
