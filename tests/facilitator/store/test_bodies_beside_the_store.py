"""The store with large bodies in files: rows and files together, on each kind of database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from fedtrain.facilitator import round as rounds
from fedtrain.facilitator.job import CreateTask
from fedtrain.facilitator.store import Store
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.tasks import CBOR_TYPE, TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.service.store.body_files import BodyFile, BodyFiles, bytes_of
from fedtrain.service.store.database import DatabaseError, sqlite_url
from tests.harness.facilitator.machine_bench import JOB_ID, START, MachineBench

ALICE, BOB, FACILITATOR = "a1" * 32, "b0" * 32, "fa" * 32
SMALL, LARGE, LARGER = b"s" * 100, b"l" * 101, b"r" * 3000


@pytest.fixture
def folder(tmp_path: Path) -> BodyFiles:
    return BodyFiles(tmp_path / "bodies", above_bytes=100)


@pytest.fixture
def store(store_url: str, folder: BodyFiles) -> Iterator[Store]:
    opened = Store(store_url, folder)
    with opened.write() as tx:
        bench = MachineBench(owners=3)
        tx.add_job(rounds.open_job(bench.context, START), bench.context.signed_manifest)
    yield opened
    opened.close()


def files(folder: BodyFiles) -> set[str]:
    return {path.name for path in folder.folder.iterdir()} if folder.folder.exists() else set()


def kept(store: Store, content: bytes) -> bytes | BodyFile | None:
    with store.read() as tx:
        return tx.blob(sha256_hex(content))


def ask(number: int, request: bytes) -> tuple[str, CreateTask]:
    return f"{number:032x}", CreateTask(f"k/{number}", TaskKind.COMPUTE, ALICE, request, CBOR_TYPE)


def test_what_is_large_is_a_file_and_what_is_small_a_row(store: Store, folder: BodyFiles) -> None:
    with store.write() as tx:
        for content in (SMALL, LARGE, LARGE):
            assert tx.put_blob(JOB_ID, content, CBOR_TYPE) == sha256_hex(content)
    assert kept(store, SMALL) == SMALL
    body = kept(store, LARGE)
    assert isinstance(body, BodyFile) and (body.size_bytes, body.read()) == (len(LARGE), LARGE)
    assert files(folder) == {sha256_hex(LARGE)}
    with store.read() as tx:
        found = tx.job_blob(JOB_ID, sha256_hex(LARGE))
    assert found is not None and bytes_of(found.content) == LARGE


def test_an_answer_that_came_into_a_file_is_the_tasks_result_and_the_request_is_one_file(
    store: Store, folder: BodyFiles
) -> None:
    received = folder.write((LARGER,))
    with store.write() as tx:
        for number in (1, 2):
            task_id, task = ask(number, LARGE)
            tx.add_task(task_id, JOB_ID, FACILITATOR, "now", task)
        tx.answer_task(f"{1:032x}", received, CBOR_TYPE)
    assert not received.path.exists(), "it has its own name now"
    assert files(folder) == {sha256_hex(LARGE), sha256_hex(LARGER)}
    with store.read() as tx:
        task = tx.task(f"{1:032x}")
    assert task is not None and task.result_hash == sha256_hex(LARGER)
    assert bytes_of(kept(store, LARGER) or b"") == LARGER


def test_a_request_of_pieces_is_stored_as_the_whole(store: Store, folder: BodyFiles) -> None:
    with store.write() as tx:
        tx.put_blob(JOB_ID, LARGER, CBOR_TYPE)
    task_id, task = ask(1, b"")
    pieces = (b"before", folder.at(sha256_hex(LARGER), len(LARGER)), b"after")
    with store.write() as tx:
        tx.add_task(task_id, JOB_ID, FACILITATOR, "now", CreateTask(task.key, task.kind, ALICE, pieces, CBOR_TYPE))
    whole = b"before" + LARGER + b"after"
    assert bytes_of(kept(store, whole) or b"") == whole
    assert files(folder) == {sha256_hex(LARGER), sha256_hex(whole)}


def test_a_transaction_that_fails_has_neither_row_nor_file_and_the_next_start_removes_what_a_crash_left(
    store: Store, folder: BodyFiles
) -> None:
    with store.write() as tx:
        tx.put_blob(JOB_ID, LARGER, CBOR_TYPE)
    with pytest.raises(LookupError), store.write() as tx:
        for content in (LARGE, LARGER):
            tx.put_blob(JOB_ID, content, CBOR_TYPE)
        assert files(folder) == {sha256_hex(LARGE), sha256_hex(LARGER)}
        raise LookupError
    assert files(folder) == {sha256_hex(LARGER)}, "a row of before stands for the other"
    folder.place(folder.write((LARGE,)))
    part = folder.write((SMALL,))
    assert kept(store, LARGE) is None
    assert files(folder) == {sha256_hex(LARGE), sha256_hex(LARGER), part.path.name}
    part.path.touch()
    store.remove_unnamed_bodies()
    still_written = {part.path.name} if store.shared else set()
    assert files(folder) == {sha256_hex(LARGER)} | still_written
    assert bytes_of(kept(store, LARGER) or b"") == LARGER


def test_a_file_that_was_lost_is_there_again_once_its_bytes_come_again(store: Store, folder: BodyFiles) -> None:
    for attempt in range(2):
        with store.write() as tx:
            tx.put_blob(JOB_ID, LARGE, CBOR_TYPE)
        body = kept(store, LARGE)
        assert isinstance(body, BodyFile) and body.read() == LARGE
        if attempt == 0:
            body.path.unlink()
    assert files(folder) == {sha256_hex(LARGE)}


def test_what_is_pruned_goes_with_its_file_and_what_another_refers_to_stays(store: Store, folder: BodyFiles) -> None:
    old, later = START + timedelta(days=30), "2999-01-12T10:00:00.000Z"
    with store.write() as tx:
        state = tx.known_job(JOB_ID)
        tx.put_job(state.model_copy(update={"phase": Phase.FINISHED, "deadline": None}))
        tx.put_blob(JOB_ID, LARGE, CBOR_TYPE)
        tx.put_blob(JOB_ID, LARGER, CBOR_TYPE)
        task_id, task = ask(1, LARGER)
        tx.add_task(task_id, JOB_ID, FACILITATOR, later, task)
    with pytest.raises(LookupError), store.write() as tx:
        tx.delete_bulk(JOB_ID, old)
        raise LookupError
    assert files(folder) == {sha256_hex(LARGE), sha256_hex(LARGER)}, "the rows are still there"
    with store.write() as tx:
        tx.delete_bulk(JOB_ID, old)
    assert kept(store, LARGE) is None
    assert bytes_of(kept(store, LARGER) or b"") == LARGER
    assert files(folder) == {sha256_hex(LARGER)}


def test_a_store_without_a_folder_keeps_rows_and_one_with_files_does_not_open_without(
    store_url: str, tmp_path: Path
) -> None:
    store = Store(store_url)
    assert store.shared == (store.bodies is None)
    store.close()
    with_folder = Store(store_url, BodyFiles(tmp_path / "elsewhere", above_bytes=100))
    bench = MachineBench(owners=3)
    with with_folder.write() as tx:
        tx.add_job(rounds.open_job(bench.context, START), bench.context.signed_manifest)
        tx.put_blob(JOB_ID, LARGE, CBOR_TYPE)
    shared = with_folder.shared
    with_folder.close()
    if shared:
        with pytest.raises(DatabaseError, match="FEDTRAIN_BODIES_DIR"):
            Store(store_url)
    again = Store(store_url, BodyFiles(tmp_path / "elsewhere"))
    assert bytes_of(kept(again, LARGE) or b"") == LARGE
    again.close()


def test_a_large_body_that_is_a_row_of_before_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    Store(sqlite_url(path)).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO blobs (hash, content) VALUES (?, ?)", (sha256_hex(LARGER), LARGER))
    folder = BodyFiles(tmp_path / "bodies", above_bytes=100)
    store = Store(sqlite_url(path), folder)
    with store.write() as tx:
        bench = MachineBench(owners=3)
        tx.add_job(rounds.open_job(bench.context, START), bench.context.signed_manifest)
        assert tx.put_blob(JOB_ID, LARGER, CBOR_TYPE) == sha256_hex(LARGER)
    assert kept(store, LARGER) == LARGER
    assert files(folder) == set()
    store.close()
