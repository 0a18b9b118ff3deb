"""The roster: who is asked, who is on it, and when it closes."""

from __future__ import annotations

import pytest

from fedtrain.facilitator.job import CancelRequested, CloseTasks, KeepRoster, OwnerOffers
from fedtrain.facilitator.job_state import JobState
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.roster import open_roster
from fedtrain.protocol.documents.signed import JobEnd, Manifest, SignedDocument, open_document, parse_json
from fedtrain.protocol.messages.rounds import LogEntry, Step, from_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.machine_bench import JOB_ID, MachineBench


def refused(bench: MachineBench, event: object) -> Problem:
    """The problem that an event raises, after checking that nothing changed."""
    before = bench.state
    with pytest.raises(Problem) as caught:
        bench.happen(event)  # type: ignore[arg-type]
    assert bench.state == before
    return caught.value


def test_every_owner_that_offers_the_dataset_is_handed_the_manifest_once() -> None:
    bench = MachineBench(owners=2)
    bench.invite_all()
    (task,) = bench.tasks(TaskKind.JOIN)
    assert task.key == f"join/{JOB_ID}/{bench.owners['owner-1'].party_id}"
    manifest = open_document(parse_json(task.request, SignedDocument), Manifest, signer=bench.model_owner.party_id)
    assert manifest.job_id == JOB_ID
    bench.happen(OwnerOffers(bench.owners["owner-1"].party_id, "owner-1"))
    assert bench.effects == ()
    assert len(bench.state.invited) == 2


def test_when_all_have_answered_the_roster_closes_and_the_model_owner_gets_it() -> None:
    bench = MachineBench(owners=4)
    bench.invite_all()
    for name in ("owner-3", "owner-1", "owner-0"):
        bench.happen(bench.acceptance(name))
        assert bench.state.phase is Phase.JOINING
    bench.happen(bench.decline("owner-2"))
    assert bench.state.phase is Phase.WAITING_FOR_MODEL_OWNER
    (task,) = bench.tasks(TaskKind.STEP)
    assert (task.key, task.recipient) == (f"step/{JOB_ID}/0", bench.model_owner.party_id)
    step = from_cbor(task.request, Step)
    assert step.roster is not None
    roster = open_roster(step.roster, bench.context.manifest, bench.state.manifest_hash, bench.facilitator.party_id)
    joined = sorted(bench.owners[name].party_id for name in ("owner-0", "owner-1", "owner-3"))
    assert list(roster.parties) == joined == [owner.party for owner in bench.state.roster]
    entry = from_cbor(step.log_entry, LogEntry)
    assert (entry.index, entry.previous, entry.roster_hash) == (0, "0" * 64, step.roster.hash)
    assert bench.state.log_head == sha256_hex(step.log_entry)
    assert KeepRoster(step.roster) in bench.effects


def test_too_few_owners_fail_the_job_with_the_names_and_codes_of_who_declined() -> None:
    bench = MachineBench(owners=3)
    bench.invite_all()
    bench.happen(bench.acceptance("owner-0"))
    bench.happen(bench.decline("owner-1", "too-few-rows"))
    bench.happen(bench.decline("owner-2", "policy-refuses"))
    assert bench.state.phase is Phase.FAILED
    assert bench.state.ending is not None and bench.state.ending.code == "too-few-owners"
    reason = bench.state.ending.reason or ""
    assert "1 of 3" in reason and "owner-1 declined (too-few-rows)" in reason and "owner-2 declined" in reason
    told = {task.recipient: parse_json(task.request, JobEnd) for task in bench.tasks(TaskKind.END)}
    assert set(told) == {bench.owners["owner-0"].party_id, bench.model_owner.party_id}
    assert {end.code for end in told.values()} == {"too-few-owners"}


def test_the_join_timeout_closes_the_roster_with_those_who_answered() -> None:
    bench = MachineBench(owners=4, join_timeout_s=60.0)
    bench.invite_all()
    for name in ("owner-0", "owner-1", "owner-2"):
        bench.happen(bench.acceptance(name))
    bench.wait(59.9)
    assert bench.state.phase is Phase.JOINING
    bench.wait(0.1)
    assert bench.state.phase is Phase.WAITING_FOR_MODEL_OWNER
    assert CloseTasks(frozenset({TaskKind.JOIN})) in bench.effects
    assert refused(bench, bench.acceptance("owner-3")).code is Code.TASK_CLOSED


def test_the_join_timeout_names_who_did_not_answer() -> None:
    bench = MachineBench(owners=3, join_timeout_s=60.0)
    bench.invite_all()
    bench.happen(bench.acceptance("owner-0"))
    bench.wait(60)
    assert bench.state.ending is not None
    assert "owner-1 did not answer in time; owner-2 did not answer in time" in (bench.state.ending.reason or "")


