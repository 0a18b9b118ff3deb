"""A Data Owner's answers once it has joined, and its refusals by name: roster, log, order, one answer a round."""

from __future__ import annotations

import json

import pytest

from fedtrain.data_owner import job as j
from fedtrain.data_owner.job_state import JobContext, JobState
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.round import step
from fedtrain.methods.ranges import KIND
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import JobEnd, SignedDocument
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.messages.rounds import NO_ENTRY, AnswerRecord, Compute, Kind, LogEntry, from_cbor, to_cbor
from fedtrain.protocol.states import Phase
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.owner_bench import (
    FACILITATOR,
    JOB_ID,
    MODEL_OWNER,
    NOW,
    OWNERS,
    accept,
    at_work,
    entry_after,
    facts_after,
    identity_of,
    joined,
    offered,
    opening_entry,
    owner_of,
    request_of,
    roster_of,
    spec_of,
    weights_message,
)


def _opening(state: JobState) -> bytes:
    assert state.roster is not None
    return opening_entry(state.manifest_hash, state.roster.hash)


def _refused(state: JobState, message: j.Message, owner: JobContext | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        step(owner or owner_of(), state, message, NOW)
    return caught.value


def _after_counts(owner: JobContext | None = None) -> tuple[JobState, Compute]:
    """A job whose counts were answered, and the request that asked for them."""
    state = at_work(owner)
    compute = request_of(state, _opening(state))
    state, effects = step(owner or owner_of(), state, j.Asked(compute, None), NOW)
    assert isinstance(effects[0], j.Answer)
    answered = j.Answered(facts_after(compute, 0, RoundKind.COUNTS), b"answer", 2)
    return step(owner or owner_of(), state, answered, NOW)[0], compute


def _gradient(state: JobState, round_: int = 1, entry: bytes | None = None, **changes: object) -> Compute:
    weights = weights_message(plan_spec(spec_of()), [3, -5, 7])
    return request_of(state, entry or entry_after(state, 1), round_, RoundKind.GRADIENT, weights, **changes)  # type: ignore[arg-type]


def test_the_counts_are_answered_first_and_then_the_first_gradient() -> None:
    state, _ = _after_counts()
    assert (state.answers, state.last and state.last.kind) == (1, RoundKind.COUNTS)
    asked = _gradient(state)
    _, effects = step(owner_of(), state, j.Asked(asked, None), NOW)
    (answer,) = effects
    assert isinstance(answer, j.Answer)
    assert (answer.request.round, answer.request_hash) == (1, asked.request.hash)


def test_the_roster_is_fetched_once_checked_and_pinned() -> None:
    state = joined()
    roster = roster_of(state.manifest_hash)
    asked = j.Asked(request_of(state, opening_entry(state.manifest_hash, roster.hash)), None)
    assert step(owner_of(), state, asked, NOW) == (state, (j.FetchRoster(asked),))
    state, effects = step(owner_of(), state, j.RosterFetched(roster), NOW)
    assert (state.roster, effects) == (roster, ())
    other = roster_of(state.manifest_hash, [accept(name, state.manifest_hash) for name in (*OWNERS, "clinic-d")])
    assert step(owner_of(), state, j.RosterFetched(other), NOW) == (state, ())
    _, effects = step(owner_of(), state, asked, NOW)
    assert isinstance(effects[0], j.Answer)


def _rosters(state: JobState) -> dict[str, SignedDocument]:
    h = state.manifest_hash
    honest = [accept(name, h) for name in OWNERS]
    shared = accept("clinic-b", h, mask_key="2a" * 32)
    return {
        "without this owner": roster_of(h, [accept(name, h) for name in ("clinic-b", "clinic-c", "clinic-d")]),
        "with this owner's mask key swapped": roster_of(h, [accept("clinic-a", h, mask_key="2a" * 32), *honest[1:]]),
        "with an owner twice": roster_of(h, [*honest, honest[1]]),
        "with a mask key twice": roster_of(h, [honest[0], shared, accept("clinic-c", h, mask_key="2a" * 32)]),
        "of another manifest": roster_of("12" * 32, [accept(name, "12" * 32) for name in OWNERS]),
        "too small": roster_of(h, honest[:2]),
        "larger than planned": roster_of(h, [*honest, *(accept(f"extra-{i}", h) for i in range(6))]),
    }


@pytest.mark.parametrize("which", list(_rosters(joined())))
def test_a_roster_that_breaks_a_rule_is_refused(which: str) -> None:
    state = joined()
    assert _refused(state, j.RosterFetched(_rosters(state)[which])).code is Code.ROSTER_INVALID


def test_a_roster_signed_by_another_facilitator_is_refused() -> None:
    state = joined()
    roster = roster_of(state.manifest_hash, signer=identity_of("mallory"))
    assert _refused(state, j.RosterFetched(roster)).code is Code.BAD_SIGNATURE


def test_an_acceptance_on_the_roster_that_its_owner_did_not_sign_is_refused() -> None:
    state = joined()
    forged = accept("clinic-b", state.manifest_hash).model_copy(update={"signature": "00" * 64})
    entries = [accept("clinic-a", state.manifest_hash), forged, accept("clinic-c", state.manifest_hash)]
    assert _refused(state, j.RosterFetched(roster_of(state.manifest_hash, entries))).code is Code.BAD_SIGNATURE


def test_once_owners_are_pinned_strangers_on_the_roster_do_not_count() -> None:
    pins = tuple(identity_of(name).party_id for name in ("clinic-b", "clinic-c"))
    base = OwnerPolicy.for_loopback()
    one_known = owner_of(policy=base.model_copy(update={"trust": Trust(data_owners=pins[:1])}))
    both_known = owner_of(policy=base.model_copy(update={"trust": Trust(data_owners=pins)}))
    state = joined(both_known)
    roster = j.RosterFetched(roster_of(state.manifest_hash))
    assert step(both_known, state, roster, NOW)[0].roster is not None
    problem = _refused(state, roster, one_known)
    assert problem.code is Code.ROSTER_INVALID and "2 owners that count, of 3" in problem.detail


def test_a_request_under_another_roster_is_refused() -> None:
    state = at_work()
    asked = request_of(state, _opening(state), roster_hash="31" * 32)
    assert _refused(state, j.Asked(asked, None)).code is Code.ROSTER_INVALID


def test_a_request_that_the_model_owner_did_not_sign_is_refused() -> None:
    state = at_work()
    for signer in (FACILITATOR, identity_of("mallory")):
        asked = request_of(state, _opening(state), signer=signer)
        assert _refused(state, j.Asked(asked, None)).code is Code.BAD_SIGNATURE


def test_a_request_altered_after_it_was_signed_is_refused() -> None:
    state = at_work()
    honest = request_of(state, _opening(state))
    other = request_of(state, _opening(state), roster_hash="31" * 32)
    moved = honest.model_copy(update={"request": honest.request.model_copy(update={"body": other.request.body})})
    assert _refused(state, j.Asked(moved, None)).code is Code.BAD_SIGNATURE


def test_a_request_of_another_manifest_or_job_is_refused() -> None:
    state = at_work()
    of_another = request_of(state, _opening(state), manifest_hash="31" * 32)
    assert _refused(state, j.Asked(of_another, None)).code is Code.MALFORMED_MESSAGE
    misplaced = request_of(state, _opening(state)).model_copy(update={"job_id": "cd" * 16})
    assert _refused(state, j.Asked(misplaced, None)).code is Code.MALFORMED_MESSAGE


def test_the_same_request_gets_the_stored_answer_again() -> None:
    state, compute = _after_counts()
    after, effects = step(owner_of(), state, j.Asked(compute, state.last), NOW)
    assert after is state and effects == (j.SendStored(0, RoundKind.COUNTS),)


def test_another_request_for_an_answered_round_is_refused() -> None:
    state, _ = _after_counts()
    first = _gradient(state)
    state, _ = step(owner_of(), state, j.Answered(facts_after(first, 1, RoundKind.GRADIENT), b"answer", 2), NOW)
    # The same round and kind, with weights encrypted anew: other bytes, whatever they hold.
    second = request_of(
        state,
        first.previous_entry,
        1,
        RoundKind.GRADIENT,
        weights_message(plan_spec(spec_of()), [3, -5, 7]),
    )
    problem = _refused(state, j.Asked(second, state.last))
    assert problem.code is Code.REQUEST_DIFFERS
    assert second.request.hash[:16] in problem.detail and first.request.hash[:16] in problem.detail


def test_a_job_has_one_total_of_rows_whether_or_not_its_first_request_can_be_answered() -> None:
    state, _ = _after_counts()
    first = _gradient(state, rows_total=300)
    state, effects = step(owner_of(), state, j.Asked(first, None), NOW)
    assert state.rows_total == 300 and isinstance(effects[0], j.Answer)
    # Nothing was answered: the same request may come again, and nobody may try another total.
    again, effects = step(owner_of(), state, j.Asked(first, None), NOW)
    assert again is state and isinstance(effects[0], j.Answer)
    problem = _refused(state, j.Asked(_gradient(state, rows_total=301), None))
    assert problem.code is Code.ROWS_TOTAL_REFUSED and "301" in problem.detail and "300" in problem.detail
    state, _ = step(owner_of(), state, j.Answered(facts_after(first, 1, RoundKind.GRADIENT), b"answer", 2), NOW)
    second = _gradient(state, 2, entry_after(state, 2), rows_total=301)
    assert _refused(state, j.Asked(second, None)).code is Code.ROWS_TOTAL_REFUSED


@pytest.mark.parametrize(("round_", "kind"), [(1, RoundKind.GRADIENT), (1, RoundKind.COUNTS)])
def test_nothing_comes_before_the_counts(round_: int, kind: Kind) -> None:
    state = at_work()
    weights = weights_message(plan_spec(spec_of()), [0, 0, 0]) if kind == RoundKind.GRADIENT else None
    asked = request_of(state, _opening(state), round_, kind, weights)
    assert _refused(state, j.Asked(asked, None)).code is Code.WRONG_STATE


@pytest.mark.parametrize("round_", [0, 2])
def test_a_round_is_neither_skipped_nor_repeated(round_: int) -> None:
    state, _ = _after_counts()
    assert _refused(state, j.Asked(_gradient(state, round_), None)).code is Code.WRONG_STATE


def test_no_round_goes_beyond_the_plan() -> None:
    state, _ = _after_counts()
    last = state.last
    assert last is not None
    for number, refused in ((4, False), (5, True)):
        at = state.model_copy(update={"last": last.model_copy(update={"round": number, "kind": RoundKind.GRADIENT})})
        asked = j.Asked(_gradient(at, number + 1), None)
        if refused:
            assert _refused(at, asked).code is Code.WRONG_STATE
        else:
            assert isinstance(step(owner_of(), at, asked, NOW)[1][0], j.Answer)


def test_inside_a_window_the_facilitator_asks_and_only_there() -> None:
    spec = spec_of(optimizer="gradient_descent", reencrypt_every=2, max_rows=300)
    state = joined(state=offered(spec))
    state, _ = step(owner_of(), state, j.RosterFetched(roster_of(state.manifest_hash)), NOW)
    compute = request_of(state, _opening(state))
    state, _ = step(owner_of(), state, j.Answered(facts_after(compute, 0, RoundKind.COUNTS), b"answer", 2), NOW)
    first = _gradient(state)
    assert isinstance(step(owner_of(), state, j.Asked(first, None), NOW)[1][0], j.Answer)
    state, _ = step(owner_of(), state, j.Answered(facts_after(first, 1, RoundKind.GRADIENT), b"answer", 2), NOW)
    entry = entry_after(state, 2)
    inner = _gradient(state, 2, entry, window_step=1, signer=FACILITATOR)
    assert isinstance(step(owner_of(), state, j.Asked(inner, None), NOW)[1][0], j.Answer)
    by_model_owner = _gradient(state, 2, entry, window_step=1, signer=MODEL_OWNER)
    assert _refused(state, j.Asked(by_model_owner, None)).code is Code.BAD_SIGNATURE
    too_early = _gradient(state, 2, entry, window_step=0)
    assert _refused(state, j.Asked(too_early, None)).code is Code.WRONG_STATE


def _bad_entries(state: JobState) -> dict[str, bytes]:
    honest = entry_after(state, 1)
    answers = from_cbor(honest, LogEntry).answers
    mine = owner_of().party_id
    altered = [r.model_copy(update={"answer_hash": "66" * 32}) if r.party == mine else r for r in answers]
    unsigned = [r.model_copy(update={"signature": bytes(64)}) if r.party == mine else r for r in answers]
    without = [record for record in answers if record.party != mine]
    return {
        "the opening entry": _opening(state),
        "another index": entry_after(state, 2),
        "another head before it": entry_after(state, 1, previous="31" * 32),
        "another manifest": entry_after(state, 1, manifest_hash="31" * 32),
        "another roster": entry_after(state, 1, roster_hash="31" * 32),
        "another request": entry_after(state, 1, request_hash="31" * 32),
        "another round": entry_after(state, 1, round=3),
        "this owner's answer altered": entry_after(state, 1, answers=tuple(altered)),
        "this owner's signature altered": entry_after(state, 1, answers=tuple(unsigned)),
        "this owner's answer left out": entry_after(state, 1, answers=tuple(without)),
        "an answer twice": entry_after(state, 1, answers=(*answers, answers[0])),
    }


@pytest.mark.parametrize("which", list(_bad_entries(_after_counts()[0])))
def test_a_log_that_does_not_hold_this_owners_answer_is_refused(which: str) -> None:
    state, _ = _after_counts()
    assert _refused(state, j.Asked(_gradient(state, entry=_bad_entries(state)[which]), None)).code is (
        Code.LOG_INCONSISTENT
    )


def test_an_entry_that_is_not_the_head_of_the_request_is_refused() -> None:
    state, _ = _after_counts()
    asked = _gradient(state)
    other = asked.model_copy(update={"previous_entry": entry_after(state, 1, product_hash="98" * 32)})
    assert sha256_hex(other.previous_entry) != sha256_hex(asked.previous_entry)
    assert _refused(state, j.Asked(other, None)).code is Code.LOG_INCONSISTENT


def test_a_job_that_asks_for_ranges_says_the_most_rows_there_can_be_and_searches_for_no_count() -> None:
    column = {"name": "age", "type": "continuous", "range": [0, 100]}
    training = {"key_bits": 512, "max_rows": 1000, "max_data_owners": 3}
    spec = {"model_type": "RANGES", "data_props": {"features": [column]}, "training": training}
    state = joined(state=offered(ModelSpec.model_validate(spec)))
    state = step(owner_of(), state, j.RosterFetched(roster_of(state.manifest_hash)), NOW)[0]
    most = 1000 * len(OWNERS)
    for rows in (200, most - 1, most + 1):
        crafted = request_of(state, _opening(state), 1, KIND, rows_total=rows)
        assert _refused(state, j.Asked(crafted, None)).code is Code.ROWS_TOTAL_REFUSED
    counts = request_of(state, _opening(state))
    assert _refused(state, j.Asked(counts, None)).code is Code.WRONG_STATE
    asked = request_of(state, _opening(state), 1, KIND, rows_total=most)
    assert isinstance(step(owner_of(), state, j.Asked(asked, None), NOW)[1][0], j.Answer)


def test_before_the_first_round_the_log_holds_the_opening_entry_alone() -> None:
    state = at_work()
    assert state.roster is not None
    record = AnswerRecord(
        party=owner_of().party_id, answer_hash="11" * 32, ciphertexts_hash="22" * 32, signature=bytes(64)
    )
    entry = to_cbor(
        LogEntry(
            index=0,
            previous=NO_ENTRY,
            manifest_hash=state.manifest_hash,
            roster_hash=state.roster.hash,
            answers=(record,),
        )
    )
    assert _refused(state, j.Asked(request_of(state, entry), None)).code is Code.LOG_INCONSISTENT


def test_a_job_that_is_over_answers_no_more() -> None:
    state = at_work()
    asked = j.Asked(request_of(state, _opening(state)), None)
    over, _ = step(owner_of(), state, j.Ended(JobEnd(job_id=JOB_ID, status="CANCELLED")), NOW)
    assert _refused(over, asked).code is Code.JOB_OVER


def test_a_job_that_was_not_joined_is_not_answered() -> None:
    state = offered()
    entry = opening_entry(state.manifest_hash, "31" * 32)
    assert state.phase is Phase.OFFERED
    assert _refused(state, j.Asked(request_of(state, entry), None)).code is Code.WRONG_STATE


def test_the_state_goes_to_json_and_back() -> None:
    state, _ = _after_counts()
    assert JobState.model_validate_json(state.model_dump_json()) == state
    assert json.loads(state.model_dump_json())["phase"] == "JOINED"
