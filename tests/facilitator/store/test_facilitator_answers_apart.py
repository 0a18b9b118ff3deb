"""A job's state in the store: answers and owners apart from the rest, and data of the first revision brought there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from fedtrain.facilitator.job import CreateTask
from fedtrain.facilitator.job_state import Answer, JobState
from fedtrain.facilitator.store import Store
from fedtrain.facilitator.store.sql import MIGRATIONS
from fedtrain.facilitator.store.tables import answers, jobs
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.tasks import JSON_TYPE, TaskKind
from fedtrain.service.store.database import sqlite_url
from tests.harness.facilitator.machine_bench import JOB_ID, MachineBench

MANY = 200


@contextmanager
def statements() -> Iterator[list[tuple[str, int, int]]]:
    """Return what is executed meanwhile: the statement, bytes of its parameters, rows that it changed."""
    seen: list[tuple[str, int, int]] = []

    def note(_connection: Any, cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        seen.append((statement, len(str(parameters)), cursor.rowcount))

    sa.event.listen(sa.Engine, "after_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", note)


def written(seen: list[tuple[str, int, int]]) -> int:
    return sum(size for statement, size, _ in seen if statement.startswith(("INSERT", "UPDATE", "DELETE")))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store(store_url)
    yield opened
    opened.close()


def asked(owners: int = 3) -> MachineBench:
    """A job whose owners have been asked for the counts."""
    bench = MachineBench(owners=owners, max_data_owners=owners)
    bench.join_all()
    bench.ask(0, RoundKind.COUNTS)
    return bench


def kept(store: Store, bench: MachineBench) -> None:
    with store.write() as tx:
        tx.add_job(bench.state, bench.context.signed_manifest)


def answers_stored(store: Store) -> int:
    with store.engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(answers)) or 0)


def test_an_answer_writes_its_own_row_and_not_those_of_200_owners(store: Store) -> None:
    bench = asked(MANY)
    kept(store, bench)
    for name in list(bench.owners)[: MANY - 2]:
        bench.happen(bench.answer(name))
    with store.write() as tx:
        tx.put_job(bench.state)
    bench.happen(bench.answer(f"owner-{MANY - 2}"))
    with statements() as seen, store.write() as tx:
        before = tx.job(JOB_ID)
        assert before is not None and before.current is not None and bench.state.current is not None
        owner = bench.owners[f"owner-{MANY - 2}"].party_id
        given = {**before.current.answers, owner: bench.state.current.answers[owner]}
        tx.put_job(before.model_copy(update={"current": before.current.model_copy(update={"answers": given})}))
    assert len(bench.state.model_dump_json()) > 100_000
    assert written(seen) < 4_000
    with store.read() as tx:
        assert tx.job(JOB_ID) == bench.state


def test_answers_come_back_and_go_with_their_request(store_url: str, store: Store) -> None:
    bench = asked()
    kept(store, bench)
    for name in ("owner-2", "owner-0", "owner-1"):
        bench.happen(bench.answer(name))
        with store.write() as tx:
            tx.put_job(bench.state)
        again = Store(store_url)
        with again.read() as tx:
            assert tx.job(JOB_ID) == bench.state and list(tx.jobs(1)) == [bench.state]
        again.close()
    assert answers_stored(store) == 3
    bench.happen(bench.sum_ready())
    bench.ask(1)
    with store.write() as tx:
        tx.put_job(bench.state)
    with store.read() as tx:
        assert tx.job(JOB_ID) == bench.state
    assert answers_stored(store) == 0


def test_a_state_that_replaces_answers_is_what_comes_back(store: Store) -> None:
    bench = asked()
    bench.happen(bench.answer("owner-0"))
    bench.happen(bench.answer("owner-1"))
    kept(store, bench)
    current = bench.state.current
    assert current is not None
    first, second = sorted(current.answers)
    other = Answer(answer_hash="ab" * 32, ciphertexts_hash="cd" * 32, signature="ef" * 64)
    for given in ({first: other, second: current.answers[second]}, {second: current.answers[second]}, {}):
        state = bench.state.model_copy(update={"current": current.model_copy(update={"answers": given})})
        with store.write() as tx:
            tx.put_job(state)
        with store.read() as tx:
            assert tx.job(JOB_ID) == state


def test_what_a_failed_transaction_wrote_of_the_owners_is_not_remembered(store: Store) -> None:
    bench = MachineBench()
    bench.invite_all()
    kept(store, bench)
    before = bench.state
    bench.happen(bench.acceptance("owner-0"))
    with pytest.raises(LookupError), store.write() as tx:
        tx.put_job(bench.state)
        assert tx.job(JOB_ID) == bench.state
        raise LookupError
    with store.read() as tx:
        assert tx.job(JOB_ID) == before


def test_closing_a_jobs_tasks_leaves_those_alone_that_are_over(store: Store) -> None:
    bench = asked()
    kept(store, bench)
    for round_ in range(3):
        with store.write() as tx:
            for number in range(4):
                task = CreateTask(f"k/{round_}/{number}", TaskKind.COMPUTE, "a1" * 32, b"request", JSON_TYPE)
                assert tx.add_task(f"{round_ * 4 + number:032x}", JOB_ID, "fa" * 32, "now", task)
        with statements() as seen, store.write() as tx:
            tx.close_tasks(JOB_ID, {TaskKind.COMPUTE})
        assert [changed for statement, _, changed in seen if statement.startswith("UPDATE tasks")] == [4]


def test_a_store_of_the_first_revision_keeps_its_jobs_and_goes_back(tmp_path: Path) -> None:
    waiting, joining = asked(), MachineBench()
    waiting.happen(waiting.answer("owner-1"))
    joining.invite_all()
    joining.happen(joining.acceptance("owner-0"))
    joining.happen(joining.decline("owner-2"))
    other = joining.state.model_copy(update={"job_id": "12" * 16})
    url = sqlite_url(tmp_path / "state.sqlite3")
    engine = sa.create_engine(url)
    # It did not keep how long an answer took.
    untimed = {"current": {"answers": {"__all__": {"after_s"}}}}
    old = {state.job_id: state.model_dump_json(exclude=untimed) for state in (waiting.state, other)}
    migrate(engine, "0001")
    with engine.begin() as connection:
        for job_id, text in old.items():
            row = {"id": job_id, "at": 1.0, "phase": "x", "state": text}
            row["manifest"] = waiting.context.signed_manifest.model_dump_json()
            columns = "(id, created_at_s, phase, state, manifest) VALUES (:id, :at, :phase, :state, :manifest)"
            connection.execute(sa.text(f"INSERT INTO jobs {columns}"), row)
    store = Store(url)
    with store.read() as tx:
        assert tx.job(JOB_ID) == JobState.model_validate_json(old[JOB_ID])
        assert tx.job(other.job_id) == other
        assert tx.manifest(JOB_ID) == waiting.context.signed_manifest
    assert answers_stored(store) == 1
    store.close()
    with engine.connect() as connection:
        for text in connection.scalars(sa.select(jobs.c.state)):
            assert not {"invited", "roster", "accepted"} & json.loads(text).keys()
    migrate(engine, "0001")
    with engine.connect() as connection:
        back = {row.id: json.loads(row.state) for row in connection.execute(sa.text("SELECT id, state FROM jobs"))}
    assert back == {job_id: json.loads(text) for job_id, text in old.items()}
    engine.dispose()


@pytest.mark.parametrize("timed", [True, False])
def test_a_state_that_kept_how_long_answers_took_gives_it_to_their_rows(tmp_path: Path, timed: bool) -> None:
    waiting = asked()
    waiting.happen(waiting.answer("owner-1"))
    assert waiting.state.current is not None
    ((party, answer),) = waiting.state.current.answers.items()
    state = json.loads(waiting.state.model_dump_json(exclude={"last_answer_s": True}))
    owners = json.dumps(
        {name: state.pop(name) for name in ("invited", "join_answers", "accepted", "declined", "roster")}
    )
    del state["current"]["answers"]
    state["current"]["answered_after_s"] = {party: 0.5} if timed else {}
    url = sqlite_url(tmp_path / "state.sqlite3")
    engine = sa.create_engine(url)
    migrate(engine, "0009")
    row = {"id": JOB_ID, "created_at_s": 1.0, "phase": "x", "state": json.dumps(state), "owners": owners}
    row |= {"owners_hash": sha256_hex(owners.encode()), "manifest": waiting.context.signed_manifest.model_dump_json()}
    of = {"job_id": JOB_ID, "request_hash": waiting.state.current.request_hash, "party": party}
    with engine.begin() as connection:
        for table, values in (("jobs", row), ("answers", of | answer.model_dump(exclude={"after_s"}))):
            connection.execute(sa.insert(sa.table(table, *map(sa.column, values))), values)
    store = Store(url)
    with store.read() as tx:
        found = tx.job(JOB_ID)
    assert found is not None and found.current is not None
    assert found.current.answers[party].after_s == (0.5 if timed else None)
    store.close()
    engine.dispose()


def test_the_moments_of_last_answers_are_kept_beside_the_state(store_url: str, store: Store) -> None:
    bench = asked()
    kept(store, bench)
    state = bench.state.model_copy(update={"last_answer_s": {bench.owners["owner-0"].party_id: 1.25}})
    with statements() as seen, store.write() as tx:
        tx.put_job(state)
    assert not any("owners_hash=" in statement for statement, _, _ in seen if statement.startswith("UPDATE"))
    again = Store(store_url)
    with again.read() as tx:
        assert tx.job(JOB_ID) == state
    again.close()


def migrate(engine: sa.Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        tables = sa.inspect(connection).get_table_names()
        (command.downgrade if "answers" in tables else command.upgrade)(config, revision)
