"""Queries on an SQLite file: what becomes of each type, what is no table, and what a statement may not do."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from fedtrain.data_owner.queries import result
from fedtrain.data_owner.queries.result import Result
from fedtrain.data_owner.queries.runner import Queries
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.reading.read import open_table

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"
STAYS = """
CREATE TABLE stays (age INTEGER, dose NUMERIC, ward TEXT, note BLOB, days REAL);
INSERT INTO stays VALUES (61, 1, 'a', x'00ff', 4.25), (NULL, 1.5, 'b', NULL, NULL), (18, NULL, NULL, x'01', 0.1);
CREATE TABLE secrets (name TEXT);
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "ward #1?.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(STAYS)
    connection.close()
    return path


def queries(database: Path, **more: Any) -> Queries:
    url = database.parent / "ward.url"
    url.write_text(f"sqlite:///{database}\n".replace("#", "%23").replace("?", "%3F"))
    url.chmod(0o600)
    given = {"folder": database.parent / "uploads", "most_bytes": 1 << 20, "most_s": 60.0, **more}
    return Queries({"ward": url}, **given)


def run(database: Path, sql: str, **more: Any) -> Result:
    return asyncio.run(queries(database, **more).run("ward", sql))


def refused(database: Path, sql: str, **more: Any) -> str:
    """Return what is said of a query that gives no table and leaves nothing behind."""
    before = set(database.parent.rglob("*"))
    with pytest.raises(Problem) as caught:
        run(database, sql, **more)
    assert caught.value.code is Code.QUERY_FAILED
    left = set(database.parent.rglob("*")) - before
    assert left <= {database.parent / "uploads", database.parent / "ward.url"}
    return caught.value.detail


def test_rows_are_kept_as_a_private_file_that_is_named_by_its_content(database: Path) -> None:
    made = run(database, "SELECT age, dose, ward, note, days FROM stays ORDER BY rowid")
    table = pa.parquet.read_table(made.path)
    assert table.to_pydict() == {
        "age": [61, None, 18],
        "dose": [1.0, 1.5, None],  # SQLite keeps the whole ones as integers
        "ward": ["a", "b", None],
        "note": [b"\x00\xff", None, b"\x01"],
        "days": [4.25, None, 0.1],
    }
    assert [str(kind) for kind in table.schema.types] == ["int64", "double", "string", "binary", "double"]
    assert (made.rows, made.path.parent.name, len(made.version)) == (3, "uploads", 64)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert open_table(made.path).columns == ("age", "dose", "ward", "note", "days")
    assert run(database, "SELECT age, dose, ward, note, days FROM stays ORDER BY rowid") == made
    assert run(database, "SELECT age FROM stays").version != made.version


def test_a_column_is_typed_by_all_of_its_values_however_late_they_come(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result, "_CHUNK_ROWS", 2)
    late = "SELECT NULL AS a, NULL AS b, 1 AS c UNION ALL SELECT * FROM (VALUES (NULL, NULL, 2), (NULL, 'x', 2.5))"
    table = pa.parquet.read_table(run(database, late).path)
    assert table.to_pydict() == {"a": [None] * 3, "b": [None, None, "x"], "c": [1.0, 2.0, 2.5]}
    assert refused(database, "VALUES (1, 'x'), (NULL, 'y'), (2.5, 3)").startswith(
        "Column 'column2' is a text before row 3, and a number there: CAST it"
    )
    large = "SELECT 9007199254740993 AS i UNION ALL VALUES (1), (0.5)"
    assert refused(database, large).startswith("Column 'i' has a whole number in row 1 with more digits")
    assert pa.parquet.read_table(run(database, "SELECT 9007199254740993 AS i").path)["i"].to_pylist() == [2**53 + 1]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT age, age FROM stays", "Two columns go by the name 'age'"),
        ('SELECT 1 AS ""', "Column 1 has no name"),
        ("SELECT age FROM stays WHERE 0", "The query gives no rows"),
        ("SELECT 1 AS x UNION ALL SELECT 'one'", "Column 'x' is a number before row 2, and a text there"),
        ("SELECT 'one' AS x UNION ALL SELECT x'01'", "Column 'x' is a text before row 2, and bytes there"),
        ("SELECT wage FROM stays", "The database refuses: no such column: wage."),
        ("-- nothing", "write a SELECT"),
        ("SELECT zeroblob(5000000) AS z", "too big"),
    ],
)
def test_what_is_no_table_is_refused_by_name(database: Path, sql: str, said: str) -> None:
    assert said in refused(database, sql)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM stays",
        "DELETE FROM stays RETURNING age",
        "INSERT INTO secrets VALUES ('x')",
        "DROP TABLE stays",
        "CREATE TEMP TABLE t AS SELECT 1",
        "PRAGMA query_only = OFF",
        "PRAGMA writable_schema = ON",
        "SELECT * FROM pragma_table_info('stays')",
        "ATTACH '{other}' AS other",
        "VACUUM INTO '{other}'",
        "BEGIN",
        "SELECT 1; DELETE FROM stays",
        "SELECT load_extension('{other}')",
        "SELECT writefile('{other}', 'x')",
    ],
)
def test_a_statement_that_does_anything_but_read_is_not_run(database: Path, tmp_path: Path, sql: str) -> None:
    before, other = database.read_bytes(), tmp_path / "other.sqlite"
    refused(database, sql.format(other=other))
    assert database.read_bytes() == before
    assert not other.exists()


