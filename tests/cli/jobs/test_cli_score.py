"""fedtrain score and allow-scoring, over services with ports."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedtrain.cli.main import app

MODEL_ID = "0f4b6d1c9e7a4c52b8d3a6e5f1029384"
STANDING = {"scores_left": 10, "spent_bits": 0, "quota_bits": 340, "entropy_bits": 341}


class Service(HTTPServer):
    """Answers POST and DELETE with what it is told to, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Any = {}
        self.asked: list[tuple[str, str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((self.command, self.path, body))
        content = json.dumps(self.server.answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_DELETE = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return None


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_rows_of_a_file_are_scored(service: Service, tmp_path: Path) -> None:
    service.answer = {"model_id": MODEL_ID, "values": [0.25, 0.75], "classes": ["no", "yes"], "scores_left": 7}
    rows = tmp_path / "rows.json"
    rows.write_text('[{"age": 31}, [44]]')
    done = CliRunner().invoke(app, ["score", MODEL_ID, "--rows", str(rows), "--data-owner", service.url])
    assert done.exit_code == 0, done.output
    assert service.asked == [("POST", "/score", {"model_id": MODEL_ID, "rows": [{"age": 31}, [44]]})]
    assert "0.75" in done.output
    assert "yes" in done.output
    assert "7 more rows" in done.output


def test_a_dataset_is_scored_and_printed_as_json(service: Service) -> None:
    service.answer = {"model_id": MODEL_ID, "values": [1.5], "scores_left": 0}
    done = CliRunner().invoke(app, ["score", MODEL_ID, "--dataset", "new", "--json", "--data-owner", service.url])
    assert json.loads(done.output) == service.answer
    assert service.asked == [("POST", "/score", {"model_id": MODEL_ID, "dataset": "new"})]


@pytest.mark.parametrize("options", [[], ["--dataset", "new", "--rows", "rows.json"]])
def test_rows_or_a_dataset_and_not_both(service: Service, options: list[str]) -> None:
    done = CliRunner().invoke(app, ["score", MODEL_ID, *options, "--data-owner", service.url])
    assert done.exit_code != 0
    assert service.asked == []


def test_scoring_is_allowed_and_stopped(service: Service) -> None:
    service.answer = STANDING
    arguments = ["allow-scoring", MODEL_ID, "--model-owner", service.url]
    done = CliRunner().invoke(app, [*arguments, "--quota-bits", "96", "--data-owner", "1a" * 32])
    assert done.exit_code == 0, done.output
    assert "0 of 340 bits" in done.output
    CliRunner().invoke(app, [*arguments, "--stop"])
    path = f"/models/{MODEL_ID}/scoring"
    assert service.asked == [
        ("POST", path, {"quota_bits": 96, "data_owners": ["1a" * 32]}),
        ("DELETE", path, None),
    ]


def test_a_copy_is_trained_and_its_gain_is_told(service: Service) -> None:
    service.answer = {
        "model_id": MODEL_ID, "file": "models/personal-ab.safetensors", "hash": "ab" * 32, "epochs": 2.0,
        "learning_rate": 0.01, "part": "validation", "loss_before": 0.5, "loss_after": 0.25, "accuracy_before": 0.75,
        "accuracy_after": 0.875, "seconds": 1.0,
    }  # fmt: skip
    options = ["--epochs", "2", "--learning-rate", "0.01", "--by", "ana", "--data-owner", service.url]
    done = CliRunner().invoke(app, ["personalise", MODEL_ID, *options])
    assert done.exit_code == 0, done.output
    body = {"epochs": 2.0, "learning_rate": 0.01, "by": "ana"}
    assert service.asked == [("POST", f"/models/{MODEL_ID}/personal", body)]
    assert "stays in models/personal-ab.safetensors" in " ".join(done.output.split())
    assert "held out: loss 0.500000 → 0.250000, accuracy 0.7500 → 0.8750" in " ".join(done.output.split())


def test_a_network_predicts_at_the_owner_that_it_was_given_to(service: Service, tmp_path: Path) -> None:
    service.answer = {"model_id": MODEL_ID, "personal": False, "values": [0.25], "classes": ["ham"]}
    rows = tmp_path / "rows.json"
    rows.write_text('[{"text": "see you at nine"}]')
    command = ["predict", "--model-id", MODEL_ID, "--data-owner", service.url]
    done = CliRunner().invoke(app, [*command, "--data", str(rows)])
    assert (done.exit_code, "ham" in done.output) == (0, True), done.output
    done = CliRunner().invoke(app, [*command, "--dataset", "new", "--personal", "--json"])
    assert json.loads(done.output) == service.answer
    path = f"/models/{MODEL_ID}/prediction"
    assert service.asked == [
        ("POST", path, {"rows": [{"text": "see you at nine"}], "personal": False}),
        ("POST", path, {"dataset": "new", "personal": True}),
    ]


@pytest.mark.parametrize(
    "options",
    [
        ["--model-id", MODEL_ID],
        ["--dataset", "new"],
        ["--model-id", MODEL_ID, "--dataset", "new", "--data", "rows.json"],
        ["--model-id", MODEL_ID, "--dataset", "new", "--out", "scored.csv"],
        ["--model-id", MODEL_ID, "--dataset", "new", "--model-owner", "http://127.0.0.1:9"],
    ],
)
def test_a_prediction_at_an_owner_names_a_model_and_its_rows(service: Service, options: list[str]) -> None:
    done = CliRunner().invoke(app, ["predict", *options, "--data-owner", service.url])
    assert done.exit_code != 0
    assert service.asked == []
