"""Jobs are named by their ids, by how these begin, or by their names; and lists tell them apart."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fedtrain.cli.jobs.job_ids import job_id, whole_id
from fedtrain.cli.main import app
from fedtrain.cli.output import Failure

FIRST, SECOND, THIRD = "aa11" + "0" * 28, "aa22" + "0" * 28, "bb" * 16
JOBS: list[dict[str, Any]] = [
    {
        "id": one,
        "name": name,
        "model_type": "LINEAR_REGRESSION",
        "optimizer": optimizer,
        "status": status,
        "round": 2,
        "rounds": 8,
        "reason": None,
        "created_at": "2026-03-02T08:30:00+00:00",
        "ended_at": ended,
    }
    for one, name, optimizer, status, ended in (
        (FIRST, "stay", "newton", "FINISHED", "2026-03-02T08:33:20+00:00"),
        (SECOND, None, "momentum", "IN_PROGRESS", None),
        (THIRD, "aa", "lbfgs", "FAILED", "2026-03-02T08:30:02+00:00"),
    )
]


class Listing:
    """A service that has JOBS, and writes down what it is asked."""

    base_url = "http://127.0.0.1:9090"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def __enter__(self) -> Listing:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def get(self, path: str, **params: str) -> Any:
        self.asked.append(("GET", path + "".join(f"?{name}={value}" for name, value in params.items())))
        if path == "/models":
            return JOBS
        if path == "/prediction":
            return {"model_id": params["model_id"], "cost": 1.0, "values": [], "targets": []}
        return next(job for job in JOBS if path.endswith(job["id"]))

    def post(self, path: str, body: Any) -> Any:
        self.asked.append(("POST", path))
        self.body = body
        known = {job["id"]: job for job in JOBS}
        named = body.get("model_id") or path.split("/")[2] if path != "/models" else FIRST
        told = {"values": [], "scores_left": 1, "spent_bits": 0, "quota_bits": 1, "entropy_bits": 2, "model_id": named}
        return {**known[named], **told}

    def delete(self, path: str) -> Any:
        self.asked.append(("DELETE", path))
        return self.get(path)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Listing:
    listing = Listing()
    monkeypatch.setattr("fedtrain.cli.jobs.client.Service", lambda *_, **__: listing)
    return listing


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("text", ["aa11", "AA11", FIRST, FIRST[:31], "stay", " stay "])
def test_a_beginning_or_a_name_is_enough(text: str) -> None:
    assert whole_id(text, JOBS, "there") == FIRST


@pytest.mark.parametrize("text", ["", " ", "cc", "Stay", "aa110000000000000000000000000000000"])
def test_what_names_no_job_is_refused(text: str) -> None:
    with pytest.raises(Failure):
        whole_id(text, JOBS, "there")


def test_several_are_listed_and_a_name_is_no_better_than_a_beginning() -> None:
    with pytest.raises(Failure) as caught:
        whole_id("aa", JOBS, "there")
    for shown in ("3 jobs at there", FIRST, "stay", SECOND, THIRD, "more of its id"):
        assert shown in str(caught.value)


def test_a_whole_id_asks_for_no_list(service: Listing) -> None:
    assert job_id(service, "cc" * 16) == "cc" * 16  # type: ignore[arg-type]
    assert service.asked == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (("status", "stay"), ("GET", f"/models/{FIRST}")),
        (("cancel", "bb"), ("DELETE", f"/models/{THIRD}")),
        (("predict", "--model-id", "aa1"), ("GET", f"/prediction?model_id={FIRST}")),
        (("resume", "aa2"), ("POST", f"/models/{SECOND}/resume")),
        (("allow-scoring", "stay"), ("POST", f"/models/{FIRST}/scoring")),
        (("score", "stay", "--dataset", "new"), ("POST", "/score")),
    ],
)
def test_every_command_takes_one(service: Listing, command: tuple[str, ...], asked: tuple[str, str]) -> None:
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert asked in service.asked
    if command[0] == "score":
        assert service.body == {"model_id": FIRST, "dataset": "new"}


@pytest.mark.parametrize("command", ["status", "cancel", "resume", "allow-scoring"])
def test_no_command_acts_on_one_of_several(service: Listing, command: str) -> None:
    done = run(command, "aa")
    assert done.exit_code == 1 and FIRST in done.stderr and SECOND in done.stderr
    assert service.asked == [("GET", "/models")]


def test_the_list_has_names_optimisers_and_times(service: Listing) -> None:
    lines = run("status").stdout.splitlines()
    first = next(line for line in lines if FIRST in line)
    for shown in ("stay", "newton", "2026-03-0", "3 min"):
        assert shown in first
    assert "reason" not in lines[0]  # none of them has one
    assert "momentum" in next(line for line in lines if SECOND in line)


def test_deploy_puts_name_and_purpose_into_the_spec(service: Listing, tmp_path: Any) -> None:
    spec = tmp_path / "model.json"
    spec.write_text(json.dumps({"model_type": "LINEAR_REGRESSION", "name": "old"}))
    done = run("deploy", str(spec), "--name", "stay", "--purpose", "beds")
    assert done.exit_code == 0, done.output
    assert service.body == {"model_type": "LINEAR_REGRESSION", "name": "stay", "purpose": "beds"}
    run("deploy", str(spec))
    assert service.body["name"] == "old"


def test_a_name_where_lists_have_none_is_answered_with_the_command_that_has_them() -> None:
    nameless = [{field: job[field] for field in job if field != "name"} for job in JOBS]
    with pytest.raises(Failure, match="It lists no names: `fedtrain status` has the id of each"):
        whole_id("stay", nameless, "there")
