"""All parties' state machines together, over a network that loses, doubles, delays and reorders, and disks that last.

Whatever happens: no round is summed twice, no mask is put over two contents, no accepted answer is lost; and when the
faults are over, every run has ended everywhere with the undisturbed run's numbers, or says whom it waits for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import timedelta
from functools import cache
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import fedtrain.data_owner.release.answer
from fedtrain.data_owner import job as o
from fedtrain.facilitator import job as f
from fedtrain.facilitator.job_state import JobState, Member
from fedtrain.facilitator.status import JobOutline, describe
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner import job as m
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import JobEnd, parse_json
from fedtrain.protocol.messages.rounds import LogEntry, RoundAnswer, from_cbor
from fedtrain.protocol.messages.tasks import CBOR_TYPE, TaskKind
from fedtrain.protocol.states import ENDED
from fedtrain.protocol.states import Phase as JobPhase
from fedtrain.spec.problems import Problem
from tests.harness.data_owner.federation_owner import OwnerKept, OwnerParty
from tests.harness.data_owner.federation_parties import (
    Crash,
    FacilitatorParty,
    ModelOwnerParty,
    Task,
    play_spec,
    private_key,
)

NAMES = ("clinic-a", "clinic-b", "clinic-c", "clinic-d")
PARTIES = ("model-owner", *NAMES)


class MaskWitness:
    """Sees every mask that is made, and what it is put over."""

    def __init__(self) -> None:
        self.contents: dict[tuple[object, ...], set[str]] = {}
        self._under: tuple[object, ...] = ()
        self._sum_of_masks = fedtrain.data_owner.release.answer.sum_of_masks
        self._blind = fedtrain.data_owner.release.answer.blind

    def sum_of_masks(self, own_id: bytes, own_key: Any, peers: Any, context: Any, count: int, n: int) -> Any:
        self._under = (own_id, own_key.private_bytes_raw(), frozenset(peers.items()), tuple(context))
        return self._sum_of_masks(own_id, own_key, peers, context, count, n)

    def blind(self, ciphertexts: Sequence[Any], masks: Any, n: int) -> Any:
        # What a mask hides are plaintexts: a plain answer's nonces are fresh every time.
        plaintexts = [private_key().raw_decrypt(int(one)) for one in ciphertexts]
        content = hashlib.sha256(repr(plaintexts).encode()).hexdigest()
        self.contents.setdefault(self._under, set()).add(content)
        return self._blind(ciphertexts, masks, n)


class Federation(RuleBasedStateMachine):
    """`mail`: results on their way to the Facilitator, which any of them may reach at any time, any number of times."""

    #: From which draw of 0 … 19 on a rare thing happens.
    rare_from = 18

    def __init__(self) -> None:
        super().__init__()
        self.facilitator = FacilitatorParty()
        self.owners = {name: OwnerParty(name) for name in NAMES}
        self.model_owner = ModelOwnerParty(play_spec())
        self.mail: list[tuple[str, str, bytes, str]] = []
        self.taken: dict[tuple[int, RoundKind, str], str] = {}
        self.older: dict[str, list[OwnerKept]] = {name: [] for name in NAMES}
        self.was_set_back = False
        self.told_before_offered: dict[str, JobEnd] = {}
        self.late_sums: list[f.SumReady] = []
        self.masks = MaskWitness()
        self._patches = [
            mock.patch.object(fedtrain.data_owner.release.answer, "sum_of_masks", self.masks.sum_of_masks),
            mock.patch.object(fedtrain.data_owner.release.answer, "blind", self.masks.blind),
        ]
        for patch in self._patches:
            patch.start()

    @initialize(
        on_dropout=st.sampled_from(["wait", "wait", "end"]),
        room=st.sampled_from([8, 3]),
        by_hand=st.sampled_from([False, False, True]),
        at_once=st.booleans(),
    )
    def agree(self, on_dropout: str, room: int, by_hand: bool, at_once: bool) -> None:
        """`by_hand`: at one owner a person decides. `at_once`: all are there from the beginning."""
        self.owners["clinic-d"] = OwnerParty("clinic-d", by_hand=by_hand)
        for name in NAMES if at_once else ():
            self.register(name)
        self.model_owner = ModelOwnerParty(play_spec(on_dropout=on_dropout, max_data_owners=room))

    def party(self, name: str) -> ModelOwnerParty | OwnerParty:
        return self.model_owner if name == "model-owner" else self.owners[name]

    def running(self, name: str, crash_after: int, work: Callable[[], None]) -> None:
        """Let a party do something; it dies after so many writes, 0 for never. What it refuses changes nothing else."""
        disk = self.party(name).disk
        disk.crash_after = crash_after or None
        try:
            work()
        except (Crash, Problem):
            pass  # dead, or it refused: in both cases what is kept is what counts
        finally:
            disk.crash_after = None

    # Parties

    @rule(name=st.sampled_from(NAMES))
    def register(self, name: str) -> None:
        self.facilitator.register(self.owners[name].party_id, name)

    @rule(crash_after=st.integers(0, 3))
    def prepare(self, crash_after: int) -> None:
        self.running("model-owner", crash_after, lambda: self.model_owner.settle(self.facilitator))

    @precondition(lambda self: self.facilitator.kept.tasks)
    @rule(data=st.data(), crash_after=st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5]), old=st.booleans())
    def work(self, data: st.DataObject, crash_after: int, old: bool) -> None:
        """Any task that its recipient was ever shown: also one that is over, or that it has done."""
        tasks = [task for task in self.facilitator.kept.tasks.values() if old or not task.closed]
        if tasks:
            self.do(data.draw(st.sampled_from(tasks)), crash_after)

    def do(self, task: Task, crash_after: int = 0) -> None:
        name = next(name for name in PARTIES if self.party(name).party_id == task.recipient)
        self.remember(name)
        if task.kind is TaskKind.END and name in self.owners and self.owners[name].state is None:
            self.told_before_offered[name] = parse_json(task.request, JobEnd)

        def work() -> None:
            result = self.party(name).work(task, self.facilitator)
            if result is not None:
                self.mail.append((task.id, task.recipient, *result))

        self.running(name, crash_after, work)

    def remember(self, name: str) -> None:
        if name in self.owners:
            self.older[name] = [*self.older[name][-5:], deepcopy(self.owners[name].kept)]

    @precondition(lambda self: any(self.older.values()))
    @rule(name=st.sampled_from(NAMES), data=st.data(), chance=st.integers(0, 19))
    def set_an_owners_store_back(self, name: str, data: st.DataObject, chance: int) -> None:
        """A backup is restored: the store has forgotten; keys and marks lie elsewhere and have not."""
        if self.older[name] and chance >= self.rare_from:
            self.owners[name].kept = deepcopy(data.draw(st.sampled_from(self.older[name])))
            self.was_set_back = True

    @rule(name=st.sampled_from(NAMES), chance=st.integers(0, 19))
    def lose_a_mask_key(self, name: str, chance: int) -> None:
        if chance >= self.rare_from:
            self.owners[name].mask_key = None

    @precondition(lambda self: any(owner.kept.state and owner.state.waits_because for owner in self.owners.values()))
    @rule(name=st.sampled_from(NAMES), deny=st.sampled_from([False] * 4 + [True]), crash_after=st.integers(0, 2))
    def decide(self, name: str, deny: bool, crash_after: int) -> None:
        """A person of an owner approves or denies what waits for a person."""
        owner = self.owners[name]
        if owner.state is not None and owner.state.waits_because is not None:
            message = o.Denied("no") if deny else o.Approved()
            self.running(name, crash_after, lambda: owner.take(message))

    # The network

    @precondition(lambda self: self.mail)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        self.arrive(data.draw(st.sampled_from(self.mail)))

    @precondition(lambda self: self.mail)
    @rule()
    def deliver_the_latest(self) -> None:
        self.arrive(self.mail[-1])

    @precondition(lambda self: self.mail)
    @rule()
    def lose_all_mail(self) -> None:
        self.mail.clear()

    def arrive(self, letter: tuple[str, str, bytes, str]) -> None:
        before = self.facilitator.kept.state
        task_id, party, body, content_type = letter
        try:
            self.facilitator.give(task_id, party, body, content_type)
        except Problem:
            assert self.facilitator.kept.state == before
            return
        if self.facilitator.kept.tasks[task_id].kind is TaskKind.COMPUTE and content_type == CBOR_TYPE:
            answer = from_cbor(body, RoundAnswer)
            self.taken.setdefault((answer.round, answer.kind, party), sha256_hex(body))

    # The Facilitator

    @rule(again=st.booleans())
    def add(self, again: bool) -> None:
        """The sum is computed; it may also come a second time, from a worker that was thought to be dead."""
        ready = self.facilitator.ready_sum()
        if ready is not None:
            self.late_sums.append(ready)
            self.facilitator.sum_arrives(ready)
        if again and self.late_sums:
            self.sum_again()

    def sum_again(self) -> None:
        before = self.facilitator.kept.state
        try:
            self.facilitator.sum_arrives(self.late_sums[-1])
        except Problem:
            assert self.facilitator.kept.state == before

    @rule(seconds=st.sampled_from([1] * 12 + [700]))
    def time_passes(self, seconds: int) -> None:
        self.facilitator.now += timedelta(seconds=seconds)
        self.facilitator.tick()

    @rule(chance=st.integers(0, 39), crash_after=st.integers(0, 2))
    def cancel(self, chance: int, crash_after: int) -> None:
        if chance == 39:
            self.running("model-owner", crash_after, lambda: self.model_owner.take(m.CancelAsked("enough")) and None)

    @rule(again=st.booleans())
    def everybody_does_what_is_due(self, again: bool) -> None:
        """Keeps jobs moving, so that what is late meets later rounds too."""
        self.running("model-owner", 0, lambda: self.model_owner.settle(self.facilitator))
        for task in [task for task in self.facilitator.kept.tasks.values() if not task.closed]:
            self.do(task)
            for letter in [letter for letter in self.mail if letter[0] == task.id]:
                self.arrive(letter)
        self.add(again)

    # What always holds

    @invariant()
    def no_round_is_summed_twice(self) -> None:
        entries = [from_cbor(entry, LogEntry) for entry in self.facilitator.kept.log[1:]]
        rounds = [(entry.round, entry.kind) for entry in entries]
        assert len(set(rounds)) == len(rounds), f"two sums over one roster in one round: {rounds}"
        assert len(self.facilitator.kept.rosters) <= 1, "two rosters in one job"

    @invariant()
    def no_mask_is_put_over_two_contents(self) -> None:
        assert all(len(contents) == 1 for contents in self.masks.contents.values()), "a mask over two contents"

    @invariant()
    def no_accepted_answer_is_lost(self) -> None:
        state = self.facilitator.state
        logged = {
            (entry.round, entry.kind, record.party): record.answer_hash
            for entry in (from_cbor(data, LogEntry) for data in self.facilitator.kept.log[1:])
            for record in entry.answers
        }
        current = None if state is None else state.current
        for (number, kind, party), answer_hash in self.taken.items():
            kept = logged.get((number, kind, party))
            if kept is None and current is not None and (current.round, current.kind) == (number, kind):
                kept = None if party not in current.answers else current.answers[party].answer_hash
            assert kept == answer_hash, f"the answer of {party[:8]} to round {number} was accepted, and is lost"

    @invariant()
    def who_is_waited_for_is_named(self) -> None:
        state, context = self.facilitator.state, self.facilitator.context
        if state is None or context is None:
            return
        view = describe(
            JobOutline.of(context.manifest), state, Member(party="01" * 32, name="facilitator"), self.facilitator.now
        )
        if state.ended:
            assert view.waiting_for == [] and (view.code or state.phase is JobPhase.FINISHED)
        elif state.invited:
            assert view.waiting_for, f"a job that is {state.phase} waits for nobody"

    # The end of the faults

    def teardown(self) -> None:
        try:
            self.let_it_end()
        finally:
            for patch in self._patches:
                patch.stop()

    def let_it_end(self) -> None:
        for name, owner in self.owners.items():
            self.facilitator.register(owner.party_id, name)
        while self.everything_as_it_is() != self.after_another_turn():
            self.check_all()
        self.check_all()
        self.end_what_came_after_its_end()
        state = self.facilitator.state
        if state is None:
            assert self.model_owner.state.ended, "a job that never came to the Facilitator was cancelled before"
            return
        if not state.ended:
            assert self.was_set_back, f"all are there, and the job is {state.phase} for ever"
            return
        self.check_the_end(state)

    def end_what_came_after_its_end(self) -> None:
        """An owner whose JOIN is refused as over, or that starts again, asks the Facilitator what became of the job."""
        for name, end in self.told_before_offered.items():
            if self.owners[name].state is not None:
                self.owners[name].take(o.Ended(end))

    def after_another_turn(self) -> object:
        for owner in self.owners.values():
            if owner.state is not None and owner.state.waits_because is not None:
                owner.take(o.Approved())
        self.everybody_does_what_is_due(again=False)
        return self.everything_as_it_is()

    def everything_as_it_is(self) -> object:
        owners = [(owner.kept.state, tuple(owner.kept.answers)) for owner in self.owners.values()]
        closed = [task.closed for task in self.facilitator.kept.tasks.values()]
        return self.facilitator.kept.state, self.model_owner.kept.state, owners, closed

    def check_all(self) -> None:
        self.no_round_is_summed_twice()
        self.no_mask_is_put_over_two_contents()
        self.no_accepted_answer_is_lost()
        self.who_is_waited_for_is_named()

    def check_the_end(self, state: JobState) -> None:
        # A job that the Model Owner cancels may have failed at the Facilitator meanwhile; finished is finished at both.
        at_model_owner = self.model_owner.state.phase
        assert at_model_owner in ENDED, f"the Model Owner is {at_model_owner} for ever"
        assert (at_model_owner is JobPhase.FINISHED) == (state.phase is JobPhase.FINISHED)
        for name, owner in self.owners.items():
            known = owner.state
            if known is None or (self.was_set_back and not known.ended):
                continue  # set back to before the end that it was told
            assert known.phase in ENDED or known.phase is JobPhase.DECLINED, f"{name} is {known.phase} for ever"
            assert owner.mask_key is None or self.was_set_back, f"{name} has kept its mask key"
            left = known.refusal is not None and known.phase is JobPhase.CANCELLED
            assert not left or state.phase is not JobPhase.FINISHED, f"{name} left, and the job has finished"
        if state.phase is JobPhase.FINISHED:
            assert self.model_owner.kept.model is not None
            assert self.model_owner.kept.model.arrays == undisturbed(tuple(one.name for one in state.roster))


@cache
def undisturbed(names: tuple[str, ...]) -> object:
    """The coefficients that exactly these owners' records give."""
    facilitator, model_owner = FacilitatorParty(), ModelOwnerParty(play_spec())
    owners = {identity.party_id: identity for identity in (OwnerParty(name) for name in names)}
    for party_id, owner in owners.items():
        facilitator.register(party_id, owner.name)
    model_owner.settle(facilitator)
    while model_owner.kept.model is None:
        for task in [task for task in facilitator.kept.tasks.values() if not task.closed]:
            result = (owners.get(task.recipient) or model_owner).work(task, facilitator)
            assert result is not None
            facilitator.give(task.id, task.recipient, *result)
        ready = facilitator.ready_sum()
        if ready is not None:
            facilitator.sum_arrives(ready)
    return model_owner.kept.model.arrays


QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)
FEW = settings(max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=QUIET)
MANY = settings(max_examples=120, stateful_step_count=60, deadline=None, suppress_health_check=QUIET)


def test_an_offer_that_is_read_after_its_jobs_end_ends_too() -> None:
    play = Federation()
    play.agree(on_dropout="wait", room=8, by_hand=False, at_once=False)
    play.register("clinic-a")
    play.prepare(0)
    offer = next(task for task in play.facilitator.kept.tasks.values() if task.kind is TaskKind.JOIN)
    play.time_passes(700)
    play.everybody_does_what_is_due(again=False)
    play.do(offer)
    known = play.owners["clinic-a"].state
    assert known is not None and known.phase is JobPhase.JOINED
    play.teardown()


@pytest.mark.slow
def test_whatever_is_lost_doubled_delayed_or_killed_the_job_stays_sound() -> None:
    run_state_machine_as_test(Federation, settings=FEW)


@pytest.mark.slow
def test_the_same_over_thousands_of_steps() -> None:
    run_state_machine_as_test(Federation, settings=MANY)
