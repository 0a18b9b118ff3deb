"""The transition table: complete, without dead ends, and the only way from one phase to another."""

from __future__ import annotations

import itertools

import pytest

from fedtrain.protocol.states import (
    ENDED,
    TRANSITIONS,
    Event,
    Phase,
    Role,
    Status,
    advance,
    diagrams,
    mermaid,
    status_of,
)
from fedtrain.spec.problems import Code, Problem

STARTS = {Role.FACILITATOR: Phase.JOINING, Role.MODEL_OWNER: Phase.PREPARING, Role.DATA_OWNER: Phase.OFFERED}
FINAL = {*ENDED, Phase.DECLINED}


@pytest.mark.parametrize(("role", "phase", "event"), list(itertools.product(Role, Phase, Event)))
def test_an_event_moves_a_job_as_the_table_says_or_is_refused_by_name(role: Role, phase: Phase, event: Event) -> None:
    if (role, phase, event) in TRANSITIONS:
        assert advance(role, phase, event) is TRANSITIONS[role, phase, event]
        return
    with pytest.raises(Problem) as caught:
        advance(role, phase, event)
    assert caught.value.code is Code.WRONG_STATE
    for name in (role, phase, event):
        assert name.value in caught.value.detail


@pytest.mark.parametrize("role", list(Role))
def test_every_phase_of_a_role_is_reached_from_its_start_and_reaches_an_end(role: Role) -> None:
    steps = {(a, b) for (owner, a, _), b in TRANSITIONS.items() if owner is role}
    named = {phase for step in steps for phase in step}

    def closure(seeds: set[Phase], edges: set[tuple[Phase, Phase]]) -> set[Phase]:
        reached = set(seeds)
        while more := {b for a, b in edges if a in reached} - reached:
            reached |= more
        return reached

    assert closure({STARTS[role]}, steps) == named
    assert closure(named & FINAL, {(b, a) for a, b in steps}) == named


def test_nothing_leaves_an_end() -> None:
    assert not [phase for _, phase, _ in TRANSITIONS if phase in FINAL]


def test_every_open_phase_can_be_cancelled_and_can_fail() -> None:
    for role, phase in {(role, phase) for role, phase, _ in TRANSITIONS}:
        assert advance(role, phase, Event.CANCEL) is Phase.CANCELLED
        assert advance(role, phase, Event.FAIL) is Phase.FAILED


def test_a_job_at_the_facilitator_round_by_round() -> None:
    phase = STARTS[Role.FACILITATOR]
    events = [Event.ROSTER_CLOSED, Event.REQUEST_POSTED, Event.LAST_ANSWER, Event.SUM_READY, Event.FINISH]
    for event in events:
        phase = advance(Role.FACILITATOR, phase, event)
    assert phase is Phase.FINISHED


@pytest.mark.parametrize("phase", list(Phase))
def test_every_phase_has_a_status_and_only_ends_have_ended(phase: Phase) -> None:
    ended = {Status.FINISHED, Status.FAILED, Status.CANCELLED}
    assert (status_of(phase) in ended) is (phase in FINAL)


def test_statuses_of_the_phases_a_person_waits_through() -> None:
    assert status_of(Phase.JOINING) is Status.INITIATED
    assert status_of(Phase.TRAINING) is Status.IN_PROGRESS
    assert status_of(Phase.DECLINED) is Status.CANCELLED


@pytest.mark.parametrize("role", list(Role))
def test_the_diagram_shows_every_transition_once(role: Role) -> None:
    first, *lines = [line.strip() for line in mermaid(role).splitlines()]
    steps = [f"{a} --> {b}: {event}" for (owner, a, event), b in TRANSITIONS.items() if owner is role]
    ends = {f"{b} --> [*]" for (owner, _, _), b in TRANSITIONS.items() if owner is role and b in FINAL}
    assert first == "stateDiagram-v2"
    assert sorted(lines) == sorted([f"[*] --> {STARTS[role]}", *steps, *ends])
    assert diagrams().count(mermaid(role)) == 1
