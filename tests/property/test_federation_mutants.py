"""Guards taken away one at a time: the machine of all parties finds each, so that it can fail."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import rule, run_state_machine_as_test

from data_owner import job as o
from facilitator import job as f
from facilitator import joining
from facilitator import round as facilitator_round
from protocol.states import Phase as JobPhase
from tests.property.federation_parties import OwnerParty
from tests.property.test_federation_machines import MANY, Federation

pytestmark = pytest.mark.slow


class Eager(Federation):
    """The same, with jobs that get further."""

    @rule()
    def go_on(self) -> None:
        self.everybody_does_what_is_due(again=True)

    @rule()
    def go_on_for_long(self) -> None:
        for _ in range(3):
            self.everybody_does_what_is_due(again=True)


def finds(complaint: str) -> None:
    """The machine, and nothing else, complains of that."""
    once = settings(MANY, phases=[Phase.generate], database=None, derandomize=True, print_blob=False)
    with pytest.raises(AssertionError, match=complaint):
        run_state_machine_as_test(Eager, settings=once)


def test_a_facilitator_that_takes_a_sum_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    take_sum = facilitator_round._sum

    def whenever(context: f.JobContext, state: f.JobState, event: f.SumReady, now: Any) -> f.Outcome:
        complete = state.current is not None and len(state.current.answers) == len(state.roster)
        phase = JobPhase.ADDING if complete and not state.ended else state.phase
        return take_sum(context, state.model_copy(update={"phase": phase}), event, now)

    monkeypatch.setattr(facilitator_round, "_sum", whenever)
    finds("two sums")


def test_a_facilitator_that_lets_a_later_answer_replace_an_accepted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    take_answer = facilitator_round._answer

    def forgetful(state: f.JobState, event: f.RoundAnswered, now: Any) -> f.Outcome:
        if state.current is not None and len(state.current.answers) > 1:
            kept = dict(list(state.current.answers.items())[1:])
            state = state.model_copy(update={"current": state.current.model_copy(update={"answers": kept})})
        return take_answer(state, event, now)

    monkeypatch.setattr(facilitator_round, "_answer", forgetful)
    finds("was accepted, and is lost")


def test_owners_that_are_too_late_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "not_declined", lambda _state: ())
    finds("for ever")


def test_an_owner_that_sends_before_it_has_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = OwnerParty._answer

    def unstored(self: OwnerParty, state: o.JobState, effect: o.Answer) -> bytes:
        before = self.kept
        body = answer(self, state, effect)
        self.kept = before.__class__(before.state, {})
        self.kept.state = state.model_dump_json()
        return body

    monkeypatch.setattr(OwnerParty, "_answer", unstored)
    finds("for ever")
