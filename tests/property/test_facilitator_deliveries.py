"""Whatever is delivered late, twice, out of order or never: the job stays sound."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fedtrain.facilitator.job import CancelRequested, CreateTask, Message, OwnerOffers, TimePassed
from fedtrain.facilitator.job_state import JobState
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.rounds import NO_ENTRY, LogEntry, from_cbor
from fedtrain.protocol.states import ENDED, TRANSITIONS, Phase, Role
from fedtrain.spec.problems import Problem
from tests.harness.facilitator.machine_bench import MachineBench

_OWNERS = 4
_STEPS = {(a, b) for (role, a, _), b in TRANSITIONS.items() if role is Role.FACILITATOR}


class Deliveries(RuleBasedStateMachine):
    """Messages go to a pool when they are sent; the network delivers any of them, any number of times."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = MachineBench(owners=_OWNERS, min_data_owners=2, on_dropout="end")
        self.sent: list[Message] = []
        self.accepted: list[Message] = []
        self.keys: set[str] = set()
        self.log: list[bytes] = []

    def deliver(self, event: Message) -> None:
        before = self.bench.state
        try:
            effects = self.bench.happen(event)
        except Problem:
            assert self.bench.state == before
            return
        after = self.bench.state
        assert after.phase is before.phase or (before.phase, after.phase) in _STEPS
        if before.ended:
            assert after == before and effects == ()
        keys = [effect.key for effect in effects if isinstance(effect, CreateTask)]
        assert len(set(keys)) == len(keys) and self.keys.isdisjoint(keys)
        self.keys.update(keys)
        if after != before:
            self.accepted.append(event)

    @rule(owner=st.integers(0, _OWNERS - 1))
    def register(self, owner: int) -> None:
        name = f"owner-{owner}"
        self.deliver(OwnerOffers(self.bench.owners[name].party_id, name))

    @rule(owner=st.integers(0, _OWNERS - 1), accepts=st.sampled_from([True] * 9 + [False]), lost=st.booleans())
    def answer_invitation(self, owner: int, accepts: bool, lost: bool) -> None:
        name = f"owner-{owner}"
        self.send(self.bench.acceptance(name) if accepts else self.bench.decline(name), lost)

    @precondition(lambda self: self.bench.state.roster)
    @rule(owner=st.integers(0, _OWNERS - 1), lost=st.booleans(), fresh=st.booleans())
    def answer_round(self, owner: int, lost: bool, fresh: bool) -> None:
        current = self.bench.state.current
        if current is None:
            return
        name = f"owner-{owner}"
        event = self.bench.answer(name) if fresh else self.bench.answer(name, round=max(0, current.round - 1))
        self.send(event, lost)

    @precondition(lambda self: self.bench.state.phase is Phase.WAITING_FOR_MODEL_OWNER)
    @rule(skip=st.integers(0, 1), lost=st.booleans())
    def ask(self, skip: int, lost: bool) -> None:
        current = self.bench.state.current
        number = 0 if current is None else current.round + 1
        kind = RoundKind.COUNTS if number == 0 else RoundKind.GRADIENT
        self.send(self.bench.next_request(number + skip, RoundKind.GRADIENT if skip else kind), lost)

    @precondition(lambda self: self.bench.state.phase is Phase.ADDING)
    @rule()
    def add(self) -> None:
        self.deliver(self.bench.sum_ready())

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver_from_the_pool(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.sent))
        self.deliver(event)

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        event = data.draw(st.sampled_from(self.accepted))
        before = self.bench.state
        self.deliver(event)
        assert self.bench.state == before or isinstance(event, TimePassed)

    @rule()
    def everyone_does_what_is_due(self) -> None:
        """Keeps jobs moving, so that what is delivered late meets later rounds too."""
        state = self.bench.state
        if state.phase is Phase.JOINING:
            for name, owner in self.bench.owners.items():
                self.deliver(OwnerOffers(owner.party_id, name))
            for owner in self.bench.state.awaited_owners:
                self.send(self.bench.acceptance(owner.name), lost=False)
        elif state.phase is Phase.WAITING_FOR_MODEL_OWNER:
            self.ask(skip=0, lost=False)
        elif state.phase is Phase.WAITING_FOR_DATA_OWNERS:
            for owner in state.awaited_owners:
                self.send(self.bench.answer(owner.name), lost=False)
        elif state.phase is Phase.ADDING:
            self.add()

    @rule(seconds=st.sampled_from([1] * 20 + [700]))
    def time_passes(self, seconds: int) -> None:
        self.bench.now += timedelta(seconds=seconds)
        self.deliver(TimePassed())

    @rule(chance=st.integers(0, 49))
    def cancel(self, chance: int) -> None:
        if chance == 49:
            self.deliver(CancelRequested("enough"))

    @precondition(lambda self: self.bench.state.phase is Phase.WAITING_FOR_MODEL_OWNER)
    @rule(chance=st.integers(0, 9))
    def finish(self, chance: int) -> None:
        if chance == 9:
            self.send(self.bench.step_result(finished="FINISHED"), lost=False)

    def send(self, event: Message, lost: bool) -> None:
        self.sent.append(event)
        if not lost:
            self.deliver(event)

    @invariant()
    def the_state_survives_a_restart(self) -> None:
        self.bench.state = JobState.model_validate_json(self.bench.state.model_dump_json())

    @invariant()
    def the_log_is_one_chain_with_an_answer_of_every_owner(self) -> None:
        previous = NO_ENTRY
        for index, data in enumerate(self.bench.log):
            entry = from_cbor(data, LogEntry)
            assert (entry.index, entry.previous) == (index, previous)
            if index:
                assert [record.party for record in entry.answers] == [o.party for o in self.bench.state.roster]
            previous = sha256_hex(data)
        assert (self.bench.state.log_head, self.bench.state.log_length) == (previous, len(self.bench.log))

    @invariant()
    def an_ended_job_says_why_and_waits_for_nobody(self) -> None:
        state = self.bench.state
        assert (state.ending is not None) == (state.phase in ENDED)
        if state.ended:
            assert state.deadline is None and state.awaited_owners == ()
            assert state.phase is Phase.FINISHED or (state.ending is not None and state.ending.code)


Deliveries.TestCase.settings = settings(
    max_examples=60, stateful_step_count=60, suppress_health_check=[HealthCheck.too_slow]
)
TestDeliveries = Deliveries.TestCase
