"""The three OpenAPI documents hold: schemathesis reads them, asks, and holds the answers against them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Response

from fedtrain.service.web.caller import PARTY_HEADER
from tests.harness.served_federation import Served, served_federation

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
EVENT_PATHS = ("/models/{model_id}/events", "/models/{job_id}/events")
# Its stream ends with the service.
ENDLESS = ("--exclude-path", "/changes")
Outcome = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_federation(tmp_path_factory.mktemp("served")) as running:
        yield running


def ask(url: str, there: dict[str, str], party: str, *options: str) -> Outcome:
    """Run schemathesis on the document of the service at `url`, as the party says it is."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]
    command += [f"{url}/openapi.json", "-H", f"{PARTY_HEADER}: {party}", "--seed", "1", "--continue-on-failure"]
    command += ["--no-color", "--warnings", "off", "--generation-database", "none", "--request-timeout", "300"]
    hooks = {
        "SCHEMATHESIS_HOOKS": "tests.harness.openapi_hooks",
        "PYTHONPATH": str(ROOT),
        "THINGS_THERE": json.dumps(there),
    }
    with tempfile.TemporaryDirectory() as folder:  # it keeps the requests that failed where it runs
        return subprocess.run(
            [*command, *options], env={**os.environ, **hooks}, cwd=folder, capture_output=True, text=True, check=False
        )


def ask_service(served: Served, service: str, caller: str, *options: str) -> Outcome:
    there = {
        "job_id": served.model_id,
        "model_id": served.model_id,
        "party_id": served.parties["data-owner"].party_id,
        "recipient": served.parties["model-owner"].party_id,
    }
    return ask(served.urls[service], there, served.parties[caller].party_id, *ENDLESS, *options)


@pytest.mark.slow
def test_the_facilitator_answers_as_its_document_says(served: Served) -> None:
    done = ask_service(served, "facilitator", "data-owner", "--phases", "fuzzing", "--max-examples", "2")
    assert done.returncode == 0, done.stdout
    assert "No issues found" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("service", "caller"),
    [
        ("facilitator", "data-owner"),
        ("facilitator", "model-owner"),
        ("model-owner", "model-owner"),
        ("data-owner", "data-owner"),
    ],
)
def test_a_service_answers_as_its_document_says_to_every_kind_of_request(
    served: Served, service: str, caller: str
) -> None:
    """Examples, boundary values, wrong requests on purpose, chains of requests. The stream of events is left out of
    the chains: that of a job which has not ended does not end either."""
    options = ["--phases", "examples,coverage,fuzzing", "--max-examples", "8"]
    done = ask_service(served, service, caller, *options)
    assert done.returncode == 0, done.stdout
    endless = [part for path in EVENT_PATHS for part in ("--exclude-path", path)]
    chains = ["--phases", "stateful", "--max-examples", "4", *endless]
    done = ask_service(served, service, caller, *chains)
    assert done.returncode == 0, done.stdout


def _five_hundred() -> dict[str, int]:
    raise ValueError


def _undocumented() -> Response:
    return Response(status_code=418)


def _of_another_form() -> Any:
    return Response(b'{"rows": "many"}', media_type="application/json")


def _of_another_type() -> Response:
    return Response(b"{}", media_type="application/cbor")


@contextmanager
def one_route(answer: Any) -> Iterator[str]:
    app = FastAPI()
    app.get("/rows", response_model=dict[str, int])(answer)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (_five_hundred, "Server error"),
        (_undocumented, "Undocumented status code"),
        (_of_another_form, "Response violates schema"),
        (_of_another_type, "Undocumented Content-Type"),
    ],
)
def test_a_service_that_answers_otherwise_is_found_out(answer: Any, found: str) -> None:
    with one_route(answer) as url:
        done = ask(url, {}, "0" * 64, "--phases", "fuzzing", "--max-examples", "2")
    assert done.returncode == 1
    assert found in done.stdout, done.stdout
