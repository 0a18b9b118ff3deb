"""Stores as the first release wrote them, with jobs in them, opened by this one: nothing is lost, newer is refused.

The dumps beside this file are of a finished job (newton), a cancelled one, and one that was stopped in its second
round, as the first schema's software left them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from fedtrain.data_owner.release.audit import verify_records
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.facilitator.store import Store as FacilitatorStore
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.store import ModelStore
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import Manifest, Roster, open_document
from fedtrain.protocol.messages.rounds import LogEntry, RoundAnswer, StepResult, from_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.service.store.database import DatabaseError, sqlite_url

DUMPS = Path(__file__).parent
FINISHED = "125deed36b2c4b90930a1db3cf119619"
RUNNING = "062975ec11f8461aaae0af33b18b16ed"
CANCELLED = "e172f39de74048ccb65636963f30c16f"
OPENERS: dict[str, Callable[[str], object]] = {
    "facilitator": FacilitatorStore,
    "model_owner": ModelStore,
    "data_owner": OwnerStore,
}


def restored(party: str, folder: Path) -> str:
    """Return the URL of a store as the dump has it."""
    path = folder / f"{party}.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript((DUMPS / f"{party}_first_schema.sql").read_text())
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
    connection.close()
    return sqlite_url(path)


def test_the_facilitators_jobs_tasks_and_log_are_there_after_the_upgrade(tmp_path: Path) -> None:
    store = FacilitatorStore(restored("facilitator", tmp_path))
    with store.read() as tx:
        assert [party.name for party in tx.parties()] == ["clinic-a", "clinic-b", "clinic-c"]
        assert {state.job_id: state.phase for state in tx.jobs(10)} == {
            FINISHED: Phase.FINISHED,
            RUNNING: Phase.WAITING_FOR_MODEL_OWNER,
        }
        running = tx.job(RUNNING)
        assert running is not None
        assert running.current is not None
        assert (running.current.round, running.current.kind) == (2, RoundKind.GRADIENT)
        for job_id in (FINISHED, RUNNING):
            state, manifest, roster = tx.job(job_id), tx.manifest(job_id), tx.roster(job_id)
            assert state is not None
            assert manifest is not None
            assert roster is not None
            assert open_document(manifest, Manifest).job_id == job_id
            assert open_document(roster, Roster).manifest_hash == manifest.hash
            entries = tx.log_entries(job_id)
            assert len(entries) == state.log_length
            assert sha256_hex(entries[-1].entry) == state.log_head
            for stored in entries[1:]:
                entry = from_cbor(stored.entry, LogEntry)
                for record in entry.answers:
                    blob = tx.job_blob(job_id, record.answer_hash)
                    assert blob is not None
                    assert from_cbor(blob.content, RoundAnswer).party == record.party
                assert stored.signed_request_hash is not None
                assert tx.job_blob(job_id, stored.signed_request_hash) is not None
                assert entry.product_hash is not None
                assert tx.job_blob(job_id, entry.product_hash) is not None
        model_owner = open_document(manifest, Manifest).model_owner
        assert [header.kind for header in tx.open_tasks(model_owner, 0, 10)] == [TaskKind.STEP]
    store.close()


def test_the_facilitators_upgraded_store_takes_further_work(tmp_path: Path) -> None:
    store = FacilitatorStore(restored("facilitator", tmp_path))
    with store.write() as tx:
        state = tx.job(RUNNING)
        assert state is not None
        tx.put_job(state.model_copy(update={"rounds_done": state.rounds_done + 1}))
        assert tx.blob(tx.put_blob(RUNNING, b"more", "application/cbor")) == b"more"
    with store.read() as tx:
        again = tx.job(RUNNING)
    assert again == state.model_copy(update={"rounds_done": state.rounds_done + 1})
    store.close()


def test_the_model_owners_jobs_models_and_predictions_are_there_after_the_upgrade(tmp_path: Path) -> None:
    store = ModelStore(restored("model_owner", tmp_path))
    assert {state.job_id: state.phase for state in store.jobs(10)} == {
        FINISHED: Phase.FINISHED,
        RUNNING: Phase.TRAINING,
        CANCELLED: Phase.CANCELLED,
    }
    assert store.latest_finished() == FINISHED
    model = store.model(FINISHED)
    assert model is not None
    assert list(model.report["coefficients"].values()) == [11.934359050266696, -7.286956850789776, 20.132725439572496]
    assert [row.round for row in store.history(FINISHED)] == [1]
    running = store.job(RUNNING)
    assert running is not None
    assert running.next_step == 3
    answer = store.result(RUNNING, 2)
    assert answer is not None
    assert from_cbor(answer, StepResult).step == 2
    assert store.learning(RUNNING) is not None
    dataset = store.current_dataset()
    assert dataset is not None
    assert dataset.path == "/srv/model-owner/held-out.csv"
    prediction = store.prediction_on(FINISHED, dataset.id)
    assert prediction is not None
    assert prediction.document["cost"] == pytest.approx(3.7257, abs=1e-4)
    store.close()


def test_the_data_owners_answers_and_audit_are_there_after_the_upgrade(tmp_path: Path) -> None:
    store = OwnerStore(restored("data_owner", tmp_path))
    assert {state.job_id: state.phase for state in store.jobs()} == {
        FINISHED: Phase.FINISHED,
        RUNNING: Phase.JOINED,
    }
    assert [dataset.path for dataset in store.datasets()] == ["/srv/clinic-a/records.csv"]
    running = store.job(RUNNING)
    assert running is not None
    assert running.last is not None
    facts = store.answer(RUNNING, 2, RoundKind.GRADIENT)
    body = store.answer_body(RUNNING, 2, RoundKind.GRADIENT)
    assert facts == running.last
    assert body is not None
    assert sha256_hex(body) == facts.answer_hash
    # Releases were not chained in the first schema; the upgrade chains what it finds.
    records = store.audit()
    assert [(record.job_id, record.round) for record in records] == [
        (FINISHED, 0),
        (FINISHED, 1),
        (RUNNING, 0),
        (RUNNING, 1),
        (RUNNING, 2),
    ]
    assert verify_records(records) == records[-1].hash
    store.close()


@pytest.mark.parametrize("party", sorted(OPENERS))
def test_a_store_of_a_newer_version_is_refused_by_name_and_left_as_it_is(party: str, tmp_path: Path) -> None:
    url = restored(party, tmp_path)
    path = tmp_path / f"{party}.sqlite3"
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    with pytest.raises(DatabaseError, match=r"9999.*newer version"):
        OPENERS[party](url)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    connection.close()
