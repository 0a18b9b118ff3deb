"""Queries on a real PostgreSQL: its types, and what a statement may not do, by the cursor or the account's rights."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from fedtrain.data_owner.queries.result import Result
from fedtrain.data_owner.queries.runner import Queries
from fedtrain.spec.problems import Code, Problem
from tests.harness.postgresql import PostgreSql

pytestmark = pytest.mark.slow

STAYS = """
CREATE TYPE sex AS ENUM ('F', 'M');
CREATE TABLE stays (
    id uuid, small smallint, big bigint, price numeric(10, 2), dose real, days double precision, urgent boolean,
    ward text, born date, seen timestamptz, at time, picture bytea, sex sex, codes integer[], took interval
);
INSERT INTO stays VALUES (
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 7, 9007199254740993, 12.30, 0.1, 0.1, true,
    'über%', '1931-02-28', '2024-05-06 07:08:09.25+02', '23:59:30', '\\x00ff', 'F', '{1,2}', '1 day'
);
INSERT INTO stays DEFAULT VALUES;
"""
PLAIN = (
    "SELECT id, small, big, price, dose, days, urgent, ward, born, seen, at, picture, sex FROM stays "
    "WHERE ward LIKE 'über%' OR ward IS NULL ORDER BY small"
)


WRITING = [
    "DELETE FROM stays",
    "DELETE FROM stays RETURNING ward",
    "WITH gone AS (DELETE FROM stays RETURNING ward) SELECT * FROM gone",
    "SELECT ward INTO copied FROM stays",
    "SELECT ward FROM stays FOR UPDATE",
    "SELECT 1; DELETE FROM stays",
    "SELECT 1; COMMIT; DELETE FROM stays",
    "SELECT ward FROM stays; COMMIT; DROP TABLE stays; --",
    "COPY stays TO PROGRAM 'touch {file}'",
    "COPY stays TO '{file}'",
    "DO $$ BEGIN DELETE FROM stays; END $$",
    "SET TRANSACTION READ WRITE",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT nextval('counted')",
    "SELECT changing()",
    "",
]


@pytest.fixture
def url(postgresql: PostgreSql) -> str:
    made = postgresql.new_database()
    for statement in filter(str.strip, STAYS.split(";")):
        postgresql.execute(statement, database_of(made))
    return made


def database_of(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def run(folder: Path, url: str, sql: str, **more: Any) -> Result:
    path = folder / "ward.url"
    path.write_text(url)
    path.chmod(0o600)
    given = {"folder": folder / "uploads", "most_bytes": 1 << 20, "most_s": 60.0, **more}
    return asyncio.run(Queries({"ward": path}, **given).run("ward", sql))


def refused(folder: Path, url: str, sql: str, **more: Any) -> str:
    with pytest.raises(Problem) as caught:
        run(folder, url, sql, **more)
    assert caught.value.code is Code.QUERY_FAILED
    return caught.value.detail


def test_each_type_becomes_what_a_table_has(tmp_path: Path, url: str) -> None:
    made = run(tmp_path, url, PLAIN)
    first, second = pa.parquet.read_table(made.path).to_pylist()
    assert first == {
        "id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "small": 7,
        "big": 2**53 + 1,
        "price": 12.3,
        "dose": 0.1,
        "days": 0.1,
        "urgent": True,
        "ward": "über%",
        "born": "1931-02-28",
        "seen": "2024-05-06 05:08:09.250000+00:00",
        "at": "23:59:30",
        "picture": b"\x00\xff",
        "sex": "F",
    }
    assert set(second.values()) == {None}
    assert made.rows == 2
    for column in ("codes", "took"):
        told = refused(tmp_path, url, f"SELECT {column} FROM stays ORDER BY small")  # noqa: S608
        assert f"Column '{column}' has a value in row 1 that is neither" in told
    assert "more digits than are computed with" in refused(tmp_path, url, "SELECT 9007199254740993::numeric AS n")
    assert "gives no rows" in refused(tmp_path, url, "SELECT ward FROM stays WHERE false")
    assert "gives no column" in refused(tmp_path, url, "SELECT FROM stays")
    assert "Two columns go by the name 'ward'" in refused(tmp_path, url, "SELECT ward, ward FROM stays")
    assert refused(tmp_path, url, "SELECT wage FROM stays") == ('The database refuses: column "wage" does not exist.')


def test_a_statement_that_does_anything_but_read_changes_nothing(
    tmp_path: Path, postgresql: PostgreSql, url: str
) -> None:
    """By a superuser, too, for whom the server itself forbids nothing."""
    database, file = database_of(url), postgresql.folder / "written"
    postgresql.execute("CREATE SEQUENCE counted", database)
    postgresql.execute(
        "CREATE FUNCTION changing() RETURNS int LANGUAGE sql VOLATILE AS 'DELETE FROM stays; SELECT 1'", database
    )
    for sql in WRITING:
        refused(tmp_path, url, sql.format(file=file))
        assert postgresql.execute("SELECT count(*) FROM stays", database) == [(2,)], sql
        assert postgresql.execute("SELECT is_called FROM counted", database) == [(False,)], sql
        assert postgresql.execute("SELECT to_regclass('copied')", database) == [(None,)], sql
        assert not file.exists(), sql


def test_files_of_the_server_are_for_the_accounts_rights_to_keep(
    tmp_path: Path, postgresql: PostgreSql, url: str
) -> None:
    database = database_of(url)
    reader = f"reader_{database}"
    postgresql.execute(f"CREATE ROLE {reader} LOGIN", database)
    postgresql.execute(f"GRANT SELECT ON stays TO {reader}", database)
    as_reader = f"postgresql://{reader}@/{database}?host={postgresql.folder}"
    asked = "SELECT pg_read_file('PG_VERSION') AS version"
    assert run(tmp_path, url, asked).rows == 1  # what docs/queries.md warns of: a superuser's query reads files
    assert "permission denied for function pg_read_file" in refused(tmp_path, as_reader, asked)
    assert run(tmp_path, as_reader, "SELECT ward FROM stays").rows == 2


def test_an_endless_query_ends_with_its_time_even_where_it_lifts_the_servers(tmp_path: Path, url: str) -> None:
    stopped = "The query was stopped: it takes longer than 0.3 s (query_timeout_s)."
    for sql in (
        "SELECT pg_sleep(3600)::text AS s",
        "SELECT set_config('statement_timeout', '0', true), pg_sleep(3600)::text AS s",
        "SELECT NULL AS x FROM generate_series(1, 1000000000000)",
        "SELECT count(*) FROM generate_series(1, 1000000000000)",
    ):
        assert refused(tmp_path, url, sql, most_s=0.3) in (
            stopped,
            "The database refuses: canceling statement due to statement timeout.",
        )


def test_a_large_result_is_refused_before_it_is_whole(tmp_path: Path, url: str) -> None:
    many = "SELECT generate_series(1, 1000000000) AS i, repeat('x', 1000) AS x"
    assert "rows come to more than the 1,048,576 bytes" in refused(tmp_path, url, many)
    assert "Row 1 has 50,000,000 bytes" in refused(tmp_path, url, "SELECT repeat('x', 50000000) AS x")


def test_neither_password_nor_url_is_in_an_error(tmp_path: Path, postgresql: PostgreSql, url: str) -> None:
    password = "hunter2secret"  # noqa: S105 - of no account
    database = database_of(url)
    for wrong in (
        f"postgresql://nobody:{password}@/{database}?host={postgresql.folder}",
        f"postgresql://nobody:{password}@127.0.0.1:1/{database}",
        f"postgresql://nobody:{password}@/{database}?host={postgresql.folder}&{password}=1",
    ):
        told = refused(tmp_path, wrong, "SELECT 1 AS x")
        assert password not in told
        assert "\n" not in told
