"""Sums that could be combined with an earlier sum: found, shown, and answered only once those concerned agreed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fedtrain.data_owner import job as j
from fedtrain.data_owner.data.rows.ids import Ids, RowIds
from fedtrain.data_owner.job_state import JobContext, JobState
from fedtrain.data_owner.policy import differencing, row_groups
from fedtrain.data_owner.policy.differencing import (
    is_consented,
    roster_risks,
    rosters_to_consent,
    table_risks,
)
from fedtrain.data_owner.policy.row_groups import Comparison, Relation, compare, covers, groups
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.policy.told import Told
from fedtrain.data_owner.round import step
from fedtrain.protocol.documents.consent import Consent, RosterConsent
from fedtrain.protocol.documents.signed import Acceptance, JobEnd
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import (
    FROZEN,
    NOW,
    OWNERS,
    TABLE,
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
MANY = (*OWNERS, "clinic-d", "clinic-e", "clinic-f")
SETS: dict[str, RowIds] = {}


def roster_of(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(identity_of(name).party_id for name in names))


def table(rows: Iterable[int], training: Iterable[int] | None = None, **changes: object) -> SummedTable:
    def kept(content: Iterable[int]) -> RowIds:
        found = RowIds.of(np.array(list(content), dtype=np.uint64))
        SETS[found.name] = found
        return found

    whole = kept(rows)
    fields = {
        "dataset": "default",
        "version": whole.name,
        "rows": len(whole),
        "encoding": "ec" * 32,
        "columns": ("age", "days"),
        "row_key": "0" * 16,
        "whole": whole.name,
        "split": training is not None,
        "training": None if training is None else kept(training).name,
        **changes,
    }
    return SummedTable.model_validate(fields)


def told(one: SummedTable, names: Sequence[str] = OWNERS, job_id: str = "cd" * 16, **changes: object) -> Told:
    return Told(job_id=job_id, told_at="2026-03-01T00:00:00+00:00", table=one, roster=roster_of(names), **changes)  # type: ignore[arg-type]


def found(new: SummedTable, *before: Told) -> Comparison:
    return compare(new, before, SETS.get)


def risks(new: SummedTable, *before: Told) -> tuple[str, ...]:
    return table_risks(found(new, *before), POLICY.min_rows)


# Groups of rows


def test_rows_that_the_same_sets_hold_are_one_group_and_copies_are_counted() -> None:
    sets = [np.array(ids, dtype=np.uint64) for ids in ([1, 2, 3, 3], [2, 3, 3, 3, 4])]
    held, sizes = groups(sets)
    assert {tuple(map(bool, one)): int(size) for one, size in zip(held, sizes, strict=True)} == {
        (True, False): 1,
        (True, True): 3,
        (False, True): 2,
    }


@pytest.mark.parametrize(
    ("sets", "cover"),
    [
        ([(1, 2)], True),
        ([(1, 2), (3, 4)], True),
        ([(1, 2), (3, 4), (1, 2, 3, 4)], False),
        ([(1, 2), (2, 3), (1, 2, 3)], True),
        ([(1, 2), (2, 3), (1, 3), (1, 2, 3)], False),
    ],
    ids=["one", "two apart", "two and both together", "overlapping", "each twice and all"],
)
def test_sets_that_add_up_to_others_would_take_the_owner_out_of_a_sum(
    sets: Sequence[Sequence[int]], cover: bool
) -> None:
    held, _ = groups([np.array(one, dtype=np.uint64) for one in sets])
    assert covers(held, [(1, 1)] * len(sets)) is cover


# The table


def test_the_same_rows_again_are_no_risk_whatever_the_file_or_the_dataset_is_called() -> None:
    first = told(table(range(60)))
    assert risks(table(range(60)), first) == ()
    assert risks(table(range(60), version="ab" * 32, dataset="lab"), first) == ()
    assert risks(table(range(60), range(48)), first) == ()


@pytest.mark.parametrize(
    ("rows", "apart"),
    [
        (range(61), 1),
        ([*range(59), 99], 1),
        (range(69), 9),
        (range(59), 1),
        ([*range(60), 5], 1),
        (range(70), None),
        (range(50), None),
    ],
    ids=["a row more", "as many, another row", "nine more", "a row fewer", "a copy more", "ten more", "ten fewer"],
)
def test_fewer_than_min_rows_apart_are_told_by_their_number(rows: Iterable[int], apart: int | None) -> None:
    said = risks(table(rows), told(table(range(60))))
    assert any("subtracting the sums leaves those" in risk for risk in said) is (apart is not None)
    if apart is not None:
        assert f", {apart} of this owner's rows would be told apart" in said[0]
    # However many rows changed: the others' tables may have stayed as they were.
    assert "the difference of the two sums is this owner's alone" in said[-1]


def test_three_versions_that_differ_by_enough_two_by_two_leave_one_row() -> None:
    first, second = told(table(range(60))), told(table([*range(20), *range(40, 80)]), job_id="ce" * 16)
    third = table([*range(20), *range(41, 60), *range(60, 80), 20])
    assert "1 of this owner's rows" in risks(third, first, second)[0]


def test_another_part_of_the_split_is_another_set() -> None:
    first = told(table(range(60), range(48)))
    assert risks(table(range(60), range(48)), first) == ()
    said = risks(table(range(60), range(47)), first)
    assert "1 of this owner's rows" in said[0] and "another part of the split" in said[1]


def test_another_encoding_of_the_same_rows_is_shown_whatever_the_dataset_is_called() -> None:
    (said,) = risks(table(range(60), encoding="ed" * 32, dataset="lab"), told(table(range(60))))
    assert "another encoding" in said and "cdcdcdcd" in said


def test_rows_that_are_not_known_are_asked_about() -> None:
    before = table(range(60)).model_copy(update={"whole": None, "columns": ()})
    assert risks(table(range(60)), told(before)) == ()  # one version, one encoding, as many rows: the same ones
    for changes in ({"split": True}, {"rows": 59}, {"encoding": "ed" * 32}):
        (said,) = risks(table(range(60)), told(before.model_copy(update=changes)))
        assert "it is not known of which rows" in said
    lost = table(range(60), whole="ab" * 32)
    assert "it is not known" in risks(table(range(61)), told(lost))[0]
    of_another_key = table(range(60), row_key="1" * 16)
    assert "it is not known" in risks(table(range(60)), told(of_another_key))[0]


def test_another_dataset_with_columns_of_the_same_names_is_asked_about_and_one_without_is_not() -> None:
    other = table(range(60), dataset="staff", columns=("age", "salary"))
    (said,) = risks(table(range(100, 160)), told(other))
    assert "'staff'" in said and "no person has a record in both" in said
    apart = table(range(60), dataset="machines", columns=("rpm",))
    assert risks(table(range(100, 160)), told(apart)) == ()
    assert found(table(range(100, 160)), told(apart)).against[0].relation is Relation.APART


def test_a_table_of_other_people_is_asked_about_only_over_the_same_owners() -> None:
    compared = found(table(range(100, 160)), told(table(range(60))))
    assert table_risks(compared, POLICY.min_rows) == ()
    assert "this owner's alone" in roster_risks(compared, roster_of(OWNERS))[0]
    assert roster_risks(compared, roster_of(MANY)) == ()


# The roster


def statement(names: Sequence[str], *earlier: Sequence[str]) -> RosterConsent:
    return RosterConsent(
        job_id="ab" * 16,
        manifest_hash="0a" * 32,
        roster=roster_of(names),
        earlier=tuple(sorted(map(roster_of, earlier))),
    )


def signed(one: RosterConsent, *names: str) -> Consent:
    return Consent(one, frozenset(roster_of(names)))


def asked_of(names: Sequence[str], *before: Told, consents: Sequence[Consent] = ()) -> object:
    return rosters_to_consent(found(table(range(60)), *before), roster_of(names), before, OWN, consents)


@pytest.mark.parametrize(
    "names", [MANY[:5], MANY[:3], (*MANY[:3], "clinic-g")], ids=["one fewer", "three fewer, nested", "overlapping"]
)
def test_any_other_roster_needs_the_consent_of_the_old_ones_owners_too(names: Sequence[str]) -> None:
    assert asked_of(names, told(table(range(60)), MANY)) == (roster_of(MANY),)
    assert asked_of(MANY, told(table(range(60)), MANY)) is None
    assert asked_of(MANY, told(table(range(60)), names)) == (roster_of(names),)


def test_other_rows_may_go_to_another_roster() -> None:
    assert asked_of(OWNERS, told(table(range(100, 160)), MANY)) is None


def test_rosters_that_an_earlier_one_was_linked_to_are_asked_too() -> None:
    far = roster_of(("clinic-x", "clinic-y", "clinic-z"))
    before = told(table(range(60)), MANY, linked=(far,))
    assert asked_of(OWNERS, before) == tuple(sorted((roster_of(MANY), far)))
    mine = signed(statement(MANY, ("clinic-u", "clinic-v", "clinic-w")), "clinic-a")
    assert roster_of(("clinic-u", "clinic-v", "clinic-w")) in asked_of(OWNERS, before, consents=[mine])  # type: ignore[operator]


def test_a_roster_that_was_consented_to_is_asked_about_once() -> None:
    first, second = told(table(range(60)), MANY), told(table(range(60)), OWNERS, linked=(roster_of(MANY),))
    assert asked_of(OWNERS, first, second) is None
    assert asked_of(MANY, first, second) is None
    assert asked_of(MANY[:4], first, second) is not None


def test_sets_that_would_cancel_this_owner_need_consent_over_the_same_roster_too() -> None:
    halves = (told(table(range(30))), told(table(range(30, 60)), job_id="ce" * 16))
    compared = found(table(range(60)), *halves)
    assert compared.cancels
    assert rosters_to_consent(compared, roster_of(OWNERS), halves, OWN, ()) == ()
    assert not found(table(range(50)), *halves).cancels


def test_rows_that_went_to_a_linked_roster_are_asked_about_over_the_one_that_had_others() -> None:
    old, linked = (
        told(table(range(60)), OWNERS),
        told(table(range(60)), MANY, linked=(roster_of(OWNERS),), job_id="ce" * 16),
    )
    new = told(table(range(100, 160)), MANY, job_id="cf" * 16)
    compared = found(table(range(100, 160)), old, linked, new)
    assert not compared.fresh
    assert roster_risks(compared, roster_of(OWNERS)) != ()  # less the old ones, they are this owner's alone
    assert roster_risks(compared, roster_of(MANY)) == ()  # they went to it before


def test_a_consent_counts_when_all_signed_the_same_for_this_job_and_it_names_every_roster() -> None:
    whole = statement(OWNERS, MANY)
    arguments = ("0a" * 32, roster_of(OWNERS), (roster_of(MANY),))
    assert is_consented([signed(whole, *MANY)], *arguments)
    assert not is_consented([signed(whole, *MANY[:5])], *arguments)
    assert not is_consented([signed(whole, *OWNERS)], *arguments)
    assert not is_consented([signed(whole, *MANY)], "0b" * 32, *arguments[1:])
    assert not is_consented([signed(whole, *MANY)], "0a" * 32, roster_of(MANY), (roster_of(OWNERS),))
    assert not is_consented([signed(statement(OWNERS), *MANY)], *arguments)
    assert is_consented([signed(statement(OWNERS, MANY, MANY[:4]), *MANY)], *arguments)


# The policy


def test_who_pins_somebody_on_loopback_has_it_checked_with_enough_rows_between() -> None:
    assert not OwnerPolicy.for_loopback().compares_sums
    for pins in ({"model_owners": ("ab" * 32,)}, {"data_owners": ("ab" * 32,)}, {"consortium": ("ab" * 32,)}):
        pinned = OwnerPolicy.for_loopback().knowing(Trust(**pins))
        assert pinned.compares_sums and pinned.min_rows == 10
        assert table_risks(found(table(range(61)), told(table(range(60)))), pinned.min_rows)


def test_a_policy_that_leaves_it_unchecked_does_so_while_nobody_is_pinned() -> None:
    open_policy = OwnerPolicy.from_toml('differencing = "unchecked"\nmin_rows = 30\n')
    assert not open_policy.compares_sums
    assert open_policy.knowing(Trust(data_owners=("ab" * 32,))).compares_sums
    assert open_policy.knowing(Trust(data_owners=("ab" * 32,))).min_rows == 30


# In the state machine


def asked(
    owner: JobContext, state: JobState, compared: Comparison, *before: Told, consents: tuple[Consent, ...] = ()
) -> tuple[JobState, tuple[j.Effect, ...]]:
    assert state.roster is not None
    entry = opening_entry(state.manifest_hash, state.roster.hash)
    return step(owner, state, j.Asked(request_of(state, entry), None, j.Past(compared, before, consents)), NOW)


def over(names: Sequence[str]) -> tuple[Comparison, Told]:
    before = told(table(range(60)), names)
    return found(table(range(60)), before), before


def test_a_job_over_another_roster_waits_until_all_have_signed_and_no_approval_stands_for_it() -> None:
    owner = owner_of(policy=POLICY)
    assert isinstance(asked(owner, at_work(owner), *over(OWNERS))[1][0], j.Answer)
    state, effects = asked(owner, at_work(owner), *over(MANY))
    assert effects == (j.AwaitApproval(),) and state.waits_because and "6 owners concerned" in state.waits_because
    assert state.consent is not None and state.consent.earlier == (roster_of(MANY),)
    with pytest.raises(Problem) as caught:
        step(owner, state, j.Approved(), NOW)
    assert caught.value.code is Code.CONSENT_MISSING
    statement = state.consent
    for signers, enough in ((OWNERS, False), (MANY[:5], False), (MANY, True)):
        again, _ = step(owner, state, j.ConsentTaken(), NOW)
        assert again.waits_because is None
        consents = (Consent(statement, frozenset(roster_of(signers))),)
        again, effects = asked(owner, again, *over(MANY), consents=consents)
        assert isinstance(effects[0], j.Answer) is enough and (again.consent is None) is enough


def test_a_consent_that_is_handed_in_does_not_stand_for_an_approval() -> None:
    owner = owner_of(policy=POLICY)
    before = told(table(range(60)))
    state, _ = asked(owner, at_work(owner), found(table(range(61)), before), before)
    assert state.risks and state.consent is None
    after, _ = step(owner, state, j.ConsentTaken(), NOW)
    assert after.waits_because == state.waits_because


def test_a_risk_is_answered_once_taken_and_another_one_is_asked_about_again() -> None:
    owner = owner_of(policy=POLICY)
    before = told(table(range(60)))
    changed = found(table(range(61)), before)
    state, effects = asked(owner, at_work(owner), changed, before)
    assert effects == (j.AwaitApproval(),) and len(state.risks) == 2
    assert asked(owner, state, changed, before)[1] == (j.AwaitApproval(),)
    state, _ = step(owner, state, j.Approved(), NOW)
    assert state.waits_because is None and len(state.risks_taken) == 2
    assert isinstance(asked(owner, state, changed, before)[1][0], j.Answer)
    other = told(table(range(62)), job_id="ef" * 16)
    state, effects = asked(owner, state, found(table(range(61)), before, other), before, other)
    assert effects == (j.AwaitApproval(),) and any("efefefef" in risk for risk in state.risks)


def test_a_job_that_was_not_held_against_the_past_is_not_answered() -> None:
    owner = owner_of(policy=POLICY)
    state = at_work(owner)
    assert state.roster is not None
    entry = opening_entry(state.manifest_hash, state.roster.hash)
    with pytest.raises(Problem) as caught:
        step(owner, state, j.Asked(request_of(state, entry), None), NOW)
    assert caught.value.code is Code.WRONG_STATE


def test_a_denied_job_ends_for_this_owner_and_destroys_its_key() -> None:
    owner = owner_of(policy=POLICY)
    state, _ = asked(owner, at_work(owner), *over(MANY))
    state, effects = step(owner, state, j.Denied("not this roster"), NOW)
    assert (state.phase, state.consent, effects[0]) == (Phase.CANCELLED, None, j.DestroyMaskKey())
    _, effects = asked(owner, state, *over(MANY))
    assert isinstance(effects[0], j.Withdraw)
    said = effects[0].document
    assert (said.party, said.manifest_hash, said.code) == (owner.party_id, state.manifest_hash, "denied")
    assert "roster" not in said.model_dump_json()  # why is for its own people


def test_an_owner_that_was_told_of_the_end_does_not_withdraw() -> None:
    owner = owner_of(policy=POLICY)
    state, _ = asked(owner, at_work(owner), *over(MANY))
    state, _ = step(owner, state, j.Denied("not this roster"), NOW)
    state, _ = step(owner, state, j.Ended(JobEnd(job_id=state.job_id, status="FAILED", code="owner-left")), NOW)
    assert state.phase is Phase.CANCELLED
    other, _ = step(owner, at_work(owner), j.Ended(JobEnd(job_id=state.job_id, status="CANCELLED")), NOW)
    with pytest.raises(Problem) as caught:
        asked(owner, other, Comparison(TABLE))
    assert caught.value.code is Code.JOB_OVER


def test_a_risky_table_is_shown_before_joining_and_the_mask_key_is_made_anew_after_the_approval() -> None:
    owner, state = owner_of(policy=POLICY), offered()
    offer = j.Offered({"default": facts_of()})
    state, _ = step(owner, state, offer, NOW)
    frozen = replace(FROZEN, compared=found(table(range(61)), told(table(range(60)))))
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


@pytest.mark.slow
def test_ten_thousand_told_versions_are_held_against_each_other_in_part_and_a_person_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once: list[int] = []
    grouped = row_groups.groups

    def counting(sets: Sequence[Ids]) -> tuple[row_groups.Groups, NDArray[np.int64]]:
        at_once.append(len(sets))
        return grouped(sets)

    monkeypatch.setattr(row_groups, "groups", counting)
    before = [told(table(range(20 * version, 20 * version + 30))) for version in range(10_000)]
    few = found(table(range(40)), *before[:100])
    assert (few.doubts, few.cancels) == ((), False) and max(at_once) == 101
    compared = found(table(range(40)), *before)
    assert max(at_once) == 257
    assert len(compared.against) == 10_000
    (doubt,) = compared.doubts
    assert "10000 sets of rows" in doubt and "last 256" in doubt
    assert doubt in table_risks(compared, 10)
    # What this owner's people cannot know may expose other owners, who are asked too.
    assert compared.cancels
    mine = roster_of(OWNERS)
    assert differencing.rosters_to_consent(compared, mine, before, mine[0], ()) is not None
    assert differencing.rosters_to_consent(few, mine, before[:100], mine[0], ()) is None


def test_sets_of_many_rows_are_held_against_each_other_in_smaller_numbers() -> None:
    assert [row_groups._most_sets(rows) for rows in (0, 14, 10**5, 10**6, 10**9)] == [256, 256, 200, 20, 16]


# Counts of owners whose rows lie beyond public bounds: no sums of rows


@pytest.mark.parametrize("names", [OWNERS, MANY])
def test_bits_and_sums_of_rows_are_not_held_against_each_other(names: Sequence[str]) -> None:
    bits, sums = table(range(100), thresholds=True), table(range(99), encoding="ed" * 32)
    for before, now in ((bits, sums), (sums, bits)):
        found = compare(now, [told(before, names)], SETS.get)
        assert table_risks(found, 10) == ()
        assert roster_risks(found, roster_of(OWNERS)) == ()
        assert rosters_to_consent(found, roster_of(OWNERS), [told(before, names)], OWN, ()) is None


def test_bits_over_other_rows_or_another_roster_are() -> None:
    """One row more can turn a bit, and one owner more a sum of bits."""
    before, now = table(range(100), thresholds=True), table(range(99), thresholds=True)
    assert table_risks(compare(now, [told(before)], SETS.get), 10)
    again = compare(before, [told(before, MANY)], SETS.get)
    assert rosters_to_consent(again, roster_of(OWNERS), [told(before, MANY)], OWN, ()) is not None


def test_bits_within_other_limits_are_of_the_same_bounds() -> None:
    before, now = table(range(100), thresholds=True), table(range(100), thresholds=True, encoding="ed" * 32)
    assert table_risks(compare(now, [told(before)], SETS.get), 10) == ()
