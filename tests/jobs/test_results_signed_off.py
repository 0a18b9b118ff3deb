"""Whole jobs whose result opens only once people of every owner have signed it off."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import pytest

from fedtrain.facilitator.rounds.going_on import sum_set_of
from fedtrain.methods import schedule_of
from fedtrain.model_owner.results.fitted import TrainedModel
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.quorum import most_rows
from fedtrain.protocol.evidence.pruned_log import verify_entries
from fedtrain.protocol.evidence.sum_set import SumSet, check_fully_signed
from fedtrain.protocol.evidence.verification import verify_log
from fedtrain.protocol.messages.rounds import LogEntry, from_cbor
from fedtrain.protocol.messages.sizes import job_bytes
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.federation_owner import moments_by_owner
from tests.harness.data_owner.federation_parties import ENGINE, Crash
from tests.harness.data_owner.owner_bench import spec_of
from tests.harness.data_owner.sign_offs import NAMES, SignedOffPlay


@pytest.fixture
def play() -> SignedOffPlay:
    """All have answered and signed whose answers are summed; people are to decide."""
    play = SignedOffPlay()
    play.go_on()
    assert play.state.phase is Phase.UNMASKING
    return play


def fitted(names: tuple[str, ...] = NAMES) -> np.ndarray:
    """Least squares over all owners' records, from their moments."""
    moments = [moments_by_owner(name) for name in names]
    scale = float(1 << 2 * moments[0].fraction_bits)
    A = sum(np.array(one.xtx / scale, dtype=float) for one in moments)
    b = sum(np.array(one.xty / scale, dtype=float) for one in moments)
    return np.linalg.solve(A, b)


def trained(play: SignedOffPlay) -> TrainedModel:
    model = play.model_owner.kept.model
    assert isinstance(model, TrainedModel)
    return model


def test_a_result_opens_with_the_last_signature_and_not_before(play: SignedOffPlay) -> None:
    for at, name in enumerate(NAMES):
        assert play.waiting() == set(NAMES[at:])
        assert play.model_owner.kept.model is None
        assert play.model_owner.state.numbers_decrypted == 0
        play.decide(name, by="dr. b", why="as agreed")
        play.go_on()
    assert play.state.phase is Phase.FINISHED
    assert not play.refused
    np.testing.assert_allclose(trained(play).arrays["weights"].values, fitted(), rtol=1e-9)
    assert play.model_owner.state.rows_total == 150  # N came with the result, and by no round of its own
    assert [(entry.round, entry.kind) for entry in entries(play)] == [(1, "moments")]
    verify_log(play.job(), play.items(), ENGINE)
    verify_entries(play.job(), play.facilitator.kept.log)


def entries(play: SignedOffPlay) -> list[LogEntry]:
    return [from_cbor(entry, LogEntry) for entry in play.facilitator.kept.log[1:]]


@pytest.mark.parametrize("changes", [{}, {"l2": 0.5}])
def test_it_is_the_very_model_that_comes_without_sign_off(changes: dict[str, Any]) -> None:
    """N and Σy² come with the moments, and the report and its table are the same."""
    signed, plain = SignedOffPlay(**changes), SignedOffPlay(**changes)
    plain_spec = spec_of(optimizer="newton", rounds="auto", min_data_owners=3, **changes)
    plain.model_owner = type(plain.model_owner)(plain_spec)
    plain.facilitator = type(plain.facilitator)()
    for name, owner in plain.owners.items():
        plain.facilitator.register(owner.party_id, name)
    plain.model_owner.settle(plain.facilitator)
    plain.go_on()
    signed.go_on()
    for name in NAMES:
        signed.decide(name)
    signed.go_on()
    assert (signed.state.phase, plain.state.phase) == (Phase.FINISHED, Phase.FINISHED)
    assert trained(signed).report == trained(plain).report
    assert trained(signed).remarks == trained(plain).remarks
    assert signed.model_owner.state.loss == plain.model_owner.state.loss
    assert signed.model_owner.state.rows_total == plain.model_owner.state.rows_total == 150


def test_the_owners_people_take_the_time_that_they_need(play: SignedOffPlay) -> None:
    assert play.state.deadline is None
    play.facilitator.now += timedelta(days=90)
    play.facilitator.tick()
    play.go_on()
    assert play.state.phase is Phase.UNMASKING
    for name in NAMES:
        play.decide(name)
    play.go_on()
    assert play.state.phase is Phase.FINISHED


