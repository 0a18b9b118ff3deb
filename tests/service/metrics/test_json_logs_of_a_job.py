"""A whole job under json logs: one event a line, the job and the round on it, and nothing secret."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from tests.harness.facilitator.fake_facilitator import FakeFacilitator
from tests.harness.model_owner.peers import spec_document
from tests.harness.model_owner.running import running
from tests.harness.observed_job import OWNERS, ObservedJob, json_logs, lines_of, values_of

ABOUT_A_JOB = {"job created", "job is", "job opened", "job step", "job ended", "task answered", "job over"}


def test_every_line_is_one_event_with_a_time_and_a_level(observed_job: ObservedJob) -> None:
    lines = lines_of(observed_job)
    assert len(lines) > 50
    for line in lines:
        assert line["event"] and line["level"] in ("debug", "info", "warning"), line
        # One time in a million the second is a whole one, and is written without a fraction.
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", line["timestamp"]), line


def test_every_line_about_a_job_says_which(observed_job: ObservedJob) -> None:
    about = [line for line in lines_of(observed_job) if line["event"] in ABOUT_A_JOB]
    assert {line["event"] for line in about} == ABOUT_A_JOB
    assert {line.get("job") for line in about} == {observed_job.job_id}


def test_what_a_round_s_work_writes_says_which_round(observed_job: ObservedJob) -> None:
    lines = lines_of(observed_job)
    fetched = [line for line in lines if line["event"] == "request" and line["path"].endswith("/request")]
    assert {line["job"] for line in fetched} == {observed_job.job_id}
    results = [line for line in lines if line["event"] == "request" and line["path"].endswith("/result")]
    assert {line["round"] for line in results} >= {0, 1, 2, 3}
    assert {line["job"] for line in results} == {observed_job.job_id}
    asked = [line for line in lines if line["event"] == "job step" and line["phase"] == "WAITING_FOR_DATA_OWNERS"]
    assert {line["round"] for line in asked} == {0, 1, 2, 3}


def test_a_request_that_names_a_job_says_it_and_a_refused_one_says_why(observed_job: ObservedJob) -> None:
    (refused,) = [line for line in lines_of(observed_job) if line.get("code") == "model-not-found"]
    assert refused["job"] == "0" * 32
    assert refused["status"] == 404


def test_lines_that_are_about_no_job_name_none(observed_job: ObservedJob) -> None:
    for line in lines_of(observed_job):
        if line["event"] in ("service started", "registered", "facilitator reached", "listening"):
            assert "job" not in line, line


def secrets_of(job: ObservedJob) -> dict[str, list[str]]:
    """Numbers that nobody but their holder may read, as texts that a log line could hold."""
    key = job.private_key
    return {
        "data": [repr(value) for owner in range(len(OWNERS)) for row in values_of(owner) for value in row],
        "weights": [repr(value) for value in job.model["coefficients"].values()],
        "losses": [repr(row["loss"]) for row in job.model["history"] if row["loss"] is not None],
        "key": [f(factor) for factor in (key.p, key.q) for f in (str, hex)],
    }


@pytest.mark.parametrize("kind", ["data", "weights", "losses", "key"])
def test_no_line_holds_a_secret_number(observed_job: ObservedJob, kind: str) -> None:
    searched = secrets_of(observed_job)[kind]
    assert searched
    for text in searched:
        # So much of it would be enough to know it by. Ten digits of a key are in the log's ids one time in 10⁷.
        enough = 20 if kind == "key" else 10
        assert text.removeprefix("0x").removeprefix("-")[:enough] not in observed_job.log, kind


def test_a_call_that_is_tried_again_says_for_which_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def deploy() -> str:
        facilitator = FakeFacilitator()
        facilitator.down = True
        async with running(tmp_path, facilitator) as party:
            job_id = await party.deploy(spec_document())
            while "trying again" not in "".join(heard):
                heard.append(capsys.readouterr().err)
                await asyncio.sleep(0.01)
            return job_id

    heard: list[str] = []
    with json_logs():
        job_id = asyncio.run(deploy())
    tried = [line for line in map(json.loads, "".join(heard).splitlines()) if line["event"] == "trying again"]
    assert {line["job"] for line in tried} == {job_id}
