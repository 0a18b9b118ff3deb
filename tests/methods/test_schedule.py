"""The order of rounds, as every party holds a request against it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fedtrain.methods.schedule import Schedule, Turn

PLAIN = Schedule("gradient", 5)
WINDOWS = Schedule("gradient", 5, window=2)
EVALUATED = Schedule("gradient", 5, evaluation="loss", evaluate_every=2)
CHOOSING = Schedule("update", 5, evaluation="loss", evaluate_every=2, evaluates_last=True)
CHOOSING_AT_LAST = Schedule("update", 4, evaluation="loss", evaluate_every=2, evaluates_last=True)


@pytest.mark.parametrize(
    ("schedule", "last", "due"),
    [
        (PLAIN, (None, None), [Turn(0, "counts")]),
        (PLAIN, (0, "counts"), [Turn(1, "gradient")]),
        (PLAIN, (2, "gradient"), [Turn(3, "gradient")]),
        (WINDOWS, (1, "gradient"), [Turn(2, "gradient", 1)]),
        (WINDOWS, (2, "gradient"), [Turn(3, "gradient", 0)]),
        (EVALUATED, (0, "counts"), [Turn(1, "gradient")]),
        (EVALUATED, (1, "gradient"), [Turn(2, "gradient")]),
        (EVALUATED, (2, "gradient"), [Turn(3, "gradient"), Turn(2, "loss")]),
        (EVALUATED, (2, "loss"), [Turn(3, "gradient")]),
        (CHOOSING, (3, "update"), [Turn(4, "update")]),
        (CHOOSING, (5, "update"), [Turn(6, "update"), Turn(5, "loss")]),
    ],
)
def test_what_may_follow(schedule: Schedule, last: tuple[int | None, str | None], due: list[Turn]) -> None:
    assert list(schedule.following(*last)) == due


@pytest.mark.parametrize("schedule", [PLAIN, WINDOWS, EVALUATED, CHOOSING, CHOOSING_AT_LAST])
def test_every_turn_may_follow_the_one_before(schedule: Schedule) -> None:
    turns = list(schedule.every_turn())
    assert turns[0] in schedule.following(None)
    for before, after in pairwise(turns):
        assert after in schedule.following(before.round, before.kind)
    assert turns[-1].round == schedule.rounds
    assert sum(turn.kind == "loss" for turn in turns) == schedule.evaluations()


def test_evaluations_that_are_left() -> None:
    assert [Schedule("gradient", 6, evaluation="loss", evaluate_every=2).evaluations(done) for done in (0, 2, 4)] == [
        2,
        1,
        0,
    ]


@pytest.mark.parametrize("rounds", [4, 5])
def test_evaluations_that_choose_the_weights_come_after_the_last_round_too(rounds: int) -> None:
    schedule = Schedule("update", rounds, evaluation="loss", evaluate_every=2, evaluates_last=True)
    evaluated = [turn.round for turn in schedule.every_turn() if turn.kind == "loss"]
    assert evaluated == sorted({2, 4, rounds})
    for done in range(rounds + 1):
        assert schedule.evaluations(done) == sum(number > done for number in evaluated)


def test_the_last_window_may_be_short() -> None:
    assert [WINDOWS.rounds_from(number) for number in (1, 3, 5)] == [2, 2, 1]
