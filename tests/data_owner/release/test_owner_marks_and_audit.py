"""Marks that survive a store that was restored from a backup, and the chain over everything that was released."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from fedtrain.data_owner.release.audit import NO_RECORD, AuditRecord, chained, verify_records
from fedtrain.data_owner.release.marks import AnswerMarks
from fedtrain.data_owner.store.records import Decision, DecisionKind, Release
from fedtrain.data_owner.store.sql import MIGRATIONS, OwnerStore
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.service.store.database import sqlite_url
from fedtrain.spec.problems import Code, Problem

JOB = "ab" * 16
ONE, OTHER = "11" * 32, "22" * 32


def test_a_round_is_marked_once_and_for_one_request(tmp_path: Path) -> None:
    marks = AnswerMarks(tmp_path / "keys")
    assert marks.set(JOB, 0, RoundKind.COUNTS, ONE) is False
    assert marks.set(JOB, 1, RoundKind.GRADIENT, ONE) is False
    again = AnswerMarks(tmp_path / "keys")  # as after a restart
    assert again.set(JOB, 0, RoundKind.COUNTS, ONE) is True
    with pytest.raises(Problem) as caught:
        again.set(JOB, 1, RoundKind.GRADIENT, OTHER)
    assert caught.value.code is Code.REQUEST_DIFFERS and "older copy" in caught.value.detail
    assert again.set("cd" * 16, 1, RoundKind.GRADIENT, OTHER) is False


def test_half_a_line_that_a_crash_left_is_no_mark_and_spoils_none(tmp_path: Path) -> None:
    marks = AnswerMarks(tmp_path)
    marks.set(JOB, 0, RoundKind.COUNTS, ONE)
    file = tmp_path / f"{JOB}.answered"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(file.read_bytes() + b"1 gradient 11")
    assert marks.set(JOB, 1, RoundKind.GRADIENT, OTHER) is False
    assert marks.set(JOB, 1, RoundKind.GRADIENT, OTHER) is True
    assert marks.set(JOB, 0, RoundKind.COUNTS, ONE) is True


def test_one_set_a_round_is_marked_as_signed(tmp_path: Path) -> None:
    marks = AnswerMarks(tmp_path)
    marks.set_signed(JOB, 1, ONE)
    again = AnswerMarks(tmp_path)  # as after a restart, whatever the store knows
    again.set_signed(JOB, 1, ONE)
    with pytest.raises(Problem) as caught:
        again.set_signed(JOB, 1, OTHER)
    assert caught.value.code is Code.SET_REFUSED and "older copy" in caught.value.detail
    again.set_signed(JOB, 2, OTHER)
    again.set_signed("cd" * 16, 1, OTHER)
    assert again.has_signed(JOB, 1, ONE) and again.has_signed(JOB, 2, OTHER)
    assert not again.has_signed(JOB, 1, OTHER) and not again.has_signed(JOB, 3, ONE)
    assert marks.has(JOB)
    assert {path.suffix for path in tmp_path.iterdir()} == {".answered"}, "what is no key is told by its suffix"
    marks.forget(JOB)
    assert not marks.has(JOB) and not marks.has_signed(JOB, 1, ONE)


def test_marks_go_with_the_mask_key(tmp_path: Path) -> None:
    marks = AnswerMarks(tmp_path)
    marks.set(JOB, 0, RoundKind.COUNTS, ONE)
    marks.forget(JOB)
    assert list(tmp_path.iterdir()) == []


# Audit


def release(round_: int, numbers: int = 11) -> Release:
    return Release(
        job_id=JOB,
        round=round_,
        kind=RoundKind.GRADIENT if round_ else RoundKind.COUNTS,
        numbers=numbers,
        recipient="ee" * 32,
        dataset="default",
        version="da" * 32,
        released_at="2026-03-02T08:30:00.000Z",
    )


def chain(length: int) -> list[AuditRecord]:
    records: list[AuditRecord] = []
    for index in range(length):
        records.append(chained(release(index), index, records[-1].hash if records else NO_RECORD))
    return records


def test_a_chain_verifies_to_its_head() -> None:
    records = chain(3)
    assert verify_records(records) == records[-1].hash
    assert verify_records(records, expected_head=records[0].hash) == records[-1].hash
    assert verify_records([]) == NO_RECORD


def rehashed(records: list[AuditRecord]) -> list[AuditRecord]:
    """The second record's numbers altered, and its own hash made to fit."""
    altered = chained(release(1, numbers=1), 1, records[0].hash)
    return [records[0], altered, records[2]]


