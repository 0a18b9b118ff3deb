"""Large answers to steps lie in files beside the Model Owner's store: whole with their rows, or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fedtrain.model_owner.job import DropResults, GiveResult, KeepHistory, Outcome
from fedtrain.model_owner.job_state import Ending
from fedtrain.model_owner.methods.learning import HistoryRow
from fedtrain.model_owner.store import ModelStore
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.states import Phase
from fedtrain.service.store.body_files import BodyFile, bytes_of
from tests.harness.model_owner.killed_outbox import ABOVE_BYTES, AFTER, ANSWER, BEFORE, NOW, POINTS, keep, opened

JOB = BEFORE.job_id
SMALL = b"s" * ABOVE_BYTES


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ModelStore]:
    made = opened(tmp_path)
    made.open_job(BEFORE)
    yield made
    made.close()


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "bodies").iterdir()} if (folder / "bodies").exists() else set()


def answers(*contents: bytes) -> Outcome:
    return Outcome(AFTER, tuple(GiveResult(step, content) for step, content in enumerate(contents)))


def test_a_large_answer_is_a_file_and_a_small_one_a_row(store: ModelStore, tmp_path: Path) -> None:
    store.commit(BEFORE, answers(ANSWER, SMALL))
    store.close()
    again = opened(tmp_path)
    large = again.result(JOB, 0)
    assert isinstance(large, BodyFile) and (large.hash, large.size_bytes) == (sha256_hex(ANSWER), len(ANSWER))
    assert [bytes_of(large), again.result(JOB, 1), again.result(JOB, 2)] == [ANSWER, SMALL, None]
    assert files(tmp_path) == {sha256_hex(ANSWER)}
    again.close()


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folders that killed Model Owners left."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "tests.harness.model_owner.killed_outbox", str(folder)]
    subprocess.run(command, check=True, timeout=300)
    return folder


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_leaves_the_answer_with_its_file_or_neither_after_the_next_start(left: Path, point: str) -> None:
    there = files(left / point)
    assert len(there) == 1, "it was killed once something was on the disk"
    assert (sha256_hex(ANSWER) in there) == (point != "before its file has its name")
    store = opened(left / point)
    store.remove_unnamed_bodies()
    kept = point == "after the commit"
    assert store.job(JOB) == (AFTER if kept else BEFORE)
    assert files(left / point) == ({sha256_hex(ANSWER)} if kept else set())
    if not kept:
        assert store.result(JOB, 0) is None
        keep(store)
    assert bytes_of(store.result(JOB, 0) or b"") == ANSWER
    store.close()


def test_a_step_that_cannot_be_kept_leaves_no_file_but_those_of_other_rows(store: ModelStore, tmp_path: Path) -> None:
    store.commit(BEFORE, answers(ANSWER))
    row = KeepHistory(HistoryRow(round=1, loss=0.1, gradient=0.2, at=NOW))
    more = (GiveResult(1, ANSWER), GiveResult(2, ANSWER[1:]), row, row)
    with pytest.raises(Exception, match="UNIQUE"):
        store.commit(AFTER, Outcome(AFTER.model_copy(update={"next_step": 2}), more))
    assert store.job(JOB) == AFTER
    assert files(tmp_path) == {sha256_hex(ANSWER)}
    assert bytes_of(store.result(JOB, 0) or b"") == ANSWER


def test_answers_of_old_rounds_and_of_pruned_jobs_go_with_their_files(store: ModelStore, tmp_path: Path) -> None:
    contents = [bytes([step]) * 2000 for step in range(3)]
    over = AFTER.model_copy(update={"phase": Phase.FINISHED, "ending": Ending(at=NOW)})
    store.commit(BEFORE, answers(*contents))
    row = KeepHistory(HistoryRow(round=1, loss=0.1, gradient=0.2, at=NOW))
    with pytest.raises(Exception, match="UNIQUE"):
        store.commit(AFTER, Outcome(over, (DropResults(1), row, row)))
    assert files(tmp_path) == {sha256_hex(content) for content in contents}, "the rows are still there"
    store.commit(AFTER, Outcome(over, (DropResults(1),)))
    assert [store.result(JOB, step) is None for step in range(3)] == [True, True, False]
    assert files(tmp_path) == {sha256_hex(contents[2])}
    assert store.prune(NOW + timedelta(days=1)) == 1
    assert store.result(JOB, 2) is None
    assert files(tmp_path) == set()


def test_stores_in_one_folder_never_touch_each_others_answers(tmp_path: Path) -> None:
    names = ("one.sqlite3", "one.db", "state.sqlite3")
    contents = {name: name.encode() * 200 for name in names}
    for name in names:
        store = opened(tmp_path, name)
        store.open_job(BEFORE)
        store.commit(BEFORE, answers(contents[name], ANSWER))
        store.close()
    for name in names:
        store = opened(tmp_path, name)
        store.remove_unnamed_bodies()
        assert bytes_of(store.result(JOB, 0) or b"") == contents[name]
        store.commit(AFTER, Outcome(AFTER.model_copy(update={"next_step": 2}), (DropResults(2),)))
        store.close()
        left = names[names.index(name) + 1 :]
        for other in map(opened, [tmp_path] * len(left), left):
            assert bytes_of(other.result(JOB, 1) or b"") == ANSWER, "the same bytes are each store's own"
            other.close()


def test_answers_in_the_folder_of_earlier_versions_are_found_and_nobody_elses_is_removed(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.open_job(BEFORE)
    store.commit(BEFORE, answers(ANSWER))
    store.close()
    (tmp_path / "state.sqlite3").rename(tmp_path / "one.sqlite3")
    (tmp_path / "bodies" / ("ab" * 32)).write_bytes(b"another store's")
    (tmp_path / "bodies" / ".ab.part").write_bytes(b"another store's")
    for _ in range(2):
        store = opened(tmp_path, "one.sqlite3")
        store.remove_unnamed_bodies()
        assert bytes_of(store.result(JOB, 0) or b"") == ANSWER
        assert files(tmp_path) == {sha256_hex(ANSWER), "ab" * 32, ".ab.part"}
        store.close()
    store = opened(tmp_path, "one.sqlite3")
    store.commit(AFTER, Outcome(AFTER.model_copy(update={"next_step": 2}), (DropResults(1),)))
    assert files(tmp_path) == {"ab" * 32, ".ab.part"}
    store.close()
    (tmp_path / "bodies").rename(tmp_path / "one.sqlite3.bodies")
    store = opened(tmp_path, "one.sqlite3")
    store.remove_unnamed_bodies()
    assert [*(tmp_path / "one.sqlite3.bodies").iterdir()] == [], "in a folder of its own as ever"
    store.close()


def test_a_large_answer_that_is_a_row_of_before_stays_one(store: ModelStore, tmp_path: Path) -> None:
    assert store.bodies is not None
    store.bodies.above_bytes = len(ANSWER)  # as an earlier version, which had no files
    keep(store)
    store.close()
    again = opened(tmp_path)
    again.remove_unnamed_bodies()
    assert again.result(JOB, 0) == ANSWER
    assert files(tmp_path) == set()
    again.commit(AFTER, Outcome(AFTER.model_copy(update={"next_step": 2}), (DropResults(0),)))
    assert again.result(JOB, 0) is None
    again.close()
