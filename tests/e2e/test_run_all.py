"""run_all.sh as a stranger runs it, with small keys for speed; twice with the keys it has."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness.free_ports import free_ports

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run_all(tmp_path: Path, diabetes_spec: dict[str, Any]) -> list[str]:
    """The command, with ports that no other test uses, and state of its own."""
    spec = tmp_path / "model.json"
    spec.write_text(json.dumps(diabetes_spec))
    return [str(ROOT / "run_all.sh"), "--spec", str(spec), *ports_and_state(tmp_path)]


def ports_and_state(folder: Path) -> list[str]:
    base = free_ports(5)
    return [
        *("--facilitator-port", str(base), "--model-owner-port", str(base + 1)),
        *("--data-owner-port", str(base + 2), "--state-dir", str(folder / "demo")),
    ]


def small_keys() -> dict[str, str]:
    return {**os.environ, "FEDTRAIN_ALLOW_SMALL_KEYS": "1", "NO_COLOR": "1"}


def left_over(folder: Path) -> list[str]:
    """Processes that have the state folder in their command line."""
    shown = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,command="], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in shown.splitlines() if str(folder / "demo") in line and "fedtrain.cli.main" in line]


@pytest.mark.slow
def test_it_trains_shows_the_result_and_leaves_nothing_behind(run_all: list[str], tmp_path: Path) -> None:
    done = subprocess.run(run_all, capture_output=True, text=True, check=False, env=small_keys())
    assert done.returncode == 0, done.stderr
    for words in ("cost", "predicted", "federated", "pooled", "best single owner", "bytes sent", "hospital-c"):
        assert words in done.stdout
    assert "round" in done.stderr
    assert "loss" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert left_over(tmp_path) == []
    assert not (tmp_path / "demo").exists()


@pytest.mark.slow
def test_the_cost_is_that_of_least_squares_on_the_pooled_rows(run_all: list[str]) -> None:
    done = subprocess.run([*run_all, "--json"], capture_output=True, text=True, check=False, env=small_keys())
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["prediction"]["cost"] == pytest.approx(outcome["pooled"]["cost"], rel=1e-6)
    spent = {party["party"]: party for party in outcome["parties"]}
    assert len(spent) == 5
    for party in spent.values():
        assert party["bytes_sent"] > 0
        assert party["cpu_seconds"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_everything(run_all: list[str], tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(run_all, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=small_keys())
    while len(left_over(tmp_path)) < 5:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 130
    assert f"stopped; nothing is left running; state and logs are in {tmp_path / 'demo'}" in said.splitlines()[-1]
    assert left_over(tmp_path) == []


@pytest.mark.slow
def test_a_job_that_fails_stops_everything_and_says_why(run_all: list[str], tmp_path: Path) -> None:
    spec = json.loads((tmp_path / "model.json").read_text())
    spec["training"] |= {"min_data_owners": 4, "max_data_owners": 4}
    (tmp_path / "model.json").write_text(json.dumps(spec))
    done = subprocess.run(run_all, capture_output=True, text=True, check=False, env=small_keys())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "FAILED" in done.stderr.splitlines()[-1]
    assert left_over(tmp_path) == []


@pytest.mark.slow
def test_keep_leaves_the_services_up_until_they_are_stopped(run_all: list[str], tmp_path: Path) -> None:
    done = subprocess.run([*run_all, "--keep"], capture_output=True, text=True, check=False, env=small_keys())
    assert done.returncode == 0, done.stderr
    assert len(left_over(tmp_path)) == 5
    again = subprocess.run(run_all, capture_output=True, text=True, check=False, env=small_keys())
    assert again.returncode == 1
    assert "--stop" in again.stderr
    stopped = subprocess.run([*run_all, "--stop"], capture_output=True, text=True, check=False)
    assert stopped.returncode == 0, stopped.stderr
    assert left_over(tmp_path) == []


def test_a_folder_with_other_things_in_it_is_left_alone(run_all: list[str], tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "thesis.txt").write_text("years of work")
    done = subprocess.run(run_all, capture_output=True, text=True, check=False, env=small_keys())
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "demo" / "thesis.txt").read_text() == "years of work"


@pytest.mark.slow
def test_with_its_own_keys_it_agrees_with_least_squares(tmp_path: Path) -> None:
    command = [str(ROOT / "run_all.sh"), *ports_and_state(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["prediction"]["cost"] == pytest.approx(outcome["pooled"]["cost"], rel=1e-6)


def rows_by_owner(example: str, folder: Path) -> dict[str, int]:
    """Return how many records the example gives to each Data Owner."""
    subprocess.run([sys.executable, str(ROOT / "examples" / example / "make_data.py"), str(folder)], check=True)
    tables = [path for path in folder.glob("*.csv") if path.name != "test.csv"]
    return {path.stem: len(path.read_text().splitlines()) - 1 for path in tables}


@pytest.mark.slow
def test_another_example_with_its_own_keys_prints_federated_pooled_and_best_single_owner(tmp_path: Path) -> None:
    command = [str(ROOT / "run_all.sh"), "--example", "breast_cancer", *ports_and_state(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    owners = rows_by_owner("breast_cancer", tmp_path / "data")
    assert len(owners) == 5
    names = [re.escape(f"best single owner ({name})") for name in owners]
    row = re.compile(rf"^ *(federated|pooled|{'|'.join(names)}) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+) *$", re.MULTILINE)
    (federated, pooled, single) = row.findall(done.stdout)
    assert [federated[0], pooled[0]] == ["federated", "pooled"]
    assert int(federated[1]) == int(pooled[1]) == sum(owners.values())
    assert int(single[1]) == owners[single[0].removeprefix("best single owner (").removesuffix(")")]
    tested = int(re.findall(r"On (\d+) rows of the test set:", done.stdout)[0])
    for _, _, log_loss, accuracy, auc in (federated, pooled, single):
        assert 0 < float(log_loss) < 0.5
        assert 0.9 < float(auc) <= 1
        assert float(accuracy) > 0.8
        assert float(accuracy) * tested == pytest.approx(round(float(accuracy) * tested), abs=1e-6)
    assert float(federated[4]) > float(pooled[4]) - 0.02
    assert len({federated[2], pooled[2], single[2]}) == 3
    # The first row is the model that was trained: it measures as the Model Owner's prediction does.
    metrics = dict(re.findall(r"^ +(accuracy|auc|log_loss) ([\d.]+)$", done.stdout, re.MULTILINE))
    for name, shown in (("log_loss", federated[2]), ("accuracy", federated[3]), ("auc", federated[4])):
        assert float(shown) == pytest.approx(float(metrics[name]), rel=1e-5)
    assert left_over(tmp_path) == []
    assert not (tmp_path / "demo").exists()
