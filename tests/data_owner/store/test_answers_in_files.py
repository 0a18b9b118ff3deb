"""Large answers lie in files beside a Data Owner's store: sent as they were computed, or refused by name."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fedtrain.data_owner.job import DropAnswers, Outcome
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.rounds import Compute
from fedtrain.service.store import body_files
from fedtrain.service.store.body_files import BodyFile, BodyFiles
from fedtrain.spec.problems import Code, Problem
from tests.data_owner.store.test_owner_full_disk import end_of, gradient_request
from tests.data_owner.test_owner_service import Bench
from tests.harness.data_owner.owner_bench import JOB_ID, NOW
from tests.harness.data_owner.owners_disk import OwnersDisk, nth, refused_for_want_of_room

COUNTS = (JOB_ID, 0, RoundKind.COUNTS)
GRADIENT = (JOB_ID, 1, RoundKind.GRADIENT)


@pytest.fixture(autouse=True)
def _small_answers_are_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedtrain.service.store.filing.BodyFiles", partial(BodyFiles, above_bytes=100))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """An owner that has joined a job whose roster is closed."""
    made = Bench(tmp_path)
    made.register()
    made.close_roster(made.join())
    yield made
    made.executor.shutdown()


def files(bench: Bench) -> set[str]:
    folder = bench.folder / "bodies"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def file_of(bench: Bench, answer: tuple[str, int, Any]) -> BodyFile:
    body = bench.store.answer_body(*answer)
    assert isinstance(body, BodyFile)
    return body


def refused(bench: Bench, request: Compute) -> Problem:
    with pytest.raises(Problem) as caught:
        bench.compute(request)
    return caught.value


def test_what_is_sent_is_the_file_and_again_after_a_restart(bench: Bench) -> None:
    request = bench.counts_request()
    sent = bench.compute(request)
    facts = bench.store.answer(*COUNTS)
    assert facts is not None and facts.answer_hash == sha256_hex(sent)
    assert files(bench) == {facts.answer_hash} == {file_of(bench, COUNTS).hash}
    for _ in range(2):
        bench.restart()
        bench.store.remove_unnamed_bodies()
        assert bench.compute(request) == sent
    assert files(bench) == {facts.answer_hash}


def one_byte(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("alter", [one_byte, lambda content: content[:-1], None], ids=["altered", "shorter", "missing"])
def test_an_answer_whose_file_is_not_what_was_kept_is_named_and_sent_once_it_is_put_back(
    alter: Callable[[bytes], bytes] | None, bench: Bench
) -> None:
    request = bench.counts_request()
    sent, body = bench.compute(request), file_of(bench, COUNTS)
    if alter is None:
        body.path.unlink()
    else:
        body.path.write_bytes(alter(sent))
    for _ in range(2):
        problem = refused(bench, request)
        assert problem.code is Code.BODY_DAMAGED and body.hash[:16] in problem.detail
        bench.restart()
    state = bench.store.job(JOB_ID)
    assert state is not None and state.problem is not None and state.problem.code == "body-damaged"
    assert (state.answers, state.ended) == (1, False)
    body.path.write_bytes(sent)
    assert bench.compute(request) == sent
    assert len(bench.store.releases()) == 1
    bench.compute(gradient_request(bench, [1, 2, 3]))
    state = bench.store.job(JOB_ID)
    assert state is not None and state.problem is None


def test_answers_of_old_rounds_and_of_pruned_jobs_go_with_their_files(bench: Bench) -> None:
    bench.compute(bench.counts_request())
    bench.compute(gradient_request(bench, [1, 2, 3]))
    old, last = file_of(bench, COUNTS), file_of(bench, GRADIENT)
    assert files(bench) == {old.hash, last.hash}
    state = bench.store.job(JOB_ID)
    assert state is not None
    bench.store.commit(state, Outcome(state.model_copy(update={"changed_at": NOW}), (DropAnswers(0),)))
    assert bench.store.answer_body(*COUNTS) == b""
    assert files(bench) == {last.hash}
    end_of(bench)()
    assert bench.store.ended_jobs(NOW + timedelta(days=1)) == [JOB_ID]
    assert [bench.store.empty_answers(JOB_ID) for _ in range(2)] == [True, False]
    assert bench.store.answer_body(*GRADIENT) == b""
    assert files(bench) == set()
    assert bench.store.answer(*GRADIENT) is not None, "hashes and signatures stay"


def test_an_answer_whose_file_finds_no_room_is_computed_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    request = bench.counts_request()
    before = bench.store.job(JOB_ID)
    with monkeypatch.context() as disk:
        disk.setattr(body_files.os, "fsync", no_room)
        problem = refused(bench, request)
    assert problem.code is Code.STORE_UNAVAILABLE and "the disk is full" in problem.detail
    state = bench.store.job(JOB_ID)
    assert state is not None and before is not None and state.answers == before.answers == 0
    assert bench.store.answer_body(*COUNTS) is None
    assert (files(bench), bench.store.releases()) == (set(), [])
    assert sha256_hex(bench.compute(request)) == file_of(bench, COUNTS).hash


@pytest.mark.parametrize("statement", ["INTO answers", "INTO releases"])
def test_an_answer_whose_row_finds_no_room_leaves_no_file(statement: str, bench: Bench) -> None:
    request = bench.counts_request()
    disk = OwnersDisk(bench.folder / "state.sqlite3", nth(1, statement), bench.store)
    for _ in range(3):
        refused_for_want_of_room(disk, lambda: bench.compute(request))
        assert files(bench) == set(), "each attempt has other bytes, and would take room of its own"
    disk.make_room()
    assert sha256_hex(bench.compute(request)) == file_of(bench, COUNTS).hash


def test_a_large_answer_that_is_a_row_of_before_is_sent_and_emptied_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("fedtrain.service.store.filing.BodyFiles", BodyFiles)
        bench = Bench(tmp_path)
        bench.register()
        bench.close_roster(bench.join())
        request = bench.counts_request()
        sent = bench.compute(request)
    bench.restart()
    assert bench.compute(request) == bench.store.answer_body(*COUNTS) == sent
    bench.compute(gradient_request(bench, [1, 2, 3]))
    assert files(bench) == {file_of(bench, GRADIENT).hash}
    end_of(bench)()
    assert bench.store.empty_answers(JOB_ID)
    assert bench.store.answer_body(*COUNTS) == bench.store.answer_body(*GRADIENT) == b""
    assert files(bench) == set()
    bench.executor.shutdown()
