"""`fedtrain datasets publish | list | withdraw | query` at a Data Owner, and `fedtrain search`, over real services."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app
from fedtrain.service.vault.identity_file import load_or_create_identity
from tests.harness.served_federation import served_federation

CARD = """
title = "Ten points of a line"
description = "Made for a test; nobody's records."
tags = ["synthetic"]
terms = "Do what you like."
size = "below 1,000"
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def document(result: Result) -> Any:
    """The JSON that was printed: the services, in this very process, log to the same place."""
    found = re.search(r"^\{$.*?^\}$", result.stdout, re.MULTILINE | re.DOTALL)
    assert found is not None, result.output
    return json.loads(found[0])


def name_a_database(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the services' settings name one, and `config show` tell of it."""
    with sqlite3.connect(folder / "ward.sqlite") as connection:
        connection.execute("CREATE TABLE points (x REAL, y REAL)")
        connection.executemany("INSERT INTO points VALUES (?, ?)", [(j / 10, j / 5) for j in range(10)])
    connection.close()
    url = folder / "ward.url"
    url.write_text(f"sqlite:///{folder / 'ward.sqlite'}")
    url.chmod(0o600)
    monkeypatch.setenv("FEDTRAIN_DATABASES", json.dumps({"ward": str(url)}))
    shown = document(run("config", "show", "data-owner", "--json"))["settings"]["data-owner"]
    assert [one["value"] for one in shown if one["setting"] == "databases"] == [{"ward": str(url)}]


def run_queries(folder: Path) -> None:
    """Make a dataset by a query, and be refused by field, by the database, and for want of a query."""
    (folder / "query.sql").write_text("SELECT x, y FROM points")
    made = run("datasets", "query", "ward", "--sql-file", folder / "query.sql", "--dataset", "points")
    assert made.exit_code == 0, made.output
    assert "points is on offer: 10 rows, 2 columns, version " in made.output
    audit = run("audit")
    assert "queried" in audit.output and "the chain holds" in audit.output
    for arguments, said in (
        (("ward", "--sql", "DROP TABLE points"), "a query reads and does nothing else"),
        (("word", "--sql", "SELECT 1 AS x"), "the service's settings name ward"),
        (("ward",), "give the query once"),
        (("ward", "--sql-file", folder / "other.sql"), "other.sql"),
    ):
        refused = run("datasets", "query", *arguments)
        assert refused.exit_code == 1 and said in refused.output, refused.output


@pytest.mark.slow
def test_a_dataset_is_published_found_and_withdrawn_and_one_is_made_by_a_query(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "card.toml"
    card.write_text(CARD)
    folder = tmp_path / "federation"
    folder.mkdir()
    name_a_database(tmp_path, monkeypatch)
    with served_federation(folder) as served:
        monkeypatch.setenv("FEDTRAIN_DATA_OWNER", served.urls["data-owner"])
        monkeypatch.setenv("FEDTRAIN_MODEL_OWNER", served.urls["model-owner"])
        assert "nothing is found" in run("search", "line").output

        published = run("datasets", "publish", card)
        assert published.exit_code == 0, published.output
        assert "default is published to everybody who may use the Facilitator" in published.output

        found = run("search", "points LINE", "--tag", "synthetic", "--column", "column 0", "--type", "continuous")
        assert found.exit_code == 0, found.output
        for words in (
            "Ten points of a line",
            "dataset default of owner-a",
            "column 0 (continuous)",
            "below 1,000 rows",
        ):
            assert words in found.output, found.output
        (shown,) = document(run("search", "--json"))["cards"]
        identity = load_or_create_identity(folder / "owner-a")
        assert shown["party"] == identity.party_id
        assert all(column["range"] is None and column["categories"] is None for column in shown["columns"])
        assert "Ten points of a line (until" in run("datasets", "list").output
        assert "nothing is found" in run("search", "parabola").output

        card.write_text(CARD.replace("synthetic", "Synthetic!"))
        refused = run("datasets", "publish", card)
        assert refused.exit_code == 1 and "tags.0" in refused.output, refused.output
        card.write_text("title = ")
        assert "not TOML" in run("datasets", "publish", card).output
        card.write_text(CARD)
        unknown = run("datasets", "publish", card, "--dataset", "stroke")
        assert unknown.exit_code == 1 and "is not registered here" in unknown.output

        card.write_text(CARD + f'visible_to = ["{"ab" * 32}"]\ncolumns = "ranges"\n')
        assert "is published to 1 parties" in run("datasets", "publish", card).output
        assert "nothing is found" in run("search").output, "the Model Owner is not whom it is for"
        listed = document(run("datasets", "list", "--json"))
        assert listed["cards"][0]["columns"][0]["range"] == [0, 1]

        withdrawn = run("datasets", "withdraw")
        assert withdrawn.exit_code == 0 and "is withdrawn" in withdrawn.output
        assert document(run("datasets", "list", "--json"))["cards"] == []
        run_queries(tmp_path)