@pytest.mark.parametrize("on_dropout", ["wait", "end"])
def test_an_owner_that_does_not_sign_the_set_in_time_is_waited_for_or_ends_the_job(on_dropout: str) -> None:
    play = SignedOffPlay(on_dropout=on_dropout)
    while play.state.phase is not Phase.AGREEING:
        for task in play.tasks(TaskKind.JOIN, TaskKind.COMPUTE, TaskKind.STEP):
            play.do(task)
    play.facilitator.now += timedelta(seconds=700)
    play.facilitator.tick()
    if on_dropout == "end":
        assert play.state.phase is Phase.FAILED
        assert play.state.ending.code == "owner-timed-out"
        assert "sign the set of round 1" in play.state.ending.reason
        return
    assert (play.state.phase, play.state.deadline) == (Phase.AGREEING, None)
    play.go_on()
    assert play.state.phase is Phase.UNMASKING


def test_a_refusal_ends_the_job_at_every_party_with_the_owners_reason(play: SignedOffPlay) -> None:
    play.decide("clinic-a")
    play.decide("clinic-b", "refuse", by="ana", why="the purpose has changed")
    play.go_on()
    said = "clinic-b did not sign the result off: the purpose has changed"
    assert (play.state.phase, play.state.ending.code, play.state.ending.reason) == (
        Phase.FAILED,
        "sign-off-refused",
        said,
    )
    ending = play.model_owner.state.ending
    assert ending is not None
    assert (play.model_owner.state.phase, ending.code, ending.reason) == (Phase.FAILED, "sign-off-refused", said)
    assert play.model_owner.kept.model is None
    for name in ("clinic-a", "clinic-c"):
        end = play.owners[name].state.ending  # type: ignore[union-attr]
        assert end is not None
        assert (end.status, end.code, end.reason) == ("FAILED", "sign-off-refused", said)
    own = play.owners["clinic-b"]
    assert own.state is not None
    assert own.state.phase is Phase.FAILED
    assert own.state.refusal is not None
    assert (own.state.refusal.code, own.state.refusal.detail) == ("sign-off-refused", "the purpose has changed")
    assert {owner.mask_key for owner in play.owners.values()} == {None}
    with pytest.raises(Problem) as raised:
        play.decide("clinic-b")
    assert raised.value.code is Code.WRONG_STATE


def test_where_the_policy_wants_two_people_one_of_them_opens_nothing() -> None:
    play = SignedOffPlay(people=2)
    play.go_on()
    for name in NAMES:
        play.decide(name, by="ana")
    play.go_on()
    assert play.waiting() == set(NAMES)
    for name in NAMES:
        play.decide(name, by="bea")
    play.go_on()
    assert play.state.phase is Phase.FINISHED


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ({"by": "ana"}, {"by": "Ana"}, "has signed it before"),
        ({"by": "ana", "token_id": "aa"}, {"by": "bea", "token_id": "aa"}, "token aa has signed it before, as ana"),
        ({"by": "ana"}, {}, "wants 2 people"),
        ({"by": "ana"}, {"by": "bea", "result": "00" * 32}, "of this job waits"),
    ],
)
def test_a_signature_that_is_none_is_refused_by_name(first: dict[str, str], second: dict[str, str], why: str) -> None:
    """By the same person, under the same token, by nobody, or under another result."""
    play = SignedOffPlay(people=2)
    play.go_on()
    play.decide("clinic-a", **first)  # type: ignore[arg-type]
    with pytest.raises(Problem) as raised:
        play.decide("clinic-a", **second)  # type: ignore[arg-type]
    assert raised.value.code is Code.SIGN_OFF_INVALID
    assert why in raised.value.detail
    play.go_on()
    assert "clinic-a" in play.waiting()


def test_nothing_is_signed_off_before_there_is_a_result_and_nothing_twice() -> None:
    play = SignedOffPlay()
    for task in play.tasks(TaskKind.JOIN):
        play.do(task)
    with pytest.raises(Problem) as raised:
        play.decide("clinic-a")
    assert raised.value.code is Code.WRONG_STATE
    play.go_on()
    summed = sum_set_of(play.state)
    play.decide("clinic-a", result=summed.hash)
    with pytest.raises(Problem) as raised:
        play.decide("clinic-a", by="another")
    assert (raised.value.code, "signed off here already" in raised.value.detail) == (Code.WRONG_STATE, True)


