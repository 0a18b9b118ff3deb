"""The lines that a person reads when something of theirs is wrong: every wrong field, once, and never a stack trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fedtrain.cli.jobs.follow import follow
from fedtrain.cli.output import describe_error
from fedtrain.spec.problems import Code, Problem

SPEC = {
    "model_type": "LINEAR_REGRESSION",
    "data_props": {
        "features": [{"col_idx": 0, "type": "continuous", "range": [100, 0]}],
        "target": {"col_idx": 1, "range": [0, 1]},
    },
    "training": {"optimiser": "newton", "learning_rat": 1},
}


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": root, "XDG_CACHE_HOME": str(cwd)}
    return subprocess.run(
        [sys.executable, "-m", "fedtrain.cli.main", *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", [("plan",), ("check", "--data", "none.csv")], ids=lambda words: words[0])
def test_all_wrong_fields_of_a_spec_are_named_in_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    said = command(words[0], "spec.json", *words[1:], cwd=tmp_path)
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    for field in ("data_props.features.0.range: range [100, 0]", "training.optimiser: There is no such field"):
        assert said.stderr.count(field) == 1
    assert "training.learning_rat" in said.stderr
    assert "pydantic" not in said.stderr


@pytest.mark.slow
def test_a_data_owner_without_its_table_ends_with_a_line_and_no_stack_trace(tmp_path: Path) -> None:
    said = command("data-owner", "--port", "0", "--data", "none.csv", "--state-dir", "state", cwd=tmp_path)
    assert said.returncode == 1
    assert "none.csv cannot be read: No such file or directory." in said.stderr + said.stdout
    assert "Traceback" not in said.stderr + said.stdout


@pytest.mark.slow
def test_an_address_that_can_never_work_ends_the_start(tmp_path: Path) -> None:
    said = command("data-owner", "--port", "0", "--facilitator", "ftp://x", "--state-dir", "state", cwd=tmp_path)
    assert said.returncode == 1
    assert "'ftp://x' is no address of a service" in said.stderr


def test_a_problem_says_each_of_its_fields_once() -> None:
    errors = [{"field": "a", "message": "is wrong."}, {"field": "b", "message": "too."}]
    line = describe_error(Problem(Code.INVALID_SPEC, "a: is wrong. (1 more in `errors`.)", errors=errors))
    assert line == "a: is wrong. | b: too."


@pytest.mark.parametrize(
    "errors", [[], [{"field": "", "message": "This is wrong."}], [{"field": "format", "message": "This is wrong"}]]
)
def test_a_problem_that_names_no_other_field_is_its_detail_alone(errors: list[dict[str, str]]) -> None:
    assert describe_error(Problem(Code.INVALID_REQUEST, "This is wrong.", errors=errors)) == "This is wrong."


def test_a_remedy_that_needs_no_fields_stays() -> None:
    line = describe_error(Problem(Code.TOO_FEW_ROWS, "Too few.", errors=[]))
    assert line == f"Too few. | {Code.TOO_FEW_ROWS.remedy}"


@pytest.mark.slow
def test_two_parties_of_one_name_are_told_once(tmp_path: Path) -> None:
    party = '[[{}]]\nname = "a"\nport = {}\n'
    text = 'name = "x"\n[facilitator]\nurl = "http://127.0.0.1:1"\n'
    (tmp_path / "c.toml").write_text(text + party.format("model_owner", 2) + party.format("data_owner", 3))
    said = command("provision", "--demo", "c.toml", "--out", "made", cwd=tmp_path)
    assert said.returncode == 1
    assert said.stderr.count("two parties are called 'a'") == 1
    assert "`errors`" not in said.stderr


class _Service:
    """A Model Owner whose stream tells of a window's step between two rounds."""

    def __init__(self) -> None:
        self.states = [{"status": "IN_PROGRESS", "round": 1}, {"status": "FINISHED", "round": 2}]

    def get(self, path: str) -> dict[str, object]:
        assert path == "/models/m"
        return self.states.pop(0)

    def events(self, path: str) -> list[dict[str, object]]:
        assert path == "/models/m/events"
        return [{"id": "m", "window": {"step": 1}}, {"status": "FINISHED", "round": 2}]


def test_a_windows_step_is_not_shown_as_a_job_without_a_round() -> None:
    shown: list[dict[str, object]] = []
    follow(_Service(), "m", shown.append, sleep=lambda _: None)  # type: ignore[arg-type]
    assert [state["status"] for state in shown] == ["IN_PROGRESS", "FINISHED", "FINISHED"]