def test_an_endless_query_ends_with_its_time_and_the_next_one_runs(database: Path) -> None:
    async def scene() -> Result:
        short = queries(database, most_s=0.2)
        for columns in ("max(i)", "NULL AS x"):  # one that gives no row, and one that gives rows for ever
            with pytest.raises(Problem) as caught:
                await short.run("ward", ENDLESS.format(columns))
            assert caught.value.detail == "The query was stopped: it takes longer than 0.2 s (query_timeout_s)."
        return await short.run("ward", "SELECT age FROM stays")

    assert asyncio.run(scene()).rows == 3


def test_one_query_runs_at_a_time_and_is_stopped_with_the_service(database: Path) -> None:
    async def scene() -> None:
        both = queries(database, most_s=3600.0)
        running = asyncio.create_task(both.run("ward", ENDLESS.format("max(i)")))
        await asyncio.sleep(0)
        with pytest.raises(Problem) as caught:
            await both.run("ward", "SELECT 1 AS x")
        assert caught.value.code is Code.RATE_LIMITED
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(scene())  # returns once the query's thread has ended


def test_a_result_larger_than_an_upload_may_be_is_refused_before_it_is_whole(database: Path) -> None:
    told = refused(database, ENDLESS.format("i, i AS j"), most_bytes=2_000_000)
    assert told.startswith("The first 131,072 rows come to more than the 2,000,000 bytes"), told
    wide = refused(database, ENDLESS.format("printf('%.*c', 1000000, 'x') AS x"), most_bytes=2_000_000)
    assert "rows come to more than" in wide
    assert "Row 1 has 5,000,000 bytes" in refused(
        database, "SELECT printf('%.*c', 2500000, 'x') AS x, printf('%.*c', 2500000, 'x') AS y"
    )


def test_of_a_wide_result_few_rows_are_held_at_a_time(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    typed = result.array_of

    def noted(name: str, values: Sequence[object], first_row: int) -> Any:
        held.append(len(values))
        return typed(name, values, first_row)

    monkeypatch.setattr(result, "array_of", noted)
    columns, rows = 2_000, 600
    names = ", ".join(f"i + {at} AS c{at}" for at in range(columns))
    kept = run(database, f"{ENDLESS.format(names)} LIMIT {rows}", most_bytes=1 << 28)
    assert kept.rows == rows and sum(held) == rows * columns
    assert max(held) * columns <= 1 << 19
    table = pyarrow.parquet.read_table(kept.path, columns=["c0", "c1999"])
    assert table["c1999"].to_pylist() == [row + 2_000 for row in range(rows)]


def test_a_database_is_one_that_the_settings_name(database: Path, tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        asyncio.run(queries(database).run("sqlite:////etc/x", "SELECT 1"))
    assert caught.value.code is Code.INVALID_REQUEST
    assert caught.value.detail == ("database: no database goes by this name here; the service's settings name ward.")


@pytest.mark.parametrize(
    ("url", "mode", "said"),
    [
        ("sqlite:////nowhere/x.sqlite", 0o600, "unable to open database file"),
        ("sqlite://", 0o600, "named as sqlite:////path/to/file"),
        ("sqlite:///file:x?mode=rwc&uri=true", 0o600, "named as sqlite:////path/to/file"),
        ("mysql://u:topsecret@h/d", 0o600, "begins with mysql://"),
        ("topsecret", 0o600, "The database URL is none"),
        ("postgresql://u:top@secret@h/d", 0o600, "has an @ too many"),
        ("sqlite:////nowhere/topsecret", 0o644, "chmod 600"),
    ],
)
def test_a_url_that_cannot_be_used_is_told_without_what_it_says(database: Path, url: str, mode: int, said: str) -> None:
    asked = queries(database)
    path = database.parent / "ward.url"
    path.write_text(url)
    path.chmod(mode)
    with pytest.raises(Problem) as caught:
        asyncio.run(asked.run("ward", "SELECT 1"))
    assert said in caught.value.detail
    assert "secret" not in caught.value.detail
    path.unlink()
    with pytest.raises(Problem, match="cannot be read: No such file"):
        asyncio.run(asked.run("ward", "SELECT 1"))