@pytest.mark.parametrize(
    ("tamper", "index"),
    [
        (lambda records: [records[0], records[1].model_copy(update={"numbers": 1}), records[2]], 1),
        (lambda records: [records[0], records[2]], 1),
        (lambda records: [records[1], records[0], records[2]], 0),
        (rehashed, 2),
    ],
    ids=["altered", "removed", "moved", "altered and rehashed"],
)
def test_a_chain_that_was_tampered_with_fails_and_says_where(tamper: object, index: int) -> None:
    with pytest.raises(Problem, match=rf"record {index}:") as caught:
        verify_records(tamper(chain(3)))  # type: ignore[operator]
    assert caught.value.code is Code.LOG_INCONSISTENT


def test_a_chain_that_was_cut_short_fails_against_a_noted_head() -> None:
    records = chain(3)
    with pytest.raises(Problem, match="noted head"):
        verify_records(records[:2], expected_head=records[2].hash)


def test_releases_from_before_the_chain_are_chained_by_the_migration(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "state.sqlite3")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        job = {"job_id": JOB, "phase": "JOINED", "created_at": "now", "state": "{}"}
        connection.execute(sa.text("INSERT INTO jobs VALUES (:job_id, :phase, :created_at, :state)"), job)
        names = list(Release.model_fields)
        places = ", ".join(f":{name}" for name in names)
        insert = sa.text(f"INSERT INTO releases ({', '.join(names)}) VALUES ({places})")  # noqa: S608
        connection.execute(insert, [release(index).model_dump(mode="json") for index in range(3)])
    engine.dispose()
    store = OwnerStore(url)
    assert store.audit() == chain(3)
    assert store.releases() == [release(index) for index in range(3)]
    store.close()


def decision(reason: str) -> Decision:
    return Decision(
        job_id=JOB,
        decision=DecisionKind.DENIED,
        decided_at="2026-03-02T08:31:00.000Z",
        about=("1 row.",),
        reason=reason,
    )


def test_a_chain_of_the_schema_before_decisions_verifies_and_goes_on_with_them(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "state.sqlite3")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    # As that version computed it: over a record's own fields, its index and the hash before.
    previous, rows = NO_RECORD, []
    for index in range(3):
        content = {"index": index, "previous": previous, **release(index).model_dump(mode="json")}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256(text.encode()).hexdigest()
        rows.append({**content, "hash": previous})
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        job = {"job_id": JOB, "phase": "JOINED", "created_at": "now", "state": "{}"}
        connection.execute(sa.text("INSERT INTO jobs VALUES (:job_id, :phase, :created_at, :state)"), job)
        names = list(rows[0])
        columns, places = ", ".join(f'"{name}"' for name in names), ", ".join(f":{name}" for name in names)
        connection.execute(sa.text(f"INSERT INTO releases ({columns}) VALUES ({places})"), rows)  # noqa: S608
    engine.dispose()
    store = OwnerStore(url)
    assert verify_records(store.audit()) == previous
    store.put_decision(decision("no"))
    records = store.audit()
    assert verify_records(records, expected_head=previous) == records[3].hash
    assert (records[3].index, records[3].previous) == (3, previous)
    store.close()


def with_a_decision() -> list[AuditRecord]:
    records: list[AuditRecord] = []
    for index, entry in enumerate((release(0), decision("not this quarter"), release(1))):
        records.append(chained(entry, index, records[-1].hash if records else NO_RECORD))
    return records


@pytest.mark.parametrize(
    ("tamper", "index"),
    [
        (lambda records: [records[0], records[1].model_copy(update={"reason": None}), records[2]], 1),
        (lambda records: [records[0], records[1].model_copy(update={"about": ()}), records[2]], 1),
        (lambda records: [records[0], records[1].model_copy(update={"token_id": "5f0c2a9e41d7"}), records[2]], 1),
        (lambda records: [records[0], records[2]], 1),
        (lambda records: [records[0], chained(decision("never"), 1, records[0].hash), records[2]], 2),
    ],
    ids=["reason taken out", "risk taken out", "somebody else's", "removed", "another, rehashed"],
)
def test_a_decision_that_was_tampered_with_fails_and_says_where(tamper: object, index: int) -> None:
    records = with_a_decision()
    assert verify_records(records) == records[-1].hash
    with pytest.raises(Problem, match=rf"record {index}:") as caught:
        verify_records(tamper(records))  # type: ignore[operator]
    assert caught.value.code is Code.LOG_INCONSISTENT