def test_whoever_is_killed_while_people_decide_nothing_is_lost(play: SignedOffPlay) -> None:
    """Every party starts again from what it keeps, after each signature."""
    for name in NAMES:
        play.decide(name, by="ana")
        for party in (*play.owners.values(), play.model_owner):
            party.kept = deepcopy(party.kept)
        context = play.facilitator.context
        play.facilitator.kept = deepcopy(play.facilitator.kept)
        play.facilitator.context = context
        play.facilitator.tick()
        again = deepcopy(play.owners[name].kept)
        play.go_on()
        if name != NAMES[-1]:
            play.owners[name].kept = again  # killed after its keys left, before it kept that: the same keys once more
            play.go_on()
    assert play.state.phase is Phase.FINISHED
    assert not play.refused
    assert [one.by for one in play.owners["clinic-a"].state.sign_off.signed] == ["ana"]  # type: ignore[union-attr]


@pytest.mark.parametrize("decision", ["sign_off", "refuse"])
@pytest.mark.parametrize("crash_after", [1, 2, 3])
def test_an_owner_that_is_killed_at_a_write_decides_once(
    play: SignedOffPlay, decision: Literal["sign_off", "refuse"], crash_after: int
) -> None:
    """A decision counts from the first write on; before it the person is asked again."""
    for name in NAMES[1:]:
        play.decide(name)
    play.go_on()
    owner = play.owners[NAMES[0]]
    owner.disk.crash_after = crash_after
    with suppress(Crash):
        play.decide(NAMES[0], decision, by="ana", why="said")
        play.go_on()
    owner.disk.crash_after = None
    assert owner.state is not None
    if owner.state.phase is Phase.JOINED and not owner.state.sign_off.signed:  # type: ignore[union-attr]
        play.decide(NAMES[0], decision, by="ana", why="said")
    play.go_on()
    assert play.state.phase is (Phase.FINISHED if decision == "sign_off" else Phase.FAILED)
    assert owner.mask_key is None
    assert (play.model_owner.kept.model is None) == (decision == "refuse")
    assert owner.state.sign_off is not None
    assert len(owner.state.sign_off.signed) == (decision == "sign_off")


def test_the_plan_says_what_the_messages_weigh(play: SignedOffPlay) -> None:
    for name in NAMES:
        play.decide(name)
    play.go_on()
    planned = job_bytes(plan_spec(play.spec), schedule_of(play.spec), len(NAMES), most_rows(play.spec.training, 3))
    kinds = (TaskKind.COMPUTE, TaskKind.SIGN_SET, TaskKind.UNMASK)
    tasks = play.facilitator.kept.tasks.values()
    own = [one for one in tasks if one.kind in kinds and one.recipient == play.owners["clinic-a"].party_id]
    assert sum(len(one.request) for one in own) == planned.data_owner_received
    assert sum(len(one.result or b"") for one in own) == planned.data_owner_sent
    steps = [one for one in tasks if one.kind is TaskKind.STEP]
    assert sum(len(one.request) for one in steps[1:]) == planned.model_owner_received


def test_the_set_in_the_log_is_the_whole_roster_with_every_signature(play: SignedOffPlay) -> None:
    for name in NAMES:
        play.decide(name)
    play.go_on()
    (entry,) = entries(play)
    assert entry.set_signatures is not None
    assert SumSet.of_entry(entry).parties == play.job().roster.parties
    check_fully_signed(SumSet.of_entry(entry), entry.set_signatures)


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"optimizer": "gradient_descent"},
        {"optimizer": "gradient_descent", "reencrypt_every": 2},
        {"optimizer": "momentum"},
    ],
)
def test_a_job_that_opens_sums_on_its_way_holds_none_of_them_back(training: dict[str, Any]) -> None:
    """Its rounds are those of the job without; people sign off that others get the finished model."""
    signed, plain = spec_of(release="sign_off", **training), spec_of(**training)
    assert (signed.signs_off, signed.awaits_release, signed.self_masked) == (False, True, False)
    assert plan_spec(signed).to_dict() == plan_spec(plain).to_dict()
    assert schedule_of(signed) == schedule_of(plain)


def test_specs_without_it_say_nothing_of_it() -> None:
    """Owners that do not know the field can take part in them, and their manifests keep their bytes."""
    assert "release" not in spec_of(optimizer="newton").model_dump(mode="json")
    assert "release" not in spec_of(optimizer="newton").model_dump_json()
    signed = spec_of(optimizer="newton", release="sign_off")
    assert ModelSpec.model_validate_json(signed.model_dump_json()) == signed
    assert plan_spec(spec_of(optimizer="newton")).to_dict() != plan_spec(signed).to_dict()
