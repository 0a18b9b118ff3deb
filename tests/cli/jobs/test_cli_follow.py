"""Calls to a Model Owner, and following a job's events, against a service of a few lines on a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fedtrain.cli.jobs.client import Service
from fedtrain.cli.jobs.commands import print_model
from fedtrain.cli.jobs.follow import as_answered, describe_progress, follow
from fedtrain.cli.output import Failure
from fedtrain.cli.services.metrics import sum_by_name
from fedtrain.client.retry import ATTEMPTS_OF_A_MINUTE, FIRST_BACKOFF_S
from fedtrain.spec.problems import PROBLEM_JSON, Code, Problem


class Script:
    """Answers of the service, by path, in turn; the last answer stays."""

    def __init__(self, **answers: list[tuple[int, str, str]]) -> None:
        self.answers = answers

    def next(self, path: str) -> tuple[int, str, str]:
        answers = self.answers[path]
        return answers.pop(0) if len(answers) > 1 else answers[0]


@contextmanager
def serving(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = script.next(self.path.rsplit("/", 1)[-1])
            if status == 0:  # hang up in the middle
                self.connection.close()
                return
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def state(status: str, **more: Any) -> tuple[int, str, str]:
    return 200, "application/json", json.dumps({"id": "m", "status": status, **more})


def events(*states: dict[str, Any]) -> tuple[int, str, str]:
    body = "".join(f": keep-alive\n\nevent: state\ndata: {json.dumps(item)}\n\n" for item in states)
    return 200, "text/event-stream", body


def test_each_event_is_shown_until_the_job_has_ended() -> None:
    shown: list[dict[str, Any]] = []
    script = Script(
        m=[state("INITIATED"), state("FINISHED", round=2)],
        events=[
            events({"status": "IN_PROGRESS", "round": 1}, {"status": "IN_PROGRESS", "round": 2}, {"status": "FINISHED"})
        ],
    )
    with serving(script) as url, Service(url) as service:
        final = follow(service, "m", shown.append)
    assert final == {"id": "m", "status": "FINISHED", "round": 2}
    assert [item.get("round") for item in shown] == [None, 1, 2, None, 2]


def test_a_stream_that_breaks_off_is_taken_up_again() -> None:
    shown: list[dict[str, Any]] = []
    pauses: list[float] = []
    script = Script(
        m=[state("IN_PROGRESS"), (0, "", ""), state("IN_PROGRESS"), state("FAILED", reason="diverged")],
        events=[events({"status": "IN_PROGRESS", "round": 1}), events({"status": "FAILED"})],
    )
    with serving(script) as url, Service(url) as service:
        final = follow(service, "m", shown.append, sleep=pauses.append)
    assert final["reason"] == "diverged"
    assert pauses and max(pauses) <= FIRST_BACKOFF_S


def test_a_model_owner_that_stays_away_is_given_up() -> None:
    pauses: list[float] = []
    with serving(Script(m=[(0, "", "")])) as url, Service(url) as service, pytest.raises(Failure, match=url):
        follow(service, "m", lambda _: None, sleep=pauses.append)
    assert len(pauses) == ATTEMPTS_OF_A_MINUTE - 1
    assert 30 < sum(pauses) < 90


def test_a_refusal_comes_back_as_the_problem_it_is() -> None:
    problem = Problem(Code.MODEL_NOT_FOUND, "There is no model m.")
    answer = (404, PROBLEM_JSON, json.dumps(problem.to_dict()))
    with serving(Script(m=[answer])) as url, Service(url) as service, pytest.raises(Problem) as caught:
        service.get("/models/m")
    assert caught.value.code is Code.MODEL_NOT_FOUND
    assert caught.value.detail == problem.detail


def test_an_answer_that_is_no_json_is_refused_with_the_address() -> None:
    script = Script(m=[(200, "text/html", "<html>")])
    with serving(script) as url, Service(url) as service, pytest.raises(Failure, match=url):
        service.get("/models/m")


def test_progress_says_round_and_loss() -> None:
    line = describe_progress({"status": "IN_PROGRESS", "round": 3, "rounds": 44, "loss": 12.5})
    assert line == "IN_PROGRESS, round 3 of 44, loss 12.500000"
    assert describe_progress({"status": "INITIATED", "phase": "JOINING"}) == "INITIATED, joining"


def test_status_has_the_slowest_owner_first_and_the_last_metrics_on_the_test_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pace = [
        {"name": "clinic-a", "last_answer_after_s": 0.84},
        {"name": "clinic-b", "last_answer_after_s": 31.02},
        {"name": "clinic-c", "last_answer_after_s": None},
    ]
    history = [
        {"round": 5, "loss": 0.5, "test_loss": 0.25, "test_accuracy": 0.9536},
        {"round": 6, "loss": 0.5, "test_loss": None, "test_accuracy": None},
    ]
    print_model({"id": "m", "status": "IN_PROGRESS", "pace": pace, "history": history})
    told = capsys.readouterr().out
    assert "answered after: clinic-b 31.0 s, clinic-a 0.8 s\n" in told
    assert "on the test set: loss 0.250000, accuracy 0.9536 after round 5\n" in told
    print_model({"id": "m", "status": "IN_PROGRESS", "pace": None, "history": history[1:]})
    told = capsys.readouterr().out
    assert "answered after" not in told and "test set" not in told


def test_a_round_that_was_evaluated_is_told_of_with_its_metrics() -> None:
    event = {"status": "IN_PROGRESS", "round": 3, "rounds": 9, "loss": 0.5, "test_loss": 0.25, "test_accuracy": None}
    assert describe_progress(event) == "IN_PROGRESS, round 3 of 9, loss 0.500000, on the test set loss 0.250000"
    history = [{"round": 3, "loss": 0.5, "test_loss": 0.25, "test_accuracy": 0.75}]
    asked = {"status": "IN_PROGRESS", "round": 4, "rounds": 9, "history": history}
    assert describe_progress(as_answered(asked)).endswith(
        "loss 0.500000, on the test set loss 0.250000, accuracy 0.7500"
    )


def test_metrics_are_summed_over_their_labels() -> None:
    text = '# HELP a_total x\na_total{k="1} 2"} 3.0\na_total{k="b"} 4\nb 1.5 1700000000\n\n'
    assert sum_by_name(text) == {"a_total": 7.0, "b": 1.5}


def test_a_loss_is_of_the_round_that_was_answered_and_not_of_the_one_that_is_asked() -> None:
    history = [{"round": 6, "loss": 3.0}, {"round": 7, "loss": 2.5}]
    asked = {"status": "IN_PROGRESS", "round": 8, "rounds": 48, "loss": 2.5, "history": history}
    assert describe_progress(as_answered(asked)) == "IN_PROGRESS, round 7 of 48, loss 2.500000"
    first = {"status": "IN_PROGRESS", "round": 1, "rounds": 48, "loss": None, "history": []}
    assert as_answered(first) == first
    over = {**asked, "status": "FINISHED"}
    assert as_answered(over) == over
