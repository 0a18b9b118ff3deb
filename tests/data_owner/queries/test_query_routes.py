"""POST /datasets/query and GET /databases in the application: who may, what is registered, what the audit has."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.data_owner.test_owner_api import SCHEMA, TABLE, Started, play

ROWS = [tuple(map(float, line.split(","))) for line in TABLE.splitlines()[1:]]
SQL = "SELECT age, dose, days\nFROM stays -- „alle“"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """Settings that name a database, whose URL is in a file of the state folder."""
    with sqlite3.connect(tmp_path / "ward.sqlite") as connection:
        connection.execute("CREATE TABLE stays (age REAL, dose REAL, days REAL)")
        connection.executemany("INSERT INTO stays VALUES (?, ?, ?)", ROWS)
    connection.close()
    (tmp_path / "owner").mkdir(mode=0o700)
    (tmp_path / "owner" / "ward.url").write_text(f"sqlite:///{tmp_path / 'ward.sqlite'}")
    (tmp_path / "owner" / "ward.url").chmod(0o600)
    return {"databases": {"ward": "ward.url"}}


def test_a_query_makes_a_dataset_and_its_next_run_a_new_version(tmp_path: Path, settings: dict[str, Any]) -> None:
    asked = {"name": "stays", "database": "ward", "sql": SQL, "schema": SCHEMA}

    async def scene(started: Started) -> None:
        assert (await started.owner.get("/databases")).json() == [{"name": "ward"}]
        answer = await started.owner.post("/datasets/query", json=asked)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert (made["name"], made["rows"], made["columns"]) == ("stays", 40, ["age", "dose", "days"])
        assert (made["encoding"], made["schema"]["target"]["range"]) == ("declared", [0.0, 50.0])
        (listed,) = (await started.owner.get("/datasets")).json()
        assert listed == {name: value for name, value in made.items() if name != "rows"}
        assert (started.data / "uploads" / f"{made['version']}.parquet").is_file()
        await started.offers("stays")

        with sqlite3.connect(tmp_path / "ward.sqlite") as connection:
            connection.execute("INSERT INTO stays VALUES (50, 0.5, 20)")
        connection.close()
        again = (await started.owner.post("/datasets/query", json=asked)).json()
        assert (again["rows"], again["version"] == made["version"]) == (41, False)
        audit = (await started.owner.get("/audit")).json()["records"]
        assert [(one["decision"], one["dataset"], one["version"], one["about"]) for one in audit] == [
            ("queried", "stays", made["version"], ["40 rows of database ward:", SQL]),
            ("queried", "stays", again["version"], ["41 rows of database ward:", SQL]),
        ]
        assert {one["job_id"] for one in audit} == {None}

    with structlog.testing.capture_logs() as logged:
        play(tmp_path, scene, **settings)
    assert "sqlite:" not in json.dumps(logged, default=str)
    assert "FROM stays" not in json.dumps(logged, default=str)


def test_what_cannot_be_run_is_refused_by_field_and_nothing_is_registered(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    wrong: list[tuple[dict[str, Any], str | None]] = [
        ({"database": "other"}, "database"),
        ({"database": "sqlite:////etc/passwd"}, "database"),
        ({"url": "sqlite:////etc/passwd"}, "url"),
        ({"sql": ""}, "sql"),
        ({"sql": "SELECT '\0' AS x"}, "sql"),
        ({"sql": "SELECT 1 AS x" + " " * 20_000}, "sql"),
        ({"sql": None}, "sql"),
        ({"name": "../x"}, "name"),
        ({"sql": "DELETE FROM stays"}, None),
        ({"schema": {**SCHEMA, "target": {"name": "cost", "range": [0, 9]}}}, None),
    ]

    async def scene(started: Started) -> None:
        for changed, field in wrong:
            refused = await started.owner.post("/datasets/query", json={"database": "ward", "sql": SQL, **changed})
            assert refused.status_code == 422, refused.text
            if field is not None:
                assert field in [one["field"] for one in refused.json()["errors"]]
        assert (await started.owner.get("/datasets")).json() == []

    play(tmp_path, scene, **settings)


def test_nobody_queries_without_the_right_to_and_no_database_is_there_unless_named(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        stranger = {"Authorization": ""}
        asked = {"database": "ward", "sql": "SELECT 1 AS x"}
        assert (await started.owner.post("/datasets/query", json=asked, headers=stranger)).status_code == 401
        assert (await started.owner.get("/databases", headers=stranger)).status_code == 401
        assert (await started.owner.get("/databases")).json() == []
        refused = await started.owner.post("/datasets/query", json=asked)
        assert refused.json()["detail"].endswith("the service's settings name none.")

    play(tmp_path, scene)
