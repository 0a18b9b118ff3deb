"""Requests, answers, sums and ends."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from fedtrain.facilitator.job import Add, AddingFailed, AppendLog, CancelRequested, CloseTasks, KeepBlob
from fedtrain.facilitator.job_state import Member
from fedtrain.facilitator.metrics import Metrics
from fedtrain.facilitator.status import JobOutline, describe
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import JobEnd, parse_json
from fedtrain.protocol.messages.rounds import Compute, LogEntry, RoundRequest, Step, from_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem
from tests.harness.facilitator.machine_bench import JOB_ID, MachineBench, fake_vector

COUNTS, GRADIENT = RoundKind.COUNTS, RoundKind.GRADIENT


@pytest.fixture
def bench() -> MachineBench:
    joined = MachineBench(owners=3)
    joined.join_all()
    return joined


def refused(bench: MachineBench, event: object) -> Problem:
    before = bench.state
    with pytest.raises(Problem) as caught:
        bench.happen(event)  # type: ignore[arg-type]
    assert bench.state == before
    return caught.value


def test_a_request_goes_to_every_owner_of_the_roster_as_the_same_bytes(bench: MachineBench) -> None:
    step = bench.next_request(0, COUNTS)
    bench.happen(step)
    tasks = bench.tasks(TaskKind.COMPUTE)
    assert {task.recipient for task in tasks} == {owner.party_id for owner in bench.owners.values()}
    assert len({task.request for task in tasks}) == 1
    compute = from_cbor(tasks[0].request, Compute)
    assert compute.request == step.result.request
    assert sha256_hex(compute.previous_entry) == bench.state.log_head
    assert KeepBlob(compute.request.body) in bench.effects
    assert tasks[0].key == f"compute/{JOB_ID}/0/counts/{tasks[0].recipient}"


def test_the_sum_of_all_answers_goes_to_the_model_owner_with_its_proof(bench: MachineBench) -> None:
    bench.ask(0, COUNTS)
    for name in ("owner-2", "owner-0"):
        bench.happen(bench.answer(name))
        assert bench.effects == ()
    bench.happen(bench.answer("owner-1"))
    assert bench.effects == (CloseTasks(frozenset({TaskKind.COMPUTE})), Add())
    assert bench.state.phase is Phase.ADDING
    head = bench.state.log_head
    bench.happen(bench.sum_ready())
    (task,) = bench.tasks(TaskKind.STEP)
    step = from_cbor(task.request, Step)
    assert (task.key, step.step) == (f"step/{JOB_ID}/1", 1)
    assert step.sum == fake_vector("sum") and step.weights is None
    entry = from_cbor(step.log_entry, LogEntry)
    assert (entry.index, entry.previous, entry.round, entry.kind) == (1, head, 0, COUNTS)
    assert entry.product_hash == fake_vector("sum").ciphertexts_hash
    parties = [record.party for record in entry.answers]
    assert parties == sorted(owner.party_id for owner in bench.owners.values())
    assert [record.answer_hash for record in entry.answers] == [sha256_hex(answer) for answer in step.answers]
    assert bench.state.log_head == sha256_hex(step.log_entry)


def test_counts_come_once_and_then_rounds_one_two_three(bench: MachineBench) -> None:
    assert refused(bench, bench.next_request(1)).code is Code.WRONG_STATE
    assert refused(bench, bench.next_request(1, COUNTS)).code is Code.WRONG_STATE
    bench.run_round(0, COUNTS)
    assert refused(bench, bench.next_request(0, COUNTS)).code is Code.WRONG_STATE
    assert refused(bench, bench.next_request(2)).code is Code.WRONG_STATE
    bench.run_round(1)
    problem = refused(bench, bench.next_request(1))
    assert problem.code is Code.WRONG_STATE and "next is round 2 (gradient)" in problem.detail
    bench.run_round(2)
    assert bench.state.current is not None and bench.state.current.round == 2
    assert [from_cbor(entry, LogEntry).round for entry in bench.log] == [0, 0, 1, 2]


def test_a_validation_loss_may_follow_a_round_only_where_the_spec_asks_for_evaluation(bench: MachineBench) -> None:
    bench.run_round(0, COUNTS)
    bench.run_round(1)
    assert refused(bench, bench.next_request(1, RoundKind.VALIDATION_LOSS)).code is Code.WRONG_STATE
    evaluated = MachineBench(owners=3, evaluate_every=1)
    evaluated.join_all()
    evaluated.run_round(0, COUNTS)
    evaluated.run_round(1)
    evaluated.run_round(1, RoundKind.VALIDATION_LOSS)
    assert refused(evaluated, evaluated.next_request(1, RoundKind.VALIDATION_LOSS)).code is Code.WRONG_STATE
    evaluated.run_round(2)


@pytest.mark.parametrize(("every", "left"), [(0, (5, 4, 3, 2, 1)), (2, (7, 6, 5, 4, 3, 2, 1))])
def test_the_time_left_is_that_of_the_rounds_and_evaluations_to_come(every: int, left: tuple[int, ...]) -> None:
    bench = MachineBench(owners=3, evaluate_every=every, rounds=5)
    bench.join_all()
    me = Member(party=bench.facilitator.party_id, name="facilitator")
    asked = [(0, COUNTS)]
    for number in range(1, 6):
        asked += [(number, GRADIENT)]
        asked += [(number, RoundKind.VALIDATION_LOSS)] if every and number < 5 and number % every == 0 else []
    estimates = []
    for number, kind in asked:
        bench.ask(number, kind)
        bench.wait(1)
        estimates.append(describe(JobOutline.of(bench.context.manifest), bench.state, me, bench.now).seconds_left)
        bench.wait(3)
        bench.answer_all()
        bench.happen(bench.sum_ready())
    assert estimates == [None, *(4.0 * number - 1 for number in left)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"manifest_hash": "12" * 32}, Code.MALFORMED_MESSAGE),
        ({"roster_hash": "12" * 32}, Code.MALFORMED_MESSAGE),
        ({"log_head": "12" * 32}, Code.LOG_INCONSISTENT),
        ({"window_step": 1}, Code.MALFORMED_MESSAGE),
        ({"rows_total": 443}, Code.MALFORMED_MESSAGE),
    ],
)
def test_a_request_that_does_not_belong_is_refused(bench: MachineBench, changes: dict[str, object], code: Code) -> None:
    bench.run_round(0, COUNTS)
    bench.run_round(1)
    assert refused(bench, bench.next_request(2, **changes)).code is code
    bench.ask(2)


def test_a_request_given_twice_counts_once_and_a_different_one_is_refused(bench: MachineBench) -> None:
    step = bench.next_request(0, COUNTS)
    bench.happen(step)
    bench.happen(step)
    assert bench.effects == ()
    other = bench.step_result(finished="FAILED", code="diverged", reason="no")
    assert refused(bench, other).code is Code.ANSWER_CONFLICT


def test_a_result_of_an_earlier_step_finds_its_task_closed(bench: MachineBench) -> None:
    first = bench.next_request(0, COUNTS)
    bench.happen(first)
    bench.answer_all()
    bench.happen(bench.sum_ready())
    assert refused(bench, first).code is Code.TASK_CLOSED


def test_a_result_of_a_step_that_was_not_handed_out_is_refused(bench: MachineBench) -> None:
    assert refused(bench, bench.step_result(step=1, finished="FINISHED")).code is Code.MALFORMED_MESSAGE


def test_the_same_answer_twice_counts_once_and_a_second_one_is_a_conflict(bench: MachineBench) -> None:
    bench.ask(0, COUNTS)
    bench.happen(bench.answer("owner-0"))
    before = bench.state
    bench.happen(bench.answer("owner-0"))
    assert bench.state == before and bench.effects == ()
    other = bench.answer("owner-0", vector=fake_vector("another"))
    assert refused(bench, other).code is Code.ANSWER_CONFLICT
    bench.happen(bench.answer("owner-1"))
    bench.happen(bench.answer("owner-2"))
    assert refused(bench, other).code is Code.ANSWER_CONFLICT


def test_an_answer_to_a_round_that_is_over_is_refused(bench: MachineBench) -> None:
    bench.ask(0, COUNTS)
    late = bench.answer("owner-0")
    bench.answer_all()
    bench.happen(bench.sum_ready())
    bench.ask(1)
    assert refused(bench, late).code is Code.TASK_CLOSED


@pytest.mark.parametrize(
    "changes",
    [
        {"manifest_hash": "12" * 32},
        {"roster_hash": "12" * 32},
        {"request_hash": "12" * 32},
        {"log_head": "12" * 32},
        {"round": 7},
    ],
)
def test_an_answer_that_belongs_elsewhere_is_refused(bench: MachineBench, changes: dict[str, object]) -> None:
    bench.ask(0, COUNTS)
    assert refused(bench, bench.answer("owner-0", **changes)).code is Code.MALFORMED_MESSAGE


def test_an_owner_that_is_not_on_the_roster_cannot_answer() -> None:
    bench = MachineBench(owners=4)
    bench.invite_all()
    for name in ("owner-0", "owner-1", "owner-2"):
        bench.happen(bench.acceptance(name))
    bench.happen(bench.decline("owner-3"))
    bench.ask(0, COUNTS)
    assert refused(bench, bench.answer("owner-3")).code is Code.FORBIDDEN


def test_a_sum_of_other_answers_than_the_rounds_is_never_logged(bench: MachineBench) -> None:
    bench.ask(0, COUNTS)
    bench.answer_all()
    ready = bench.sum_ready()
    assert refused(bench, bench.sum_ready(answers=ready.answers[::-1])).code is Code.WRONG_STATE
    assert bench.state.phase is Phase.ADDING and len(bench.log) == 1


def test_with_wait_a_late_owner_is_waited_for(bench: MachineBench) -> None:
    bench.ask(0, COUNTS)
    bench.happen(bench.answer("owner-0"))
    bench.wait(10_000)
    assert bench.state.phase is Phase.WAITING_FOR_DATA_OWNERS
    assert [owner.name for owner in bench.state.awaited_owners if owner.name == "owner-0"] == []
    bench.happen(bench.answer("owner-1"))
    bench.happen(bench.answer("owner-2"))
    assert bench.state.phase is Phase.ADDING


def test_with_end_a_late_owner_fails_the_job_by_name() -> None:
    bench = MachineBench(owners=3, on_dropout="end", round_timeout_s=30.0)
    bench.join_all()
    bench.ask(0, COUNTS)
    bench.happen(bench.answer("owner-0"))
    bench.happen(bench.answer("owner-2"))
    bench.wait(29.9)
    assert bench.state.phase is Phase.WAITING_FOR_DATA_OWNERS
    bench.wait(0.1)
    assert bench.state.phase is Phase.FAILED
    assert bench.state.ending is not None and bench.state.ending.code == "owner-timed-out"
    assert bench.state.ending.reason == "owner-1 did not answer round 0 within 30 s."
    assert bench.model_owner.party_id in {task.recipient for task in bench.tasks(TaskKind.END)}
    assert refused(bench, bench.answer("owner-1")).code is Code.TASK_CLOSED


def test_the_model_owner_finishes_and_the_owners_are_told(bench: MachineBench) -> None:
    bench.run_round(0, COUNTS)
    bench.run_round(1)
    bench.happen(bench.step_result(finished="FINISHED"))
    assert bench.state.phase is Phase.FINISHED
    ends = bench.tasks(TaskKind.END)
    assert {task.recipient for task in ends} == {owner.party_id for owner in bench.owners.values()}
    assert {parse_json(task.request, JobEnd).status for task in ends} == {"FINISHED"}


def test_the_model_owner_fails_the_job_with_its_reason(bench: MachineBench) -> None:
    bench.happen(bench.step_result(finished="FAILED", code="diverged", reason="The weights passed their bound."))
    assert bench.state.phase is Phase.FAILED
    assert bench.state.ending is not None
    assert (bench.state.ending.code, bench.state.ending.reason) == ("diverged", "The weights passed their bound.")


@pytest.mark.parametrize(("code", "counted"), [("diverged", "diverged"), ("made-up", "(other)"), (None, "internal")])
def test_a_code_that_a_model_owner_makes_up_is_no_label(bench: MachineBench, code: str | None, counted: str) -> None:
    registry = CollectorRegistry()
    metrics, before = Metrics(registry), bench.state
    bench.happen(bench.step_result(finished="FAILED", code=code))
    metrics.observe(before, bench.state)
    assert registry.get_sample_value("fedtrain_jobs_ended_total", {"status": "FAILED", "code": counted}) == 1


def test_a_cancelled_job_takes_no_more_answers_and_cancelling_again_changes_nothing(bench: MachineBench) -> None:
    bench.ask(0, COUNTS)
    bench.happen(CancelRequested("enough"))
    assert bench.state.phase is Phase.CANCELLED
    assert {task.recipient for task in bench.tasks(TaskKind.END)} == {owner.party_id for owner in bench.owners.values()}
    bench.happen(CancelRequested("enough"))
    assert bench.effects == ()
    assert refused(bench, bench.answer("owner-0")).code is Code.TASK_CLOSED


def test_a_job_that_is_over_cannot_be_cancelled(bench: MachineBench) -> None:
    bench.happen(bench.step_result(finished="FINISHED"))
    assert refused(bench, CancelRequested("too late")).code is Code.JOB_OVER


def test_a_sum_that_comes_after_the_job_was_cancelled_is_refused(bench: MachineBench) -> None:
    bench.ask(0, COUNTS)
    bench.answer_all()
    ready = bench.sum_ready()
    bench.happen(CancelRequested("enough"))
    assert refused(bench, ready).code is Code.WRONG_STATE


def test_answers_that_cannot_be_added_fail_the_job_and_everyone_is_told(bench: MachineBench) -> None:
    bench.ask(0, COUNTS)
    bench.answer_all()
    bench.happen(AddingFailed(Code.INTERNAL, "the answers cannot be added"))
    assert bench.state.phase is Phase.FAILED
    assert len(bench.tasks(TaskKind.END)) == 4


def test_inside_a_window_the_facilitator_asks_with_the_next_weights_itself() -> None:
    bench = MachineBench(owners=3, optimizer="gradient_descent", reencrypt_every=3)
    bench.join_all()
    bench.run_round(0, COUNTS)
    bench.ask(1)
    for number in (2, 3):
        bench.answer_all()
        weights = fake_vector(f"w {number}")
        bench.happen(bench.sum_ready(weights=weights))
        assert bench.state.phase is Phase.WAITING_FOR_DATA_OWNERS
        assert bench.tasks(TaskKind.STEP) == []
        assert bench.request is not None
        request = from_cbor(bench.request.open("round-request", bench.facilitator.party_id), RoundRequest)
        assert (request.round, request.window_step, request.weights) == (number, number - 1, weights)
        assert (request.log_head, request.rows_total) == (bench.state.log_head, 442)
        assert any(isinstance(effect, AppendLog) for effect in bench.effects)
    bench.answer_all()
    bench.happen(bench.sum_ready(weights=fake_vector("w 4")))
    (task,) = bench.tasks(TaskKind.STEP)
    step = from_cbor(task.request, Step)
    assert (step.sum, step.weights) == (None, fake_vector("w 4"))
    bench.ask(4)
    assert bench.state.current is not None and bench.state.current.window_step == 0
