"""Whole jobs whose rounds go on without an owner: what is opened, and when a round comes to nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast
from unittest import mock

import pytest

from fedtrain.data_owner.agent.effects import JobEffects
from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.checks import check_roster
from fedtrain.data_owner.job import SignSet
from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.policy.rules import OwnerPolicy, Ruling, judge
from fedtrain.facilitator.rounds.going_on import sum_set_of
from fedtrain.methods import schedule_of
from fedtrain.model_owner.results.fitted import TrainedModel
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.signed import Withdrawal, sign_document
from fedtrain.protocol.evidence.pruned_log import verify_entries
from fedtrain.protocol.evidence.verification import verify_log
from fedtrain.protocol.messages.rounds import Step, from_cbor
from fedtrain.protocol.messages.sizes import job_bytes
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.dropouts import NAMES, Play
from tests.harness.data_owner.federation_owner import DATASET
from tests.harness.data_owner.federation_parties import ENGINE, START
from tests.harness.data_owner.owner_bench import spec_of
from tests.harness.round_sums import registered


@pytest.fixture(autouse=True)
def method(request: pytest.FixtureRequest) -> Iterator[None]:
    if "plain" in request.fixturenames:
        yield
        return
    with registered():
        yield


@pytest.fixture
def plain() -> None:
    """Ask for the methods as they are."""


@pytest.mark.slow
def test_forty_rounds_of_six_owners_of_whom_one_in_five_answers_does_not_come() -> None:
    play, draw = Play(rounds=40), random.Random(7)
    voids = 0
    while not play.state.ended:
        phase = play.state.phase
        play.away = {name for name in NAMES if draw.random() < 0.2} if phase is Phase.WAITING_FOR_DATA_OWNERS else set()
        step = play.state.step
        play.until(*(one for one in Phase if one is not phase))
        if play.state.phase is phase:
            play.time_is_over()
            voids += play.state.phase is Phase.WAITING_FOR_MODEL_OWNER and play.state.step > step
    assert play.state.phase is Phase.FINISHED
    play.check_every_sum()
    assert 40 - voids == len(play.entries) > 25
    assert {len(entry.answers) for entry in play.entries} >= {4, 5, 6}
    assert not play.refused
    assert sum(play.state.absences.values()) > 20
    verify_log(play.job(), play.items(), ENGINE)
    verify_entries(play.job(), play.facilitator.kept.log)


def waiting_for(play: Play) -> set[str]:
    return {owner.name for owner in play.state.awaited_owners}


def test_with_all_there_every_round_is_over_all() -> None:
    play = Play()
    play.to_the_end()
    assert play.state.phase is Phase.FINISHED
    assert [len(entry.answers) for entry in play.entries] == [6, 6, 6]
    play.check_every_sum()
    model = play.model_owner.kept.model
    assert isinstance(model, TrainedModel)
    assert model.report["sums"] == [list(found) for found in play.opened()]
    assert play.model_owner.state.rows_total == 6 * 64  # fifty rows each, as their band


def test_an_owner_that_comes_back_is_in_the_next_round() -> None:
    play = Play()
    play.until(Phase.WAITING_FOR_DATA_OWNERS)
    play.away = {"clinic-b"}
    play.until(Phase.AGREEING)
    assert waiting_for(play) == {"clinic-b"}
    play.time_is_over()
    play.until(Phase.ADDING)
    play.away = set()
    play.to_the_end()
    assert [len(entry.answers) for entry in play.entries] == [5, 6, 6]
    assert play.state.absences == {play.owners["clinic-b"].party_id: 1}
    assert not play.refused
    play.check_every_sum()


def test_an_answer_that_comes_after_the_set_was_named_is_too_late() -> None:
    play = Play()
    play.until(Phase.WAITING_FOR_DATA_OWNERS)
    late = next(task for task in play.tasks(TaskKind.COMPUTE) if task.recipient == play.owners["clinic-c"].party_id)
    result = play.owners["clinic-c"].work(late, play.facilitator)
    assert result is not None
    play.away = {"clinic-c"}
    play.until(Phase.AGREEING)
    play.time_is_over()
    assert play.state.phase is Phase.AGREEING
    with pytest.raises(Problem) as raised:
        play.facilitator.give(late.id, late.recipient, *result)
    assert raised.value.code is Code.TASK_CLOSED
    play.away = set()
    play.to_the_end()
    assert [len(entry.answers) for entry in play.entries] == [5, 6, 6]
    play.check_every_sum()
    assert not play.refused


def test_a_round_below_quorum_is_void_and_after_many_in_a_row_the_job_waits() -> None:
    play = Play(void_rounds=2, rounds=9)
    play.until(Phase.WAITING_FOR_DATA_OWNERS)
    play.away = {"clinic-a", "clinic-b", "clinic-c"}  # the quorum of six is four
    for number in (1, 2):
        play.until(Phase.AGREEING)
        assert play.state.current.round == number
        play.time_is_over()
        assert play.state.phase is Phase.WAITING_FOR_MODEL_OWNER
    play.until(Phase.AGREEING)
    play.time_is_over()
    assert play.state.phase is Phase.WAITING_FOR_DATA_OWNERS
    assert play.state.deadline is None
    assert waiting_for(play) == {"clinic-a", "clinic-b", "clinic-c"}
    play.away = {"clinic-a", "clinic-b"}  # the fourth is enough
    play.until(Phase.ADDING)
    assert play.state.voids == 0
    play.away = set()
    play.to_the_end()
    assert [(entry.round, len(entry.answers)) for entry in play.entries] == [(3, 4), *((at, 6) for at in range(4, 10))]
    play.check_every_sum()


def test_a_job_of_void_rounds_fails_and_one_sum_is_named_in_the_reason() -> None:
    play = Play(void_rounds=9)
    play.until(Phase.WAITING_FOR_DATA_OWNERS)
    play.away = {"clinic-a", "clinic-b", "clinic-c"}
    play.to_the_end()
    assert (play.state.phase, play.state.ending.code) == (Phase.FAILED, "too-few-owners")
    assert play.entries == []

    play = Play(void_rounds=9)
    play.until(Phase.ADDING)
    play.away = {"clinic-a", "clinic-b", "clinic-c"}
    play.to_the_end()
    assert play.state.phase is Phase.FINISHED
    ending = play.model_owner.state.ending
    assert ending is not None and ending.reason == "all rounds are over; 1 of them had a sum"
    play.check_every_sum()


@pytest.mark.parametrize("phase", [Phase.AGREEING, Phase.UNMASKING])
def test_an_owner_that_vanishes_once_it_has_answered_voids_the_round(phase: Phase) -> None:
    play = Play()
    play.until(phase)
    play.away = {"clinic-d"}
    play.until(Phase.ADDING)
    assert waiting_for(play) == {"clinic-d"}
    play.time_is_over()
    assert play.state.phase is Phase.WAITING_FOR_MODEL_OWNER
    play.away = set()
    play.to_the_end()
    assert [entry.round for entry in play.entries] == [2, 3]
    play.check_every_sum()
    assert not play.refused


def test_an_owner_that_leaves_is_asked_no_more_and_below_the_quorum_the_job_fails() -> None:
    play = Play(rounds=4)
    for at, name in enumerate(("clinic-a", "clinic-b", "clinic-c")):
        play.until(Phase.WAITING_FOR_DATA_OWNERS)
        owner = play.owners[name]
        task = next(one for one in play.tasks(TaskKind.COMPUTE) if one.recipient == owner.party_id)
        left = Withdrawal(
            manifest_hash=play.state.manifest_hash, party=owner.party_id, name=name, code="owner-lost-its-key"
        )
        body = sign_document(left, owner.identity).model_dump_json().encode()
        play.facilitator.give(task.id, task.recipient, body, JSON_TYPE)
        if at < 2:
            play.until(Phase.WAITING_FOR_MODEL_OWNER)
            assert len(play.entries[-1].answers) == 5 - at
    assert play.state.phase is Phase.FAILED
    assert play.state.ending.code == "owner-left"
    assert "clinic-c" in play.state.ending.reason
    play.check_every_sum()


@pytest.mark.parametrize("phase", [Phase.AGREEING, Phase.UNMASKING])
def test_an_owner_that_loses_its_key_once_it_has_answered_leaves_and_the_round_is_void(phase: Phase) -> None:
    """However many rounds were void before it: the job would wait for ever for one that cannot come."""
    play = Play(rounds=4, void_rounds=1)
    play.until(Phase.AGREEING)
    play.away = {"clinic-e"}
    play.until(Phase.ADDING)
    play.time_is_over()
    assert play.state.voids == 1
    play.away = set()
    play.until(phase)
    owner = play.owners["clinic-d"]
    owner.mask_key = None
    play.until(Phase.WAITING_FOR_MODEL_OWNER)
    assert play.state.left == (owner.party_id,)
    assert owner.state is not None and owner.state.left
    assert play.state.voids == 2
    step = max((task for task in play.tasks(TaskKind.STEP)), key=lambda one: int(one.id.rsplit("/", 1)[1]))
    assert "clinic-d" in str(from_cbor(step.request, Step).void)
    play.to_the_end()
    assert play.state.phase is Phase.FINISHED
    assert [(entry.round, len(entry.answers)) for entry in play.entries] == [(3, 5), (4, 5)]
    play.check_every_sum()
    assert not play.refused


def test_an_owner_that_leaves_once_it_has_answered_ends_a_job_of_a_bare_quorum() -> None:
    play = Play(names=NAMES[:4], min_data_owners=4, quorum=4)
    play.until(Phase.UNMASKING)
    play.owners["clinic-b"].mask_key = None
    play.to_the_end()
    assert (play.state.phase, play.state.ending.code) == (Phase.FAILED, "owner-left")
    assert any(task.recipient == play.model_owner.party_id for task in play.tasks(TaskKind.END))


def test_an_owner_without_consent_in_its_policy_declines() -> None:
    play = Play()
    manifest = play.job().manifest if play.state.roster else play.model_owner.context.manifest(play.model_owner.state)
    policy = OwnerPolicy(any_model_owner=True, adopt_first_encoding=True)
    verdict = judge(policy, manifest, 3, DATASET, START)
    assert (verdict.outcome, verdict.code) == (Ruling.DECLINE, Code.POLICY_REFUSES)
    assert "continue_without_noise" in verdict.detail
    allowed = policy.model_copy(update={"continue_without_noise": True})
    assert judge(allowed, manifest, 3, DATASET, START).outcome is Ruling.ACCEPT


@pytest.mark.parametrize(("colluders", "spec", "fits"), [(1, {}, True), (2, {}, False), (1, {"quorum": 3}, False)])
def test_an_owner_holds_the_quorum_against_the_colluders_of_its_own_policy(
    colluders: int, spec: dict[str, Any], fits: bool
) -> None:
    play = Play(**spec)
    play.until(Phase.WAITING_FOR_DATA_OWNERS)
    owner = play.owners["clinic-a"]
    policy = owner.owner.policy.model_copy(update={"privacy": PrivacyPolicy(colluders=colluders)})
    context = replace(owner.owner, policy=policy)
    assert owner.state is not None
    if fits:
        check_roster(context, owner.state, play.facilitator.kept.rosters[0], START)
        return
    with pytest.raises(Problem) as raised:
        check_roster(context, owner.state, play.facilitator.kept.rosters[0], START)
    assert raised.value.code is Code.ROSTER_INVALID
    assert "collude" in raised.value.detail


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize(
    "training", [{}, {"optimizer": "newton"}, {"optimizer": "gradient_descent", "reencrypt_every": 2}]
)
def test_sums_of_fixed_moments_never_go_on(training: dict[str, Any]) -> None:
    with pytest.raises(Problem) as raised:
        plan_spec(spec_of(on_dropout="continue", **training))
    assert raised.value.code is Code.INVALID_SPEC
    assert "training.on_dropout" in raised.value.detail


@pytest.mark.parametrize(
    "training",
    [
        {"quorum": 3},
        {"void_rounds": 2},
        {"on_dropout": "continue", "min_data_owners": 2},
        {"on_dropout": "continue", "quorum": 4, "min_data_owners": 3},
    ],
)
def test_fields_that_do_not_go_together_are_refused(training: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"quorum|void_rounds|min_data_owners"):
        spec_of(**training)


def test_the_plan_says_what_the_messages_weigh() -> None:
    play = Play()
    play.to_the_end()
    spec = play.job().manifest.spec
    planned = job_bytes(plan_spec(spec), schedule_of(spec), len(NAMES), sum(play.job().roster.size_bands.values()))
    kinds = (TaskKind.COMPUTE, TaskKind.SIGN_SET, TaskKind.UNMASK)
    own = [
        task
        for task in play.facilitator.kept.tasks.values()
        if task.kind in kinds and task.recipient == play.owners["clinic-a"].party_id
    ]
    assert sum(len(task.request) for task in own) == planned.data_owner_received
    assert sum(len(task.result or b"") for task in own) == planned.data_owner_sent
    steps = [task for task in play.facilitator.kept.tasks.values() if task.kind is TaskKind.STEP]
    assert sum(len(task.request) for task in steps[1:]) == planned.model_owner_received


def test_an_owner_that_was_put_back_from_a_backup_leaves_a_job_that_goes_on() -> None:
    """It cannot know what it has signed since the backup, so that it signs, answers and tells nothing more there."""
    play = Play()
    play.until(Phase.AGREEING)
    owner = play.owners["clinic-a"]
    assert owner.state is not None
    joined = owner.state.created_at

    def memory(restored_at: datetime | None) -> Memory:
        nothing = cast(Any, None)
        return Memory(nothing, nothing, nothing, lambda: START, restored_at)

    assert not memory(None).restored_since(joined)
    assert not memory(joined - timedelta(seconds=1)).restored_since(joined)
    effects = JobEffects(mock.Mock(memory=memory(joined + timedelta(seconds=1))))
    with pytest.raises(Problem) as raised:
        effects.handlers[SignSet](owner.owner, owner.state, SignSet(sum_set_of(play.state)))
    assert raised.value.code is Code.OWNER_LOST_ITS_KEY
