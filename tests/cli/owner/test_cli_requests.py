"""`fedtrain request` at a Model Owner; `inbox`, `approve`, `decline` and `ask` at a Data Owner, over real services."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.main import app
from tests.harness.served_federation import SPEC, served_federation


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def document(result: Result) -> Any:
    """The JSON that was printed: the services, in this very process, log to the same place."""
    found = re.search(r"^\{$.*?^\}$", result.stdout, re.MULTILINE | re.DOTALL)
    assert found is not None, result.output
    return json.loads(found[0])


def said(result: Result, *words: str) -> None:
    assert result.exit_code == 0, result.output
    for one in words:
        assert one in result.output, result.output


def failed(result: Result, *words: str) -> None:
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("fedtrain: ")]
    for one in words:
        assert one in line, line


@pytest.mark.slow
def test_a_request_is_made_shown_asked_about_approved_and_declined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, spec, folder = tmp_path / "card.toml", tmp_path / "spec.json", tmp_path / "federation"
    card.write_text('title = "Ten points of a line"\n')
    # One owner has a port of its own here, and asking it alone is enough for what a terminal shows.
    spec.write_text(json.dumps(SPEC | {"training": {**SPEC["training"], "min_data_owners": 1}}))
    folder.mkdir()
    with served_federation(folder) as served:
        monkeypatch.setenv("FEDTRAIN_DATA_OWNER", served.urls["data-owner"])
        monkeypatch.setenv("FEDTRAIN_MODEL_OWNER", served.urls["model-owner"])
        said(run("inbox"), "no request asks this owner", "no job waits for a person here")
        said(run("request", "list"), "no request was made here")
        said(run("datasets", "publish", card))
        (found,) = document(run("search", "--json"))["cards"]

        words = ("--title", "lines", "--purpose", "draw them")
        failed(run("request", "create", spec, *words, "--dataset", "0f" * 32), "datasets.0: no card")
        made = document(run("request", "create", spec, *words, "--dataset", found["id"], "--json"))
        request = made["id"]
        asked = ("request", "create", spec, *words, "--dataset", found["id"])
        said(run(*asked), f"request {request} asks")  # the same command is the same request
        said(run("request", "list"), request[:16], "0 of 1")
        said(run("inbox"), request[:16], "draw them", "waits for a person")
        said(run("inbox", request[:8]), "purpose  draw them", "from column", "has not decided", "who else")

        said(run("ask", "lines", "Which lines?"), "Which lines?")
        said(run("request", "ask", request[:8], "Straight ones."), "Which lines?", "Straight ones.")
        failed(run("ask", request, "a" * 2001), "text")
        failed(run("ask", "curves", "?"), "no request at", "'curves'")
        failed(run("request", "deploy", "lines"), "0 owners have approved", "has not decided")

        failed(run("approve", request[:8]), "was not approved", "--yes")
        failed(run("approve", request[:8], "--yes", "--until", "soon"), "--until 'soon'")
        failed(run("approve", request[:8], "--yes", "--until", "2020-01-01"), "has passed")
        failed(run("approve", served.model_id, "--yes", "--rounds", "3"), "is a job", "leave them out")
        terms = ("--until", "2999-01-01", "--rounds", "1", "--by", "ana")
        said(run("approve", "lines", "--yes", *terms), "is approved", "joins by itself")
        said(run("request", "show", "lines"), "approved on", "max rounds 1", "the job could not come now")
        failed(run("request", "deploy", "lines"), "training.rounds", "more than the 1")
        said(run("decline", "lines", "--reason", "Curves only.", "--by", "ana"), "is declined")
        said(run("request", "show", "lines"), "declined on", "Curves only.")
        said(run("audit"), "request approved", "request declined", request[:8], "ana")
