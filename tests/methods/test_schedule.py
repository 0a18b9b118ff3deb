"""The order of rounds, as every party holds a request against it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fedtrain.methods.schedule import Schedule, Turn

PLAIN = Schedule("gradient", 5)
WINDOWS = Schedule("gradient", 5, window=2)
EVALUATED = Schedule("gradient", 5, evaluation="loss", evaluate_every=2)


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
    ],
)
def test_what_may_follow(schedule: Schedule, last: tuple[int | None, str | None], due: list[Turn]) -> None:
    assert list(schedule.following(*last)) == due


@pytest.mark.parametrize("schedule", [PLAIN, WINDOWS, EVALUATED])
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


def test_the_last_window_may_be_short() -> None:
    assert [WINDOWS.rounds_from(number) for number in (1, 3, 5)] == [2, 2, 1]
