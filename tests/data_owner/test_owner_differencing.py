"""What could be subtracted from an earlier sum: found, shown, and answered only once a person took the risk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data_owner import job as j
from data_owner.differencing import EarlierJob, SummedTable, roster_risks, table_risks
from data_owner.job import JobState, Owner
from data_owner.policy import OwnerPolicy
from data_owner.round import step
from protocol.documents import Acceptance, JobEnd, open_document
from protocol.problems import Code, Problem
from protocol.states import Phase
from protocol.trust import Trust
from tests.data_owner.owner_bench import (
    FROZEN,
    NOW,
    OWNERS,
    accept,
    at_work,
    facts_of,
    identity_of,
    joined,
    offered,
    opening_entry,
    owner_of,
    request_of,
)

POLICY = OwnerPolicy(any_model_owner=True, adopt_first_encoding=True)
OWN = identity_of("clinic-a").party_id
TABLE = SummedTable("da" * 32, 200, "ec" * 32)
MANY = (*OWNERS, "clinic-d", "clinic-e", "clinic-f")


def acceptances(*names: str) -> tuple[Acceptance, ...]:
    return tuple(open_document(accept(name, "0a" * 32), Acceptance) for name in names)


def earlier(*names: str, table: SummedTable = TABLE) -> EarlierJob:
    return EarlierJob("cd" * 16, table, acceptances(*names))


def risks(now: tuple[str, ...], before: tuple[str, ...], policy: OwnerPolicy = POLICY) -> tuple[str, ...]:
    return roster_risks(acceptances(*now), 3, [earlier(*before)], policy, OWN, NOW)


@pytest.mark.parametrize(
    ("now", "before"),
    [(OWNERS, OWNERS), (MANY, OWNERS), (OWNERS, MANY)],
    ids=["the same", "three owners more", "three owners fewer"],
)
def test_the_same_roster_or_one_nested_with_enough_owners_between_is_no_risk(
    now: tuple[str, ...], before: tuple[str, ...]
) -> None:
    assert risks(now, before) == ()


@pytest.mark.parametrize(
    ("now", "before", "what"),
    [
        (MANY[:5], MANY, "leaves those of 1 owners"),
        (MANY, MANY[:4], "leaves those of 2 owners"),
        (MANY[:4], (*MANY[:3], *MANY[4:]), "neither holds this one nor is held"),
    ],
    ids=["one owner fewer", "two owners more", "overlapping"],
)
def test_a_roster_that_is_told_apart_by_a_few_owners_is_a_risk(
    now: tuple[str, ...], before: tuple[str, ...], what: str
) -> None:
    (risk,) = risks(now, before)
    assert what in risk and "cdcdcdcd" in risk


def test_only_known_owners_count_between_two_rosters() -> None:
    known = POLICY.model_copy(update={"trust": Trust(data_owners=(identity_of("clinic-d").party_id,))})
    (risk,) = risks(MANY, OWNERS, known)
    assert "leaves those of 1 owners" in risk


def test_every_earlier_roster_counts() -> None:
    found = roster_risks(acceptances(*MANY), 3, [earlier(*MANY), earlier(*MANY[:5])], POLICY, OWN, NOW)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("table", "risky"),
    [
        (TABLE, False),
        (SummedTable("db" * 32, 201, "ec" * 32), True),
        (SummedTable("db" * 32, 200, "ec" * 32), True),
        (SummedTable("db" * 32, 209, "ec" * 32), True),
        (SummedTable("db" * 32, 210, "ec" * 32), False),
        (SummedTable("db" * 32, 190, "ec" * 32), False),
        (SummedTable("db" * 32, 300, "ed" * 32), True),
        (SummedTable("da" * 32, 199, "ec" * 32), True),
    ],
    ids=["same", "a row more", "as many", "nine more", "ten more", "ten fewer", "another encoding", "a row dropped"],
)
def test_a_table_that_changed_by_fewer_than_min_rows_is_a_risk(table: SummedTable, risky: bool) -> None:
    assert bool(table_risks(table, [earlier(*OWNERS)], POLICY)) is risky


def test_a_policy_may_leave_it_unchecked() -> None:
    open_policy = OwnerPolicy.for_loopback()
    assert table_risks(SummedTable("db" * 32, 201, "ec" * 32), [earlier(*OWNERS)], open_policy) == ()
    assert risks(MANY[:5], MANY, open_policy) == ()


def test_who_pins_somebody_on_loopback_has_it_checked() -> None:
    pinned = OwnerPolicy.for_loopback().knowing(Trust(model_owners=("ab" * 32,)))
    assert pinned.differencing == "by_hand"


# In the state machine


def asked(owner: Owner, state: JobState, *before: EarlierJob) -> tuple[JobState, tuple[j.Effect, ...]]:
    assert state.roster is not None
    entry = opening_entry(state.manifest_hash, state.roster.hash)
    return step(owner, state, j.Asked(request_of(state, entry), None, before), NOW)


def test_the_first_request_of_a_risky_job_waits_for_a_person_and_is_answered_once_the_risk_is_taken() -> None:
    owner = owner_of(policy=POLICY)
    state = at_work(owner)
    state, effects = asked(owner, state, earlier(*MANY))
    assert isinstance(effects[0], j.Answer)  # three owners between the two: no risk
    state, effects = asked(owner, at_work(owner), earlier(*MANY[:4]))
    assert effects == (j.AwaitApproval(),) and state.waits_because and "1 owners" in state.risks[0]
    assert asked(owner, state, earlier(*MANY[:4]))[1] == (j.AwaitApproval(),)
    state, _ = step(owner, state, j.Approved(), NOW)
    assert state.waits_because is None and len(state.risks_taken) == 1
    assert isinstance(asked(owner, state, earlier(*MANY[:4]))[1][0], j.Answer)


def test_another_risk_than_the_one_taken_is_asked_about_again() -> None:
    owner = owner_of(policy=POLICY)
    state, _ = asked(owner, at_work(owner), earlier(*MANY[:4]))
    state, _ = step(owner, state, j.Approved(), NOW)
    other = replace(earlier(*MANY[:5]), job_id="ef" * 16)
    state, effects = asked(owner, state, earlier(*MANY[:4]), other)
    assert effects == (j.AwaitApproval(),) and len(state.risks) == 1 and "efefefef" in state.risks[0]


def test_a_denied_risk_ends_the_job_for_this_owner_and_destroys_its_key() -> None:
    owner = owner_of(policy=POLICY)
    state, _ = asked(owner, at_work(owner), earlier(*MANY[:4]))
    state, effects = step(owner, state, j.Denied("not this roster"), NOW)
    assert (state.phase, effects) == (Phase.CANCELLED, (j.DestroyMaskKey(),))
    _, effects = asked(owner, state)
    assert isinstance(effects[0], j.Withdraw)
    said = effects[0].document
    assert (said.party, said.manifest_hash, said.code) == (owner.party_id, state.manifest_hash, "denied")
    assert "roster" not in said.model_dump_json()  # why is for its own people


def test_an_owner_that_was_told_of_the_end_does_not_withdraw() -> None:
    owner = owner_of(policy=POLICY)
    state, _ = asked(owner, at_work(owner), earlier(*MANY[:4]))
    state, _ = step(owner, state, j.Denied("not this roster"), NOW)
    state, _ = step(owner, state, j.Ended(JobEnd(job_id=state.job_id, status="FAILED", code="owner-left")), NOW)
    assert state.phase is Phase.CANCELLED
    other, _ = step(owner, at_work(owner), j.Ended(JobEnd(job_id=state.job_id, status="CANCELLED")), NOW)
    with pytest.raises(Problem) as caught:
        asked(owner, other)
    assert caught.value.code is Code.JOB_OVER


def test_a_risky_table_is_shown_before_joining_and_the_mask_key_is_made_anew_after_the_approval() -> None:
    owner, state = owner_of(policy=POLICY), offered()
    offer = j.Offered({"default": facts_of()})
    state, _ = step(owner, state, offer, NOW)
    changed = SummedTable("dc" * 32, FROZEN.rows + 1, "ec" * 32)
    frozen = replace(FROZEN, earlier=(earlier(*OWNERS, table=changed),))
    state, effects = step(owner, state, frozen, NOW)
    assert (state.phase, effects) == (Phase.AWAITING_APPROVAL, (j.DestroyMaskKey(),))
    assert state.join_answer is None and state.waits_because is not None
    assert step(owner, state, offer, NOW)[1] == ()
    state, _ = step(owner, state, j.Approved(), NOW)
    state, effects = step(owner, state, offer, NOW)
    assert isinstance(effects[0], j.Freeze)
    _, effects = step(owner, state, frozen, NOW)
    assert isinstance(effects[-1], j.Sign) and isinstance(effects[-1].document, Acceptance)


def test_a_job_that_waits_for_nobody_cannot_be_approved() -> None:
    with pytest.raises(Problem) as caught:
        step(owner_of(), joined(), j.Approved(), NOW)
    assert caught.value.code is Code.WRONG_STATE
