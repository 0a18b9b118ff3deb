"""The contract of every store, on each kind of database that there is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from fedtrain.facilitator import round as rounds
from fedtrain.facilitator.job import CreateTask
from fedtrain.facilitator.job_state import JobState
from fedtrain.facilitator.store import Claim, Store, StoredEntry, StoredParty
from fedtrain.facilitator.store.tables import metadata
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.service.store.database_url import read_url
from tests.harness.facilitator.machine_bench import JOB_ID, START, MachineBench

ALICE, BOB, FACILITATOR = "a1" * 32, "b0" * 32, "fa" * 32
OpenStore = Callable[[], Store]


@pytest.fixture
def open_store(store_url: str) -> OpenStore:
    """Opens the same stored data each time it is called, as after a restart."""
    return lambda: Store(store_url)


@pytest.fixture
def store(open_store: OpenStore) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.close()


@pytest.fixture
def bench() -> MachineBench:
    return MachineBench(owners=3)


def with_job(store: Store, bench: MachineBench) -> JobState:
    state = rounds.open_job(bench.context, START)
    with store.write() as tx:
        tx.add_job(state, bench.context.signed_manifest)
    return state


def task(key: str, recipient: str = ALICE, request: bytes = b"request", kind: TaskKind = TaskKind.JOIN) -> CreateTask:
    return CreateTask(key, kind, recipient, request, JSON_TYPE)


def task_id(number: int) -> str:
    return f"{number:032x}"


def test_parties_come_back_by_name_and_a_second_registration_replaces_the_first(store: Store) -> None:
    signed = SignedDocument(document="{}", signer=ALICE, signature="8e" * 64)
    with store.write() as tx:
        tx.put_party(StoredParty(BOB, "zoe", ("default",), "2026-01-12T09:00:00Z", signed))
        tx.put_party(StoredParty(ALICE, "anna", ("default",), "2026-01-12T09:00:00Z", signed))
        tx.put_party(StoredParty(BOB, "bob", ("default", "stroke"), "2026-01-12T09:01:00Z", signed))
    with store.read() as tx:
        assert [party.name for party in tx.parties()] == ["anna", "bob"]
        bob = tx.party(BOB)
        assert bob is not None and bob.datasets == ("default", "stroke") and bob.signed == signed
        assert tx.party("cc" * 32) is None
    with store.write() as tx:
        assert tx.forget_party(BOB)
        assert not tx.forget_party(BOB)
    with store.read() as tx:
        assert [party.name for party in tx.parties()] == ["anna"]


def test_a_job_comes_back_exactly_also_after_the_store_was_opened_again(
    open_store: OpenStore, bench: MachineBench
) -> None:
    bench.join_all()
    first = open_store()
    with first.write() as tx:
        tx.add_job(bench.state, bench.context.signed_manifest)
    first.close()
    again = open_store()
    with again.read() as tx:
        assert tx.job(JOB_ID) == bench.state
        assert tx.manifest(JOB_ID) == bench.context.signed_manifest
        assert tx.roster(JOB_ID) is None
    again.close()


def test_a_job_id_is_taken_once_and_an_unknown_job_cannot_be_replaced(store: Store, bench: MachineBench) -> None:
    state = with_job(store, bench)
    with pytest.raises(ValueError, match="stored already"), store.write() as tx:
        tx.add_job(state, bench.context.signed_manifest)
    with pytest.raises(ValueError, match="not stored"), store.write() as tx:
        tx.put_job(state.model_copy(update={"job_id": "12" * 16}))


def test_jobs_are_found_by_phase_and_by_deadline(store: Store, bench: MachineBench) -> None:
    state = with_job(store, bench)
    assert state.deadline is not None
    with store.read() as tx:
        assert list(tx.jobs_in(Phase.JOINING)) == [JOB_ID] and list(tx.jobs_in(Phase.ADDING)) == []
        assert list(tx.jobs_due(state.deadline)) == [JOB_ID]
        assert list(tx.jobs_due(state.deadline - timedelta(milliseconds=1))) == []
    with store.write() as tx:
        tx.put_job(state.model_copy(update={"phase": Phase.ADDING, "deadline": None}))
    with store.read() as tx:
        assert list(tx.jobs_in(Phase.ADDING)) == [JOB_ID]
        assert list(tx.jobs_due(state.deadline + timedelta(days=400))) == []


def test_jobs_are_listed_newest_first(store: Store, bench: MachineBench) -> None:
    state = with_job(store, bench)
    newer = state.model_copy(update={"job_id": "12" * 16, "created_at": START + timedelta(seconds=1)})
    with store.write() as tx:
        tx.add_job(newer, bench.context.signed_manifest)
    with store.read() as tx:
        assert [job.job_id for job in tx.jobs(10)] == [newer.job_id, JOB_ID]
        assert [job.job_id for job in tx.jobs(1)] == [newer.job_id]


def test_a_task_key_makes_one_task_for_ever(store: Store, bench: MachineBench) -> None:
    with_job(store, bench)
    with store.write() as tx:
        assert tx.add_task(task_id(1), JOB_ID, FACILITATOR, "now", task("join/1"))
        assert not tx.add_task(task_id(2), JOB_ID, FACILITATOR, "now", task("join/1"))
        tx.answer_task(task_id(1), b"done", JSON_TYPE)
        assert not tx.add_task(task_id(3), JOB_ID, FACILITATOR, "now", task("join/1"))
    with store.read() as tx:
        assert tx.task(task_id(2)) is None and tx.task(task_id(3)) is None


def test_open_tasks_are_the_recipients_in_order_after_a_sequence(store: Store, bench: MachineBench) -> None:
    with_job(store, bench)
    with store.write() as tx:
        for number in range(1, 6):
            tx.add_task(task_id(number), JOB_ID, FACILITATOR, "now", task(f"k/{number}", BOB if number == 3 else ALICE))
    with store.read() as tx:
        mine = tx.open_tasks(ALICE, 0, 10)
        assert [header.key for header in mine] == ["k/1", "k/2", "k/4", "k/5"]
        assert [header.sequence for header in mine] == sorted(header.sequence for header in mine)
        assert [header.key for header in tx.open_tasks(ALICE, mine[1].sequence, 1)] == ["k/4"]
        assert tx.open_tasks(ALICE, mine[-1].sequence, 10) == []
        found = tx.task(task_id(3))
        assert found is not None and found.header == tx.open_tasks(BOB, 0, 10)[0]
        assert tx.blob(found.request_hash) == b"request"


def test_answered_and_closed_tasks_are_no_longer_open(store: Store, bench: MachineBench) -> None:
    with_job(store, bench)
    with store.write() as tx:
        for number, kind in enumerate((TaskKind.JOIN, TaskKind.COMPUTE, TaskKind.COMPUTE, TaskKind.END), start=1):
            tx.add_task(task_id(number), JOB_ID, FACILITATOR, "now", task(f"k/{number}", kind=kind))
        tx.answer_task(task_id(2), b"done", JSON_TYPE)
        tx.close_tasks(JOB_ID, {TaskKind.COMPUTE, TaskKind.JOIN})
    with store.read() as tx:
        assert [header.key for header in tx.open_tasks(ALICE, 0, 10)] == ["k/4"]
        answered, closed = tx.task(task_id(2)), tx.task(task_id(3))
        assert answered is not None and answered.result_hash == hashlib.sha256(b"done").hexdigest()
        assert closed is not None and closed.closed and closed.result_hash is None
        assert tx.open_task_counts() == dict.fromkeys(TaskKind, 0) | {TaskKind.END: 1}
        assert (tx.open_tasks_from(FACILITATOR), tx.open_tasks_from(ALICE)) == (1, 0)


def test_a_task_has_one_result(store: Store, bench: MachineBench) -> None:
    with_job(store, bench)
    with store.write() as tx:
        tx.add_task(task_id(1), JOB_ID, FACILITATOR, "now", task("k/1"))
        tx.answer_task(task_id(1), b"first", JSON_TYPE)
    with pytest.raises(ValueError, match="has a result"), store.write() as tx:
        tx.answer_task(task_id(1), b"second", JSON_TYPE)
    with pytest.raises(ValueError, match="not stored"), store.write() as tx:
        tx.answer_task(task_id(9), b"first", JSON_TYPE)


def test_evidence_is_kept_once_and_belongs_to_its_job(store: Store, bench: MachineBench) -> None:
    state = with_job(store, bench)
    with store.write() as tx:
        tx.add_job(state.model_copy(update={"job_id": "12" * 16}), bench.context.signed_manifest)
        first = tx.put_blob(JOB_ID, b"evidence", "application/cbor")
        assert tx.put_blob(JOB_ID, b"evidence", "application/cbor") == first == hashlib.sha256(b"evidence").hexdigest()
    with store.read() as tx:
        blob = tx.job_blob(JOB_ID, first)
        assert blob is not None and (blob.content, blob.content_type) == (b"evidence", "application/cbor")
        assert tx.job_blob("12" * 16, first) is None
        assert tx.blob("ab" * 32) is None


def test_pruning_leaves_the_results_of_later_tasks_with_a_finished_model(store: Store, bench: MachineBench) -> None:
    """Private scoring goes on for as long as the model is there: its answers may not be fetched yet."""
    state = with_job(store, bench)
    before = START + timedelta(days=30)
    with store.write() as tx:
        tx.put_job(state.model_copy(update={"phase": Phase.FINISHED, "deadline": None}))
        evidence = tx.put_blob(JOB_ID, b"evidence", "application/cbor")
        tx.add_task(task_id(1), JOB_ID, ALICE, "2026-01-12T10:00:00.000Z", task("score/old", kind=TaskKind.SCORE))
        tx.answer_task(task_id(1), b"fetched long ago", JSON_TYPE)
        tx.add_task(task_id(2), JOB_ID, ALICE, "2999-01-12T10:00:00.000Z", task("score/new", kind=TaskKind.SCORE))
        tx.answer_task(task_id(2), b"scores", JSON_TYPE)
    with store.read() as tx:
        assert list(tx.jobs_with_bulk(before)) == [JOB_ID]
    with store.write() as tx:
        tx.delete_bulk(JOB_ID, before)
    with store.read() as tx:
        assert tx.job_blob(JOB_ID, evidence) is None and tx.task(task_id(1)) is None
        kept = tx.task(task_id(2))
        assert kept is not None and kept.result_hash is not None
        result = tx.job_blob(JOB_ID, kept.result_hash)
        assert result is not None and result.content == b"scores"
        assert tx.blob(kept.request_hash) == b"request"
        assert list(tx.jobs_with_bulk(before)) == []


def test_the_log_takes_only_its_next_entry(store: Store, bench: MachineBench) -> None:
    with_job(store, bench)
    entries = [StoredEntry(b"first", None), StoredEntry(b"second", "cd" * 32)]
    with store.write() as tx:
        for index, entry in enumerate(entries):
            tx.append_log(JOB_ID, index, entry)
    for wrong in (1, 3):
        with pytest.raises(ValueError, match="does not follow"), store.write() as tx:
            tx.append_log(JOB_ID, wrong, entries[0])
    with store.read() as tx:
        assert list(tx.log_entries(JOB_ID)) == entries
        assert list(tx.log_entries(JOB_ID, 1)) == entries[1:] and list(tx.log_entries(JOB_ID, 2)) == []
        assert tx.log_entry(JOB_ID, 1) == entries[1] and tx.log_entry(JOB_ID, 2) is None


def test_a_store_is_the_facilitators_that_had_it_first(open_store: OpenStore) -> None:
    first, second = open_store(), open_store()
    assert [first.owner(ALICE), second.owner(BOB), second.owner(ALICE)] == [ALICE] * 3
    for store in (first, second):
        store.close()


def test_a_claim_stands_until_it_is_replaced_or_released(store: Store) -> None:
    first, second = Claim("aa" * 16, START), Claim("bb" * 16, START + timedelta(milliseconds=1500))
    with store.write() as tx:
        assert tx.claim("sum/1") is None
        tx.put_claim("sum/1", first)
        tx.put_claim("sum/2", first)
        tx.put_claim("sum/1", second)
        tx.delete_claim("sum/2")
        tx.delete_claim("sum/3")
    with store.read() as tx:
        assert (tx.claim("sum/1"), tx.claim("sum/2")) == (second, None)


def test_a_transaction_that_fails_leaves_nothing_behind(store: Store, bench: MachineBench) -> None:
    state = with_job(store, bench)
    with pytest.raises(LookupError), store.write() as tx:
        tx.put_job(state.model_copy(update={"rounds_done": 7}))
        tx.add_task(task_id(1), JOB_ID, FACILITATOR, "now", task("k/1"))
        tx.put_blob(JOB_ID, b"evidence", "application/cbor")
        tx.append_log(JOB_ID, 0, StoredEntry(b"first", None))
        raise LookupError
    with store.read() as tx:
        assert tx.job(JOB_ID) == state
        assert tx.task(task_id(1)) is None and tx.blob(hashlib.sha256(b"evidence").hexdigest()) is None
        assert list(tx.log_entries(JOB_ID)) == []


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(store_url: str) -> None:
    Store(store_url).close()
    engine = sa.create_engine(read_url(store_url))
    with engine.connect() as connection:
        # A database makes the table of cards' words in its own way, and SQLite some more with it.
        opts = {
            "compare_type": True,
            "include_name": lambda name, _kind, _parents: not str(name).startswith("card_text"),
        }
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []
    engine.dispose()
