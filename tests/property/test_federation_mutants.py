"""Guards taken away one at a time: the machine of all parties finds each, so that it can fail."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from fedtrain.data_owner import job as o
from fedtrain.data_owner.job_state import JobState
from fedtrain.facilitator import job as f
from fedtrain.facilitator import round as facilitator_round
from fedtrain.facilitator.job_state import JobContext
from fedtrain.facilitator.job_state import JobState as FacilitatorsState
from fedtrain.facilitator.rounds import joining
from fedtrain.protocol.states import Phase as JobPhase
from tests.harness.data_owner.federation_owner import OwnerParty
from tests.property.test_federation_machines import MANY, NAMES, Federation

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


class Restored(Eager):
    """Backups are restored just when answers were on their way."""

    @rule()
    def stores_are_set_back_before_the_mail_leaves(self) -> None:
        for task in [task for task in self.facilitator.kept.tasks.values() if not task.closed]:
            self.do(task)
        self.lose_all_mail()
        for name, older in self.older.items():
            if older:
                self.owners[name].kept = deepcopy(older[-1])
                self.was_set_back = True

    def check_the_end(self, state: FacilitatorsState) -> None:
        """Not looked at: where owners' moments change, the coefficients would be the first to show it."""


class Careless(Eager):
    """No backups, and mask keys that get lost."""

    rare_from = 20

    @rule(name=st.sampled_from(NAMES))
    def a_key_is_gone(self, name: str) -> None:
        self.owners[name].mask_key = None


def finds(complaint: str, machine: type[Federation] = Eager) -> None:
    """The machine, and nothing else, complains of that. It ends with the first complaint."""
    once = settings(MANY, max_examples=3000, phases=[Phase.generate], database=None, derandomize=True, print_blob=False)
    with pytest.raises(AssertionError, match=complaint):
        run_state_machine_as_test(machine, settings=once)


def test_a_facilitator_that_takes_a_sum_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    take_sum = facilitator_round._sum

    def whenever(context: JobContext, state: FacilitatorsState, event: f.SumReady, now: Any) -> f.Outcome:
        complete = state.current is not None and len(state.current.answers) == len(state.roster)
        phase = JobPhase.ADDING if complete and not state.ended else state.phase
        return take_sum(context, state.model_copy(update={"phase": phase}), event, now)

    monkeypatch.setattr(facilitator_round, "_sum", whenever)
    finds("two sums")


def test_a_facilitator_that_lets_a_later_answer_replace_an_accepted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    take_answer = facilitator_round._answer

    def forgetful(context: JobContext, state: FacilitatorsState, event: f.RoundAnswered, now: Any) -> f.Outcome:
        if state.current is not None and len(state.current.answers) > 1:
            kept = dict(list(state.current.answers.items())[1:])
            state = state.model_copy(update={"current": state.current.model_copy(update={"answers": kept})})
        return take_answer(context, state, event, now)

    monkeypatch.setattr(facilitator_round, "_answer", forgetful)
    finds("was accepted, and is lost")


def test_an_owner_whose_moments_are_not_held_to_what_it_committed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its table changes with each answer, and nothing compares: the same masks, over other contents."""
    answer = OwnerParty._answer

    def over_other_moments(self: OwnerParty, state: JobState, effect: o.Answer) -> bytes:
        self.moments = self.moments + self.moments if self.moments.rows < 200 else self.moments
        return answer(self, state.model_copy(update={"moments_hash": self.moments_hash}), effect)

    monkeypatch.setattr(OwnerParty, "_answer", over_other_moments)
    finds("a mask over two contents", Restored)


def test_owners_that_are_too_late_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "not_declined", lambda _state: ())
    finds("for ever")


def test_an_owner_that_leaves_and_does_not_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobState, "left", property(lambda _self: False))
    finds("for ever", Careless)


def test_an_owner_that_sends_before_it_has_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = OwnerParty._answer

    def unstored(self: OwnerParty, state: JobState, effect: o.Answer) -> bytes:
        before = self.kept
        body = answer(self, state, effect)
        self.kept = before.__class__(before.state, {})
        self.kept.state = state.model_dump_json()
        return body

    monkeypatch.setattr(OwnerParty, "_answer", unstored)
    finds("for ever")