def test_without_any_registered_owner_the_job_waits_for_one_until_the_timeout() -> None:
    bench = MachineBench(owners=1, min_data_owners=1, join_timeout_s=60.0)
    bench.wait(30)
    assert bench.state.phase is Phase.JOINING
    bench.join_all()
    assert bench.state.phase is Phase.WAITING_FOR_MODEL_OWNER
    empty = MachineBench(owners=1, min_data_owners=1, join_timeout_s=60.0)
    empty.wait(60)
    assert empty.state.ending is not None and "No registered Data Owner" in (empty.state.ending.reason or "")


def test_the_roster_closes_at_max_data_owners_and_the_rest_are_told_so() -> None:
    bench = MachineBench(owners=5, min_data_owners=2, max_data_owners=3)
    bench.invite_all()
    for name in ("owner-4", "owner-2", "owner-0"):
        bench.happen(bench.acceptance(name))
    assert len(bench.state.roster) == 3
    told = bench.tasks(TaskKind.END)
    assert {task.recipient for task in told} == {bench.owners[name].party_id for name in ("owner-1", "owner-3")}
    end = parse_json(told[0].request, JobEnd)
    assert (end.status, end.code) == ("CANCELLED", "roster-closed")
    assert refused(bench, bench.acceptance("owner-1")).code is Code.TASK_CLOSED


def test_who_declined_is_not_told_that_the_roster_closed() -> None:
    bench = MachineBench(owners=3, min_data_owners=2)
    bench.invite_all()
    bench.happen(bench.decline("owner-1"))
    for name in ("owner-0", "owner-2"):
        bench.happen(bench.acceptance(name))
    assert bench.state.phase is Phase.WAITING_FOR_MODEL_OWNER
    assert bench.tasks(TaskKind.END) == []


def test_all_that_may_have_accepted_are_told_of_an_end_before_the_roster_closed() -> None:
    bench = MachineBench(owners=3)
    bench.invite_all()
    bench.happen(bench.acceptance("owner-0"))
    bench.happen(bench.decline("owner-1"))
    bench.happen(CancelRequested("enough"))
    told = {task.recipient for task in bench.tasks(TaskKind.END)}
    assert told == {bench.owners[name].party_id for name in ("owner-0", "owner-2")}


def test_an_answer_given_twice_counts_once_and_a_different_one_is_refused() -> None:
    bench = MachineBench(owners=3)
    bench.invite_all()
    bench.happen(bench.acceptance("owner-0"))
    before = bench.state
    bench.happen(bench.acceptance("owner-0"))
    assert bench.state == before and bench.effects == ()
    assert refused(bench, bench.decline("owner-0")).code is Code.ANSWER_CONFLICT
    assert refused(bench, bench.acceptance("owner-0", mask_key="77" * 32)).code is Code.ANSWER_CONFLICT


def test_an_owner_that_was_not_invited_is_refused() -> None:
    bench = MachineBench(owners=3)
    bench.happen(OwnerOffers(bench.owners["owner-0"].party_id, "owner-0"))
    assert refused(bench, bench.acceptance("owner-1")).code is Code.TASK_NOT_FOUND


def test_an_acceptance_of_another_manifest_is_refused() -> None:
    bench = MachineBench(owners=3)
    bench.invite_all()
    assert refused(bench, bench.acceptance("owner-0", manifest_hash="12" * 32)).code is Code.MALFORMED_MESSAGE


def test_a_mask_key_that_another_owner_sent_is_refused() -> None:
    bench = MachineBench(owners=3)
    bench.invite_all()
    first = bench.acceptance("owner-0")
    bench.happen(first)
    problem = refused(bench, bench.acceptance("owner-1", mask_key=first.statement.mask_key))  # type: ignore[union-attr]
    assert problem.code is Code.ROSTER_INVALID and "owner-0" in problem.detail


def test_an_owner_that_registers_after_the_roster_closed_is_not_asked() -> None:
    bench = MachineBench(owners=3)
    bench.join_all()
    bench.happen(OwnerOffers("ee" * 32, "late"))
    assert bench.effects == () and all(owner.name != "late" for owner in bench.state.invited)


def test_a_state_comes_back_from_json_as_it_was() -> None:
    bench = MachineBench(owners=3)
    bench.join_all()
    bench.ask(0, RoundKind.COUNTS)
    bench.happen(bench.answer("owner-1"))
    assert JobState.model_validate_json(bench.state.model_dump_json()) == bench.state
